//! Names on the wire. Providers take tool names of letters, digits, `_` and `-` only, and are as
//! strict about the ids of calls; ours may hold more (`mcp:files/read`).

use std::collections::{BTreeSet, HashMap};

use genai::adapter::AdapterKind;
use postroom_core::id::ToolCallId;
use sha2::{Digest, Sha256};

use crate::model::{ModelRequest, ToolChoice};

/// The longest tool name that all providers take, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The longest call id that all providers take, in bytes; Mistral has its own rule.
const ID_BYTES_MAX: usize = 40;
/// How many letters and digits a call id of Mistral's has.
const MISTRAL_ID_BYTES: usize = 9;
/// Tools of the providers' own: the client takes these names for them.
const PROVIDERS_OWN: [&str; 6] = [
    "WebSearch",
    "web_search",
    "googleSearch",
    "googleSearchRetrieval",
    "codeExecution",
    "urlContext",
];

/// The tools of one request, by our names and by those on the wire.
#[derive(Debug, Default)]
pub(super) struct WireNames {
    wire: HashMap<String, String>,
    ours: HashMap<String, String>,
}

impl WireNames {
    /// Names all tools that the request mentions: those to call, those called before, and the one
    /// that must be called. The same set of tools always gets the same names.
    pub fn new(request: &ModelRequest) -> Self {
        let mut all: BTreeSet<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
        let calls = request.messages.iter().flat_map(|message| &message.tool_calls);
        all.extend(calls.map(|call| call.name.as_str()));
        if let Some(ToolChoice::Tool(name)) = &request.options.tool_choice {
            all.insert(name);
        }
        let mut names = Self::default();
        // Those that can stay as they are come first, so that none of the others takes their name.
        let (stay, change): (Vec<&str>, Vec<&str>) = all.into_iter().partition(|name| stays(name));
        for name in stay {
            names.add(name, name.to_owned());
        }
        for name in change {
            let plain = plain(name);
            let mut round = 0;
            let mut wire = candidate(&plain, name, round);
            while names.ours.contains_key(&wire) {
                round += 1;
                wire = candidate(&plain, name, round);
            }
            names.add(name, wire);
        }
        names
    }

    fn add(&mut self, ours: &str, wire: String) {
        self.ours.insert(wire.clone(), ours.to_owned());
        self.wire.insert(ours.to_owned(), wire);
    }

    /// A tool's name on the wire.
    pub fn wire<'a>(&'a self, ours: &'a str) -> &'a str {
        self.wire.get(ours).map_or(ours, String::as_str)
    }

    /// Our name of a tool that the model calls. One that was not offered keeps its name, and the
    /// call will be answered with an error.
    pub fn ours(&self, wire: String) -> String {
        self.ours.get(&wire).cloned().unwrap_or(wire)
    }
}

fn stays(name: &str) -> bool {
    // Gemini wants no digit and no `-` at the beginning.
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well
        && name.len() <= NAME_BYTES_MAX
        && name.bytes().all(is_plain)
        && !PROVIDERS_OWN.contains(&name)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// The name with `_` for all that can't stay.
fn plain(name: &str) -> String {
    let kept = name.chars().map(|c| if c.is_ascii() && is_plain(c as u8) { c } else { '_' });
    let mut plain: String = kept.take(NAME_BYTES_MAX).collect();
    if !plain.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        plain.insert(0, '_');
        plain.truncate(NAME_BYTES_MAX);
    }
    plain
}

/// What a name could become: the plain one, and where that is taken, one with a hash at its end.
fn candidate(plain: &str, name: &str, round: u32) -> String {
    if round == 0 && name.len() <= NAME_BYTES_MAX && !PROVIDERS_OWN.contains(&plain) {
        return plain.to_owned();
    }
    let digest = hex(&format!("{name}\n{round}"), 8);
    let kept = &plain[..plain.len().min(NAME_BYTES_MAX - digest.len() - 1)];
    format!("{kept}_{digest}")
}

/// A call's id on the wire. It may have come from another provider, with other habits.
pub(super) fn wire_id(kind: AdapterKind, id: &ToolCallId) -> String {
    let id = id.to_string();
    if kind == AdapterKind::Mistral {
        let fits = id.len() == MISTRAL_ID_BYTES && id.bytes().all(|b| b.is_ascii_alphanumeric());
        return if fits { id } else { hex(&id, MISTRAL_ID_BYTES) };
    }
    let fits = id.len() <= ID_BYTES_MAX && id.bytes().all(is_plain);
    if fits { id } else { format!("call_{}", hex(&id, 24)) }
}

/// The first `digits` hexadecimal digits of the text's hash.
fn hex(text: &str, digits: usize) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    let both = digest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    both.take(digits).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;

    use super::*;
    use crate::model::ToolSpec;

    fn request(names: &[&str]) -> ModelRequest {
        let spec = |name: &&str| ToolSpec {
            name: (*name).to_owned(),
            description: String::new(),
            schema: json!({}),
        };
        ModelRequest { tools: names.iter().map(spec).collect(), ..ModelRequest::default() }
    }

    #[test]
    fn every_name_fits_is_unique_and_comes_back() {
        let long = "x".repeat(100);
        let longer = "x".repeat(101);
        let all = [
            "clock",
            "mcp:files/read",
            "mcp_files_read",
            "mcp:files_read",
            "delegate:researcher",
            "7zip",
            "_7zip",
            "-x",
            "web_search",
            "googleSearch",
            "söker",
            "",
            " ",
            &long,
            &longer,
        ];
        let names = WireNames::new(&request(&all));
        let wire: HashSet<&str> = all.iter().map(|name| names.wire(name)).collect();
        assert_eq!(wire.len(), all.len(), "{wire:?}");
        for name in all {
            let sent = names.wire(name);
            assert!(stays(sent), "{name:?} became {sent:?}");
            assert_eq!(names.ours(sent.to_owned()), name);
        }
        assert_eq!(names.wire("clock"), "clock");
        assert_eq!(names.wire("mcp_files_read"), "mcp_files_read");
        assert_eq!(names.wire("delegate:researcher"), "delegate_researcher");
        assert!(names.wire("mcp:files/read").starts_with("mcp_files_read_"));
        assert_eq!(names.ours("made_up".to_owned()), "made_up");
    }

    #[test]
    fn the_order_of_the_tools_changes_nothing() {
        let (one, other) = (["a:b", "a/b", "a_b"], ["a_b", "a/b", "a:b"]);
        let (one, other) = (WireNames::new(&request(&one)), WireNames::new(&request(&other)));
        for name in ["a:b", "a/b", "a_b"] {
            assert_eq!(one.wire(name), other.wire(name));
        }
    }

    #[test]
    fn ids_of_other_providers_fit() {
        let id = |id: &str| ToolCallId::parse(id).unwrap();
        assert_eq!(wire_id(AdapterKind::OpenAI, &id("call_abc")), "call_abc");
        let foreign = wire_id(AdapterKind::Anthropic, &id("call#clock#0"));
        assert!(foreign.bytes().all(is_plain) && foreign.len() <= ID_BYTES_MAX);
        assert_ne!(foreign, wire_id(AdapterKind::Anthropic, &id("call#clock#1")));
        let short = wire_id(AdapterKind::Mistral, &id("call_abc"));
        assert!(short.len() == 9 && short.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(wire_id(AdapterKind::Mistral, &id("abcdefghi")), "abcdefghi");
    }
}
