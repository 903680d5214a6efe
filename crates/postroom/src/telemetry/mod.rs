//! Traces, for a collector that speaks OTLP.

mod client;
mod tracer;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use postroom_core::id::NodeId;
use postroom_core::ports::Tracer;

use crate::config::Otlp;
use client::Client;
use tracer::OtlpTracer;

/// How long the end of the server waits for the collector to take the last spans.
const LAST_SPANS_FOR: Duration = Duration::from_secs(3);

/// What gathers spans and sends them.
pub struct Telemetry {
    provider: SdkTracerProvider,
}

impl Telemetry {
    /// Begins to trace for the collector that the configuration names. To be called in the runtime.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn start(otlp: Otlp, node: &NodeId) -> anyhow::Result<Self> {
        let resource = Resource::builder()
            .with_service_name(otlp.service_name)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", node.to_string()))
            .build();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(otlp.traces_url.as_str())
            .with_http_client(Client::new(otlp.traces_url.clone(), otlp.headers)?)
            .build()
            .context("traces can't be exported")?;
        // Who has decided that a trace is kept, or not, has decided for all of it.
        let sampler = Sampler::TraceIdRatioBased(otlp.sampled_share);
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_batch_exporter(exporter)
            .build();
        Ok(Self { provider })
    }

    /// What the service traces with.
    pub fn tracer(&self) -> Arc<dyn Tracer> {
        Arc::new(OtlpTracer::new(self.provider.tracer("postroom")))
    }

    /// Sends the last spans; gives up on a collector that does not take them soon.
    pub async fn end(self) {
        let ended = tokio::task::spawn_blocking(move || {
            self.provider.shutdown_with_timeout(LAST_SPANS_FOR)
        });
        if !matches!(ended.await, Ok(Ok(()))) {
            tracing::warn!("the collector did not take the last spans in time");
        }
    }
}
