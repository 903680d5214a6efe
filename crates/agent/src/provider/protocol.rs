//! How a provider is spoken to: what differs between providers hangs on this.

use genai::adapter::AdapterKind;

/// The language of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// `OpenAI`'s chat completions, which most others speak too.
    Chat,
    /// `OpenAI`'s responses.
    Responses,
    Anthropic,
    Gemini,
    Ollama,
    /// One of the client's others, of which less is known.
    Other,
}

impl Protocol {
    pub fn of(kind: AdapterKind) -> Self {
        match kind {
            AdapterKind::OpenAIResp => Self::Responses,
            AdapterKind::Anthropic | AdapterKind::MiniMax => Self::Anthropic,
            AdapterKind::Gemini => Self::Gemini,
            AdapterKind::Ollama => Self::Ollama,
            AdapterKind::OpenAI
            | AdapterKind::Together
            | AdapterKind::Groq
            | AdapterKind::Aihubmix
            | AdapterKind::Kimi
            | AdapterKind::Mimo
            | AdapterKind::Moonshot
            | AdapterKind::Nebius
            | AdapterKind::Xai
            | AdapterKind::DeepSeek
            | AdapterKind::Mistral
            | AdapterKind::Aliyun
            | AdapterKind::QwenCloud
            | AdapterKind::BigModel
            | AdapterKind::Fireworks
            | AdapterKind::OpenRouter
            | AdapterKind::AtlasCloud
            | AdapterKind::Requesty => Self::Chat,
            _ => Self::Other,
        }
    }
}
