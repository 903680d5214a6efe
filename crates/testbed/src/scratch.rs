//! A directory that goes when its owner does.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use std::os::unix::process::CommandExt;

use tempfile::TempDir;

use crate::Error;

/// Removes a directory once the owner lets go of its standard input. A server that the same owner
/// had may still be ending, and writing.
const SWEEPER: &str = r#"cat >/dev/null
umount -l "$1/mounted" 2>/dev/null
tries=0
until rm -rf -- "$1" 2>/dev/null || [ "$tries" -ge 100 ]; do
  tries=$((tries + 1))
  sleep 0.1
done"#;

/// A temporary directory that is removed when it is dropped, or when the process ends in any way.
#[derive(Debug)]
pub struct Scratch {
    dir: TempDir,
    sweeper: Child,
}

impl Scratch {
    /// What may be mounted in it: it is let go of before the rest is removed.
    pub(crate) const MOUNTED: &str = "mounted";

    /// A new one.
    pub fn new(prefix: &str) -> Result<Self, Error> {
        let dir = tempfile::Builder::new().prefix(prefix).tempdir();
        let dir = dir.map_err(Error::io("cannot make a directory for temporary files"))?;
        let mut sweeper = Command::new("sh");
        sweeper.args(["-c", SWEEPER, "sweeper"]).arg(dir.path()).current_dir("/");
        sweeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let sweeper = sweeper.spawn().map_err(Error::io("cannot run sh"))?;
        Ok(Self { dir, sweeper })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A path in it.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Its end of input: it removes the directory. Waited for, so that nothing is left behind
        // when a test ends, and there is nobody to tell of a failure.
        drop(self.sweeper.stdin.take());
        let _ = self.sweeper.wait();
    }
}
