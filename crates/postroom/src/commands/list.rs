//! Lists and single things, as people see them.

use serde_json::{Map, Value};

use crate::output::{self, Ages, Paint, Rendered, Style, Table};

/// How much of a list, and how it is shown.
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// At most so many, newest first
    #[arg(long, short = 'n', default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

/// A list as people see it.
pub struct Columns {
    /// What stands above each.
    pub headings: &'static [&'static str],
    /// A row of an item.
    pub row: fn(&Value, Ages) -> Vec<String>,
}

/// The items as a table that fits the terminal.
pub fn table(items: &[Value], columns: &Columns) -> Rendered {
    let ages = Ages::now();
    let mut table = Table::new(columns.headings);
    items.iter().for_each(|item| table.row((columns.row)(item, ages)));
    table.render(Style::of_stdout(), output::columns())
}

/// The fields of one thing, a line each; those that hold nothing are left out.
pub fn fields(fields: &Map<String, Value>) -> String {
    let style = Style::of_stdout();
    let width = fields.keys().map(|key| key.chars().count()).max().unwrap_or(0);
    let line = |(key, value): (&String, &Value)| {
        let value = match value {
            // Text for people may have several lines: the later ones stand below the first.
            Value::String(text) => text.replace('\n', &format!("\n{:width$}  ", "")),
            other => other.to_string(),
        };
        let key = style.paint(Paint::Dim, &format!("{key:<width$}"));
        format!("{key}  {}\n", printable(&value))
    };
    fields.iter().filter(|(_, value)| !is_nothing(value)).map(line).collect()
}

fn is_nothing(value: &Value) -> bool {
    value.is_null()
        || value.as_object().is_some_and(Map::is_empty)
        || value.as_array().is_some_and(Vec::is_empty)
}

/// Text of others must not steer the terminal.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c })
        .collect()
}
