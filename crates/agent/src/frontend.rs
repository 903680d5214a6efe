//! Front-end tools: declared by the client with its submission, executed by the client, answered as
//! a decision.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::ToolSpec;

/// Reads the tools that a submission declares: each `{"name", "description", "parameters"}`, or that
/// under `function`, as the field's APIs write it.
pub(crate) fn read(declared: &[Value]) -> Result<Vec<ToolSpec>, String> {
    let mut tools: Vec<ToolSpec> = Vec::with_capacity(declared.len());
    for (place, value) in declared.iter().enumerate() {
        let value = value.get("function").unwrap_or(value);
        let tool = Declared::deserialize(value)
            .map_err(|error| format!("frontend_tools[{place}]: {error}"))?;
        if tools.iter().any(|other| other.name == tool.name) {
            return Err(format!("frontend_tools[{place}]: `{}` is declared twice", tool.name));
        }
        if tool.name.trim().is_empty() {
            return Err(format!("frontend_tools[{place}]: the name is blank"));
        }
        if !tool.parameters.is_object() {
            return Err(format!("frontend_tools[{place}]: `parameters` must be a JSON schema"));
        }
        tools.push(ToolSpec {
            name: tool.name,
            description: tool.description,
            schema: tool.parameters,
        });
    }
    Ok(tools)
}

#[derive(Deserialize)]
struct Declared {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default = "nothing", alias = "schema", alias = "input_schema")]
    parameters: Value,
}

fn nothing() -> Value {
    json!({"type": "object", "properties": {}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_read_in_both_ways_of_writing_them() {
        let tools = read(&[
            json!({"name": "open", "parameters": {"type": "object"}}),
            json!({"type": "function", "function": {"name": "close", "description": "Closes."}}),
        ])
        .unwrap();
        assert_eq!(tools[0].name, "open");
        assert_eq!((tools[1].name.as_str(), tools[1].description.as_str()), ("close", "Closes."));
    }

    #[test]
    fn what_is_no_tool_is_refused_with_its_place() {
        for wrong in [
            json!(1),
            json!({}),
            json!({"name": " "}),
            json!({"name": "x", "parameters": 7}),
            json!({"name": 7}),
        ] {
            let error = read(&[json!({"name": "good"}), wrong]).unwrap_err();
            assert!(error.starts_with("frontend_tools[1]: "), "{error}");
        }
        assert!(read(&[json!({"name": "a"}), json!({"name": "a"})]).is_err());
    }
}
