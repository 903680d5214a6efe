//! Reading a body: up to a limit, as text, or not at all.

use encoding_rs::{Encoding, UTF_8};
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;

/// Types that are text although they do not begin with `text/`.
const TEXTUAL: [&str; 10] = [
    "application/json",
    "application/xml",
    "application/javascript",
    "application/ecmascript",
    "application/x-www-form-urlencoded",
    "application/yaml",
    "application/x-yaml",
    "application/toml",
    "application/x-ndjson",
    "application/graphql",
];

/// The text of a body.
pub(super) struct Text {
    pub text: String,
    /// Whether the body goes on after it.
    pub truncated: bool,
}

/// What a response says its body is.
pub(super) struct ContentType {
    /// As it was sent.
    pub whole: String,
    media: String,
    charset: Option<&'static Encoding>,
}

impl ContentType {
    /// The type of `response`; `None` if it does not say.
    pub fn of(response: &Response) -> Option<Self> {
        let whole = response.headers().get(CONTENT_TYPE)?.to_str().ok()?.trim();
        let mut parts = whole.split(';');
        let media = parts.next()?.trim().to_ascii_lowercase();
        let charset = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            let named = name.trim().eq_ignore_ascii_case("charset");
            named.then(|| Encoding::for_label(value.trim().trim_matches('"').as_bytes()))?
        });
        Some(Self { whole: whole.to_owned(), media, charset })
    }

    pub fn is_textual(&self) -> bool {
        let media = self.media.as_str();
        media.starts_with("text/")
            || media.ends_with("+json")
            || media.ends_with("+xml")
            || TEXTUAL.contains(&media)
    }
}

/// Reads the body up to `bytes_max`, decompressed. `None`: it is not text, though nothing said so.
pub(super) async fn read(
    response: &mut Response,
    kind: Option<&ContentType>,
    bytes_max: usize,
) -> Result<Option<Text>, reqwest::Error> {
    let mut bytes = Vec::new();
    let mut truncated = false;
    while let Some(chunk) = response.chunk().await? {
        let room = bytes_max - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            // The rest is not read: the connection ends with the response.
            truncated = true;
            break;
        }
    }
    if kind.is_none() && bytes.contains(&0) {
        return Ok(None);
    }
    let charset = kind.and_then(|kind| kind.charset).unwrap_or(UTF_8);
    let text = charset.decode(&bytes).0.into_owned();
    Ok(Some(Text { text, truncated }))
}
