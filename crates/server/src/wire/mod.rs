//! What goes over the wire, apart from what is in memory: names and forms here are the API's, and
//! change only with it.

mod dispatch;
mod event;
mod key;
mod message;
mod node;
mod recent;
mod reserved;
mod run;
mod schedule;
mod submission;
mod thread;
mod time;

pub use dispatch::DispatchView;
pub use event::EventView;
pub use key::{KeyView, MadeKeyView};
pub use message::{ContentBody, MessageBody, MessageView, Messages, PendingView};
pub use node::NodeView;
pub use recent::RecentView;
pub(crate) use reserved::not_reserved;
pub use run::{RunView, TicketView, shown};
pub use schedule::ScheduleView;
pub use submission::{DeliveryBody, MESSAGES_MAX, SubmissionBody, SubmittedView};
pub(crate) use submission::{check_count, check_webhook};
pub use thread::ThreadView;
pub use time::{Moment, moment, parse_moment};

use schemars::JsonSchema;
use serde::Serialize;

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub struct PageView<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; `null` on the last one.
    pub next_cursor: Option<String>,
}
