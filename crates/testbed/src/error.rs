//! What can go wrong with a server of a test.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a server of a test can't be had, or does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not on this machine.
    #[error("{program} is not installed: `apt-get install {package}` (scripts/test does)")]
    NotInstalled {
        /// What was looked for.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A program could not be run, or a file not be written.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A program ended with an error.
    #[error("{what} failed: {said}")]
    Failed {
        /// What was run.
        what: String,
        /// What it said on its standard error.
        said: String,
    },
    /// Something did not become so in time.
    #[error("{what} did not happen within {within:?}")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
    },
    /// A directory is where the user that a server runs as can't reach it.
    #[error("there is no user `{0}`, which a server needs that refuses to run as root")]
    NoUser(&'static str),
    /// A server already runs, or does not.
    #[error("the server in {dir} {state}")]
    WrongState {
        /// Its directory.
        dir: PathBuf,
        /// What it does.
        state: &'static str,
    },
}

impl Error {
    /// Says what was tried.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
