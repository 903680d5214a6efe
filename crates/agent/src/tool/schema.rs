//! Checking arguments against a tool's schema.

use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value};

use super::error::{ToolError, says_nothing};

/// So many wrong fields are named at once; the rest shows when these are right.
const ERRORS_MAX: usize = 5;

/// What is said of one wrong field, at most, in characters: it repeats what the model gave.
const ERROR_CHARS_MAX: usize = 160;

/// A schema, compiled.
pub(super) struct ArgumentCheck(Option<Validator>);

impl ArgumentCheck {
    /// Compiles the schema of the tool called `name`. One that can't be (it is no schema, or refers
    /// to one elsewhere) lets everything pass: it is then for the tool to say what is wrong.
    pub fn new(name: &str, schema: &Value) -> Self {
        match jsonschema::validator_for(schema) {
            Ok(validator) => Self(Some(validator)),
            Err(error) => {
                tracing::warn!(tool = name, %error, "the tool's schema can't be used: its arguments are not checked");
                Self(None)
            }
        }
    }

    /// The arguments as an object, if that is what they are and the schema is content with them.
    pub fn check(&self, arguments: &Value) -> Result<Value, ToolError> {
        let arguments = match arguments {
            Value::Object(_) => arguments.clone(),
            nothing if says_nothing(nothing) => Value::Object(Map::new()),
            // What is not JSON comes as a string of what it was.
            Value::String(_) => return Err(no_object("text that is not valid JSON")),
            Value::Array(_) => return Err(no_object("an array")),
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                return Err(no_object("a bare value"));
            }
        };
        let Some(validator) = &self.0 else { return Ok(arguments) };
        if validator.is_valid(&arguments) {
            return Ok(arguments);
        }
        let mut errors = validator.iter_errors(&arguments);
        let wrong: Vec<String> =
            errors.by_ref().take(ERRORS_MAX).map(|error| told(&error)).collect();
        let more = if errors.next().is_some() { "; and more" } else { "" };
        Err(ToolError::InvalidArguments(wrong.join("; ") + more))
    }
}

fn no_object(kind: &str) -> ToolError {
    ToolError::InvalidArguments(format!("they must be a JSON object, and are {kind}"))
}

fn told(error: &ValidationError<'_>) -> String {
    let path = error.instance_path().as_str();
    let place = path.strip_prefix('/').unwrap_or(path);
    let said = if place.is_empty() { error.to_string() } else { format!("{place}: {error}") };
    match said.char_indices().nth(ERROR_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &said[..end]),
        None => said,
    }
}
