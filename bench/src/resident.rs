//! Resident memory of the service on SQLite: idle, for each idle thread, over many runs.

use std::sync::Arc;
use std::time::Duration;

use crate::fixture::{Nothing, service, sqlite, submission, thread};
use crate::yardstick::{anonymous_kib, resident_kib};

/// How many threads are touched to see what each leaves behind.
const THREADS: u64 = 50_000;

pub fn measure(runs: u64) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let executor = Arc::new(Nothing::default());
        let postroom = service(sqlite(folder.path())?, executor).await?;
        let idle = resident_kib()?;
        println!("resident/sqlite: {idle} KiB idle (wanted: under 40960)");

        drive(&postroom, 20_000, 500).await?;
        let warm = resident_kib()?;
        drive(&postroom, THREADS, u64::MAX).await?;
        let touched = resident_kib()?;
        println!(
            "resident/sqlite: {warm} KiB after 20000 runs, {touched} KiB after {THREADS} more threads: {} bytes a thread (wanted: under 1024)",
            touched.saturating_sub(warm) * 1024 / THREADS,
        );

        let own = anonymous_kib()?;
        for tenth in 1..=10 {
            drive(&postroom, runs / 10, 500).await?;
            println!(
                "resident/sqlite: {} KiB after {} runs, {} KiB of them of no file",
                resident_kib()?,
                runs / 10 * tenth,
                anonymous_kib()?,
            );
        }
        println!(
            "resident/sqlite: over {runs} runs it grew by {} KiB, what is of no file by {} KiB",
            resident_kib()?.saturating_sub(touched),
            anonymous_kib()?.saturating_sub(own),
        );
        postroom.shutdown().await;
        Ok(())
    })
}

/// Submits `runs` over `threads` and waits for all of them.
async fn drive(
    postroom: &postroom_service::Postroom,
    runs: u64,
    threads: u64,
) -> anyhow::Result<()> {
    let mut submitters = tokio::task::JoinSet::new();
    for offset in 0..64 {
        let postroom = postroom.clone();
        submitters.spawn(async move {
            let mut number = offset;
            while number < runs {
                let thread =
                    thread(if threads == u64::MAX { number + 1_000 } else { number % threads });
                postroom.submit(Some(thread), submission()).await?;
                number += 64;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = submitters.join_next().await {
        done??;
    }
    loop {
        let depth = postroom.store().depth().await?;
        if depth.counts[0] + depth.counts[1] == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
