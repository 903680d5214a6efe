//! Policy: which calls are made, which are not, and which a person is asked about.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wildmatch::WildMatch;

/// A rule: `[[agents.NAME.rules]]`. It fits a call if the tool's name and all of the named arguments
/// do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The tool; `*` stands for any text, `?` for any character.
    pub tool: String,
    /// Arguments by name, a dot leading into objects (`options.force`), each with the pattern that its
    /// text must fit; numbers, booleans and null are compared as JSON writes them. An argument that
    /// is not there fits no pattern.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, String>,
    /// What holds for the calls it fits.
    pub action: Action,
    /// Why: for the model where it is denied, for the person where one is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What holds for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is made.
    Allow,
    /// It is not made, and the model is told so.
    Deny,
    /// A person decides.
    Ask,
}

impl Rule {
    /// Whether the rule is about this call.
    pub fn fits(&self, tool: &str, arguments: &Value) -> bool {
        WildMatch::new(&self.tool).matches(tool)
            && self.arguments.iter().all(|(name, pattern)| {
                let value = argument(arguments, name);
                value.is_some_and(|value| WildMatch::new(pattern).matches(&text_of(value)))
            })
    }
}

/// The argument called `name`: a key that has dots itself, or a path.
fn argument<'a>(arguments: &'a Value, name: &str) -> Option<&'a Value> {
    if let Some(value) = arguments.get(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('.')?;
    argument(arguments.get(first)?, rest)
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(tool: &str, arguments: &[(&str, &str)]) -> Rule {
        let arguments = arguments.iter().map(|(name, pattern)| ((*name).into(), (*pattern).into()));
        Rule {
            tool: tool.into(),
            arguments: arguments.collect(),
            action: Action::Ask,
            reason: None,
        }
    }

    #[test]
    fn a_rule_fits_by_name_and_by_all_of_its_arguments() {
        let call = json!({"path": "/tmp/a/b", "options": {"force": true}, "a.b": 1});
        for (expected, rule) in [
            (true, rule("mcp:files/write", &[])),
            (true, rule("mcp:files/*", &[("path", "/tmp/*")])),
            (true, rule("*", &[("path", "*b"), ("options.force", "true")])),
            (true, rule("mcp:*/write", &[("a.b", "1")])),
            (false, rule("mcp:files/read", &[])),
            (false, rule("*", &[("path", "/etc/*")])),
            (false, rule("*", &[("path", "/tmp/*"), ("options.force", "false")])),
            (false, rule("*", &[("missing", "*")])),
            (false, rule("*", &[("path.deeper", "*")])),
        ] {
            assert_eq!(rule.fits("mcp:files/write", &call), expected, "{rule:?}");
        }
    }
}
