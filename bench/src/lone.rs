//! One lone submission on SQLite: how many commits long is it?

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::fixture::{Nothing, service, sqlite, submission, thread};
use crate::store::apply;
use crate::yardstick::stopwatch;

pub fn measure(submissions: u64) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let (commit, submit) = runtime.block_on(async {
        let commit_folder = tempfile::tempdir()?;
        let submit_folder = tempfile::tempdir()?;
        let store = sqlite(commit_folder.path())?;
        let executor = std::sync::Arc::new(Nothing::default());
        let postroom = service(sqlite(submit_folder.path())?, executor).await?;
        let mut commits = Histogram::<u64>::new(3)?;
        let mut submits = Histogram::<u64>::new(3)?;
        // In turn, so that a noisy moment of the machine meets both.
        for number in 0..submissions {
            let start = stopwatch();
            let command = postroom_core::command::Command::PatchThread {
                metadata: postroom_core::message::Metadata::from_iter([(
                    "number".to_owned(),
                    number.into(),
                )]),
            };
            if number == 0 {
                let create = postroom_core::command::CreateThread::default();
                let command = postroom_core::command::Command::CreateThread(create);
                apply(store.as_ref(), &thread(0), command).await?;
            }
            apply(store.as_ref(), &thread(0), command).await?;
            commits.record(u64::try_from(start.elapsed().as_micros())?)?;

            let start = stopwatch();
            let submitted = postroom.submit(Some(thread(number % 50)), submission()).await?;
            submits.record(u64::try_from(start.elapsed().as_micros())?)?;
            postroom.wait(&submitted.run_id, Duration::from_secs(10)).await?;
        }
        postroom.shutdown().await;
        anyhow::Ok((commits.value_at_quantile(0.5), submits.value_at_quantile(0.5)))
    })?;
    #[expect(clippy::cast_precision_loss, reason = "microseconds of one commit")]
    let ratio = submit as f64 / commit as f64;
    println!(
        "lone/sqlite: a submission takes {submit} µs, the store's smallest commit {commit} µs: {ratio:.2} commits (wanted: 1.5)"
    );
    Ok(())
}
