//! `postroom migrate`

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use postroom_stores::postgres::{self, PostgresStore};
use postroom_stores::sqlite::{self, SqliteStore};
use postroom_stores::system::{SystemClock, SystemIds};
use serde_json::json;

use crate::config::{Flags, Loaded, PostgresUrl, StoreUrl};
use crate::output::{print, print_json};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: Flags,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// What a migration came to: the schema's number before and after; before, `None` where there was
/// none.
struct Migrated {
    store: String,
    before: Option<i64>,
    after: i64,
}

/// Opens the store, which brings it up to date under its lock, and says what that came to.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let loaded = Loaded::read(&args.config, &[])?;
    let migrated = match loaded.store_url()? {
        StoreUrl::Sqlite(path) => sqlite(&path)?,
        StoreUrl::Postgres(url) => postgres(&loaded, &url).await?,
        StoreUrl::Memory => {
            let done = "a store in memory needs no migration";
            if args.json {
                print_json(&json!({"store": "memory:", "done": done}))?;
            } else {
                print(&format!("{done}\n"))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
    };
    let Migrated { store, before, after } = migrated;
    let done = match before {
        None => format!("{store} was created with schema {after}"),
        Some(before) if before == after => {
            format!("{store} is up to date: schema {after}, nothing was done")
        }
        Some(before) => format!("{store} was brought from schema {before} to schema {after}"),
    };
    if args.json {
        print_json(&json!({"store": store, "before": before, "after": after, "done": done}))?;
    } else {
        print(&format!("{done}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn sqlite(path: &Path) -> anyhow::Result<Migrated> {
    let schema = || -> anyhow::Result<Option<i64>> {
        let found = sqlite::examine(path, false)?.map(|found| i64::from(found.schema));
        Ok(found.filter(|schema| *schema > 0))
    };
    let before = schema()?;
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds::new()));
    let store = SqliteStore::open(sqlite::Options::new(path, clock, ids))?;
    store.close();
    drop(store);
    let after = schema()?.unwrap_or_default();
    Ok(Migrated { store: path.display().to_string(), before, after })
}

async fn postgres(loaded: &Loaded, url: &PostgresUrl) -> anyhow::Result<Migrated> {
    let store = format!("{url}, schema {}", loaded.config.store.schema);
    let options = url.options(&loaded.config.store).context("store.url")?;
    let before = Box::pin(postgres::examine(&options)).await?;
    drop(Box::pin(PostgresStore::open(options)).await?);
    let before_number = Some(before.migration).filter(|number| *number > 0);
    Ok(Migrated { store, before: before_number, after: before.newest })
}
