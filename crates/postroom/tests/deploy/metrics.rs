//! The metrics that a server shows, and those that the reference explains.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{Home, Server};

/// What a server shows after some of everything has happened.
async fn shown() -> String {
    let home =
        Home::with_config("[mailbox]\ndefault_retry_delay_ms = 10\ndefault_max_attempts = 2\n");
    let server = home.serve(&[]).await;
    home.client(&server, &["send", "hello"]).await.ok();
    home.client(&server, &["send", "please fail"]).await.failed(1);
    home.client(&server, &["send", "fail permanently"]).await.failed(1);
    metrics_of(&server).await
}

async fn metrics_of(server: &Server) -> String {
    let answer = crate::support::http().get(format!("{}/metrics", server.url)).send().await;
    answer.unwrap().text().await.unwrap()
}

/// The names of all series.
pub async fn series() -> BTreeSet<String> {
    names(&shown().await)
}

fn names(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned).collect()
}

/// The metrics by the names that people use, with their types and labels.
fn metrics(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut metrics = BTreeMap::new();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("# TYPE ") else { continue };
        let (name, kind) = rest.split_once(' ').unwrap();
        // A counter's series have a name of their own.
        let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        let series = if kind == "histogram" { format!("{name}_count") } else { name.clone() };
        let with_labels = text.lines().find(|line| line.starts_with(&format!("{series}{{")));
        let labels = with_labels.and_then(|line| Some(line.split_once('{')?.1.split_once('}')?.0));
        let labels = labels
            .unwrap_or_default()
            .split(',')
            .filter_map(|label| label.split_once('=').map(|(name, _)| name.to_owned()));
        metrics.insert(name, (kind.to_owned(), labels.collect()));
    }
    metrics
}

/// The rows of the reference.
fn explained() -> BTreeMap<String, (String, BTreeSet<String>, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut metrics = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `postroom_")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, kind, labels, unit, meaning, _] = cells[..] else { panic!("{line}") };
        let labels = labels.split(", ").map(|label| label.trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        assert!(meaning.len() > 10, "{line}");
        let row = (kind.to_owned(), labels, unit.to_owned());
        metrics.insert(name.trim_matches('`').to_owned(), row);
    }
    metrics
}

#[tokio::test]
async fn the_reference_explains_every_metric_and_no_other() {
    let text = shown().await;
    let (shown, explained) = (metrics(&text), explained());
    let names: Vec<&String> = shown.keys().collect();
    assert_eq!(names, explained.keys().collect::<Vec<_>>());
    for (name, (kind, labels)) in &shown {
        let (told, told_labels, _) = &explained[name];
        assert_eq!((kind, labels), (told, told_labels), "{name}");
    }
}

/// <https://prometheus.io/docs/practices/naming/>
#[tokio::test]
async fn names_follow_the_conventions() {
    let (text, explained) = (shown().await, explained());
    for (name, (kind, _)) in metrics(&text) {
        let (_, _, unit) = &explained[&name];
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        assert_eq!(unit == "seconds", name.ends_with("_seconds"), "{name}");
        for other in ["_ms", "_millis", "_us", "_minutes", "_count", "_sum", "_bucket"] {
            assert!(!name.ends_with(other), "{name}");
        }
        let is_help =
            |line: &str| line.starts_with(&format!("# HELP {} ", name.trim_end_matches("_total")));
        assert!(text.lines().any(is_help), "{name} has no help");
    }
    let moved = ["enqueue", "claim", "ack", "nack"];
    for operation in moved {
        let series =
            format!("postroom_operations_total{{operation=\"{operation}\",result=\"ok\"}} ");
        let line = text.lines().find(|line| line.starts_with(&series)).unwrap();
        assert!(!line.ends_with(" 0"), "the traffic has moved it: {line}");
    }
    assert!(
        text.contains("\npostroom_ready 1\n") && text.contains("\npostroom_store_up 1\n"),
        "{text}"
    );
}
