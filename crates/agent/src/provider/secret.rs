//! Keys: where they come from, and how they are kept out of everything that is shown.

use std::fmt;
use std::sync::Arc;

use genai::adapter::AdapterKind;
use serde_json::Value;

use super::BuildError;
use crate::config::ModelConfig;
use crate::registry::Env;

/// What stands where a key stood.
const CUT_OUT: &str = "[key]";
/// Shorter keys are words (`none`, `ollama`): cutting them out of answers would only garble them.
const CUT_FROM_BYTES: usize = 8;

/// A key, which no log shows.
#[derive(Clone)]
pub(super) struct Secret(Arc<str>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CUT_OUT)
    }
}

impl Secret {
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The value without the key in any of its texts.
    pub fn cut_out_of_value(&self, value: Value) -> Value {
        if self.0.len() < CUT_FROM_BYTES {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.cut_out_of(&text)),
            Value::Array(items) => {
                items.into_iter().map(|item| self.cut_out_of_value(item)).collect()
            }
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, value)| (self.cut_out_of(&name), self.cut_out_of_value(value)))
                .collect(),
            other => other,
        }
    }

    /// The text without the key.
    pub fn cut_out_of(&self, text: &str) -> String {
        text.replace(&*self.0, CUT_OUT)
    }
}

/// The key in the named file or variable, or in the provider's usual variable. A server at an
/// address of one's own may want none; only what was named must be there.
pub(super) fn key_of(
    kind: AdapterKind,
    config: &ModelConfig,
    env: &Env,
) -> Result<Option<Secret>, BuildError> {
    if let Some(path) = &config.api_key_file {
        // The path is not repeated: it may be a key that stands in the wrong place.
        let unusable = |why: &str| BuildError::Unusable(format!("api_key_file: {why}"));
        let text = std::fs::read_to_string(path)
            .map_err(|error| unusable(&format!("it can't be read: {}", error.kind())))?;
        let key = text.trim();
        if key.is_empty() {
            return Err(unusable("it is empty"));
        }
        return Ok(Some(Secret(key.into())));
    }
    let usual = kind.default_key_env_name();
    let Some(variable) = config.api_key_env.as_deref().or(usual) else { return Ok(None) };
    let key = env(variable).map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
    match key {
        Some(key) => Ok(Some(Secret(key.into()))),
        None if config.api_key_env.is_none() && config.base_url.is_some() => Ok(None),
        None => Err(BuildError::MissingKey { variable: variable.to_owned() }),
    }
}

/// Cuts the key out of a text that comes in pieces. A piece that could begin the key is held back
/// until it is clear.
#[derive(Debug, Default)]
pub(super) struct Redactor {
    key: Option<Secret>,
    held: String,
}

impl Redactor {
    pub fn new(key: Option<&Secret>) -> Self {
        let key = key.filter(|key| key.0.len() >= CUT_FROM_BYTES).cloned();
        Self { key, held: String::new() }
    }

    /// What can be shown once `piece` has come.
    pub fn push(&mut self, piece: String) -> String {
        let Some(key) = &self.key else { return piece };
        let text = std::mem::take(&mut self.held) + &piece;
        let mut text = key.cut_out_of(&text);
        let longest = text.len().min(key.0.len() - 1);
        let held = (1..=longest)
            .rev()
            .find(|length| key.0.is_char_boundary(*length) && text.ends_with(&key.0[..*length]));
        if let Some(held) = held {
            self.held = text.split_off(text.len() - held);
        }
        text
    }

    /// What was held back at the end.
    pub fn rest(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pieces: &[&str]) -> String {
        let mut redactor = Redactor::new(Some(&Secret("sk-secret-key".into())));
        let mut shown: String =
            pieces.iter().map(|piece| redactor.push((*piece).to_owned())).collect();
        shown.push_str(&redactor.rest());
        shown
    }

    #[test]
    fn a_key_is_cut_out_however_it_is_torn() {
        assert_eq!(shown(&["it is sk-secret-key!"]), "it is [key]!");
        assert_eq!(shown(&["it is sk-sec", "ret-key", "!"]), "it is [key]!");
        let letters: Vec<String> = "a sk-ssk-secret-keysk".chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(shown(&letters), "a sk-s[key]sk");
        assert_eq!(shown(&["nothing sk-", "söcret", ""]), "nothing sk-söcret");
        assert_eq!(shown(&[]), "");
    }

    #[test]
    fn a_key_is_not_shown_for_debugging() {
        assert_eq!(format!("{:?}", Secret("sk-secret-key".into())), "[key]");
    }
}
