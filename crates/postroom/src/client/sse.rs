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
}
