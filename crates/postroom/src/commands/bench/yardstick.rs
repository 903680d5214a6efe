//! What the machine can do at best.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::figures::{Figures, Stretch, Times};
use crate::output::Progress;

/// A page, as a database writes it.
const BLOCK: [u8; 4096] = [0x5a; 4096];

/// How many times a second the disk takes a page for good.
pub(super) async fn syncs(
    directory: &Path,
    time: Duration,
    progress: &Progress,
) -> anyhow::Result<Figures> {
    let path = directory.join("sync");
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
    let (mut times, mut count) = (Times::new()?, 0);
    let mut stretch = Stretch::begin(time, progress);
    while stretch.goes_on() {
        let began = Instant::now();
        file.write_all_at(&BLOCK, count * BLOCK.len() as u64)?;
        file.sync_data()?;
        times.since(began)?;
        count += 1;
        // Whoever wants to end it must be heard.
        tokio::task::yield_now().await;
    }
    let took = stretch.took();
    drop(file);
    std::fs::remove_file(path)?;
    Ok(Figures::of("disk sync", count, took, times))
}

/// Resident memory of this process, in KiB; 0 where the system does not tell.
pub(super) fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
