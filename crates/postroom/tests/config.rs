//! The configuration as the binary's users meet it.

mod support;

use support::{Home, finish};

#[tokio::test]
async fn print_config_shows_what_is_in_force_and_from_where() {
    let home = Home::with_config("[server]\nlisten = \"127.0.0.1:1\"\n\n[limits]\ndrain_ms = 2\n");
    let mut command = home.command(&["serve", "--print-config", "--store", "sqlite://other.db"]);
    command.env("POSTROOM_SERVER__LISTEN", "127.0.0.1:3").env("POSTROOM_LIMITS__DRAIN_MS", "4");
    command.env("OPENAI_API_KEY", "sk-secret").args(["--listen", "127.0.0.1:5"]);
    let said = finish(command).await.ok();
    let line = |key: &str| said.stdout.lines().find(|line| line.starts_with(key)).unwrap();
    assert!(line("listen").contains("\"127.0.0.1:5\""), "{}", said.stdout);
    assert!(line("listen").ends_with("# --listen"));
    assert!(line("drain_ms").ends_with("# environment variable POSTROOM_LIMITS__DRAIN_MS"));
    assert!(line("url").contains("sqlite://other.db"));
    assert_eq!(line("lease_ms"), "lease_ms = 30000");
    assert!(said.stdout.contains("# default on model openai"), "{}", said.stdout);
    assert!(!said.stdout.contains("sk-secret"));
    assert!(!home.path("other.db").exists(), "showing starts nothing");
}

#[tokio::test]
async fn a_bad_configuration_ends_with_one_line_that_names_the_place() {
    let home = Home::with_config("[server]\n\nlisten_on = \"x\"\n");
    let line = home.run(&["serve"]).await.failed(1);
    assert!(line.starts_with("error: postroom.toml:3: server.listen_on: unknown key"), "{line}");

    let home = Home::with_config("[agents.clerk]\nmodel = \"huge\"\n");
    let line = home.run(&["serve"]).await.failed(1);
    assert!(
        line.starts_with("error: postroom.toml:2: agents.clerk.model: there is no model"),
        "{line}"
    );

    let home = Home::new();
    let line = home.run(&["serve", "--config", "missing.toml"]).await.failed(1);
    assert!(line.starts_with("error: missing.toml: the configuration can't be read"), "{line}");

    let line = home.run(&["serve", "--store", "mysql://u@h/d"]).await.failed(1);
    assert!(line.starts_with("error: --store: store.url: write sqlite://PATH"), "{line}");
    let line = home.run(&["serve", "--store", "postgres://u@h:port/d"]).await.failed(1);
    assert!(line.starts_with("error: --store: store.url: "), "{line}");

    // A port at which nobody listens: what is wrong is said, and the password is not.
    let line = home.run(&["serve", "--store", "postgres://u:canary@127.0.0.1:1/d"]).await.failed(1);
    assert!(line.starts_with("error: PostgreSQL can't be reached: "), "{line}");
    assert!(line.contains("store.url") && !line.contains("canary"), "{line}");

    let line = home.run(&["serve", "--listen", "0.0.0.0:0"]).await.failed(1);
    assert!(line.contains("--insecure-no-keys"), "{line}");
    assert!(!home.path("postroom.db").exists());
}

#[tokio::test]
async fn wrong_usage_is_exit_status_2() {
    let home = Home::new();
    for args in [
        &["serve", "--no-such-flag"][..],
        &["no-such-command"],
        &["send", "--url", "nonsense", "hello"],
        &["send", "  "],
        &["runs", "decide", "r", "t"],
        &["runs", "decide", "r", "t", "--approve", "--deny"],
        &["dead-letters", "retry"],
    ] {
        assert_eq!(home.run(args).await.code, Some(2), "{args:?}");
    }
}

#[tokio::test]
async fn completions_and_defaults_are_printed() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let said = home.run(&["completions", shell]).await.ok();
        assert!(said.stdout.contains("dead-letters"), "{shell}");
    }
    let said = home.run(&["serve", "--print-default-config"]).await.ok();
    std::fs::write(home.path("postroom.toml"), &said.stdout).unwrap();
    home.run(&["serve", "--print-config"]).await.ok();
}

#[tokio::test]
async fn migrate_says_what_was_done() {
    let home = Home::new();
    let said = home.run(&["migrate"]).await.ok();
    assert!(said.stdout.starts_with("postroom.db was created with schema"), "{}", said.stdout);
    let said = home.run(&["migrate"]).await.ok();
    assert!(said.stdout.starts_with("postroom.db is up to date"), "{}", said.stdout);
    std::fs::write(home.path("note.txt"), "not a database, but text of mine").unwrap();
    let line = home.run(&["migrate", "--store", "sqlite://note.txt"]).await.failed(1);
    assert!(line.contains("is not a database"), "{line}");
}
