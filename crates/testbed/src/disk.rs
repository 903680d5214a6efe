//! A disk that is small enough to be full.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Error, Scratch};

/// What fills it.
const BALLAST: &str = "ballast";

/// A file system of its own, in memory, that can be filled up and made room on again. Mounting one
/// takes root's rights.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
}

impl Disk {
    /// Mounts one of so many MiB in a directory below `scratch`.
    pub fn mount(scratch: &Scratch, mebibytes: u32) -> Result<Self, Error> {
        let path = scratch.join(Scratch::MOUNTED);
        std::fs::create_dir(&path).map_err(Error::io("cannot make a directory for a disk"))?;
        let size = format!("size={mebibytes}m,mode=0755");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path))?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves no room.
    pub fn fill(&self) -> Result<(), Error> {
        let free = run(Command::new("df").args(["--output=avail", "-B1"]).arg(&self.path))?;
        let free = free.lines().last().unwrap_or_default().trim().to_owned();
        // What others write meanwhile may leave less than that: then it is full all the same.
        let ballast = self.path.join(BALLAST);
        match run(Command::new("fallocate").args(["-l", &free]).arg(ballast)) {
            Err(Error::Failed { said, .. }) if said.contains("No space left") => Ok(()),
            filled => filled.map(|_| ()),
        }
    }

    /// Makes room again.
    pub fn empty(&self) -> Result<(), Error> {
        match std::fs::remove_file(self.path.join(BALLAST)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("cannot make room on a disk")(error))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whatever still holds a file on it keeps it until it ends; nobody can be told of a failure.
        let _ = run(Command::new("umount").arg("-l").arg(&self.path));
    }
}

fn run(command: &mut Command) -> Result<String, Error> {
    let what = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(Error::io(format!("cannot run {what}")))?;
    crate::process::succeeded(&what, &output)
}
