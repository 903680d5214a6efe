//! What happened of late, in numbers.

use std::time::Duration;

use postroom_core::id::NodeId;
use postroom_service::{RECENT_SPAN, RecentNumbers, Span, Spread};
use schemars::JsonSchema;
use serde::Serialize;

use super::time::Moment;

/// The last quarter of an hour of a node, in spans of equal length.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RecentView {
    node: NodeId,
    /// When it was asked: the end of the last span, so far.
    at: Moment,
    span_ms: u64,
    /// How much of the last span is over.
    last_span_ms: u64,
    /// Oldest first.
    spans: Vec<SpanView>,
    total: SpanView,
}

/// What happened in a span, or in all of them.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct SpanView {
    accepted: u64,
    started: u64,
    completed: u64,
    cancelled: u64,
    failed: u64,
    retried: u64,
    dead_lettered: u64,
    /// From the moment a dispatch may start to the start of an attempt.
    due_to_start_ms: SpreadView,
    /// From an attempt's claim to its end.
    run_ms: SpreadView,
    /// From a run's acceptance to its end.
    enqueue_to_completion_ms: SpreadView,
}

/// Percentiles, in milliseconds; `null` where there is nothing.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct SpreadView {
    count: u64,
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
    max: Option<f64>,
}

impl RecentView {
    /// The numbers of `node`, read at `at`.
    pub(crate) fn new(node: NodeId, at: Moment, numbers: &RecentNumbers) -> Self {
        Self {
            node,
            at,
            span_ms: milliseconds(RECENT_SPAN),
            last_span_ms: milliseconds(numbers.into_last),
            spans: numbers.spans.iter().map(SpanView::from).collect(),
            total: SpanView::from(&numbers.total),
        }
    }
}

impl From<&Span> for SpanView {
    fn from(span: &Span) -> Self {
        Self {
            accepted: span.accepted,
            started: span.started,
            completed: span.completed,
            cancelled: span.cancelled,
            failed: span.failed,
            retried: span.retried,
            dead_lettered: span.dead_lettered,
            due_to_start_ms: SpreadView::from(&span.due_to_start),
            run_ms: SpreadView::from(&span.run_time),
            enqueue_to_completion_ms: SpreadView::from(&span.enqueue_to_completion),
        }
    }
}

impl From<&Spread> for SpreadView {
    fn from(spread: &Spread) -> Self {
        let ms = |took: Duration| (took.as_secs_f64() * 100_000.0).round() / 100.0;
        Self {
            count: spread.count(),
            p50: spread.percentile(50).map(ms),
            p90: spread.percentile(90).map(ms),
            p99: spread.percentile(99).map(ms),
            max: spread.max().map(ms),
        }
    }
}

fn milliseconds(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
