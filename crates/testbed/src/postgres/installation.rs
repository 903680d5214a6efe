//! Where PostgreSQL is installed.

use std::path::{Path, PathBuf};

use crate::program::numbered;
use crate::{Error, Program};

const POSTGRES: Program = Program { name: "postgres", package: "postgresql" };

/// Where Debian keeps every version, which it does not put on the path.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Names a directory of programs, to test with a version that is not the newest.
const CHOICE: &str = "POSTROOM_POSTGRES_BIN";

/// A version's programs.
#[derive(Debug, Clone)]
pub(super) struct Installation {
    bin: PathBuf,
}

impl Installation {
    /// The one that is chosen, or else the newest.
    pub(super) fn find() -> Result<Self, Error> {
        let chosen = std::env::var_os(CHOICE).map(PathBuf::from);
        let versions = numbered(Path::new(DEBIAN)).into_iter().map(|dir| dir.join("bin"));
        let dirs: Vec<PathBuf> = chosen.into_iter().chain(versions).collect();
        let postgres = POSTGRES.find_in(&dirs)?;
        // On the path there may be a link to it, without its companions.
        let postgres = postgres.canonicalize().map_err(Error::io("cannot find postgres"))?;
        let bin = postgres.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { bin })
    }

    /// Where a program of it is.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }
}
