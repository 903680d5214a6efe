//! How much a tenant may do.

use std::collections::BTreeMap;

use axum::http::Method;
use postroom_core::access::Scope;
use postroom_core::id::TenantId;
use postroom_server::{Limits, TenantLimits};
use serde_json::json;

use crate::client::request;
use crate::house::{House, with};

/// `red` has these limits, and others have none.
async fn limited(limits: TenantLimits) -> (House, String, String) {
    let red = TenantId::parse("red").unwrap();
    let named = BTreeMap::from([(red, limits)]);
    let house = House::guarded(Limits { named, ..Limits::default() }).await;
    let (red, blue) = (house.key("red", Scope::Write).await, house.key("blue", Scope::Write).await);
    (house, red, blue)
}

#[tokio::test]
async fn more_requests_than_allowed_are_told_to_wait() {
    let few = TenantLimits {
        requests_per_second: Some(1),
        request_burst: Some(3),
        ..TenantLimits::default()
    };
    let (house, red, blue) = limited(few).await;
    let mut refused = 0;
    for _ in 0..10 {
        let reply = house.get_as(&red, "/v1/agents").await;
        if reply.status != 200 {
            reply.problem(429, "rate_limited");
            refused += 1;
        }
    }
    // However slow the machine: three at once, and one a second.
    assert!((1..=7).contains(&refused), "{refused} of 10 were refused");
    for _ in 0..10 {
        house.get_as(&blue, "/v1/agents").await.ok(200);
    }
}

#[tokio::test]
async fn a_full_queue_takes_no_more() {
    let short = TenantLimits { max_queued: Some(3), ..TenantLimits::default() };
    let (house, red, blue) = limited(short).await;
    let later = json!({"messages": "later", "delay_ms": 3_600_000});
    for _ in 0..3 {
        house.post_as(&red, "/v1/runs", &later).await.ok(202);
    }
    house.post_as(&red, "/v1/runs", &later).await.problem(429, "tenant_queue_full");
    let batch = json!({"runs": [later]});
    house.post_as(&red, "/v1/runs/batch", &batch).await.problem(429, "tenant_queue_full");
    house.post_as(&blue, "/v1/runs", &later).await.ok(202);
}

#[tokio::test]
async fn streams_are_counted_while_they_are_open() {
    let two = TenantLimits { max_streams: Some(2), ..TenantLimits::default() };
    let (house, red, _) = limited(two).await;
    let follow = || {
        let events = request(Method::GET, house.url("/v1/events"));
        with(events, "authorization", &format!("Bearer {red}"))
    };
    let first = house.stream(follow()).await;
    let _second = house.stream(follow()).await;
    house.send(follow()).await.problem(429, "too_many_streams");
    drop(first);
    for _ in 0..500 {
        let response = house.answer(follow()).await;
        if response.status().as_u16() == 200 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("a stream that was closed still counts");
}
