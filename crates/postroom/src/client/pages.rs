//! Lists, page by page.

use serde_json::{Value, json};

use super::{Client, Error};

/// The largest page that the server gives.
const PAGE_MAX: usize = 1000;

/// Up to `limit` items of a list, as the API would answer them in one page.
pub async fn collect(
    client: &Client,
    path: &[&str],
    query: &[(&str, String)],
    limit: usize,
) -> Result<Value, Error> {
    let mut items: Vec<Value> = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let mut query = query.to_vec();
        query.push(("limit", (limit - items.len()).clamp(1, PAGE_MAX).to_string()));
        if let Some(cursor) = cursor.as_str() {
            query.push(("cursor", cursor.to_owned()));
        }
        let mut page = client.get(path, &query).await?;
        cursor = page["next_cursor"].take();
        let Value::Array(more) = page["items"].take() else {
            return Err(Error::NotPostroom { url: client.base().to_owned() });
        };
        let is_last = cursor.is_null() || more.is_empty();
        items.extend(more);
        if is_last || items.len() >= limit {
            return Ok(json!({"items": items, "next_cursor": cursor}));
        }
    }
}
