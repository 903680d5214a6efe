//! The spans of an agent's work: what its models are asked and what its tools do, in the words of
//! OpenTelemetry's conventions for generative AI. Never what is said: no message, argument or result.

use postroom_core::id::{AgentId, ThreadId};
use postroom_core::message::ToolCall;
use postroom_core::ports::{Attribute, Beginning, OpenSpan, Span, SpanKind};
use postroom_core::run::{Run, Usage};
use reqwest::Url;

use crate::agent::{Agent, Definition};
use crate::config::ModelConfig;
use crate::model::{Finished, ModelError, ModelRequest, Stop};

/// A model is being asked.
pub(crate) fn inference(within: &Span, agent: &Agent, run: &Run, request: &ModelRequest) -> Span {
    within.child(|| {
        let Definition { model_name, model, .. } = &agent.definition;
        // Which member of a pool answers is not known yet.
        let asked = model.members.first().unwrap_or(model);
        let name = model.model.as_ref().unwrap_or(model_name);
        let mut span = Beginning::new(format!("chat {name}"))
            .kind(SpanKind::Client)
            .with("gen_ai.operation.name", "chat")
            .with("gen_ai.provider.name", provider(&asked.provider).to_owned())
            .with("gen_ai.request.model", name.clone())
            .with("gen_ai.conversation.id", run.thread_id.to_string())
            .with("gen_ai.agent.name", run.agent_id.to_string());
        let options = request.options.over(&model.options);
        let numbers: [(&str, Option<Attribute>); 4] = [
            ("gen_ai.request.max_tokens", options.max_output_tokens.map(Into::into)),
            ("gen_ai.request.temperature", options.temperature.map(Into::into)),
            ("gen_ai.request.top_p", options.top_p.map(Into::into)),
            ("gen_ai.request.seed", options.seed.map(Into::into)),
        ];
        for (key, number) in numbers {
            span.attributes.extend(number.map(|number| (key, number)));
        }
        at(span, model)
    })
}

/// Where it is served, if the configuration says so.
fn at(span: Beginning, model: &ModelConfig) -> Beginning {
    let url = model.base_url.as_deref().and_then(|url| Url::parse(url).ok());
    let Some(host) = url.as_ref().and_then(Url::host_str) else { return span };
    let span = span.with("server.address", host.to_owned());
    match url.as_ref().and_then(Url::port_or_known_default) {
        Some(port) => span.with("server.port", port),
        None => span,
    }
}

/// The model has answered.
pub(crate) fn answered(span: &Span, agent: &Agent, finished: &Finished, calls: bool) {
    span.tell(|span| {
        used(span, finished.usage);
        match finished.model.as_deref().and_then(|answered| answered.split_once('/')) {
            Some((of, model)) => {
                span.set("gen_ai.provider.name", provider(of).to_owned().into());
                span.set("gen_ai.response.model", model.to_owned().into());
            }
            None => {
                let Definition { model_name, model, .. } = &agent.definition;
                let name = finished.model.as_ref().or(model.model.as_ref()).unwrap_or(model_name);
                span.set("gen_ai.response.model", name.clone().into());
            }
        }
        let why = match finished.stop {
            Stop::Complete if calls => "tool_call",
            Stop::Complete => "stop",
            Stop::TooLong => "length",
            Stop::Filtered => "content_filter",
        };
        span.set("gen_ai.response.finish_reasons", Attribute::Texts(vec![why.into()]));
    });
}

fn used(span: &dyn OpenSpan, usage: Usage) {
    span.set("gen_ai.usage.input_tokens", usage.input_tokens.into());
    span.set("gen_ai.usage.output_tokens", usage.output_tokens.into());
    if usage.cached_tokens > 0 {
        span.set("gen_ai.usage.cache_read.input_tokens", usage.cached_tokens.into());
    }
}

/// The model has summarised.
pub(crate) fn summarised(span: &Span, usage: Usage) {
    span.tell(|span| used(span, usage));
}

/// The model gave no answer.
pub(crate) fn unanswered(span: &Span, error: &ModelError) {
    span.fail(match error {
        ModelError::Transient { .. } => "transient_error",
        ModelError::Permanent { code, .. } => code,
    });
}

/// A tool is being called.
pub(crate) fn tool_call(
    within: &Span,
    call: &ToolCall,
    thread_id: &ThreadId,
    agent_id: &AgentId,
) -> Span {
    within.child(|| {
        let span = Beginning::new(format!("execute_tool {}", call.name))
            .with("gen_ai.operation.name", "execute_tool")
            .with("gen_ai.tool.name", call.name.clone())
            .with("gen_ai.tool.call.id", call.id.to_string())
            .with("gen_ai.conversation.id", thread_id.to_string())
            .with("gen_ai.agent.name", agent_id.to_string());
        if call.name.starts_with("mcp:") {
            return span
                .kind(SpanKind::Client)
                .with("gen_ai.tool.type", "extension")
                .with("mcp.method.name", "tools/call");
        }
        span.with("gen_ai.tool.type", "function")
    })
}

/// The conventions' word for a provider of ours.
fn provider(ours: &str) -> &str {
    match ours {
        "openai_resp" => "openai",
        "gemini" => "gcp.gemini",
        "vertex" => "gcp.vertex_ai",
        "bedrock" | "bedrock_api" => "aws.bedrock",
        "mistral" => "mistral_ai",
        "xai" => "x_ai",
        "moonshot" => "moonshot_ai",
        other => other,
    }
}
