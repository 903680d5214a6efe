//! Postroom's HTTP API.
//!
//! [`router`] turns a [`Postroom`](postroom_service::Postroom) into an [`axum::Router`]; [`serve`]
//! serves it until it is told to close. Each resource has a file in `routes/`, what it reads and
//! writes is in `wire/`, and what can go wrong becomes an answer in one place, [`problem`].
//!
//! # Who may call
//!
//! Without keys the server answers only where nobody else can reach it: [`check_bind`] refuses any
//! address but loopback, unless told so with a flag that says it is insecure. With keys, [`Access`]
//! says who calls and which tenant's threads they see. A browser on the same
//! machine is somebody else too, because it runs the code of foreign pages: [`guard`] refuses
//! requests that such a page could have made.

mod api;
mod app;
mod audit;
mod auth;
mod bind;
mod compression;
mod cors;
mod dashboard;
pub mod extract;
pub mod guard;
mod headers;
mod nesting;
mod object;
pub mod problem;
mod routes;
mod run_events;
mod serve;
mod sse;
mod trace;
pub mod wire;

pub use app::{AgentInfo, AgentList, Options, SettingInfo, SettingList, router};
pub use auth::{Access, KeyOrder, Limits, MadeKey, NoRandomness, Secret, TenantLimits, make_key};
pub use bind::{BindError, check_bind};
pub use cors::{NoOrigin, Origin};
pub use headers::put_headers;
pub use serve::serve;
pub use wire::shown;

/// The API as an OpenAPI 3.1 document, generated from the routes that [`router`] serves.
pub fn openapi() -> serde_json::Value {
    api::document(routes::all())
}
