//! How an id is held: in 16 bytes, also an optional one, because every row and event has several.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use uuid::Uuid;

/// UUIDs as they are made today, and short names, fit in place: nothing is allocated or counted
/// for them. Each text has one form only, so two ids are equal if their forms are.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Repr {
    /// A canonical UUID of version 4 or 7.
    Uuid(PackedUuid),
    /// At most [`SHORT`] bytes, with zeros behind them: no id has a zero in it.
    Short([u8; SHORT]),
    /// Anything else. The pointer to the text is shared, not the text: that fits in place.
    Long(Arc<Box<str>>),
}

/// What fits beside the tag.
const SHORT: usize = 15;

const _: () = assert!(size_of::<Option<Repr>>() == 16);

impl Repr {
    /// A text that is known to be an id.
    pub(super) fn of(text: &str) -> Self {
        canonical_uuid(text)
            .and_then(PackedUuid::new)
            .map_or_else(|| Self::of_name(text), Self::Uuid)
    }

    fn of_name(text: &str) -> Self {
        let mut short = [0; SHORT];
        match short.get_mut(..text.len()) {
            Some(start) => {
                start.copy_from_slice(text.as_bytes());
                Self::Short(short)
            }
            None => Self::Long(Arc::new(text.into())),
        }
    }

    pub(super) fn with_str<T>(&self, f: impl FnOnce(&str) -> T) -> T {
        match self {
            Self::Uuid(packed) => {
                f(packed.uuid().hyphenated().encode_lower(&mut Uuid::encode_buffer()))
            }
            Self::Short(bytes) => {
                let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(SHORT);
                f(str::from_utf8(&bytes[..end]).expect("it was made of a text"))
            }
            Self::Long(text) => f(text),
        }
    }
}

impl From<Uuid> for Repr {
    fn from(uuid: Uuid) -> Self {
        PackedUuid::new(uuid).map_or_else(
            || Self::of_name(uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer())),
            Self::Uuid,
        )
    }
}

/// Only the bytes that tell ids apart, as one number: a look-up hashes half of what it would.
impl Hash for Repr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Uuid(packed) => state.write_u128(packed.bits()),
            Self::Short(bytes) => state.write_u128(number(0, *bytes)),
            Self::Long(text) => text.hash(state),
        }
    }
}

/// The order of the texts.
impl Ord for Repr {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Uuid(a), Self::Uuid(b)) => a.uuid().cmp(&b.uuid()),
            (Self::Short(a), Self::Short(b)) => a.cmp(b),
            (Self::Long(a), Self::Long(b)) => a.cmp(b),
            _ => self.with_str(|a| other.with_str(|b| a.cmp(b))),
        }
    }
}

impl PartialOrd for Repr {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The length of a UUID's canonical text.
pub(super) const UUID_BYTES: usize = 36;

/// The UUID whose canonical (hyphenated, lower-case) form is exactly `text`.
pub(super) fn canonical_uuid(text: &str) -> Option<Uuid> {
    if text.len() != UUID_BYTES || text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    Uuid::try_parse(text).ok()
}

/// A UUID of version 4 or 7 without what all of them have in common: 122 bits that are free, and
/// one for the version.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PackedUuid {
    /// The topmost three bits. The rest of their byte can tell that there is no UUID.
    top: Octal,
    rest: [u8; 15],
}

/// Where the bits of a UUID that RFC 9562 defines begin, from the right.
const VARIANT_AT: u32 = 62;
const VERSION_AT: u32 = 76;
/// Where they begin once the variant (2 bits), and then the version (4 bits), are taken out.
const SQUEEZED_VERSION_AT: u32 = VERSION_AT - 2;
const PACKED_VERSION_AT: u32 = 122;

impl PackedUuid {
    fn new(uuid: Uuid) -> Option<Self> {
        let bits = uuid.as_u128();
        let (version, variant) = (bits >> VERSION_AT & 0xf, bits >> VARIANT_AT & 0b11);
        let version = match version {
            4 => 0,
            7 => 1,
            _ => return None,
        };
        if variant != 0b10 {
            return None;
        }
        let squeezed = take_out(take_out(bits, VARIANT_AT, 2), SQUEEZED_VERSION_AT, 4);
        let [top, rest @ ..] = (version << PACKED_VERSION_AT | squeezed).to_be_bytes();
        Some(Self { top: Octal::ALL[usize::from(top)], rest })
    }

    fn uuid(self) -> Uuid {
        let packed = self.bits();
        let version = if packed >> PACKED_VERSION_AT == 0 { 4 } else { 7 };
        let squeezed = packed & ((1 << PACKED_VERSION_AT) - 1);
        let with_version = put_in(squeezed, SQUEEZED_VERSION_AT, 4, version);
        Uuid::from_u128(put_in(with_version, VARIANT_AT, 2, 0b10))
    }

    fn bits(self) -> u128 {
        number(self.top as u8, self.rest)
    }
}

fn number(first: u8, rest: [u8; 15]) -> u128 {
    let mut bytes = [first; 16];
    bytes[1..].copy_from_slice(&rest);
    u128::from_be_bytes(bytes)
}

/// `bits` without the `width` that begin at `at` from the right.
fn take_out(bits: u128, at: u32, width: u32) -> u128 {
    let right = (1 << at) - 1;
    bits >> width & !right | bits & right
}

/// `bits` with `width` more at `at` from the right.
fn put_in(bits: u128, at: u32, width: u32, what: u128) -> u128 {
    let right = (1 << at) - 1;
    (bits & !right) << width | what << at | bits & right
}

/// Three bits. A byte of this type has values that are none of these: there an enum keeps its tag.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Octal {
    O0,
    O1,
    O2,
    O3,
    O4,
    O5,
    O6,
    O7,
}

impl Octal {
    const ALL: [Self; 8] =
        [Self::O0, Self::O1, Self::O2, Self::O3, Self::O4, Self::O5, Self::O6, Self::O7];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_of_today_fit_in_place_and_come_back() {
        for (uuid, fits) in [
            ("01900000-0000-7000-8000-000000000001", true),
            ("ffffffff-ffff-7fff-bfff-ffffffffffff", true),
            ("f0e1d2c3-b4a5-4687-9988-776655443322", true),
            ("00000000-0000-0000-0000-000000000000", false),
            ("f0e1d2c3-b4a5-1687-9988-776655443322", false),
            ("f0e1d2c3-b4a5-7687-c988-776655443322", false),
        ] {
            let repr = Repr::of(uuid);
            assert_eq!(matches!(repr, Repr::Uuid(_)), fits, "{uuid}");
            assert_eq!(repr.with_str(str::to_owned), uuid);
            assert!(repr == Repr::from(Uuid::try_parse(uuid).unwrap()));
        }
    }

    #[test]
    fn names_come_back_in_their_order_whatever_their_form() {
        let texts = ["a", "fifteen bytes..", "fifteen bytes...", "é", "ééééééé", "éééééééé"];
        let reprs = texts.map(Repr::of);
        assert!(reprs.iter().zip(texts).all(|(repr, text)| repr.with_str(|held| held == text)));
        assert!(reprs.is_sorted());
    }
}
