//! The API as a client sees it: a real listener, a real client, a real service over the memory store.

#![allow(missing_docs)]

mod agent;
mod client;
mod house;
mod store;

mod any_request;
mod batch;
mod compression;
mod connections;
mod dashboard;
mod decisions;
mod dispatches;
mod events;
mod faults;
mod guard;
mod keys;
mod limits;
mod malformed;
mod nesting;
mod openapi;
mod runs;
mod schedules;
mod sessions;
mod submissions;
mod system;
mod tenants;
mod threads;
