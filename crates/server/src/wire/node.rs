//! Nodes.

use postroom_core::id::NodeId;
use postroom_service::ListedNode;
use schemars::JsonSchema;
use serde::Serialize;

use super::time::{Moment, moment};

/// A node in the list of nodes.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NodeView {
    node: NodeId,
    status: &'static str,
    version: String,
    address: Option<String>,
    active_runs: u64,
    max_concurrent_runs: u64,
    started_at: Moment,
    seen_at: Moment,
}

impl From<ListedNode> for NodeView {
    fn from(ListedNode { record, state }: ListedNode) -> Self {
        Self {
            node: record.id,
            status: state.as_str(),
            version: record.version,
            address: record.address,
            active_runs: record.active_runs,
            max_concurrent_runs: record.max_concurrent_runs,
            started_at: moment(record.started_at),
            seen_at: moment(record.seen_at),
        }
    }
}
