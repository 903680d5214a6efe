//! How deeply JSON is nested.

/// How many levels a body may have. Most readers of JSON, ours among them, give up at 128, and what
/// is kept of a body lies some levels deeper in the stores' rows and in the answers: what was
/// accepted must be readable there.
pub(crate) const LEVELS_MAX: usize = 100;

/// Whether the text has more than [`LEVELS_MAX`] levels. It need not be JSON; what is not is found
/// by who reads it.
pub(crate) fn is_too_deep(json: &[u8]) -> bool {
    let mut levels = 0_usize;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'[' | b'{' => levels += 1,
            b']' | b'}' => levels = levels.saturating_sub(1),
            _ => {}
        }
        if levels > LEVELS_MAX {
            return true;
        }
    }
    false
}

/// Goes on behind the quotation mark that ends a string.
fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_counted_and_brackets_in_strings_are_not() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(!is_too_deep(nested(LEVELS_MAX).as_bytes()));
        assert!(is_too_deep(nested(LEVELS_MAX + 1).as_bytes()));
        let side_by_side = format!("[{}]", vec!["{\"a\": [{}]}"; 200].join(","));
        assert!(!is_too_deep(side_by_side.as_bytes()));
        let text = format!("[\"\\\"{}\\\\\", []]", "[".repeat(200));
        assert!(!is_too_deep(text.as_bytes()));
        for broken in ["\"", "\"\\", "]]]", ""] {
            assert!(!is_too_deep(broken.as_bytes()));
        }
    }
}
