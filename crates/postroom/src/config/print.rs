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

    /// Every setting by its full name, secrets hidden, with the place of those that are not defaults.
    pub fn settings(&self) -> Vec<(String, serde_json::Value, Option<String>)> {
        let mut table = Table::try_from(&self.config).unwrap_or_default();
        hide(&mut table);
        let mut settings = Vec::new();
        self.collect(&table, "", &mut settings);
        settings
    }

    fn collect(
        &self,
        table: &Table,
        path: &str,
        settings: &mut Vec<(String, serde_json::Value, Option<String>)>,
    ) {
        for (key, value) in table {
            let key = joined(path, key);
            if let Value::Table(inner) = value
                && !inner.is_empty()
            {
                self.collect(inner, &key, settings);
                continue;
            }
            let origin = self.layers.origin_of_value(&key).map(ToString::to_string);
            // What TOML can say, JSON can.
            let value = serde_json::to_value(value).unwrap_or_default();
            settings.push((key, value, origin));
        }
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
