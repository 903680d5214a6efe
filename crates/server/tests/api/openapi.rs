//! The OpenAPI document: it is sound in itself, and answers are as it says.

use std::collections::{BTreeSet, HashMap};
use std::sync::{LazyLock, Mutex};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::client::Reply;
use crate::house::House;

static DOCUMENT: LazyLock<Value> = LazyLock::new(postroom_server::openapi);

/// The forms that were looked up already: to prepare one takes longer than to use it.
static FORMS: LazyLock<Mutex<HashMap<String, &'static Validator>>> = LazyLock::new(Mutex::default);

/// Checks that the answer has the form that the document gives it.
pub fn check(method: &str, path: &str, reply: &Reply) {
    if method == "HEAD" || reply.body.is_empty() {
        return;
    }
    let Some((template, operation)) = operation(method, path) else { return };
    let status = reply.status.to_string();
    let answers = &operation["responses"];
    let answer = answers.get(&status).or_else(|| answers.get("default"));
    let answer = answer.unwrap_or_else(|| panic!("{method} {template} does not answer {status}"));
    let content_type = reply.header("content-type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default();
    let Some(content) = answer["content"].get(media_type) else {
        panic!("{method} {template} does not answer {status} with {media_type}: {answer}");
    };
    if !media_type.ends_with("json") {
        return;
    }
    let form = form(&format!("{method} {template} {status} {media_type}"), &content["schema"]);
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    if let Err(error) = form.validate(&body) {
        panic!("{method} {template} {status}: {error} at {}: {body:#}", error.instance_path());
    }
}

fn form(name: &str, schema: &Value) -> &'static Validator {
    let mut forms = FORMS.lock().unwrap();
    forms.entry(name.to_owned()).or_insert_with(|| {
        // With what it refers to, where it says.
        let mut whole = schema.clone();
        whole["components"] = DOCUMENT["components"].clone();
        Box::leak(Box::new(jsonschema::draft202012::new(&whole).unwrap()))
    })
}

/// The operation that answers `method` at `path`; a path without placeholders goes first.
fn operation(method: &str, path: &str) -> Option<(&'static str, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let fits = |template: &str| {
        let (wanted, given) = (template.split('/'), path.split('/'));
        wanted.clone().count() == given.clone().count()
            && wanted.zip(given).all(|(wanted, given)| {
                wanted == given || (wanted.starts_with('{') && !given.is_empty())
            })
    };
    let fitting = paths.iter().filter(|(template, _)| fits(template));
    let (template, methods) = fitting.min_by_key(|(template, _)| template.matches('{').count())?;
    Some((template, methods.get(method.to_ascii_lowercase())?))
}

#[test]
fn the_document_is_sound() {
    let text = DOCUMENT.to_string();
    assert_eq!(DOCUMENT["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (path, methods) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let place = format!("{method} {path}");
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "{place}: {id} is taken");
            assert!(operation["summary"].as_str().unwrap().ends_with('.'), "{place}");
            let named: BTreeSet<&str> = path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
                .collect();
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path");
            let given = in_path.map(|parameter| parameter["name"].as_str().unwrap()).collect();
            assert_eq!(named, given, "{place}");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.keys().any(|status| status.starts_with('2')), "{place}: {answers:?}");
        }
    }
    for reference in text.split(r#""$ref":""#).skip(1) {
        let reference = reference.split('"').next().unwrap();
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(DOCUMENT.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

/// Everything that a request can have is refused if it is misspelt: the document says so too.
#[test]
fn bodies_have_no_other_fields_than_those_described() {
    for (path, methods) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            let Some(reference) = body["$ref"].as_str() else {
                assert!(body.is_null() || body["type"] == "array", "{method} {path}: {body}");
                continue;
            };
            let form = DOCUMENT.pointer(reference.strip_prefix('#').unwrap()).unwrap();
            assert_eq!(form["additionalProperties"], false, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_server_shows_it() {
    let house = House::open().await;
    let shown = house.get("/v1/openapi.json").await.ok(200);
    assert_eq!(shown, *DOCUMENT);
    let form = &DOCUMENT["components"]["schemas"]["RunView"]["properties"]["status"];
    assert_ne!(*form, json!(null));
}
