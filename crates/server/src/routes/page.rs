//! Pages of lists.

use postroom_core::ports::Page;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::problem::{Problem, Result};
use crate::wire::PageView;

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// How many items a page has: 1 to 1000, 100 unless told otherwise.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u64")]
pub(crate) struct Limit(usize);

impl Limit {
    pub(crate) fn get(self) -> usize {
        self.0
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT,
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(LIMIT_DEFAULT)
    }
}

impl TryFrom<u64> for Limit {
    type Error = String;

    fn try_from(given: u64) -> Result<Self, String> {
        usize::try_from(given)
            .ok()
            .filter(|limit| (1..=LIMIT_MAX).contains(limit))
            .map(Self)
            .ok_or_else(|| format!("{given} is not from 1 to {LIMIT_MAX}"))
    }
}

/// A store's page as it goes over the wire.
pub(crate) fn shown<T, V: From<T>>(page: Page<T>) -> PageView<V> {
    PageView { items: page.items.into_iter().map(V::from).collect(), next_cursor: page.next_cursor }
}

/// A page of what is numbered, from one item more than it has: that one tells whether more follow.
pub(crate) fn numbered<T, V: From<T>>(
    mut items: Vec<T>,
    limit: Limit,
    seq: impl Fn(&T) -> u64,
) -> PageView<V> {
    let more = items.len() > limit.get();
    items.truncate(limit.get());
    let next_cursor = items.last().filter(|_| more).map(|last| seq(last).to_string());
    PageView { items: items.into_iter().map(V::from).collect(), next_cursor }
}

/// After which number a page begins: a cursor is the number of the page's predecessor.
pub(crate) fn after(after: Option<u64>, cursor: Option<&str>) -> Result<Option<u64>> {
    match cursor {
        None => Ok(after),
        Some(cursor) => cursor.parse().map(Some).map_err(|_| {
            Problem::bad_request(
                "invalid_cursor",
                "cursor: give the next_cursor of a page, or none",
            )
        }),
    }
}
