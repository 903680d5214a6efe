//! The public verbs, a file for each kind.

mod control;
mod read;
mod submit;
mod threads;
