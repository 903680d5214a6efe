//! MCP servers in the configuration: `[mcp.NAME]`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use reqwest::Url;
use serde::{Deserialize, Serialize, Serializer};

use super::ConfigError;

/// An MCP server: `[mcp.NAME]`. It is a program that we start, or a URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct McpConfig {
    /// The program and its arguments; it speaks over its standard input and output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Where it runs; otherwise where we do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
    /// Variables of its environment, beside the harmless ones that every program needs.
    #[serde(default)]
    pub env: EnvValues,
    /// Variables of our environment that it gets too: keys and the like.
    #[serde(default)]
    pub inherit_env: Vec<String>,
    /// The URL of a server that speaks streamable HTTP. Keys belong into `headers_env`: a URL is
    /// no secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Headers of each request to the URL, and the variables of our environment with their values.
    #[serde(default)]
    pub headers_env: BTreeMap<String, String>,
    /// The longest that a call may take, in milliseconds.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// The longest that it may take to start, and to say what tools it has, in milliseconds.
    #[serde(default = "default_start_timeout_ms")]
    pub start_timeout_ms: u64,
}

fn default_timeout_ms() -> u64 {
    60_000
}

fn default_start_timeout_ms() -> u64 {
    30_000
}

/// Variables of an environment. Their values are not shown: they may be secrets.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct EnvValues(pub BTreeMap<String, String>);

/// What is written of a configuration is shown to people, and so are the names alone.
impl Serialize for EnvValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.keys().map(|name| (name, "***")))
    }
}

impl fmt::Debug for EnvValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// How a server is reached.
#[derive(Debug, Clone)]
pub(crate) enum Endpoint {
    Command { program: String, arguments: Vec<String> },
    Url(Url),
}

impl McpConfig {
    /// How the server called `name` is reached.
    ///
    /// # Errors
    /// What is wrong with its configuration.
    pub(crate) fn endpoint(&self, name: &str) -> Result<Endpoint, ConfigError> {
        let wrong =
            |reason: &str| ConfigError::Mcp { server: name.to_owned(), reason: reason.to_owned() };
        if name.is_empty()
            || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        {
            return Err(wrong("a name has letters, digits, - and _ only"));
        }
        match (&self.command, &self.url) {
            (Some(_), Some(_)) => Err(wrong("give either `command` or `url`, not both")),
            (None, None) => Err(wrong("give a `command` that starts it, or its `url`")),
            (Some(command), None) => {
                if !self.headers_env.is_empty() {
                    return Err(wrong("`headers_env` belongs to a `url`"));
                }
                let (program, arguments) = command
                    .split_first()
                    .filter(|(program, _)| !program.is_empty())
                    .ok_or_else(|| wrong("`command` names no program"))?;
                Ok(Endpoint::Command { program: program.clone(), arguments: arguments.to_vec() })
            }
            (None, Some(url)) => {
                let of_a_command =
                    self.cwd.is_some() || !self.env.0.is_empty() || !self.inherit_env.is_empty();
                if of_a_command {
                    return Err(wrong("`cwd`, `env` and `inherit_env` belong to a `command`"));
                }
                let url = Url::parse(url).map_err(|error| wrong(&format!("`url`: {error}")))?;
                if !matches!(url.scheme(), "http" | "https") {
                    return Err(wrong("`url` must begin with http:// or https://"));
                }
                if !url.username().is_empty() || url.password().is_some() {
                    return Err(wrong("`url`: keep passwords in the environment: `headers_env`"));
                }
                Ok(Endpoint::Url(url))
            }
        }
    }
}
