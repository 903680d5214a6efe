//! The examples, run as their readers would.

use std::path::PathBuf;
use std::process::Command;

/// Where the example was built: beside the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let target = test.ancestors().nth(2).expect("tests are two folders deep");
    target.join("examples").join(name)
}

fn told_by(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(example(name)).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("example {name} does not start: {error}"));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name}: {output:?}");
    told
}

#[test]
fn an_executor_of_ones_own() {
    assert_eq!(told_by("embed", &[]), "HELLO\n");
}

#[test]
fn an_agent_with_a_tool() {
    assert_eq!(told_by("agent", &[]), "Take an umbrella.\n");
}

#[test]
fn an_approval_with_changed_arguments() {
    let told = told_by("approval", &[]);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(lines[0].starts_with("May default call pay? It is much money."), "{told}");
    assert!(lines[0].contains("900") && lines[1].starts_with("paid 90 €"), "{told}");
    assert_eq!(lines[2], "The baker has the money.");
}

#[test]
fn an_agent_that_delegates() {
    let told = told_by("research", &[]);
    assert_eq!(told.matches("source says it.").count(), 2, "{told}");
    assert!(told.ends_with("The bridge opened in 1937 and is 2,737 m long.\n"), "{told}");
}

#[test]
fn an_agent_with_the_tools_of_an_mcp_server() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("greeting.txt"), "Hello from a file.").expect("a file");
    let server = example("files_server");
    let arguments = [server.to_str(), folder.path().to_str()].map(|text| text.expect("UTF-8"));
    let told = told_by("mcp", &arguments);
    assert!(told.contains("Hello from a file.") && told.contains("I have read it."), "{told}");
}
