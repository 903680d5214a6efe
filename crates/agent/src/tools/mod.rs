//! The tools that come with Postroom.

mod clock;
mod demo_action;

pub use clock::ClockTool;
pub use demo_action::DemoAction;
