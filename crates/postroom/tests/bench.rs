//! `postroom bench`: it measures beside the store, and leaves nothing behind.

mod support;

use std::process::Stdio;

use postroom_testbed::Postgres;
use support::{Home, Said, finish};
use tokio::time::timeout;

#[track_caller]
fn is_whole(said: &Said, store: &str) {
    let report = said.json();
    assert_eq!(report["store"], store);
    for figure in report["measured"].as_array().unwrap() {
        assert!(figure["per_second"].as_f64().unwrap() > 0.0, "{figure}");
        assert!(figure["count"].as_u64().unwrap() > 0, "{figure}");
        let micros = |name: &str| figure["micros"][name].as_u64().unwrap();
        assert!(micros("p50") <= micros("p90") && micros("p90") <= micros("p99"), "{figure}");
        assert!(micros("p99") <= micros("max"), "{figure}");
        // The longest takes no less than the mean, which the rate tells where so many are under way.
        let at_once = match figure["what"].as_str().unwrap() {
            "disk sync" | "commit, one by one" => 1.0,
            "submit, 64 at once" | "submit to end of run" => 64.0,
            _ => continue,
        };
        let mean = at_once * 1_000_000.0 / figure["per_second"].as_f64().unwrap();
        let longest = u32::try_from(micros("max")).unwrap();
        assert!(f64::from(longest) > 0.8 * mean, "{figure}: {mean}");
    }
    let what: Vec<&str> = report["measured"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["what"].as_str().unwrap())
        .collect();
    let all = [
        "commit, one by one",
        "submit, 64 at once",
        "claim, 32 in one go",
        "settle, 32 in one go",
        "submit to end of run",
    ];
    assert!(what.ends_with(&all), "{what:?}");
    assert!(report["memory"]["after_kib"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn sqlite_is_measured_beside_the_configured_file() {
    let home = Home::new();
    home.run(&["migrate"]).await.ok();
    let before = std::fs::read(home.path("postroom.db")).unwrap();
    let said = home.run(&["bench", "--seconds", "5", "--json"]).await.ok();
    is_whole(&said, "sqlite");
    assert_eq!(said.json()["measured"][0]["what"], "disk sync");
    assert_eq!(std::fs::read(home.path("postroom.db")).unwrap(), before);
    assert_eq!(std::fs::read_dir(home.path("")).unwrap().count(), 2, "the file and its lock");
    let said = home.run(&["bench", "--seconds", "1"]).await;
    assert_eq!(said.code, Some(2));
}

#[tokio::test]
async fn postgres_is_measured_in_a_schema_that_is_gone_afterwards() {
    let postgres = Postgres::shared();
    let args = ["bench", "--seconds", "5", "--json", "--store", &postgres.url()];
    is_whole(&Home::new().run(&args).await.ok(), "postgres");
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'postroom%'";
    assert_eq!(postgres.sql("postgres", schemas).unwrap(), "0");
}

#[tokio::test]
async fn an_interrupted_measurement_leaves_nothing_either() {
    let home = Home::new();
    let mut command = home.command(&["bench", "--seconds", "3600"]);
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    let begun = async {
        while std::fs::read_dir(home.path("")).unwrap().count() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    timeout(support::DEADLINE, begun).await.unwrap();
    let pid = child.id().unwrap().to_string();
    let mut kill = tokio::process::Command::new("kill");
    kill.args(["-INT", &pid]).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(kill).await.ok();
    let output = timeout(support::DEADLINE, child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(std::fs::read_dir(home.path("")).unwrap().count(), 0);
}
