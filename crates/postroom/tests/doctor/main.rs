//! `postroom doctor`: every fault that is planted is found, and comes with its remedy.

#[path = "../support/mod.rs"]
mod support;

mod agents;
mod postgres;
mod server;
mod signals;
mod sqlite;

use serde_json::Value;
use support::{Home, Said, finish};
use tokio::process::Command;

/// The doctor with these arguments, as programs ask it.
fn doctor(home: &Home, args: &[&str]) -> Command {
    let mut command = home.command(&["doctor", "--json", "--set", "server.listen=127.0.0.1:0"]);
    command.args(args);
    command
}

/// What the doctor is to find.
struct Wanted {
    status: &'static str,
    area: &'static str,
    /// What is wrong, in part.
    what: &'static str,
    /// What to do, in part.
    remedy: &'static str,
}

const fn broken(area: &'static str, what: &'static str, remedy: &'static str) -> Wanted {
    Wanted { status: "broken", area, what, remedy }
}

const fn warning(area: &'static str, what: &'static str, remedy: &'static str) -> Wanted {
    Wanted { status: "warning", area, what, remedy }
}

/// Asks, and wants to be told that.
#[track_caller]
fn finds(said: &Said, wanted: &Wanted) {
    let report = said.json();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let is_it = |finding: &&Value| {
        finding["status"] == wanted.status
            && finding["area"] == wanted.area
            && text(finding, "what").contains(wanted.what)
            && text(finding, "remedy").contains(wanted.remedy)
    };
    let found = report["findings"].as_array().unwrap().iter().any(|finding| is_it(&finding));
    assert!(
        found,
        "no {} {}: {} → {}: {report:#}",
        wanted.status, wanted.area, wanted.what, wanted.remedy
    );
    let code = i32::from(report["broken"] != 0);
    assert_eq!(said.code, Some(code), "{report:#}");
    if wanted.status == "broken" {
        assert_eq!(code, 1);
    }
}

/// What is found at a home with this configuration.
async fn finds_in(config: &str, wanted: &[Wanted]) {
    let home = Home::with_config(config);
    let said = finish(doctor(&home, &[])).await;
    wanted.iter().for_each(|wanted| finds(&said, wanted));
}

/// Nothing is broken.
#[track_caller]
fn is_well(said: &Said) {
    let report = said.json();
    assert_eq!(report["broken"], 0, "{report:#}");
    assert_eq!(said.code, Some(0));
}

#[tokio::test]
async fn where_nothing_is_wrong_it_says_so() {
    let home = Home::new();
    is_well(&finish(doctor(&home, &[])).await);
    let left: Vec<_> = std::fs::read_dir(home.path("")).unwrap().collect();
    assert!(left.is_empty(), "it leaves nothing behind: {left:?}");

    let said = home.run(&["doctor", "--set", "server.listen=127.0.0.1:0"]).await.ok();
    assert!(said.stdout.contains("ok       configuration  "), "{said:?}");
    assert!(!said.stdout.contains("broken  "), "{said:?}");
    assert!(!said.stdout.contains('\u{1b}'), "colour in a pipe");
}

#[tokio::test]
async fn a_wrong_configuration_is_named_with_its_place() {
    finds_in(
        "[server]\nlisten_on = \"x\"\n",
        &[broken(
            "configuration",
            "postroom.toml:2: server.listen_on: unknown key",
            "--print-default-config",
        )],
    )
    .await;
    finds_in(
        "[limits]\nmax_concurrent_runs = 0\n",
        &[broken(
            "configuration",
            "postroom.toml:2: limits.max_concurrent_runs",
            "--print-default-config",
        )],
    )
    .await;
}

#[tokio::test]
async fn too_few_open_files_are_noticed() {
    let home = Home::new();
    let script = format!("ulimit -n 100; exec {} doctor --json", env!("CARGO_BIN_EXE_postroom"));
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(home.path("")).env_clear();
    command.env("POSTROOM_SERVER__LISTEN", "127.0.0.1:0");
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    finds(&finish(command).await, &broken("limits", "may open 100 files", "ulimit -n"));
}
