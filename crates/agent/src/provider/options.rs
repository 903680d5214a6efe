//! Our options in the client's words. What a provider lacks is refused: the client would leave it
//! out without a word.

use std::sync::Arc;

use genai::adapter::AdapterKind;
use genai::chat::{
    ChatFrameSink, ChatOptions, JsonSpec, ReasoningEffort as SentEffort, ToolChoice as SentChoice,
};

use super::SILENCE_TIMEOUT;
use super::names::WireNames;
use super::protocol::Protocol;
use crate::model::{ModelError, ModelOptions, ReasoningEffort, ToolChoice, ToolSpec};

/// The model that is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub kind: AdapterKind,
    pub protocol: Protocol,
    /// The provider's name for it.
    pub model: &'a str,
}

/// The options of a request to `target` that offers `tools`, and what is to see its answer.
pub(super) fn chat_options(
    target: Target<'_>,
    options: &ModelOptions,
    tools: &[ToolSpec],
    names: &WireNames,
    sink: Arc<dyn ChatFrameSink>,
) -> Result<ChatOptions, ModelError> {
    options
        .check()
        .map_err(|error| ModelError::permanent(ModelError::INVALID_REQUEST, error.to_string()))?;
    if let Some(lacks) = lacks(target, options) {
        return Err(ModelError::permanent(ModelError::UNSUPPORTED_OPTION, lacks));
    }
    let chat = ChatOptions {
        temperature: options.temperature,
        top_p: options.top_p,
        max_tokens: options.max_output_tokens,
        seed: options.seed,
        stop_sequences: options.stop.clone().unwrap_or_default(),
        reasoning_effort: effort(target, options.reasoning_effort),
        tool_choice: choice(target, options.tool_choice.as_ref(), tools, names)?,
        response_format: options
            .response_schema
            .as_ref()
            .map(|form| JsonSpec::new(form.name.clone(), form.schema.clone()).into()),
        ..ChatOptions::default()
    };
    Ok(chat
        .with_capture_usage(true)
        // The pieces of chat completions are put together by us: the client trusts the places that
        // the server gives its calls, and copies all arguments so far for every piece.
        .with_capture_tool_calls(target.protocol != Protocol::Chat)
        .with_capture_reasoning_content(shows_reasoning(target, options))
        .with_stream_header_timeout(SILENCE_TIMEOUT)
        .with_stream_read_timeout(SILENCE_TIMEOUT)
        .with_raw_frame_sink_arc(sink))
}

/// `OpenAI`'s responses and Gemini must be asked for the thoughts, and a model that has none refuses
/// the question: an effort says that it has. For the others this only keeps what comes anyway.
fn shows_reasoning(target: Target<'_>, options: &ModelOptions) -> bool {
    match target.protocol {
        Protocol::Responses | Protocol::Gemini | Protocol::Other => {
            options.reasoning_effort.is_some_and(|effort| effort != ReasoningEffort::None)
        }
        Protocol::Chat | Protocol::Anthropic | Protocol::Ollama => true,
    }
}

/// What `target` lacks of what is asked for, and what to do about it.
fn lacks(target: Target<'_>, options: &ModelOptions) -> Option<String> {
    let protocol = target.protocol;
    let missing: &[&str] = match protocol {
        Protocol::Chat | Protocol::Gemini => &[],
        Protocol::Responses => &["seed", "stop"],
        Protocol::Anthropic => &["seed"],
        Protocol::Ollama => &["tool_choice", "response_schema"],
        Protocol::Other => &["seed", "reasoning_effort", "tool_choice", "response_schema"],
    };
    let chooses = match &options.tool_choice {
        None | Some(ToolChoice::Auto) => false,
        // Offering no tools does it.
        Some(ToolChoice::None) => protocol != Protocol::Ollama,
        Some(ToolChoice::Required | ToolChoice::Tool(_)) => true,
    };
    let asked = [
        ("seed", options.seed.is_some()),
        ("stop", options.stop.as_ref().is_some_and(|stop| !stop.is_empty())),
        ("reasoning_effort", options.reasoning_effort.is_some()),
        ("tool_choice", chooses),
        ("response_schema", options.response_schema.is_some()),
    ];
    let lacking = asked.iter().find(|(option, asked)| *asked && missing.contains(option));
    if let Some((option, _)) = lacking {
        let hint = match protocol {
            Protocol::Ollama => "; use provider = \"openai\" with its base_url ending in /v1",
            _ => "",
        };
        return Some(format!("{option}: {} is not asked for it{hint}", target.name()));
    }
    let too_hot = options.temperature.is_some_and(|temperature| temperature > 1.0);
    if protocol == Protocol::Anthropic && too_hot {
        return Some("temperature: Anthropic's is from 0 to 1".to_owned());
    }
    let must_not_think = options.reasoning_effort == Some(ReasoningEffort::None);
    if protocol == Protocol::Gemini && must_not_think && thinks_by_level(target.model) {
        let model = target.model;
        return Some(format!("reasoning_effort: {model} always thinks; `minimal` is its least"));
    }
    None
}

impl Target<'_> {
    fn name(self) -> &'static str {
        match self.protocol {
            Protocol::Responses => "OpenAI's responses API",
            Protocol::Anthropic => "Anthropic's API",
            Protocol::Ollama => "Ollama's own API",
            Protocol::Chat | Protocol::Gemini | Protocol::Other => self.kind.as_str(),
        }
    }
}

/// Newer models of Google's are told a level, older ones a number of tokens.
fn thinks_by_level(model: &str) -> bool {
    model.contains("gemini-3") || model.contains("gemma-4")
}

fn effort(target: Target<'_>, effort: Option<ReasoningEffort>) -> Option<SentEffort> {
    let Some(effort) = effort else {
        // The client takes the end of a name like `mistral-medium` for an effort, and off the name.
        // A budget, which these protocols do not have, keeps it from that and is not sent.
        let looks_like_effort = SentEffort::from_model_name(target.model).0.is_some();
        let has_no_budget = matches!(target.protocol, Protocol::Chat | Protocol::Responses)
            && target.kind != AdapterKind::DeepSeek;
        return (looks_like_effort && has_no_budget).then_some(SentEffort::Budget(0));
    };
    Some(match effort {
        ReasoningEffort::None if target.protocol == Protocol::Gemini => SentEffort::Budget(0),
        ReasoningEffort::None => SentEffort::Zero,
        ReasoningEffort::Minimal => SentEffort::Minimal,
        ReasoningEffort::Low => SentEffort::Low,
        ReasoningEffort::Medium => SentEffort::Medium,
        ReasoningEffort::High => SentEffort::High,
        ReasoningEffort::XHigh => SentEffort::XHigh,
        ReasoningEffort::Max => SentEffort::Max,
    })
}

fn choice(
    target: Target<'_>,
    choice: Option<&ToolChoice>,
    tools: &[ToolSpec],
    names: &WireNames,
) -> Result<Option<SentChoice>, ModelError> {
    Ok(match choice {
        None => None,
        // Without tools there is nothing to choose, and some providers refuse to be told so.
        Some(ToolChoice::Auto | ToolChoice::None) if tools.is_empty() => None,
        // Here no tools are offered instead.
        Some(_) if target.protocol == Protocol::Ollama => None,
        Some(ToolChoice::Auto) => Some(SentChoice::Auto),
        Some(ToolChoice::None) => Some(SentChoice::None),
        Some(ToolChoice::Required) => Some(SentChoice::Required),
        Some(ToolChoice::Tool(name)) if tools.iter().any(|tool| tool.name == *name) => {
            Some(SentChoice::tool(names.wire(name)))
        }
        Some(ToolChoice::Tool(name)) => {
            let message = format!("tool_choice: the model is offered no tool `{name}`");
            return Err(ModelError::permanent(ModelError::INVALID_REQUEST, message));
        }
    })
}
