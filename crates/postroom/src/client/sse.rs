//! Server-sent events: frames out of bytes, however the network cuts them.

/// One frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// The `id`, where there is one.
    pub id: Option<String>,
    /// The `data`, its lines joined.
    pub data: String,
}

/// Puts frames together. Lines may end in LF, CR LF or CR, as the standard says.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    frame: Frame,
    has_data: bool,
    /// The last byte was a CR: an LF after it belongs to the same line end.
    after_cr: bool,
}

impl Parser {
    /// Takes bytes in; answers the frames that they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Frame> {
        let mut frames = Vec::new();
        for &byte in bytes {
            let was_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if was_cr => {}
                b'\n' | b'\r' => frames.extend(self.end_line()),
                byte => self.line.push(byte),
            }
        }
        frames
    }

    /// An empty line ends a frame; one without data (a comment's) is none.
    fn end_line(&mut self) -> Option<Frame> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let frame = std::mem::take(&mut self.frame);
            return std::mem::take(&mut self.has_data).then_some(frame);
        }
        let line = String::from_utf8_lossy(&line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.frame.data.push('\n');
                }
                self.has_data = true;
                self.frame.data.push_str(value);
            }
            "id" => self.frame.id = Some(value.to_owned()),
            // `event` repeats what the data says, `retry` is ours to know, and a comment has none.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const STREAM: &str = ": hello\n\nid: 1\nevent: a\ndata: {\"x\":1}\n\n:\n\nid:2\r\ndata: two\r\ndata:  lines\r\n\r\ndata\r\rid: 9\n\n";

    fn frames(chunks: &[&[u8]]) -> Vec<Frame> {
        let mut parser = Parser::default();
        chunks.iter().flat_map(|chunk| parser.feed(chunk)).collect()
    }

    #[test]
    fn frames_are_the_same_however_the_bytes_are_cut() {
        let whole = frames(&[STREAM.as_bytes()]);
        let expected = [
            Frame { id: Some("1".into()), data: "{\"x\":1}".into() },
            Frame { id: Some("2".into()), data: "two\n lines".into() },
            Frame { id: None, data: String::new() },
        ];
        assert_eq!(whole, expected);
        for at in 0..=STREAM.len() {
            let (a, b) = STREAM.as_bytes().split_at(at);
            assert_eq!(frames(&[a, b]), expected, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = STREAM.as_bytes().chunks(1).collect();
        assert_eq!(frames(&bytes), expected);
    }

    #[test]
    fn what_is_not_text_does_not_panic() {
        assert_eq!(frames(&[b"data: \xff\xfe\n\n"]).len(), 1);
        assert!(frames(&[b"\xff\n\n\r\n\r"]).is_empty());
    }

    /// `bytes` in pieces of these lengths; what is left over in one piece.
    fn cut<'b>(mut bytes: &'b [u8], lengths: &[usize]) -> Vec<&'b [u8]> {
        let mut chunks = Vec::new();
        for length in lengths {
            let (chunk, rest) = bytes.split_at((*length).min(bytes.len()));
            chunks.push(chunk);
            bytes = rest;
        }
        chunks.push(bytes);
        chunks
    }

    /// Bytes that are often nearly a stream.
    fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
        let words: Vec<&[u8]> =
            vec![b"data", b"id", b"event", b"retry", b":", b" ", b"\n", b"\r", b"\r\n", b"\0"];
        let piece = prop_oneof![
            6 => select(words).prop_map(<[u8]>::to_vec),
            1 => "\\PC{0,3}".prop_map(String::into_bytes),
            1 => vec(any::<u8>(), 0..4),
        ];
        vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_the_same_frames_however_they_are_cut(
            bytes in any_bytes(),
            lengths in vec(0..9_usize, 0..30),
        ) {
            prop_assert_eq!(frames(&cut(&bytes, &lengths)), frames(&[&bytes]));
        }

        #[test]
        fn frames_come_back_whatever_ends_their_lines(
            sent in vec((prop::option::of("[^\r\n]{0,5}"), vec("[^\r\n]{0,5}", 1..4)), 0..5),
            end in select(vec!["\n", "\r\n", "\r"]),
            lengths in vec(0..9_usize, 0..30),
        ) {
            let mut text = format!(": a comment{end}{end}");
            let mut expected = Vec::new();
            for (id, lines) in sent {
                for line in id.iter().map(|id| format!("id: {id}")).chain(
                    lines.iter().map(|line| format!("data: {line}")),
                ) {
                    text.push_str(&line);
                    text.push_str(end);
                }
                text.push_str(end);
                expected.push(Frame { id, data: lines.join("\n") });
            }
            prop_assert_eq!(frames(&cut(text.as_bytes(), &lengths)), expected);
        }
    }
}
