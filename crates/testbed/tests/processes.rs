//! Nothing outlives its owner.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use postroom_testbed::{Process, Program, Scratch, Signal, until};

const PATIENCE: Duration = Duration::from_secs(30);

/// Names the test below that runs in a process of its own.
const OWNER: &str = "POSTROOM_TESTBED_OWNER";

fn sleeper(scratch: &Scratch) -> Process {
    let mut command = Command::new("sleep");
    command.arg("600").current_dir(scratch.path());
    Process::start(&command, &scratch.join("log")).unwrap()
}

fn lives(pid: u32) -> bool {
    // A zombie has ended: only its parent has not looked yet.
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[test]
fn a_process_ends_with_its_value() {
    let scratch = Scratch::new("postroom-test-").unwrap();
    let process = sleeper(&scratch);
    let pid = process.pid();
    assert!(lives(pid));
    drop(process);
    assert!(!lives(pid));
}

#[test]
fn a_frozen_process_ends_too() {
    let scratch = Scratch::new("postroom-test-").unwrap();
    let mut process = sleeper(&scratch);
    process.signal(Signal::Stop).unwrap();
    let pid = process.pid();
    drop(process);
    assert!(!lives(pid));
}

#[test]
fn its_end_is_seen_with_its_status() {
    let scratch = Scratch::new("postroom-test-").unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "echo said; exit 3"]);
    let log = scratch.join("log");
    let mut process = Process::start(&command, &log).unwrap();
    assert_eq!(process.wait(PATIENCE).unwrap().code(), Some(3));
    assert_eq!(std::fs::read_to_string(log).unwrap(), "said\n");
}

/// Not a test: what the next one kills.
#[test]
fn owner() {
    if std::env::var_os(OWNER).is_none() {
        return;
    }
    let scratch = Scratch::new("postroom-test-").unwrap();
    let process = sleeper(&scratch);
    println!("\nowns {} {}", process.pid(), scratch.path().display());
    std::thread::park();
}

#[test]
fn killing_the_owner_ends_its_process_and_removes_its_directory() {
    let mut owner = Command::new(std::env::current_exe().unwrap());
    owner.args(["--exact", "owner", "--nocapture"]).env(OWNER, "1").stdout(Stdio::piped());
    let mut owner = owner.spawn().unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    let said = lines.find_map(|line| line.unwrap().strip_prefix("owns ").map(str::to_owned));
    let said = said.unwrap();
    let (pid, dir) = said.split_once(' ').unwrap();
    let (pid, dir) = (pid.parse().unwrap(), PathBuf::from(dir));
    assert!(lives(pid) && dir.exists());
    owner.kill().unwrap();
    owner.wait().unwrap();
    let gone = || Ok((!lives(pid) && !dir.exists()).then_some(()));
    until("the end of all that it owned", PATIENCE, gone).unwrap();
}

#[test]
fn what_is_missing_names_its_package() {
    let program = Program { name: "postroom-no-such-program", package: "postroom-package" };
    let error = program.find().unwrap_err().to_string();
    assert!(error.contains(program.name) && error.contains(program.package), "{error}");
}
