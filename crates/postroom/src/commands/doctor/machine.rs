//! What the system allows a process.

use rustix::process::{Resource, getrlimit};

use super::finding::Findings;
use crate::config::Loaded;

/// Files that the server itself has open: the store, its connections, logs.
const OWN: u64 = 64;

/// For each run: its client's connection, its model's, and one of a tool.
const PER_RUN: u64 = 3;

/// Looks whether there are enough file descriptors for what is configured.
pub(super) fn examine(loaded: &Loaded, findings: &mut Findings<'_>) {
    let config = &loaded.config;
    let runs = config.limits.max_concurrent_runs as u64;
    let connections = config.store.connections as u64;
    let needed = OWN + connections + PER_RUN * runs;
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < needed => findings.broken(
            format!("a process may open {limit} files, and {runs} runs at once need {needed}"),
            "raise it where the server is started: ulimit -n 65536, or LimitNOFILE=65536 in its \
             systemd unit",
        ),
        Some(limit) if limit < 2 * needed => findings.warning(
            format!(
                "a process may open {limit} files: too few for many clients that follow events"
            ),
            "raise it where the server is started: ulimit -n 65536, or LimitNOFILE=65536 in its \
             systemd unit",
        ),
        Some(limit) => findings.ok(format!("a process may open {limit} files")),
        None => findings.ok("a process may open any number of files"),
    }
}
