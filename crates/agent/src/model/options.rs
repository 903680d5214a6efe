//! How a model shall answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most stop texts; no provider takes more.
const STOPS_MAX: usize = 16;
/// The longest name of a schema, in bytes, as providers have it.
const SCHEMA_NAME_BYTES_MAX: usize = 64;

/// How a model shall answer. What is left out is the provider's to choose.
///
/// A provider that lacks an option refuses the request with
/// [`UNSUPPORTED_OPTION`](super::ModelError::UNSUPPORTED_OPTION): nothing that was asked for is
/// quietly left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelOptions {
    /// How freely it chooses its words, from 0 to 2; Anthropic's end at 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Only the likeliest words that together have this share are chosen from: above 0, up to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// The longest answer, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// Asks for the same answer to the same question, as far as the provider can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The answer ends before any of these texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Vec<String>>,
    /// How long it thinks first. Saying so also asks to see what it thinks. A provider that has
    /// fewer levels takes the nearest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<ReasoningEffort>,
    /// Whether it calls tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// The form that its answer has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_schema: Option<ResponseSchema>,
}

// Configurations that hold options are compared. The numbers are checked to be numbers.
impl Eq for ModelOptions {}

/// How long a model thinks before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the levels are the providers' words")]
pub enum ReasoningEffort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
    Max,
}

/// Whether a model calls tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// It does not.
    None,
    /// It calls at least one.
    Required,
    /// It calls this one, by its own name: `{ tool = "clock" }`.
    Tool(String),
}

/// The form of an answer: JSON that a schema describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseSchema {
    /// What to call the form: letters, digits, `_` and `-`.
    #[serde(default = "answer")]
    pub name: String,
    /// The JSON schema.
    pub schema: Value,
}

fn answer() -> String {
    "answer".to_owned()
}

/// An option that can't be what it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {reason}")]
pub struct OptionError {
    /// The option's name.
    pub option: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl ModelOptions {
    /// These options, and where they say nothing, those of `defaults`.
    pub fn over(&self, defaults: &Self) -> Self {
        let Self {
            temperature,
            top_p,
            max_output_tokens,
            seed,
            stop,
            reasoning_effort,
            tool_choice,
            response_schema,
        } = self.clone();
        Self {
            temperature: temperature.or(defaults.temperature),
            top_p: top_p.or(defaults.top_p),
            max_output_tokens: max_output_tokens.or(defaults.max_output_tokens),
            seed: seed.or(defaults.seed),
            stop: stop.or_else(|| defaults.stop.clone()),
            reasoning_effort: reasoning_effort.or(defaults.reasoning_effort),
            tool_choice: tool_choice.or_else(|| defaults.tool_choice.clone()),
            response_schema: response_schema.or_else(|| defaults.response_schema.clone()),
        }
    }

    /// Whether all is left to the provider.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks what holds for every provider.
    ///
    /// # Errors
    /// The first option that is out of its range.
    pub fn check(&self) -> Result<(), OptionError> {
        let wrong = |option, reason: &str| Err(OptionError { option, reason: reason.to_owned() });
        if self.temperature.is_some_and(|value| !(0.0..=2.0).contains(&value)) {
            return wrong("temperature", "it must be from 0 to 2");
        }
        if self.top_p.is_some_and(|value| !(value > 0.0 && value <= 1.0)) {
            return wrong("top_p", "it must be above 0 and at most 1");
        }
        if self.max_output_tokens == Some(0) {
            return wrong("max_output_tokens", "at least 1 is needed");
        }
        if self.seed.is_some_and(|seed| i64::try_from(seed).is_err()) {
            return wrong("seed", "it must be below 2^63");
        }
        if let Some(stop) = &self.stop {
            if stop.len() > STOPS_MAX {
                return wrong("stop", "at most 16 texts are possible");
            }
            if stop.iter().any(String::is_empty) {
                return wrong("stop", "an empty text would stop every answer");
            }
        }
        if let Some(ToolChoice::Tool(name)) = &self.tool_choice
            && name.is_empty()
        {
            return wrong("tool_choice", "name the tool");
        }
        if let Some(form) = &self.response_schema {
            let is_name = (1..=SCHEMA_NAME_BYTES_MAX).contains(&form.name.len())
                && form.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
            if !is_name {
                return wrong(
                    "response_schema.name",
                    "it must be 1 to 64 letters, digits, `_` or `-`",
                );
            }
            if !form.schema.is_object() {
                return wrong("response_schema.schema", "it must be a JSON schema: an object");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> ModelOptions {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn options_lie_over_defaults() {
        let defaults = read(json!({"temperature": 0.5, "seed": 1, "stop": ["x"]}));
        let own = read(json!({"temperature": 0.0, "stop": [], "tool_choice": {"tool": "clock"}}));
        let merged = own.over(&defaults);
        assert_eq!(
            merged,
            read(json!({"temperature": 0.0, "seed": 1, "stop": [],
                "tool_choice": {"tool": "clock"}}))
        );
        assert_eq!(ModelOptions::default().over(&defaults), defaults);
        assert!(ModelOptions::default().is_empty() && !defaults.is_empty());
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        for (options, option) in [
            (json!({"temperature": -0.1}), "temperature"),
            (json!({"temperature": 2.1}), "temperature"),
            (json!({"top_p": 0}), "top_p"),
            (json!({"top_p": 1.5}), "top_p"),
            (json!({"max_output_tokens": 0}), "max_output_tokens"),
            (json!({"seed": u64::MAX}), "seed"),
            (json!({"stop": [""]}), "stop"),
            (json!({"stop": vec!["x"; 17]}), "stop"),
            (json!({"tool_choice": {"tool": ""}}), "tool_choice"),
            (json!({"response_schema": {"name": "a b", "schema": {}}}), "response_schema.name"),
            (json!({"response_schema": {"schema": 7}}), "response_schema.schema"),
        ] {
            assert_eq!(read(options).check().unwrap_err().option, option);
        }
        let not_a_number = ModelOptions { temperature: Some(f64::NAN), ..ModelOptions::default() };
        assert!(not_a_number.check().is_err());
        let all = read(json!({"temperature": 2, "top_p": 1, "max_output_tokens": 1, "seed": 0,
            "stop": ["END"], "reasoning_effort": "xhigh", "tool_choice": "required",
            "response_schema": {"schema": {"type": "object"}}}));
        all.check().unwrap();
        assert_eq!(all.response_schema.unwrap().name, "answer");
    }

    #[test]
    fn unknown_options_are_refused() {
        let error = serde_json::from_value::<ModelOptions>(json!({"temprature": 1})).unwrap_err();
        assert!(error.to_string().contains("unknown field `temprature`"), "{error}");
        assert!(serde_json::from_value::<ModelOptions>(json!({"tool_choice": "any"})).is_err());
    }
}
