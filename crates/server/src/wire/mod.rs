//! What goes over the wire, apart from what is in memory: names and forms here are the API's, and
//! change only with it.

mod dispatch;
mod event;
mod message;
mod node;
mod run;
mod submission;
mod thread;
mod time;

pub use dispatch::DispatchView;
pub use event::EventView;
pub use message::{ContentBody, MessageBody, MessageView, Messages, PendingView};
pub use node::NodeView;
pub use run::{RunView, TicketView};
pub(crate) use submission::check_count;
pub use submission::{DeliveryBody, MESSAGES_MAX, SubmissionBody, SubmittedView};
pub use thread::ThreadView;
pub use time::{moment, parse_moment};

use serde::Serialize;

/// A page of a list.
#[derive(Debug, Serialize)]
pub struct PageView<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; `null` on the last one.
    pub next_cursor: Option<String>,
}
