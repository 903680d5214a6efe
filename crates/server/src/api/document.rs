//! The OpenAPI 3.1 document (<https://spec.openapis.org/oas/v3.1.0>).

use serde_json::{Map, Value, json};

use super::Routes;
use super::operation::Forms;
use super::routes::Described;
use crate::auth::{Needs, needs};

const INTRODUCTION: &str = "A durable mailbox for AI agents. A message to a thread becomes a run; the \
    run is delivered to an agent by a dispatch that is leased, retried, superseded or dead-lettered. \
    Errors are RFC 9457 problems with a stable `code`. Lists have pages: `next_cursor` is the next \
    one's `cursor`.";

/// The document that describes `routes`.
pub(crate) fn document(routes: Routes) -> Value {
    let mut forms = Forms::new();
    let mut paths: Map<String, Value> = Map::new();
    for described in routes.described() {
        let methods = paths.entry(described.path).or_insert_with(|| json!({}));
        methods[described.method.as_str().to_ascii_lowercase()] = operation(&described, &mut forms);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Postroom",
            "version": env!("CARGO_PKG_VERSION"),
            "description": INTRODUCTION,
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": forms.named(),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, `id.secret`. Without keys only this machine is answered.",
                },
            },
        },
    })
}

fn operation(described: &Described, forms: &mut Forms) -> Value {
    let mut operation = (described.describe)(described.path, forms);
    operation.insert("operationId".into(), described.about.id.into());
    operation.insert("summary".into(), described.about.summary.into());
    operation.insert("tags".into(), json!([tag(described.path)]));
    let (security, scope) = match needs(&described.method, described.path) {
        Needs::Nothing => (json!([]), None),
        Needs::Scope(scope) => (json!([{}, { "key": [] }]), Some((scope, ""))),
        Needs::Operator(scope) => {
            (json!([{}, { "key": [] }]), Some((scope, " of the default tenant")))
        }
    };
    operation.insert("security".into(), security);
    if let Some((scope, whose)) = scope {
        let description = format!("Where keys are needed: one{whose} with the scope `{scope}`.");
        operation.insert("description".into(), description.into());
    }
    operation.into()
}

/// What an operation is about: the first noun of its path.
fn tag(path: &str) -> &str {
    let mut nouns = path.split('/').skip(1);
    match nouns.next() {
        Some("v1") => nouns.next().unwrap_or_default(),
        Some(noun) => noun,
        None => "",
    }
}
