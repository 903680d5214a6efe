//! How much a tenant may do. Each node counts what it does itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use parking_lot::Mutex;
use postroom_core::dispatch::DispatchState;
use postroom_core::id::TenantId;
use postroom_service::Postroom;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::problem::{Problem, Result};

/// How much one tenant may do; what is left out is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantLimits {
    /// Requests that each node answers in a second, on average.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<u32>,
    /// How many requests may come at once after a quiet time; left out, those of two seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_burst: Option<u32>,
    /// Dispatches that may be queued, in all threads and on all nodes together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_queued: Option<u64>,
    /// Event streams that each node keeps open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_streams: Option<u32>,
    /// Runs that execute at once on each node. More is not refused: it waits its turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent_runs: Option<usize>,
}

/// How much each tenant may do.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// By name.
    pub named: BTreeMap<TenantId, TenantLimits>,
    /// Of all that are not named.
    pub others: TenantLimits,
}

impl Limits {
    fn of(&self, tenant: &TenantId) -> TenantLimits {
        self.named.get(tenant).copied().unwrap_or(self.others)
    }

    fn is_none(&self) -> bool {
        let mut all = self.named.values().chain([&self.others]);
        all.all(|limits| *limits == TenantLimits::default())
    }
}

/// How old the number of queued dispatches may be that a submission is judged by.
const DEPTH_GOOD_FOR: Duration = Duration::from_secs(1);

/// Where callers pass one after the other.
pub(crate) struct Gate {
    limits: Limits,
    /// Nobody is limited: nothing is counted.
    is_open: bool,
    tenants: Mutex<HashMap<TenantId, Arc<Counts>>>,
}

struct Counts {
    limits: TenantLimits,
    bucket: Mutex<Bucket>,
    streams: AtomicU32,
    depth: Mutex<Option<Depth>>,
}

struct Bucket {
    tokens: f64,
    since: Instant,
}

/// How much was queued when somebody looked, and what came since through this node.
struct Depth {
    queued: u64,
    at: Instant,
}

impl Gate {
    pub(super) fn new(limits: Limits) -> Self {
        Self { is_open: limits.is_none(), limits, tenants: Mutex::default() }
    }

    fn counts(&self, tenant: &TenantId) -> Option<Arc<Counts>> {
        if self.is_open {
            return None;
        }
        let mut tenants = self.tenants.lock();
        let counts = tenants.entry(tenant.clone()).or_insert_with(|| {
            let limits = self.limits.of(tenant);
            let bucket = Bucket { tokens: burst(&limits), since: Instant::now() };
            Arc::new(Counts {
                limits,
                bucket: Mutex::new(bucket),
                streams: AtomicU32::new(0),
                depth: Mutex::new(None),
            })
        });
        Some(counts.clone())
    }

    /// Lets a request pass.
    pub(super) fn admit(&self, tenant: &TenantId) -> Result<()> {
        let Some(counts) = self.counts(tenant) else { return Ok(()) };
        let Some(rate) = counts.limits.requests_per_second else { return Ok(()) };
        counts.bucket.lock().take(f64::from(rate), burst(&counts.limits)).map_err(|wait_s| {
            too_many(
                "rate_limited",
                format!("the tenant may make {rate} requests a second: try again later"),
            )
            .retry_after(wait_s)
        })
    }

    /// Lets an event stream begin; it counts until the permit is dropped.
    pub(crate) fn open_stream(&self, tenant: &TenantId) -> Result<StreamPermit> {
        let Some(counts) = self.counts(tenant) else { return Ok(StreamPermit(None)) };
        if let Some(max) = counts.limits.max_streams {
            let more = |open: u32| (open < max).then_some(open + 1);
            let opened =
                counts.streams.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok();
            if !opened {
                return Err(too_many(
                    "too_many_streams",
                    format!("the tenant may keep {max} event streams open: close one first"),
                ));
            }
            return Ok(StreamPermit(Some(counts)));
        }
        Ok(StreamPermit(None))
    }

    /// Lets submissions pass while the tenant's queue has room. How much is queued is a kept number,
    /// looked at once a second: what other nodes take in meanwhile is not seen, what this one does is.
    pub(crate) async fn check_queue(&self, postroom: &Postroom, submissions: u64) -> Result<()> {
        let Some(tenant) = postroom.tenant() else { return Ok(()) };
        let Some(counts) = self.counts(tenant) else { return Ok(()) };
        let Some(max) = counts.limits.max_queued else { return Ok(()) };
        let is_old = |depth: &Depth| depth.at.elapsed() >= DEPTH_GOOD_FOR;
        if counts.depth.lock().as_ref().is_none_or(is_old) {
            let at = Instant::now();
            let queued = postroom.depth().await?.get(DispatchState::Queued);
            *counts.depth.lock() = Some(Depth { queued, at });
        }
        let mut depth = counts.depth.lock();
        let Some(depth) = depth.as_mut() else { return Ok(()) };
        if depth.queued.saturating_add(submissions) > max {
            return Err(too_many(
                "tenant_queue_full",
                format!(
                    "the tenant has {} queued dispatches, and {max} are allowed: try again later",
                    depth.queued
                ),
            ));
        }
        depth.queued += submissions;
        Ok(())
    }
}

impl Bucket {
    /// Takes a token; else says in how many seconds there is one.
    fn take(&mut self, rate: f64, burst: f64) -> Result<(), u32> {
        let now = Instant::now();
        let grown = now.duration_since(self.since).as_secs_f64() * rate;
        self.tokens = (self.tokens + grown).min(burst);
        self.since = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few seconds, and never negative; a float's cast stops at the ends"
        )]
        let wait_s = ((1.0 - self.tokens) / rate.max(f64::MIN_POSITIVE)).ceil() as u32;
        Err(wait_s.clamp(1, 3600))
    }
}

/// How many requests may come at once. There is room for one at least.
fn burst(limits: &TenantLimits) -> f64 {
    let rate = limits.requests_per_second.unwrap_or(0);
    f64::from(limits.request_burst.unwrap_or(rate.saturating_mul(2))).max(1.0)
}

fn too_many(code: &'static str, detail: String) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, code, detail).retry_after(1)
}

/// An event stream that is open.
pub(crate) struct StreamPermit(Option<Arc<Counts>>);

impl Drop for StreamPermit {
    fn drop(&mut self) {
        if let Some(counts) = &self.0 {
            counts.streams.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
