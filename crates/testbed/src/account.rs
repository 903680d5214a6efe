//! The user that a server runs as: PostgreSQL and `PgBouncer` refuse to run as root.

use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Command;

use crate::{Error, Program};

const SETPRIV: Program = Program { name: "setpriv", package: "util-linux" };

/// What Debian's package calls it.
const NAME: &str = "postgres";

/// Whom the server runs as.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Account {
    /// This process's own user.
    Ours,
    /// Another, because ours is root.
    Other { uid: u32, gid: u32 },
}

impl Account {
    /// Our own, unless it is root's.
    pub(crate) fn to_run_as() -> Result<Self, Error> {
        // Our processes own their entries in /proc; where there is none, `id` knows.
        let ours =
            std::fs::metadata("/proc/self").map(|entry| entry.uid()).or_else(|_| id(&["-u"]));
        if ours.map_err(Error::io("cannot tell the user"))? != 0 {
            return Ok(Self::Ours);
        }
        let number = |of| id(&[of, NAME]).map_err(|_| Error::NoUser(NAME));
        Ok(Self::Other { uid: number("-u")?, gid: number("-g")? })
    }

    /// Makes the file theirs.
    pub(crate) fn give(self, path: &Path) -> Result<(), Error> {
        let Self::Other { uid, gid } = self else { return Ok(()) };
        let what = format!("cannot give {} to {NAME}", path.display());
        chown(path, Some(uid), Some(gid)).map_err(Error::io(what))
    }

    /// The words of a command that runs as this user, in the process that runs them.
    pub(crate) fn command(
        self,
        program: &Path,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Vec<OsString> {
        let mut words = Vec::new();
        if let Self::Other { uid, gid } = self {
            let setpriv = SETPRIV.name.to_owned();
            let options = [format!("--reuid={uid}"), format!("--regid={gid}")];
            words.push(setpriv.into());
            words.extend(options.map(OsString::from));
            words.extend(["--clear-groups", "--"].map(OsString::from));
        }
        words.push(program.into());
        words.extend(arguments);
        words
    }
}

fn id(arguments: &[&str]) -> std::io::Result<u32> {
    let output = Command::new("id").args(arguments).output()?;
    let number = String::from_utf8_lossy(&output.stdout);
    number.trim().parse().map_err(std::io::Error::other)
}
