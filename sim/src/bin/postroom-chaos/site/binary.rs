//! The binary under test.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

/// A built `postroom`.
#[derive(Debug, Clone)]
pub struct Binary(PathBuf);

impl Binary {
    /// The one at this path.
    pub fn at(path: &Path) -> anyhow::Result<Self> {
        ensure!(path.is_file(), "there is no binary {}", path.display());
        Ok(Self(path.canonicalize()?))
    }

    /// Builds the one that belongs to this command: in the same directory, with the same profile.
    pub fn build(sabotaged: bool) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("cannot find the command itself")?;
        let dir = own.parent().context("the command is in no directory")?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "-p", "postroom", "--bin", "postroom"]);
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        if dir.ends_with("release") {
            build.arg("--release");
        }
        if sabotaged {
            build.args(["--features", "sabotage"]);
        }
        if !build.status().context("cannot run cargo")?.success() {
            bail!("the binary can't be built");
        }
        Self::at(&dir.join("postroom"))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}
