//! `/v1/keys`: who may call.

use axum::Json as Answer;
use postroom_core::access::Scope;
use postroom_core::id::{KeyId, TenantId};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::{Created, NoContent, Routes, about};
use crate::app::App;
use crate::audit;
use crate::auth::KeyOrder;
use crate::extract::{Json, Path, Query};
use crate::problem::{Problem, Result};
use crate::wire::{KeyView, MadeKeyView, Moment, PageView, parse_moment};

/// The longest label, in bytes.
const LABEL_BYTES_MAX: usize = 200;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/v1/keys", list, about("list_keys", "API keys, without their secrets."))
        .post(
            "/v1/keys",
            create,
            about("create_key", "Makes a key: its secret is shown this once."),
        )
        .delete("/v1/keys/{key_id}", revoke, about("revoke_key", "Revokes a key."))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct KeysQuery {
    tenant: Option<TenantId>,
}

/// The keys of the caller's tenant; the default tenant sees those of all. They are few: all of them.
async fn list(app: App, Query(query): Query<KeysQuery>) -> Result<Answer<PageView<KeyView>>> {
    let own = Some(&app.caller().tenant).filter(|tenant| !tenant.is_default());
    let wanted = query.tenant.as_ref();
    let keys = match (own, wanted) {
        (Some(own), Some(wanted)) if own != wanted => Vec::new(),
        (own, wanted) => app.access().list_keys(own.or(wanted)).await?,
    };
    let items = keys.into_iter().map(KeyView::from).collect();
    Ok(Answer(PageView { items, next_cursor: None }))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewKey {
    #[serde(default)]
    tenant: Option<TenantId>,
    /// What it shall allow; each scope includes those before it.
    #[schemars(length(min = 1))]
    scopes: Vec<Scope>,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    #[schemars(with = "Option<Moment>")]
    expires_at: Option<String>,
}

async fn create(app: App, Json(body): Json<NewKey>) -> Result<Created<MadeKeyView>> {
    let own = &app.caller().tenant;
    let tenant = body.tenant.unwrap_or_else(|| own.clone());
    if !own.is_default() && tenant != *own {
        return Err(Problem::forbidden(
            "tenant_not_allowed",
            "tenant: a key of this tenant makes keys of this tenant alone: leave it out",
        ));
    }
    let Some(scope) = body.scopes.iter().copied().max() else {
        return Err(Problem::bad_request(
            "invalid_body",
            "scopes: give `read`, `write` or `admin`; each includes those before it",
        ));
    };
    let label = body.label.unwrap_or_default();
    if label.len() > LABEL_BYTES_MAX || label.chars().any(char::is_control) {
        return Err(Problem::bad_request(
            "invalid_body",
            format!("label: it may have {LABEL_BYTES_MAX} bytes and no control characters"),
        ));
    }
    let expires_at = body.expires_at.as_deref();
    let expires_at = expires_at.map(|text| parse_moment("expires_at", text)).transpose()?;
    if expires_at.is_some_and(|end| end <= app.access().now()) {
        return Err(Problem::bad_request("invalid_body", "expires_at: that is over already"));
    }
    let made = app.access().add_key(KeyOrder { tenant, scope, label, expires_at }).await?;
    audit::note(&app, "key_created", &made.key.id);
    Ok(Created(made.into()))
}

/// A revoked key stays in the list.
async fn revoke(app: App, Path(key_id): Path<KeyId>) -> Result<NoContent> {
    let own = &app.caller().tenant;
    let keys = app.access().keys();
    let known = keys.stored(&key_id).await?;
    let is_theirs = known.is_some_and(|key| own.is_default() || key.tenant == *own);
    if !is_theirs || !keys.revoke(&key_id).await? {
        let detail = format!("there is no key {key_id}: GET /v1/keys lists those there are");
        return Err(Problem::not_found("unknown_key", detail));
    }
    audit::note(&app, "key_revoked", &key_id);
    Ok(NoContent)
}
