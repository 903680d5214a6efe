//! Merging the layers, with the origin of every value.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::IntoDeserializer;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::{Config, Invalid};

/// What the names of all variables that configure begin with. A second `__` separates the parts.
const PREFIX: &str = "POSTROOM_";

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A configuration file.
    File {
        /// Which.
        path: PathBuf,
        /// The line, counted from 1, where it is about one.
        line: Option<usize>,
    },
    /// An environment variable.
    Variable(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// The merged layers, later ones over earlier ones.
#[derive(Debug, Default)]
pub(super) struct Layers {
    table: Table,
    /// By the key's full name, its parts joined by dots.
    origins: BTreeMap<String, Origin>,
}

impl Layers {
    pub(super) fn add_file(&mut self, path: &Path, text: &str) -> Result<(), Invalid> {
        let syntax = |error: &toml::de::Error| {
            let line = error.span().map(|span| line_of(text, &span));
            let place = Origin::File { path: path.to_owned(), line };
            Invalid::new(Some(place), None, one_line(error.message()))
        };
        let table: Table = toml::from_str(text).map_err(|error| syntax(&error))?;
        let spans = DeTable::parse(text).map_err(|error| syntax(&error))?;
        let mut lines = BTreeMap::new();
        collect_lines(spans.get_ref(), "", text, &mut lines);
        self.origins.extend(
            lines
                .into_iter()
                .map(|(key, line)| (key, Origin::File { path: path.to_owned(), line: Some(line) })),
        );
        self.table = table;
        Ok(())
    }

    /// Adds the variables `POSTROOM_SECTION__KEY`. Others are not ours: container platforms set
    /// `POSTROOM_PORT` and the like for a service of that name.
    pub(super) fn add_environment(
        &mut self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<(), Invalid> {
        let mut ours = BTreeMap::new();
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            let Some(key) = name.strip_prefix(PREFIX).filter(|key| key.contains("__")) else {
                continue;
            };
            let parts: Vec<String> = key.split("__").map(str::to_lowercase).collect();
            let Ok(value) = value.into_string() else {
                let place = Some(Origin::Variable(name));
                return Err(Invalid::new(place, None, "the value is not UTF-8 text"));
            };
            ours.insert(name, (parts, value));
        }
        for (name, (parts, value)) in ours {
            let parts = self.as_spelled(parts);
            self.add(&parts, &value, Origin::Variable(name));
        }
        Ok(())
    }

    /// Adds `KEY=VALUE` of a `--set`.
    pub(super) fn add_setting(&mut self, setting: &str) -> Result<(), Invalid> {
        let origin = Origin::Flag("--set".to_owned());
        let Some((key, value)) = setting.split_once('=') else {
            let problem = format!("`{setting}` is not KEY=VALUE, such as limits.drain_ms=1000");
            return Err(Invalid::new(Some(origin), None, problem));
        };
        let parts: Vec<String> = key.trim().split('.').map(str::to_owned).collect();
        self.add(&parts, value.trim(), origin);
        Ok(())
    }

    pub(super) fn add_flag(&mut self, flag: &str, key: &str, value: &str) {
        let parts: Vec<String> = key.split('.').map(str::to_owned).collect();
        self.add(&parts, value, Origin::Flag(flag.to_owned()));
    }

    fn add(&mut self, parts: &[String], text: &str, origin: Origin) {
        let value = typed(parts, text);
        insert(&mut self.table, parts, value);
        let key = parts.join(".");
        // What stood there or below is replaced, and so is its place.
        let below = format!("{key}.");
        self.origins.retain(|known, _| !known.starts_with(&below));
        self.origins.insert(key, origin);
    }

    /// Names of models and agents may have capitals, which variables' names can't tell.
    fn as_spelled(&self, parts: Vec<String>) -> Vec<String> {
        let mut here = Some(&self.table);
        let mut spelled = Vec::with_capacity(parts.len());
        for part in parts {
            let known = here.and_then(|table| {
                table.keys().find(|key| key.eq_ignore_ascii_case(&part)).cloned()
            });
            let part = known.unwrap_or(part);
            here = here.and_then(|table| table.get(&part)).and_then(Value::as_table);
            spelled.push(part);
        }
        spelled
    }

    /// Reads the merged table.
    pub(super) fn read(&self) -> Result<Config, Invalid> {
        deserialize(self.table.clone()).map_err(|(key, problem)| {
            let place = self.origin(&key).cloned();
            Invalid::new(place, (!key.is_empty()).then_some(key), problem)
        })
    }

    /// Where exactly this value came from, unless it is a default.
    pub(super) fn origin_of_value(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }

    /// The nearest place to `key` that somebody wrote: its own, that of something in it, or that of
    /// what it is in.
    pub(super) fn origin(&self, key: &str) -> Option<&Origin> {
        let below = format!("{key}.");
        let within = || {
            let mut rest = self.origins.range(below.clone()..);
            rest.next().filter(|(known, _)| known.starts_with(&below)).map(|(_, origin)| origin)
        };
        let around = || key.rfind(['.', '[']).and_then(|end| self.origin(&key[..end]));
        self.origins.get(key).or_else(within).or_else(around)
    }
}

/// The value that `text` stands for at this key: text where text is wanted, else what it says in
/// TOML.
fn typed(parts: &[String], text: &str) -> Value {
    let as_text = Value::String(text.to_owned());
    let mut alone = Table::new();
    insert(&mut alone, parts, as_text.clone());
    let refused = deserialize(alone).err().is_some_and(|(key, _)| key == parts.join("."));
    if !refused {
        return as_text;
    }
    let literal = toml::from_str::<Table>(&format!("value = {text}"));
    literal.ok().and_then(|mut table| table.remove("value")).unwrap_or(as_text)
}

/// Puts `value` at the place that `parts` name, making tables on the way.
fn insert(table: &mut Table, parts: &[String], value: Value) {
    match parts {
        [] => {}
        [last] => {
            table.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let inner = table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new()));
            if !inner.is_table() {
                *inner = Value::Table(Table::new());
            }
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// Reads a table; an error comes with the full name of its key.
fn deserialize(table: Table) -> Result<Config, (String, String)> {
    let reader = Value::Table(table).into_deserializer();
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let key = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        let problem = error.into_inner().to_string();
        (key, one_line(&problem).replace("unknown field", "unknown key"))
    })
}

fn collect_lines(
    table: &DeTable<'_>,
    above: &str,
    text: &str,
    lines: &mut BTreeMap<String, usize>,
) {
    for (key, value) in table {
        let name: &Spanned<_> = key;
        let path = match above {
            "" => name.get_ref().to_string(),
            above => format!("{above}.{}", name.get_ref()),
        };
        lines.insert(path.clone(), line_of(text, &name.span()));
        if let DeValue::Table(inner) = value.get_ref() {
            collect_lines(inner, &path, text, lines);
        }
    }
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = text.as_bytes().iter().take(span.start);
    before.filter(|byte| **byte == b'\n').count() + 1
}

fn one_line(text: &str) -> String {
    text.trim().lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
