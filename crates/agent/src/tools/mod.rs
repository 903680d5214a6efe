//! The tools that come with Postroom.

mod clock;
mod demo_action;
mod http_fetch;
mod send_message;

pub use clock::ClockTool;
pub use demo_action::DemoAction;
pub use http_fetch::{HttpFetch, HttpFetchConfig, Method};
pub use send_message::SendMessage;
