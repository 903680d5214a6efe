//! A collector of traces, as small as one can be: it takes OTLP over HTTP and remembers.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use parking_lot::Mutex;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::support::DEADLINE;

/// A span as a node has sent it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Of what sent it.
    pub resource: BTreeMap<String, String>,
    pub trace: String,
    pub id: String,
    /// Empty for the first of a trace.
    pub parent: String,
    pub name: String,
    pub kind: SpanKind,
    pub attributes: BTreeMap<String, String>,
    pub failed: bool,
    /// In nanoseconds.
    pub began: u64,
    pub ended: u64,
    /// Traces that it is linked to.
    pub links: Vec<String>,
}

impl Seen {
    #[track_caller]
    pub fn says(&self, key: &str) -> &str {
        self.attributes.get(key).unwrap_or_else(|| panic!("{key} is missing: {self:#?}"))
    }

    /// The node that sent it.
    pub fn node(&self) -> &str {
        &self.resource["service.instance.id"]
    }
}

#[derive(Default)]
struct Got {
    spans: Mutex<Vec<Seen>>,
    /// All that came, as it came.
    bytes: Mutex<Vec<u8>>,
    headers: Mutex<Vec<HeaderMap>>,
    more: Notify,
}

pub struct Collector {
    /// What a node is told.
    pub endpoint: String,
    got: Arc<Got>,
    task: JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Collector {
    #[expect(clippy::disallowed_methods, reason = "a test's own server lives as long as the test")]
    pub async fn start() -> Self {
        let got = Arc::new(Got::default());
        let router = Router::new().route("/v1/traces", post(take)).with_state(got.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { endpoint, got, task }
    }

    /// All spans, once they are as wanted.
    pub async fn until(&self, wanted: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let all = async {
            loop {
                let mut more = std::pin::pin!(self.got.more.notified());
                more.as_mut().enable();
                let spans = self.got.spans.lock().clone();
                if wanted(&spans) {
                    return spans;
                }
                more.await;
            }
        };
        timeout(DEADLINE, all).await.unwrap_or_else(|_| {
            panic!("the spans are still {:#?}", self.got.spans.lock());
        })
    }

    /// All that came, as it came.
    pub fn bytes(&self) -> Vec<u8> {
        self.got.bytes.lock().clone()
    }

    /// The headers of all requests.
    pub fn headers(&self) -> Vec<HeaderMap> {
        self.got.headers.lock().clone()
    }
}

async fn take(State(got): State<Arc<Got>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body.clone()).expect("it is no protobuf");
    let mut spans = got.spans.lock();
    for sender in request.resource_spans {
        let resource = texts(sender.resource.unwrap_or_default().attributes);
        for span in sender.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(Seen {
                resource: resource.clone(),
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                kind: span.kind(),
                name: span.name,
                attributes: texts(span.attributes),
                failed: span.status.is_some_and(|status| status.code() == SpanStatus::Error),
                began: span.start_time_unix_nano,
                ended: span.end_time_unix_nano,
                links: span.links.iter().map(|link| hex(&link.trace_id)).collect(),
            });
        }
    }
    got.bytes.lock().extend_from_slice(&body);
    got.headers.lock().push(headers);
    drop(spans);
    got.more.notify_waiters();
    StatusCode::OK
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    attributes.into_iter().map(|pair| (pair.key, text(pair.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::ArrayValue(items)) => {
            items.values.into_iter().map(|item| text(Some(item))).collect::<Vec<_>>().join(",")
        }
        other => format!("{other:?}"),
    }
}
