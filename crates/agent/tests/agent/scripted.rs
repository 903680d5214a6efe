//! A model that says what the test tells it to.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use postroom_agent::AgentConfig;
use postroom_agent::AgentExecutor;
use postroom_agent::model::{
    Finished, Model, ModelError, ModelEvent, ModelRequest, ModelStream, Stop,
};
use postroom_core::message::{Message, ToolCall};
use postroom_core::run::Usage;
use serde_json::Value;

use crate::fake::{agent, builder, executor, one_agent};

/// One answer.
pub enum Turn {
    Says(Vec<ModelEvent>),
    /// Says this and then nothing, for ever.
    Hangs(&'static str),
    /// Says this and breaks off.
    Breaks(&'static str, ModelError),
    Refuses(ModelError),
}

pub struct Scripted {
    turns: Mutex<VecDeque<Turn>>,
    pub requests: Mutex<Vec<ModelRequest>>,
}

impl Scripted {
    pub fn new(turns: Vec<Turn>) -> Arc<Self> {
        Arc::new(Self { turns: Mutex::new(turns.into()), requests: Mutex::default() })
    }

    pub fn executor(self: &Arc<Self>) -> AgentExecutor {
        self.executor_of(agent("scripted", &["clock", "demo_action"]))
    }

    pub fn executor_of(self: &Arc<Self>, config: AgentConfig) -> AgentExecutor {
        let registry = builder().model("scripted", self.clone()).agents(one_agent(config));
        executor(registry.build().unwrap())
    }

    /// The messages of the last request.
    pub fn last_prompt(&self) -> Vec<Arc<Message>> {
        self.requests.lock().last().expect("the model was asked").messages.clone()
    }
}

#[async_trait]
impl Model for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        self.requests.lock().push(request);
        let turn = self.turns.lock().pop_front().expect("the model is not asked that often");
        Ok(match turn {
            Turn::Says(events) => stream::iter(events).map(Ok).boxed(),
            Turn::Hangs(text) => {
                stream::iter([Ok(text_delta(text))]).chain(stream::pending()).boxed()
            }
            Turn::Breaks(text, error) => stream::iter([Ok(text_delta(text)), Err(error)]).boxed(),
            Turn::Refuses(error) => return Err(error),
        })
    }
}

fn text_delta(text: &str) -> ModelEvent {
    ModelEvent::TextDelta(text.into())
}

pub fn finished(stop: Stop) -> ModelEvent {
    let usage = Usage { input_tokens: 10, output_tokens: 2, ..Usage::default() };
    ModelEvent::Finished(Finished { usage, stop, ..Finished::default() })
}

pub fn says(text: &str) -> Turn {
    Turn::Says(vec![text_delta(text), finished(Stop::Complete)])
}

pub fn call(id: &str, name: &str, arguments: Value) -> ToolCall {
    ToolCall { id: id.parse().unwrap(), name: name.into(), arguments }
}

pub fn calls(calls: &[ToolCall]) -> Turn {
    let mut events = Vec::new();
    for call in calls {
        let (id, name) = (call.id.clone(), call.name.clone());
        events.push(ModelEvent::ToolCallStarted { id, name });
        events.push(ModelEvent::ToolCallReady(call.clone()));
    }
    events.push(finished(Stop::Complete));
    Turn::Says(events)
}
