//! `postroom man`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap_mangen::Man;

use crate::output::print;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to write the pages of all commands: postroom.1, postroom-runs.1, …
    #[arg(value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

/// Prints the page of `postroom`, or writes all of them.
pub fn run(args: &Args, command: clap::Command) -> anyhow::Result<ExitCode> {
    match &args.directory {
        Some(directory) => {
            std::fs::create_dir_all(directory)
                .and_then(|()| clap_mangen::generate_to(command, directory))
                .with_context(|| format!("pages can't be written to {}", directory.display()))?;
        }
        None => {
            let mut page = Vec::new();
            Man::new(command).render(&mut page)?;
            print(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
