//! How long conversations can be with models that are known by name.

/// The windows of well-known models, in tokens, by how their names begin; the first that fits.
/// Only what is sure: a window that is taken for too small costs a little memory of what was said,
/// one that is taken for too large costs a refused request, after which the context is shortened.
const WINDOWS: [(&str, u64); 18] = [
    ("gpt-4.1", 1_000_000),
    ("gpt-4o", 128_000),
    ("gpt-4-turbo", 128_000),
    ("gpt-5-chat", 128_000),
    ("gpt-5", 272_000),
    ("o1-mini", 128_000),
    ("o1-preview", 128_000),
    ("o1", 200_000),
    ("o3", 200_000),
    ("o4-mini", 200_000),
    ("claude-", 200_000),
    ("gemini-1.5", 1_000_000),
    ("gemini-2", 1_000_000),
    ("gemini-3", 1_000_000),
    ("gemini-flash", 1_000_000),
    ("mistral-large", 128_000),
    ("mistral-small", 32_000),
    ("deepseek-", 64_000),
];

/// The window of the model of this name, whatever its publisher and namespace.
pub(super) fn of_well_known(model: &str) -> Option<u64> {
    let name = model.rsplit(['/', ':']).find(|part| part.contains('-')).unwrap_or(model);
    WINDOWS.iter().find(|(start, _)| name.starts_with(start)).map(|(_, window)| *window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_with_their_publisher_too() {
        assert_eq!(of_well_known("claude-haiku-4-5"), Some(200_000));
        assert_eq!(of_well_known("anthropic/claude-sonnet-4-5"), Some(200_000));
        assert_eq!(of_well_known("gpt-4o-mini"), Some(128_000));
        assert_eq!(of_well_known("qwen3"), None);
        assert_eq!(of_well_known("o3"), Some(200_000));
        assert_eq!(of_well_known("openai/o1-mini"), Some(128_000), "not that of o1");
        assert_eq!(of_well_known(""), None);
    }
}
