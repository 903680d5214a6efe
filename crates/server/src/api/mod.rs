//! The API as it describes itself: routes that are added here are served, and stand in the OpenAPI
//! document with what their handlers take and give.
//!
//! A handler's arguments say what it [`Asks`] for and its answer what it [`Answers`] with, so that the
//! document can't say anything else than the code does.

mod answers;
mod asks;
mod document;
mod operation;
mod routes;

pub(crate) use answers::{Accepted, Answers, Created, NoContent, Stream};
pub(crate) use asks::Asks;
pub(crate) use document::document;
pub(crate) use operation::Operation;
pub(crate) use routes::{Routes, about};
