//! Showing what is in force.

use toml::{Table, Value};

use super::Loaded;
use super::secrets::hide;

impl Loaded {
    /// The configuration as TOML, secrets hidden, with the place of every value that is not a
    /// default.
    pub fn to_toml(&self) -> String {
        let mut table = Table::try_from(&self.config).unwrap_or_default();
        hide(&mut table);
        let mut lines = Vec::new();
        self.section(&table, "", &mut lines);
        format!("{}\n", lines.join("\n").trim_start())
    }

    fn section(&self, table: &Table, path: &str, lines: &mut Vec<String>) {
        let (tables, values): (Vec<_>, Vec<_>) =
            table.iter().partition(|(_, value)| value.is_table());
        if !path.is_empty() && (!values.is_empty() || tables.is_empty()) {
            lines.extend([String::new(), format!("[{path}]")]);
        }
        for (key, value) in values {
            let written = format!("{} = {value}", quoted(key));
            let origin = self.layers.origin_of_value(&joined(&unquoted(path), key));
            lines.push(match origin {
                Some(origin) => format!("{written:<40} # {origin}"),
                None => written,
            });
        }
        for (key, value) in tables {
            if let Value::Table(inner) = value {
                self.section(inner, &joined(path, &quoted(key)), lines);
            }
        }
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A key as TOML writes it.
fn quoted(key: &str) -> String {
    let bare = !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if bare { key.to_owned() } else { Value::String(key.to_owned()).to_string() }
}

fn unquoted(path: &str) -> String {
    path.replace(['"', '\''], "")
}
