//! `postroom migrate`

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use postroom_stores::sqlite::{Options, SqliteStore};
use postroom_stores::system::{SystemClock, SystemIds};

use crate::config::{Flags, Loaded, StoreUrl};
use crate::output::print;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: Flags,
}

/// Opens the store, which brings it up to date under its lock, and says what that came to.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let loaded = Loaded::read(&args.config, &[])?;
    let StoreUrl::Sqlite(path) = loaded.store_url()? else {
        print("a store in memory needs no migration\n")?;
        return Ok(ExitCode::SUCCESS);
    };
    let before = schema(&path);
    let store =
        SqliteStore::open(Options::new(&path, Arc::new(SystemClock), Arc::new(SystemIds::new())))?;
    store.close();
    drop(store);
    let after = schema(&path).unwrap_or_default();
    let path = path.display();
    let done = match before {
        None => format!("{path} was created with schema {after}"),
        Some(before) if before == after => {
            format!("{path} is up to date: schema {after}, nothing was done")
        }
        Some(before) => format!("{path} was brought from schema {before} to schema {after}"),
    };
    print(&format!("{done}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// The number of the file's schema: SQLite keeps its `user_version` at byte 60 of the header. `None`
/// where there is no database yet.
fn schema(path: &Path) -> Option<u32> {
    let mut header = [0; 64];
    File::open(path).ok()?.read_exact(&mut header).ok()?;
    let [.., a, b, c, d] = header;
    Some(u32::from_be_bytes([a, b, c, d]))
}
