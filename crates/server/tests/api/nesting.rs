//! JSON that is nested deeply: what is accepted can be read wherever it comes out again.

use std::sync::Arc;

use postroom_service::Config;
use postroom_stores::sqlite::{Options, SqliteStore};
use postroom_stores::system::{SystemClock, SystemIds};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::house::House;

/// `levels` lists, one in the other.
fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inner, _| json!([inner]))
}

/// Around what is accepted, and around the 128 levels at which readers of JSON give up.
const LEVELS: [usize; 10] = [90, 94, 95, 96, 99, 100, 120, 125, 126, 127];

/// Metadata of 125 levels was accepted, and the list of threads could not be read any more: what
/// answers wrap around it came on top. After a decision with such a result SQLite could not even
/// read its own rows: every list of runs was answered with 500 and "the store is damaged".
#[tokio::test]
async fn whatever_depth_is_accepted_can_be_read_again() {
    let dir = TempDir::new().unwrap();
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds::new()));
    let store = SqliteStore::open(Options::new(dir.path().join("nested.db"), clock, ids)).unwrap();
    let house = House::on(store, Config::default()).await;
    house.postroom.start().await.unwrap();
    for levels in LEVELS {
        let thread = format!("t{levels}");
        let deep = nested(levels);
        let data = json!([{"content": [{"type": "data", "value": deep}]}]);
        let tool_call = json!({"id": "c", "name": "n", "arguments": deep});
        let called = json!([{"content": "ask", "tool_calls": [tool_call]}]);
        let decision = json!({"tool_call_id": "call-1", "action": "resume", "result": deep});
        let run = format!("r{levels}");
        let asked = json!({"messages": "ask", "run_id": run});
        house.post(&format!("/v1/threads/{thread}/runs?wait=true"), &asked).await.ok(200);
        let batched = json!({"runs": [{"messages": "x", "metadata": {"a": deep}}]});
        for (path, body) in [
            ("/v1/threads".to_owned(), json!({"metadata": {"a": deep}})),
            (format!("/v1/runs/{run}/decisions"), json!([decision])),
            (format!("/v1/threads/{thread}/runs"), json!({"messages": data})),
            (format!("/v1/threads/{thread}/runs"), json!({"messages": called})),
            ("/v1/runs".to_owned(), json!({"messages": "x", "overrides": {"a": deep}})),
            ("/v1/runs".to_owned(), json!({"messages": "x", "frontend_tools": [deep]})),
            ("/v1/runs/batch".to_owned(), batched),
        ] {
            let answer = house.post(&path, &body).await;
            if answer.status >= 300 {
                assert!(levels > 90, "what is not deep is accepted: {path}");
                answer.problem_saying(400, "invalid_json", "100 levels");
            }
        }
        let run = format!("/v1/runs/{run}");
        let run = house.until(&run, |run| run["status"] == "done" || levels > 90).await;
        assert!(run["error"].is_null(), "{run}");
        for path in [
            "/v1/threads",
            "/v1/runs",
            "/v1/dispatches",
            &format!("/v1/threads/{thread}/messages"),
            &format!("/v1/threads/{thread}/events"),
            &format!("/v1/threads/{thread}/pending"),
        ] {
            house.get(path).await.ok(200);
        }
    }
}
