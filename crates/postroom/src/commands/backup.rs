//! `postroom backup`

use std::path::PathBuf;
use std::process::ExitCode;

use postroom_stores::sqlite;
use serde_json::json;

use crate::config::{Flags, Loaded, StoreUrl};
use crate::output::{Progress, print, print_json};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: Flags,
    /// Where to; it must not be there yet
    file: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    overwrite: bool,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Copies the database, and checks the copy before it gets its name.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let loaded = Loaded::read(&args.config, &[])?;
    let path = match loaded.store_url()? {
        StoreUrl::Sqlite(path) => path,
        StoreUrl::Postgres(_) => {
            let schema = &loaded.config.store.schema;
            anyhow::bail!(
                "the store is PostgreSQL, which has better tools of its own: copy it with \
                 `pg_dump --schema={schema} --format=custom --file={} DATABASE`, or set up \
                 `pg_basebackup` with an archive of its log, to go back to any moment",
                args.file.display()
            );
        }
        StoreUrl::Memory => anyhow::bail!("the store is in memory: there is nothing to copy"),
    };
    let progress = if args.json { Progress::hidden() } else { Progress::of(Some(0), "copying") };
    let copied = sqlite::backup(&path, &args.file, args.overwrite, |done, total| {
        progress.is_of(total);
        progress.is_at(done);
        if done == total {
            progress.says("checking the copy");
        }
    })?;
    drop(progress);
    let (from, to) = (path.display().to_string(), args.file.display().to_string());
    if args.json {
        let (schema, bytes) = (copied.schema, copied.bytes);
        print_json(&json!({"from": from, "to": to, "schema": schema, "bytes": bytes}))?;
    } else {
        let kib = copied.bytes.div_ceil(1024);
        print(&format!(
            "{from} was copied to {to}: {kib} KiB, checked, schema {}\n",
            copied.schema
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
