use std::ffi::OsString;

use super::*;

pub(super) fn load(
    file: &str,
    variables: &[(&str, &str)],
    settings: &[&str],
) -> Result<Loaded, String> {
    let mut layers = Layers::default();
    let variables =
        variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let read = || {
        layers.add_file(Path::new("p.toml"), file)?;
        layers.add_environment(variables)?;
        for setting in settings {
            layers.add_setting(setting)?;
        }
        Loaded::of(layers)
    };
    read().map_err(|error| error.to_string())
}

fn refusal(file: &str, variables: &[(&str, &str)], settings: &[&str]) -> String {
    load(file, variables, settings).unwrap_err()
}

fn keys(table: &toml::Table, path: &str, all: &mut Vec<String>) {
    for (key, value) in table {
        let path = format!("{path}.{key}");
        match value.as_table() {
            Some(inner) => keys(inner, &path, all),
            None => all.push(path),
        }
    }
}

#[test]
fn the_default_file_says_the_defaults_and_leaves_none_out() {
    let loaded = load(DEFAULT_TOML, &[], &[]).unwrap();
    assert_eq!(loaded.config, Config::default());
    let (mut written, mut wanted) = (Vec::new(), Vec::new());
    keys(&toml::from_str(DEFAULT_TOML).unwrap(), "", &mut written);
    keys(&toml::Table::try_from(Config::default()).unwrap(), "", &mut wanted);
    written.sort();
    wanted.sort();
    assert_eq!(written, wanted);
}

#[test]
fn the_examples_in_the_default_file_can_be_used() {
    let section = |line: &str| line.trim_start_matches("# ").starts_with('[');
    let example = |line: &str| section(line) || line.contains(" = ");
    let lines: Vec<&str> = DEFAULT_TOML
        .lines()
        .skip_while(|line| !line.starts_with("# [models.small]"))
        .filter(|line| example(line))
        .map(|line| line.trim_start_matches("# "))
        .collect();
    let text = lines.join("\n");
    let config = load(&text, &[], &[]).unwrap().config;
    assert_eq!(config.agents["assistant"].model, "small");
    assert_eq!(config.models["small"].provider, "openai");
}

#[test]
fn flags_stand_over_variables_over_the_file_over_defaults() {
    let file = "[limits]\ndrain_ms = 1\nmax_concurrent_runs = 2\n";
    let variables = [("POSTROOM_LIMITS__DRAIN_MS", "3"), ("POSTROOM_MAILBOX__LEASE_MS", "40000")];
    let loaded = load(file, &variables, &["mailbox.lease_ms=50000"]).unwrap();
    assert_eq!(loaded.config.limits.max_concurrent_runs, 2);
    assert_eq!(loaded.config.limits.drain_ms, 3);
    assert_eq!(loaded.config.mailbox.lease_ms, 50_000);
    assert_eq!(loaded.config.mailbox.gc_ttl_ms, 86_400_000);

    let shown = loaded.to_toml();
    let line = |key: &str| shown.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    assert!(line("max_concurrent_runs =").ends_with("# p.toml:3"), "{shown}");
    assert!(line("drain_ms").ends_with("# environment variable POSTROOM_LIMITS__DRAIN_MS"));
    assert!(line("lease_ms").ends_with("# --set"));
    assert_eq!(line("gc_ttl_ms"), "gc_ttl_ms = 86400000");
}

#[test]
fn what_is_shown_is_a_configuration_again() {
    let file = "[models.\"a b\"]\nprovider = \"demo\"\n[agents.Clerk]\nmodel = \"a b\"\n\
                tools = [\"clock\"]\n[limits.max_concurrent_runs_by_agent]\n\"x.y\" = 3\n";
    let loaded = load(file, &[], &[]).unwrap();
    let again = load(&loaded.to_toml(), &[], &[]).unwrap();
    assert_eq!(again.config, loaded.config);
}

#[test]
fn variables_reach_models_and_agents_and_lists() {
    let file = "[agents.Clerk]\nmodel = \"small\"\n";
    let variables = [
        ("POSTROOM_AGENTS__CLERK__TOOLS", "[\"clock\"]"),
        ("POSTROOM_AGENTS__CLERK__MAX_STEPS", "7"),
        ("POSTROOM_AGENTS__CLERK__SYSTEM", "12"),
        ("POSTROOM_MODELS__SMALL__PROVIDER", "demo"),
        ("POSTROOM_SERVER__INSECURE_NO_KEYS", "true"),
        // Not ours, however they look.
        ("POSTROOM_PORT", "tcp://10.0.0.1:8321"),
        ("POSTROOM_URL", "http://elsewhere"),
    ];
    let config = load(file, &variables, &[]).unwrap().config;
    let clerk = &config.agents["Clerk"];
    assert_eq!(clerk.tools, ["clock"]);
    assert_eq!(clerk.max_steps, 7);
    assert_eq!(clerk.system.as_deref(), Some("12"), "text stays text");
    assert_eq!(config.models["small"].provider, "demo");
    assert!(config.server.insecure_no_keys);
}

/// A file, variables, settings, and how the error begins.
type Case =
    (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str], &'static str);

#[test]
fn every_error_names_its_place() {
    let cases: &[Case] = &[
        ("a = ", &[], &[], "p.toml:1: "),
        ("\n\n[server\n", &[], &[], "p.toml:3: "),
        ("[server]\nlisten = \"a:1\"\nlisten = \"b:2\"\n", &[], &[], "p.toml:3: duplicate key"),
        ("\n[srever]\n", &[], &[], "p.toml:2: srever: unknown key `srever`"),
        ("[server]\n\nlisten_on = \"x\"\n", &[], &[], "p.toml:3: server.listen_on: unknown key"),
        ("[limits]\ndrain_ms = \"soon\"\n", &[], &[], "p.toml:2: limits.drain_ms: invalid type"),
        ("[limits]\ndrain_ms = -1\n", &[], &[], "p.toml:2: limits.drain_ms: invalid value"),
        ("[agents.a]\nmodel = \"demo\"\ntools = [1]\n", &[], &[], "p.toml:3: agents.a.tools[0]: "),
        ("\n[agents.a]\nmax_steps = 1\n", &[], &[], "p.toml:2: agents.a: missing field `model`"),
        (
            "[server]\nlisten = \"8321\"\n",
            &[],
            &[],
            "p.toml:2: server.listen: `8321` is not HOST:PORT",
        ),
        ("[store]\nurl = \"mysql://x\"\n", &[], &[], "p.toml:2: store.url: write sqlite://PATH"),
        ("[store]\nurl = \"postgres://u@h:port/d\"", &[], &[], "p.toml:2: store.url: invalid"),
        ("[store]\nurl = \"sqlite://\"", &[], &[], "p.toml:2: store.url: the file is missing"),
        ("[mailbox]\nlease_ms = 10\n", &[], &[], "p.toml"),
        (
            "[signals]\nnats_url = \"nats://h\"",
            &[],
            &[],
            "p.toml:2: signals.nats_url: it carries what",
        ),
        (
            "[store]\nurl = \"postgres://u@h/d\"\n[signals]\npostgres_url = \"h:5432\"",
            &[],
            &[],
            "p.toml:4: signals.postgres_url: write postgres://",
        ),
        (
            "[signals]\npostgres_url = \"postgres://u@h/d\"",
            &[],
            &[],
            "p.toml:2: signals.postgres_url: it carries what",
        ),
        ("[mcp.files]\ncomand = [\"x\"]\n", &[], &[], "p.toml:2: mcp.files.comand: unknown key"),
        (
            "",
            &[("POSTROOM_LIMITS__DRAIN_MS", "soon")],
            &[],
            "environment variable POSTROOM_LIMITS__DRAIN_MS: limits.drain_ms: invalid type",
        ),
        (
            "",
            &[("POSTROOM_LIMITS__DRIAN_MS", "1")],
            &[],
            "environment variable POSTROOM_LIMITS__DRIAN_MS: limits.drian_ms: unknown key",
        ),
        (
            "[limits]\ndrain_ms = 5\n",
            &[],
            &["limits.max_concurrent_runs=0"],
            "--set: limits.max_concurrent_runs: 0 does not work: it must be at least 1",
        ),
        ("", &[], &["limits"], "--set: `limits` is not KEY=VALUE"),
        ("", &[], &["limits=3"], "--set: limits: invalid type"),
    ];
    for (file, variables, settings, expected) in cases {
        let said = refusal(file, variables, settings);
        assert!(said.contains(expected), "{file:?} {variables:?} {settings:?}\n{said}\n{expected}");
        assert!(!said.contains('\n'), "more than one line: {said}");
    }
}

#[test]
fn secrets_are_not_shown() {
    for (text, shown) in [
        ("postgres://user:hunter2@host/db", "postgres://user:***@host/db"),
        ("nats://user:a:b@c@host:4222", "nats://user:***@host:4222"),
        (
            "postgres://user@host/db?sslmode=require&password=x",
            "postgres://user@host/db?sslmode=require&password=***",
        ),
        ("http://host/a@b:c", "http://host/a@b:c"),
        ("sqlite://postroom.db", "sqlite://postroom.db"),
        ("just text", "just text"),
    ] {
        assert_eq!(without_secrets(text), shown);
    }
    let file = "[models.m]\nprovider = \"openai\"\napi_key_env = \"sk-123\"\nmodel = \"m\"\n";
    assert!(!load(file, &[], &[]).unwrap().to_toml().contains("sk-123"));
}

#[test]
fn store_urls_are_paths() {
    let path = |url: &str| match load("", &[], &[&format!("store.url={url}")]).unwrap().store_url()
    {
        Ok(StoreUrl::Sqlite(path)) => path.display().to_string(),
        other => panic!("{url}: {other:?}"),
    };
    assert_eq!(path("sqlite://postroom.db"), "postroom.db");
    assert_eq!(path("sqlite:///var/lib/p.db"), "/var/lib/p.db");
    assert_eq!(path("sqlite:p.db"), "p.db");
    let memory = load("", &[], &["store.url=memory:"]).unwrap();
    assert_eq!(memory.store_url().unwrap(), StoreUrl::Memory);
}
