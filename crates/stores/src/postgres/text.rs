//! Text as PostgreSQL can keep it: its `text` has no room for U+0000, which messages may contain.
//!
//! Such a text (and one that already begins with the mark) is kept as JSON behind a mark.

use std::borrow::Cow;

/// Says that JSON follows. It is a control character that nearly no text begins with.
const MARK: char = '\u{1}';

/// The text as it is kept.
pub(super) fn stored(text: &str) -> Cow<'_, str> {
    if !text.starts_with(MARK) && !text.contains('\0') {
        return Cow::Borrowed(text);
    }
    // A string always has a JSON form.
    let json = serde_json::Value::from(text).to_string();
    Cow::Owned(format!("{MARK}{json}"))
}

/// The text as it was given; `None` if it was not kept by [`stored`].
pub(super) fn given(stored: &str) -> Option<Cow<'_, str>> {
    match stored.strip_prefix(MARK) {
        None => Some(Cow::Borrowed(stored)),
        Some(json) => serde_json::from_str(json).ok().map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_none_is_kept_with_a_nul() {
        for text in ["", "plain", "a\0b", "\0", "\u{1}", "\u{1}\"x\"", "x\u{1}", "ü\n\"\\"] {
            let kept = stored(text);
            assert!(!kept.contains('\0'));
            assert_eq!(given(&kept).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_was_not_kept_so_is_refused() {
        assert_eq!(given("\u{1}no json"), None);
    }
}
