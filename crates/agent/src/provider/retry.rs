//! When a provider wants to be asked again.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;

/// The longest that a provider's wish to be left alone is taken seriously.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// What the headers of a refusal say, or else its body.
pub(super) fn retry_after(headers: &HeaderMap, body: Option<&Value>) -> Option<Duration> {
    let delay = milliseconds(headers)
        .or_else(|| seconds(headers))
        .or_else(|| until(headers))
        .or_else(|| body.and_then(retry_info))?;
    Some(delay.min(RETRY_AFTER_MAX))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn milliseconds(headers: &HeaderMap) -> Option<Duration> {
    let ms: f64 = text(headers, "retry-after-ms")?.parse().ok()?;
    Duration::try_from_secs_f64(ms / 1000.0).ok()
}

fn seconds(headers: &HeaderMap) -> Option<Duration> {
    Duration::try_from_secs_f64(text(headers, RETRY_AFTER.as_str())?.parse().ok()?).ok()
}

/// A date is counted from the server's own date: its clock and ours need not agree.
fn until(headers: &HeaderMap) -> Option<Duration> {
    let date = |name: &str| httpdate::parse_http_date(text(headers, name)?).ok();
    let (until, now) = (date(RETRY_AFTER.as_str())?, date(DATE.as_str())?);
    Some(until.duration_since(now).unwrap_or_default())
}

/// Google says it in the body: `{"@type": "…RetryInfo", "retryDelay": "17s"}`.
fn retry_info(body: &Value) -> Option<Duration> {
    let body = body.get(0).unwrap_or(body);
    let details = body.pointer("/error/details").or_else(|| body.get("details"))?.as_array()?;
    let delay = details.iter().find_map(|detail| detail.get("retryDelay")?.as_str())?;
    Duration::try_from_secs_f64(delay.strip_suffix('s')?.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(headers: &[(&'static str, &str)]) -> Option<Duration> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        retry_after(&map, None)
    }

    #[test]
    fn all_its_forms_are_read() {
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(of(&[("retry-after", "17")]), ms(17_000));
        assert_eq!(of(&[("retry-after", "0.5")]), ms(500));
        assert_eq!(of(&[("retry-after-ms", "250"), ("retry-after", "1")]), ms(250));
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(of(&[date, ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")]), ms(30_000));
        assert_eq!(of(&[date, ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]), ms(0));
        assert_eq!(of(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")]), None);
        assert_eq!(of(&[("retry-after", "1e300")]), None);
        assert_eq!(of(&[("retry-after", "99999999")]), Some(RETRY_AFTER_MAX));
        for nonsense in ["soon", "-1", "NaN", ""] {
            assert_eq!(of(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
        let body = json!({"error": {"details": [{"@type": "x"}, {"retryDelay": "3.5s"}]}});
        assert_eq!(retry_after(&HeaderMap::new(), Some(&body)), ms(3500));
    }
}
