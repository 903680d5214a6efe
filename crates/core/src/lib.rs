//! Postroom's words and rules: the mailbox as a pure state machine.
//!
//! A message to a conversation (a [thread](thread::Thread)) becomes a [run](run::Run); the run is
//! delivered to an agent by a [dispatch](dispatch::Dispatch). All that can happen to them is a
//! [command](command::Command), and [`mailbox::Mailbox::decide`] is the one place that says what it
//! does. There is no I/O here, no clock and no randomness: a store loads a mailbox, lets it decide,
//! and saves the changes.

pub mod access;
pub mod command;
pub mod dispatch;
pub mod error;
pub mod event;
pub mod id;
pub mod live;
pub mod mailbox;
pub mod message;
pub mod node;
pub mod ops;
pub mod pending;
pub mod policy;
pub mod ports;
pub mod report;
pub mod reserved;
pub mod run;
pub mod sabotage;
pub mod thread;
pub mod ticket;
pub mod time;
pub mod trace;
pub mod webhook;
