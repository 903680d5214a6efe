//! The dashboard in a real browser, against a server that really runs.
//!
//! Needs Debian's packages `chromium` and `chromium-driver`; `scripts/test` runs these tests as a step
//! of their own. Screenshots of all screens are in `target/tmp/dashboard/`.

#[path = "../support/mod.rs"]
mod support;

mod browser;
