//! What the machine can do at best: the figures to hold ours against.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Measures a stretch of real time.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub fn stopwatch() -> Instant {
    Instant::now()
}

/// How many times a second the disk under `directory` takes a 4 KiB write for good.
pub fn syncs_per_second(directory: &Path) -> anyhow::Result<f64> {
    let path = directory.join("postroom-bench-sync");
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
    let block = [0x5a_u8; 4096];
    let start = stopwatch();
    let mut count = 0_u32;
    while start.elapsed() < Duration::from_secs(1) {
        file.write_all_at(&block, u64::from(count) * 4096)?;
        file.sync_data()?;
        count += 1;
    }
    let rate = f64::from(count) / start.elapsed().as_secs_f64();
    drop(file);
    std::fs::remove_file(path)?;
    Ok(rate)
}

/// Prints what this machine is.
pub fn print_machine() -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism()?;
    let directory = std::env::temp_dir();
    let rate = syncs_per_second(&directory)?;
    println!("machine: {cores} cores; the disk syncs {rate:.0} times a second");
    std::io::stdout().flush()?;
    Ok(())
}

/// Touches so many bytes of memory, and lets go of them. What a virtual machine's host has to give first takes
/// twice as long to be had: that is not what is measured.
pub fn touch_memory(bytes: usize) {
    const PAGE: usize = 4096;
    let mut memory = vec![0_u8; bytes];
    memory.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    std::hint::black_box(&memory);
}

/// Resident memory of this process, in KiB.
pub fn resident_kib() -> anyhow::Result<u64> {
    status_kib("VmRSS:")
}

/// The part of it that is of no file. The rest is the program itself, and SQLite's index of its log, which
/// is as large as the log once was.
pub fn anonymous_kib() -> anyhow::Result<u64> {
    status_kib("RssAnon:")
}

fn status_kib(name: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.unwrap_or("0").parse().map_err(Into::into)
}

/// Processor time that this process has used.
pub fn cpu_time() -> anyhow::Result<Duration> {
    cpu_time_of("self")
}

/// Processor time that the process `pid` has used.
pub fn cpu_time_of(pid: &str) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // After the name in parentheses: state is field 3, utime and stime are 14 and 15, in ticks of
    // 10 ms on every Linux that Rust supports.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Ok(Duration::from_millis((ticks(11) + ticks(12)) * 10))
}
