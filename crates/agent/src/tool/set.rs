//! The tools that an agent has.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::schema::ArgumentCheck;
use super::{Tool, ToolError};
use crate::config::matches;
use crate::model::ToolSpec;

/// A tool and its compiled schema. Clones share both: it is compiled at the first call, once.
#[derive(Clone)]
pub struct ToolEntry {
    tool: Arc<dyn Tool>,
    check: Arc<OnceLock<ArgumentCheck>>,
}

impl ToolEntry {
    /// The arguments that the tool is called with for what a model gave.
    ///
    /// # Errors
    /// [`ToolError::InvalidArguments`] naming each wrong field, a few at most.
    pub fn check(&self, arguments: &Value) -> Result<Value, ToolError> {
        let check =
            self.check.get_or_init(|| ArgumentCheck::new(self.tool.name(), &self.tool.schema()));
        check.check(arguments)
    }
}

impl From<Arc<dyn Tool>> for ToolEntry {
    fn from(tool: Arc<dyn Tool>) -> Self {
        Self { tool, check: Arc::default() }
    }
}

impl<T: Tool> From<Arc<T>> for ToolEntry {
    fn from(tool: Arc<T>) -> Self {
        let tool: Arc<dyn Tool> = tool;
        tool.into()
    }
}

impl Deref for ToolEntry {
    type Target = dyn Tool;

    fn deref(&self) -> &(dyn Tool + 'static) {
        &*self.tool
    }
}

/// Tools by name.
#[derive(Clone, Default)]
pub struct ToolSet(BTreeMap<String, ToolEntry>);

impl ToolSet {
    /// Adds a tool; one of the same name is replaced. What comes from another set keeps its
    /// compiled schema.
    pub fn insert(&mut self, tool: impl Into<ToolEntry>) {
        let tool = tool.into();
        self.0.insert(tool.name().to_owned(), tool);
    }

    /// The tool called `name`.
    pub fn get(&self, name: &str) -> Option<&ToolEntry> {
        self.0.get(name)
    }

    /// The tools whose names fit `pattern`, in order.
    pub(crate) fn fitting(&self, pattern: &str) -> Vec<ToolEntry> {
        let fits = |(name, _): &(&String, &ToolEntry)| matches(pattern, name);
        self.0.iter().filter(fits).map(|(_, tool)| tool.clone()).collect()
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All tools as a model sees them.
    pub fn specs(&self) -> Vec<ToolSpec> {
        let spec = |tool: &ToolEntry| ToolSpec {
            name: tool.name().to_owned(),
            description: tool.description().to_owned(),
            schema: tool.schema(),
        };
        self.0.values().map(spec).collect()
    }
}

impl fmt::Debug for ToolSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
