//! Finding what is installed.

use std::path::{Path, PathBuf};

use crate::Error;

/// A program that tests need.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// The Debian package that has it.
    pub package: &'static str,
}

impl Program {
    /// Where it is: in one of these directories, or on the path.
    pub(crate) fn find_in(self, first: &[PathBuf]) -> Result<PathBuf, Error> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
        let dirs = first.iter().cloned().chain(std::env::split_paths(&path)).chain(system);
        let mut found = dirs.map(|dir| dir.join(self.name)).filter(|file| file.is_file());
        let missing = Error::NotInstalled { program: self.name, package: self.package };
        found.next().ok_or(missing)
    }

    /// Where it is.
    pub fn find(self) -> Result<PathBuf, Error> {
        self.find_in(&[])
    }
}

/// The directories below `dir` that are named by a number, the greatest first.
pub(crate) fn numbered(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut found: Vec<(u32, PathBuf)> =
        entries.filter_map(|entry| Some((number(&entry.path())?, entry.path()))).collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}
