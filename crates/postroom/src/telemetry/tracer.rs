//! The core's spans as OpenTelemetry's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanId, SpanKind as Kind, Status, TraceContextExt,
    TraceFlags, TraceId, TraceState, Tracer as _,
};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::SdkTracer;
use postroom_core::ports::{Attribute, Beginning, OpenSpan, Span, SpanKind, Tracer};
use postroom_core::time::Timestamp;
use postroom_core::trace::TraceParent;

/// Begins spans that are exported.
#[derive(Clone)]
pub(super) struct OtlpTracer {
    tracer: SdkTracer,
}

impl OtlpTracer {
    pub(super) fn new(tracer: SdkTracer) -> Self {
        Self { tracer }
    }

    fn begin(&self, beginning: Beginning, is_remote: bool) -> Span {
        let Beginning { name, kind, parent, links, began_at, attributes } = beginning;
        let link = |to: TraceParent| Link::new(context(to, true), Vec::new(), 0);
        let mut builder = SpanBuilder::from_name(name)
            .with_kind(kind_of(kind))
            .with_links(links.into_iter().map(link).collect())
            .with_attributes(attributes.into_iter().map(|(key, value)| key_value(key, value)));
        if let Some(at) = began_at {
            builder = builder.with_start_time(moment(at));
        }
        let parent = parent.map_or_else(Context::new, |parent| {
            Context::new().with_remote_span_context(context(parent, is_remote))
        });
        let span = self.tracer.build_with_context(builder, &parent);
        let place = place(span.span_context());
        Span::of(Arc::new(Open { place, span: Mutex::new(span), tracer: self.clone() }))
    }
}

impl Tracer for OtlpTracer {
    fn begin(&self, beginning: Beginning) -> Span {
        self.begin(beginning, true)
    }
}

/// A span that has not ended. Dropped, it ends.
struct Open {
    place: TraceParent,
    span: Mutex<opentelemetry_sdk::trace::Span>,
    tracer: OtlpTracer,
}

impl Open {
    fn span(&self) -> MutexGuard<'_, opentelemetry_sdk::trace::Span> {
        self.span.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenSpan for Open {
    fn place(&self) -> TraceParent {
        self.place
    }

    fn begin(&self, beginning: Beginning) -> Span {
        self.tracer.begin(beginning, false)
    }

    fn set(&self, key: &'static str, value: Attribute) {
        self.span().set_attribute(key_value(key, value));
    }

    fn fail(&self, kind: &str) {
        let mut span = self.span();
        span.set_attribute(KeyValue::new("error.type", kind.to_owned()));
        span.set_status(Status::error(""));
    }

    fn end(&self, at: Option<Timestamp>) {
        match at {
            Some(at) => self.span().end_with_timestamp(moment(at)),
            None => self.span().end(),
        }
    }
}

fn context(place: TraceParent, is_remote: bool) -> SpanContext {
    let flags = if place.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let (trace, span) = (TraceId::from_bytes(place.trace_id), SpanId::from_bytes(place.span_id));
    SpanContext::new(trace, span, flags, is_remote, TraceState::NONE)
}

fn place(context: &SpanContext) -> TraceParent {
    TraceParent {
        trace_id: context.trace_id().to_bytes(),
        span_id: context.span_id().to_bytes(),
        sampled: context.is_sampled(),
    }
}

fn kind_of(kind: SpanKind) -> Kind {
    match kind {
        SpanKind::Internal => Kind::Internal,
        SpanKind::Server => Kind::Server,
        SpanKind::Client => Kind::Client,
        SpanKind::Producer => Kind::Producer,
        SpanKind::Consumer => Kind::Consumer,
    }
}

fn key_value(key: &'static str, value: Attribute) -> KeyValue {
    let value = match value {
        Attribute::Text(text) => Value::String(text.into()),
        Attribute::Number(number) => Value::I64(number),
        Attribute::Float(number) => Value::F64(number),
        Attribute::Texts(texts) => {
            Value::Array(Array::String(texts.into_iter().map(StringValue::from).collect()))
        }
    };
    KeyValue::new(key, value)
}

fn moment(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0))
}
