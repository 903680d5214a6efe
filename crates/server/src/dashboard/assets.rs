//! The dashboard's files, as they were when this was built.

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

macro_rules! files {
    ($($name:literal)*) => {
        /// Names and contents of all files but the page itself.
        const FILES: &[(&str, &[u8])] =
            &[$(($name, include_bytes!(concat!("../../dashboard/", $name))),)*];
    };
}

files! {
    "api.js"
    "app.js"
    "base.css"
    "call.js"
    "chart.js"
    "composer.js"
    "data.js"
    "dialog.js"
    "format.js"
    "h.js"
    "icon.svg"
    "icons.js"
    "keys.js"
    "live.js"
    "message.js"
    "pager.js"
    "parts.css"
    "parts.js"
    "pending.js"
    "replay.js"
    "router.js"
    "screens.css"
    "screens/agents.js"
    "screens/approvals.js"
    "screens/compose.js"
    "screens/dead_letters.js"
    "screens/keys.js"
    "screens/login.js"
    "screens/missing.js"
    "screens/nodes.js"
    "screens/overview.js"
    "screens/run.js"
    "screens/runs.js"
    "screens/schedules.js"
    "screens/settings.js"
    "screens/thread.js"
    "screens/threads.js"
    "session.js"
    "shell.css"
    "shell.js"
    "stamp.js"
    "stream.js"
    "theme.js"
    "ticket.js"
    "timeline.js"
    "toast.js"
}

/// The page; `VERSION` stands where the version of its files belongs.
const PAGE: &str = include_str!("../../dashboard/index.html");

/// A file.
pub(super) struct Asset {
    name: &'static str,
    pub(super) content: &'static [u8],
    /// An entity tag, quoted.
    pub(super) tag: String,
}

impl Asset {
    pub(super) fn media_type(&self) -> &'static str {
        match self.name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "application/octet-stream",
        }
    }
}

/// The page, with the version of its files in it.
pub(super) struct Index {
    pub(super) html: Vec<u8>,
    pub(super) tag: String,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let asset = |(name, content): &(&'static str, &'static [u8])| Asset {
        name,
        content,
        tag: format!("\"{}\"", digest(&[content])),
    };
    FILES.iter().map(asset).collect()
});

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let all = FILES.iter().flat_map(|(name, content)| [name.as_bytes(), *content]);
    digest(&all.chain([PAGE.as_bytes()]).collect::<Vec<_>>())
});

static INDEX: LazyLock<Index> = LazyLock::new(|| Index {
    html: PAGE.replace("VERSION", version()).into_bytes(),
    tag: format!("\"{}\"", version()),
});

/// Names the contents of all files together.
pub(super) fn version() -> &'static str {
    &VERSION
}

pub(super) fn index() -> &'static Index {
    &INDEX
}

pub(super) fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// Enough of a hash to tell versions apart.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // With its length, so that no two lists of parts look the same.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(10).fold(String::new(), |mut text, byte| {
        // Writing into a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// A file that is not embedded is one that is missed only in the browser.
    #[test]
    fn every_file_of_the_folder_is_embedded() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/dashboard"));
        let mut there = BTreeSet::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    there.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        there.remove("index.html");
        assert_eq!(there, FILES.iter().map(|(name, _)| (*name).to_owned()).collect());
    }

    fn is_module(name: &str) -> bool {
        Path::new(name).extension().is_some_and(|extension| extension == "js")
    }

    #[test]
    fn every_module_that_is_imported_is_there() {
        for (name, content) in FILES.iter().filter(|(name, _)| is_module(name)) {
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            let lines = std::str::from_utf8(content).unwrap().lines();
            for line in lines.filter(|line| line.starts_with("import ")) {
                let Some((_, path)) = line.split_once(" from \"") else { continue };
                let path = path.trim_end_matches("\";");
                let found = match (path.strip_prefix("./"), path.strip_prefix("../")) {
                    (Some(beside), _) if folder.is_empty() => beside.to_owned(),
                    (Some(beside), _) => format!("{folder}/{beside}"),
                    (_, Some(above)) => above.to_owned(),
                    _ => panic!("{name}: {line}: a relative path, or nothing can be found"),
                };
                assert!(find(&found).is_some(), "{name}: {line}");
            }
        }
    }

    #[test]
    fn the_page_asks_for_files_of_this_version() {
        let html = std::str::from_utf8(&index().html).unwrap();
        let base = format!("/dashboard/assets/{}/", version());
        assert!(html.contains(&format!("src=\"{base}app.js\"")));
        for rest in html.split(&base).skip(1) {
            let name = rest.split('"').next().unwrap();
            assert!(find(name).is_some(), "{name}");
        }
    }
}
