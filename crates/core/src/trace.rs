//! Places in traces: which trace something belongs to, and below which span.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A place in a trace, as W3C Trace Context has it in a `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The trace; not all zero.
    pub trace_id: [u8; 16],
    /// The span; not all zero.
    pub span_id: [u8; 8],
    /// Whether the trace is kept.
    pub sampled: bool,
}

/// How long a `traceparent` of the version that we write is.
const LENGTH: usize = 55;

impl TraceParent {
    /// Reads a `traceparent`; `None` where it is none, which is then as if there were none.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let known = bytes.get(..LENGTH)?;
        let [version] = hex(&known[..2])?;
        // Later versions may append to what the first one has.
        let ends_well = match version {
            0 => bytes.len() == LENGTH,
            0xff => false,
            _ => bytes.get(LENGTH).is_none_or(|next| *next == b'-'),
        };
        let is_divided = [2, 35, 52].iter().all(|place| known[*place] == b'-');
        let (trace_id, span_id) = (hex::<16>(&known[3..35])?, hex::<8>(&known[36..52])?);
        let [flags] = hex(&known[53..])?;
        let is_one = ends_well && is_divided && trace_id != [0; 16] && span_id != [0; 8];
        is_one.then_some(Self { trace_id, span_id, sampled: flags & 1 == 1 })
    }

    /// The trace's id as it is written.
    pub fn trace_hex(&self) -> impl fmt::Display + use<> {
        Hex(self.trace_id)
    }

    /// The span's id as it is written.
    pub fn span_hex(&self) -> impl fmt::Display + use<> {
        Hex(self.span_id)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.sampled);
        write!(f, "00-{}-{}-{flags:02x}", self.trace_hex(), self.span_hex())
    }
}

struct Hex<const N: usize>([u8; N]);

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Bytes from lower-case digits, as the standard wants them.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

impl Serialize for TraceParent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads what is kept with a run. What can't be read is left out: no run shall be lost for its trace.
pub(crate) fn kept<'de, D: Deserializer<'de>>(from: D) -> Result<Option<TraceParent>, D::Error> {
    let kept = serde_json::Value::deserialize(from)?;
    Ok(kept.as_str().and_then(TraceParent::parse))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::run::RunSpec;

    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_read_is_written_again() {
        let parent = TraceParent::parse(EXAMPLE).unwrap();
        assert!(parent.sampled);
        assert_eq!(parent.to_string(), EXAMPLE);
        assert_eq!(parent.trace_hex().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(parent.span_hex().to_string(), "b7ad6b7169203331");
        let unsampled = EXAMPLE.replace("-01", "-00");
        assert!(!TraceParent::parse(&unsampled).unwrap().sampled);
    }

    #[test]
    fn a_run_keeps_it_and_is_not_lost_for_it() {
        let trace = TraceParent::parse(EXAMPLE);
        let spec = RunSpec { trace, ..RunSpec::default() };
        let kept = serde_json::to_value(&spec).unwrap();
        assert_eq!(kept, json!({"trace": EXAMPLE}));
        assert_eq!(serde_json::from_value::<RunSpec>(kept).unwrap(), spec);
        // A row of before, and one that only a later version understands.
        for other in [json!({}), json!({"trace": "?"}), json!({"trace": {"of": "another kind"}})] {
            assert_eq!(serde_json::from_value::<RunSpec>(other).unwrap(), RunSpec::default());
        }
    }

    #[test]
    fn later_versions_may_say_more() {
        let later = EXAMPLE.replacen("00", "cc", 1);
        assert_eq!(TraceParent::parse(&later), TraceParent::parse(EXAMPLE));
        assert_eq!(TraceParent::parse(&format!("{later}-more")), TraceParent::parse(EXAMPLE));
        assert_eq!(TraceParent::parse(&format!("{later}more")), None);
    }

    #[test]
    fn what_is_none_is_none() {
        for text in [
            "",
            "00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c8031é-b7ad6b7169203331-01xx",
        ] {
            assert_eq!(TraceParent::parse(text), None, "{text}");
        }
    }
}
