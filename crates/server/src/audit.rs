//! What operators do, for who looks into it later: lines of the log under the target
//! `postroom::audit`, with who did what to what. A line never has a secret in it: keys are named by
//! their ids.

use std::fmt::Display;

use postroom_core::id::{KeyId, TenantId};

use crate::app::App;
use crate::auth::Caller;

/// Notes what a caller did, and to what.
pub(crate) fn note(app: &App, action: &'static str, subject: &dyn Display) {
    note_of(app.caller(), action, subject);
}

/// The same where there is no handler.
pub(crate) fn note_of(caller: &Caller, action: &'static str, subject: &dyn Display) {
    write(&caller.tenant, caller.key.as_ref(), action, subject);
}

fn write(tenant: &TenantId, key: Option<&KeyId>, action: &'static str, subject: &dyn Display) {
    // Where no key is needed, whoever is on this machine may have done it.
    let by = key.map_or_else(|| "local".to_owned(), ToString::to_string);
    tracing::info!(target: "postroom::audit", action, %subject, %by, %tenant, "audit");
}
