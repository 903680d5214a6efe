//! Whatever is in the file, the environment and the flags: settings, or an error that names its place.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::DEFAULT_TOML;
use super::tests::load;

/// Loads, and checks what every outcome has: an error its place, settings a form that reads the same.
fn check(file: &str, variables: &[(String, String)], settings: &[String]) {
    let variables: Vec<_> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let loaded = match load(file, &variables, &settings) {
        Ok(loaded) => loaded,
        Err(said) => {
            let line = said.strip_prefix("p.toml:").and_then(|rest| rest.split_once(": "));
            let lines = file.matches('\n').count() + 1;
            let placed = line.is_some_and(|(line, _)| {
                line.parse().is_ok_and(|line: usize| (1..=lines).contains(&line))
            });
            let placed = placed
                || said.starts_with("--set: ") && !settings.is_empty()
                || variables
                    .iter()
                    .any(|(name, _)| said.starts_with(&format!("environment variable {name}: ")));
            assert!(placed, "without a place: {said}");
            return;
        }
    };
    let shown = loaded.to_toml();
    if !shown.contains("***") {
        let again = load(&shown, &[], &[]);
        assert_eq!(again.unwrap().config, loaded.config, "{shown}");
    }
}

/// The default file with its examples in force.
fn every_setting() -> String {
    let uncommented = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if rest.starts_with('[') || rest.split(' ').nth(1) == Some("=") => {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    let examples = DEFAULT_TOML.lines().map(uncommented).collect::<Vec<_>>().join("\n");
    // Where nodes share a store, as the example of NATS wants it.
    examples.replace("\"sqlite://postroom.db\"", "\"postgres://u@h/d\"")
}

fn value() -> impl Strategy<Value = String> {
    let known = "0 1 -1 30000 9223372036854775807 18446744073709551616 1.5 nan true \"x\" 'x' [] \
                 [1] [\"clock\"] {} {a=1} {a.b=1} \"\"\"x memory: sqlite:// sqlite://a?b \
                 postgres://u:p@h/d 127.0.0.1:0 :1 [::1]:65536 demo \"demo\" 1979-05-27 # =";
    prop_oneof![
        3 => select(known.split(' ').collect::<Vec<_>>()).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => "[-0-9a-z\"'\\[\\]{}=,.# \n]{0,12}",
    ]
}

/// Parts of keys: known ones, which go astray in every way, and others.
fn part() -> impl Strategy<Value = String> {
    let known = "server listen insecure_no_keys store url signals nats_url postgres_url limits drain_ms \
                 max_concurrent_runs max_concurrent_runs_by_agent mailbox lease_ms \
                 suspended_lease_ms lease_renewal_interval_ms gc_ttl_ms signal_batch models small \
                 provider model base_url api_key_env agents assistant default system tools approve \
                 max_steps mcp";
    prop_oneof![
        8 => select(known.split_whitespace().collect::<Vec<_>>()).prop_map(str::to_owned),
        1 => "[a-zA-Z_]{0,3}",
        1 => "\\PC{0,3}",
    ]
}

/// The parts of a key: often one that there is.
fn key() -> impl Strategy<Value = Vec<String>> {
    let known = "server.listen server.insecure_no_keys store.url signals.nats_url signals.postgres_url limits.drain_ms \
                 limits.max_concurrent_runs limits.max_concurrent_runs_by_agent.a mailbox.lease_ms \
                 mailbox.suspended_lease_ms mailbox.signal_batch models.small.provider \
                 models.small.model agents.assistant.model agents.assistant.tools \
                 agents.assistant.max_steps mcp.files";
    let split = |key: &str| key.split('.').map(str::to_owned).collect();
    prop_oneof![
        3 => select(known.split_whitespace().collect::<Vec<_>>()).prop_map(split),
        1 => vec(part(), 1..4),
    ]
}

fn settings() -> impl Strategy<Value = Vec<String>> {
    let key = key().prop_map(|parts| parts.join("."));
    let setting = prop_oneof![
        4 => (key, value()).prop_map(|(key, value)| format!("{key}={value}")),
        1 => any::<String>(),
    ];
    vec(setting, 0..4)
}

fn variables() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = key().prop_map(|parts| {
        let parts: Vec<_> = parts.iter().map(|part| part.to_uppercase()).collect();
        format!("POSTROOM_{}", parts.join("__"))
    });
    vec((name, value()), 0..4)
}

/// A file of sections and keys that may belong together.
fn file() -> impl Strategy<Value = String> {
    let key = || key().prop_map(|parts| parts.join("."));
    let line = prop_oneof![
        2 => key().prop_map(|key| format!("[{key}]")),
        4 => (key(), value()).prop_map(|(key, value)| format!("{key} = {value}")),
        1 => any::<String>(),
    ];
    vec(line, 0..6).prop_map(|lines| lines.join("\n"))
}

/// Lines and bytes of the file go wrong.
fn damaged(text: &str, damage: &[(Index, u8, Index, String)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (place, how, other, inserted) in damage {
        if lines.is_empty() {
            break;
        }
        let (at, other) = (place.index(lines.len()), other.index(lines.len()));
        let cut = |line: &str| line.chars().take(line.chars().count() / 2).collect::<String>();
        match how % 6 {
            0 => lines.truncate(at),
            1 => lines.swap(at, other),
            2 => lines[at] = cut(&lines[at]),
            3 => lines.insert(at, lines[other].clone()),
            4 => drop(lines.remove(at)),
            _ => lines[at].push_str(inserted),
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_as_a_file(text in any::<String>(), file in file()) {
        check(&text, &[], &[]);
        check(&file, &[], &[]);
    }

    #[test]
    fn any_variables_and_settings(file in file(), variables in variables(), settings in settings()) {
        check("", &variables, &[]);
        check("", &[], &settings);
        check(&file, &variables, &settings);
    }

    #[test]
    fn a_damaged_file(
        damage in vec(any::<(Index, u8, Index, String)>(), 1..4),
        settings in settings(),
    ) {
        let text = damaged(&every_setting(), &damage);
        check(&text, &[], &[]);
        check(&text, &[], &settings);
    }
}

#[test]
fn what_is_damaged_is_whole_before() {
    let config = load(&every_setting(), &[], &[]).unwrap().config;
    assert!(config.models.contains_key("small") && config.agents.contains_key("assistant"));
}
