//! One operation of the API: a method on a path.

use axum::http::StatusCode;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Where the document keeps the forms that have a name.
const FORMS: &str = "/components/schemas";

/// The forms of requests and of answers. They differ: what may be left out of a request is always
/// there in an answer.
pub(crate) struct Forms {
    asked: SchemaGenerator,
    answered: SchemaGenerator,
}

impl Forms {
    pub(super) fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = FORMS.into();
            settings.meta_schema = None;
        });
        Self {
            asked: settings.clone().for_deserialize().into_generator(),
            answered: settings.for_serialize().into_generator(),
        }
    }

    /// All that have a name. What has the same one in a request and in an answer must be the same
    /// there, or be called otherwise (`schemars(rename)`).
    pub(super) fn named(mut self) -> Map<String, Value> {
        let mut named = self.answered.take_definitions(true);
        for (name, form) in self.asked.take_definitions(true) {
            let other = named.insert(name.clone(), form.clone());
            debug_assert!(other.is_none_or(|other| other == form), "two forms are called {name}");
        }
        named
    }
}

/// An operation that is being described.
pub(crate) struct Operation<'f> {
    path: &'static str,
    forms: &'f mut Forms,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: Map<String, Value>,
}

impl<'f> Operation<'f> {
    pub(super) fn new(path: &'static str, forms: &'f mut Forms) -> Self {
        Self { path, forms, parameters: Vec::new(), body: None, answers: Map::new() }
    }

    /// The ids in its path, in order: `T` is the only one's form, or a tuple of all.
    pub(crate) fn asks_path<T: JsonSchema>(&mut self) {
        let form = self.forms.asked.subschema_for::<T>();
        let several = form.get("prefixItems").and_then(Value::as_array).cloned();
        let forms = several.unwrap_or_else(|| vec![form.to_value()]);
        let names = self
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{').and_then(|part| part.strip_suffix('}')));
        self.parameters.extend(names.zip(forms).map(
            |(name, form)| json!({ "name": name, "in": "path", "required": true, "schema": form }),
        ));
    }

    /// The query's parameters: the fields of `T`.
    pub(crate) fn asks_query<T: JsonSchema>(&mut self) {
        let form = T::json_schema(&mut self.forms.asked);
        let fields = form.get("properties").and_then(Value::as_object).cloned();
        for (name, mut field) in fields.unwrap_or_default() {
            let description = take_description(&mut field);
            without_null(&mut field);
            let required = is_required(&form, &name);
            let mut parameter =
                json!({ "name": name, "in": "query", "required": required, "schema": field });
            if let Some(description) = description {
                parameter["description"] = description;
            }
            self.parameters.push(parameter);
        }
    }

    /// A header that may be given.
    pub(crate) fn asks_header(&mut self, name: &str, description: &str, form: &Value) {
        self.parameters.push(json!({
            "name": name, "in": "header", "required": false,
            "description": description, "schema": form,
        }));
    }

    /// A body of JSON.
    pub(crate) fn asks_body<T: JsonSchema>(&mut self) {
        let form = self.forms.asked.subschema_for::<T>();
        self.body =
            Some(json!({ "required": true, "content": content("application/json", &form) }));
    }

    /// An answer of JSON.
    pub(crate) fn answers_json<T: JsonSchema>(&mut self, status: StatusCode) {
        let form = self.forms.answered.subschema_for::<T>();
        self.answers_with(status.as_str(), means(status), &content("application/json", &form));
    }

    /// An answer of something else.
    pub(crate) fn answers_text(&mut self, status: StatusCode, media_type: &str) {
        let form = schemars::json_schema!({ "type": "string" });
        self.answers_with(status.as_str(), means(status), &content(media_type, &form));
    }

    /// An answer without a body.
    pub(crate) fn answers_nothing(&mut self, status: StatusCode) {
        self.answers_with(status.as_str(), means(status), &json!({}));
    }

    /// Every answer that is no success.
    pub(crate) fn answers_problem<T: JsonSchema>(&mut self) {
        let form = self.forms.answered.subschema_for::<T>();
        let content = content("application/problem+json", &form);
        self.answers_with("default", "A problem: `code` says which.", &content);
    }

    fn answers_with(&mut self, status: &str, description: &str, content: &Value) {
        let answer =
            self.answers.entry(status).or_insert_with(|| json!({ "description": description }));
        for (media_type, form) in content.as_object().into_iter().flatten() {
            answer["content"][media_type] = form.clone();
        }
    }

    /// The operation object, apart from its name and summary.
    pub(super) fn described(self) -> Map<String, Value> {
        let mut described = Map::new();
        if !self.parameters.is_empty() {
            described.insert("parameters".into(), self.parameters.into());
        }
        if let Some(body) = self.body {
            described.insert("requestBody".into(), body);
        }
        described.insert("responses".into(), self.answers.into());
        described
    }
}

fn content(media_type: &str, form: &Schema) -> Value {
    json!({ media_type: { "schema": form } })
}

fn means(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200 => "What was asked for.",
        201 => "It was made.",
        202 => "It is accepted, and durable.",
        204 => "It is done.",
        _ => status.canonical_reason().unwrap_or_default(),
    }
}

fn take_description(form: &mut Value) -> Option<Value> {
    form.as_object_mut()?.remove("description")
}

fn is_required(form: &Schema, name: &str) -> bool {
    let required = form.get("required").and_then(Value::as_array);
    required.is_some_and(|required| required.iter().any(|field| field == name))
}

/// A parameter is left out, never `null`.
fn without_null(form: &mut Value) {
    if let Some(types) = form.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|kind| kind != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            form["type"] = only;
        }
    }
    if let Some(forms) = form.get_mut("anyOf").and_then(Value::as_array_mut) {
        forms.retain(|form| form != &json!({ "type": "null" }));
        if let [only] = &forms[..] {
            let only = only.clone();
            *form = only;
        }
    }
}
