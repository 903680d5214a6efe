//! A tool from a plain async function.

use std::future::Future;
use std::marker::PhantomData;

use async_trait::async_trait;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Tool, ToolContext, ToolError, ToolLimits, read_arguments};

/// A tool that calls `function` with its arguments, read into `Args`: a struct whose fields and
/// their comments make the schema.
///
/// ```
/// use postroom_agent::schemars::JsonSchema;
/// use postroom_agent::tool::{ToolContext, tool_fn};
/// use serde::Deserialize;
///
/// #[derive(Deserialize, JsonSchema)]
/// #[schemars(crate = "postroom_agent::schemars")]
/// struct Add {
///     /// The first number.
///     left: i64,
///     /// What is added to it.
///     right: i64,
/// }
///
/// let add = tool_fn("add", "Adds two numbers.", |numbers: Add, _: ToolContext| async move {
///     Ok(numbers.left + numbers.right)
/// });
/// ```
pub fn tool_fn<Args, F, Fut, Out>(
    name: &str,
    description: &str,
    function: F,
) -> FunctionTool<Args, F>
where
    Args: DeserializeOwned + JsonSchema + 'static,
    F: Fn(Args, ToolContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Out, ToolError>> + Send + 'static,
    Out: Serialize,
{
    FunctionTool {
        name: name.to_owned(),
        description: description.to_owned(),
        schema: schema_of::<Args>(),
        always_asks: false,
        repeatable: true,
        limits: ToolLimits::default(),
        function,
        arguments: PhantomData,
    }
}

/// A tool made by [`tool_fn`].
pub struct FunctionTool<Args, F> {
    name: String,
    description: String,
    schema: Value,
    always_asks: bool,
    repeatable: bool,
    limits: ToolLimits,
    function: F,
    arguments: PhantomData<fn(Args)>,
}

impl<Args, F> FunctionTool<Args, F> {
    /// Each call waits for a person.
    pub fn asking_always(self) -> Self {
        Self { always_asks: true, ..self }
    }

    /// A call that a crash cut off is not made again.
    pub fn not_repeatable(self) -> Self {
        Self { repeatable: false, ..self }
    }

    /// It has limits of its own.
    pub fn with_limits(self, limits: ToolLimits) -> Self {
        Self { limits, ..self }
    }
}

#[async_trait]
impl<Args, F, Fut, Out> Tool for FunctionTool<Args, F>
where
    Args: DeserializeOwned + JsonSchema + 'static,
    F: Fn(Args, ToolContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Out, ToolError>> + Send + 'static,
    Out: Serialize,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn description(&self) -> &str {
        &self.description
    }

    fn schema(&self) -> Value {
        self.schema.clone()
    }

    fn always_asks(&self) -> bool {
        self.always_asks
    }

    fn repeatable(&self) -> bool {
        self.repeatable
    }

    fn limits(&self) -> ToolLimits {
        self.limits
    }

    async fn call(&self, arguments: Value, context: ToolContext) -> Result<Value, ToolError> {
        // In a statement of its own: what was read need not be `Send`, only the future is.
        let answer = (self.function)(read_arguments(arguments)?, context);
        let answer = answer.await.map(|answer| serde_json::to_value(answer));
        answer?.map_err(|error| ToolError::Failed(format!("the result has no JSON form: {error}")))
    }
}

/// The schema of `Args` as providers want it: one object, without references where it is not
/// recursive.
fn schema_of<Args: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema: Value = settings.into_generator().into_root_schema_for::<Args>().into();
    if let Some(object) = schema.as_object_mut() {
        // A Rust name says nothing to a model.
        object.remove("title");
        object.entry("properties").or_insert_with(|| json!({}));
    }
    schema
}
