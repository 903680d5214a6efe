//! The documentation: what it tells people to do is done, and what it says that they see is looked
//! for. CONTRIBUTING.md says how blocks are marked.

#[path = "../support/mod.rs"]
mod support;

mod page;
mod reader;

use std::path::{Path, PathBuf};

use page::{Block, Kind, Page};
use reader::Reader;

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> Page {
    Page::read(path, &std::fs::read_to_string(root().join(path)).unwrap())
}

/// All pages, but for the decisions and the benchmarks, which have no commands to try.
fn pages() -> Vec<Page> {
    let mut pages = Vec::new();
    for directory in ["docs", "docs/guides", "docs/reference", "docs/operations"] {
        for entry in std::fs::read_dir(root().join(directory)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let is_page = Path::new(&name).extension().is_some_and(|extension| extension == "md");
            if is_page && name != "benchmarks.md" {
                pages.push(read(&format!("{directory}/{name}")));
            }
        }
    }
    pages.sort_by(|a, b| a.path.cmp(&b.path));
    pages
}

macro_rules! followed {
    ($($name:ident: $path:literal,)*) => {
        /// The pages that a test follows.
        const FOLLOWED: &[&str] = &[$($path,)*];

        $(
            #[tokio::test]
            async fn $name() {
                Reader::new().follow(&read($path)).await;
            }
        )*
    };
}

followed! {
    getting_started: "docs/getting-started.md",
    approvals: "docs/guides/approvals.md",
    steering: "docs/guides/steering.md",
    agents: "docs/guides/agents.md",
    schedules: "docs/guides/schedules.md",
    nodes: "docs/guides/nodes.md",
    install: "docs/operations/install.md",
    upgrade: "docs/operations/upgrade.md",
    drain: "docs/operations/drain.md",
    backup: "docs/operations/backup.md",
    monitoring: "docs/operations/monitoring.md",
    traces: "docs/operations/traces.md",
    scaling: "docs/operations/scaling.md",
    troubleshooting: "docs/operations/troubleshooting.md",
}

#[test]
fn every_page_with_commands_is_followed() {
    for page in pages() {
        let has_commands = page.blocks.iter().any(|block| block.kind.is_done());
        assert_eq!(has_commands, FOLLOWED.contains(&page.path.as_str()), "{}", page.path);
    }
}

/// A command that nobody tries must say why.
#[test]
fn every_command_is_tried_or_says_why_not() {
    for page in pages() {
        for Block { kind, line, .. } in &page.blocks {
            assert_ne!(*kind, Kind::Unmarked, "{}:{line}: mark the block", page.path);
        }
    }
}

#[test]
fn what_is_quoted_from_a_file_is_the_file() {
    let mut quoted = 0;
    for page in pages() {
        for Block { kind, text, .. } in &page.blocks {
            let Kind::Quote(path) = kind else { continue };
            let file = std::fs::read_to_string(root().join(path)).unwrap();
            assert_eq!(text.trim(), file.trim(), "{} quotes {path}", page.path);
            quoted += 1;
        }
    }
    assert!(quoted > 0);
}

/// Configuration that is shown can be used, even where it is only an example.
#[tokio::test]
async fn every_configuration_is_understood() {
    let mut tried = 0;
    for page in pages() {
        for block in &page.blocks {
            if !matches!(block.kind, Kind::Toml | Kind::File(_))
                || block.text.contains("[dependencies]")
            {
                continue;
            }
            // Pieces of one file name models that are elsewhere in it.
            let text = completed(&block.text);
            let home = support::Home::with_config(&text);
            let said = home.run(&["serve", "--print-config"]).await;
            assert_eq!(said.code, Some(0), "{}:{}: {said:?}\n{text}", page.path, block.line);
            tried += 1;
        }
    }
    assert!(tried > 5, "{tried}");
}

/// The piece with what it takes for granted.
fn completed(piece: &str) -> String {
    let mut text = piece.to_owned();
    for (named, given) in [
        ("\"large\"", "[models.large]\nprovider = \"demo\"\n"),
        ("\"small\"", "[models.small]\nprovider = \"demo\"\n"),
        ("[agents.clerk.limits]", "[agents.clerk]\nmodel = \"demo\"\n"),
        ("nats_url", "[store]\nurl = \"postgres://postroom@db/postroom\"\n"),
    ] {
        let head = given.lines().next().unwrap();
        if piece.contains(named) && !piece.contains(head) {
            text.push('\n');
            text.push_str(given);
        }
    }
    text
}

/// Links between pages lead somewhere.
#[test]
fn every_link_leads_to_a_file() {
    let mut pages = pages();
    pages.push(read("README.md"));
    let mut links = 0;
    for page in &pages {
        let directory = Path::new(&page.path).parent().unwrap();
        for target in &page.links {
            let target = target.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let file = root().join(directory).join(target);
            assert!(file.exists(), "{} links to {target}, which is not there", page.path);
            links += 1;
        }
    }
    assert!(links > 30, "{links}");
}

/// The tables of the references name what there is, no more and no less.
#[test]
fn the_reference_of_events_names_every_type() {
    let source = std::fs::read_to_string(root().join("crates/core/src/event.rs")).unwrap();
    let named = |line: &str| Some(line.trim().split_once("=> \"")?.1.split_once('"')?.0.to_owned());
    let mut types: Vec<String> = source.lines().filter_map(named).collect();
    types.sort();
    let mut told = first_column(&read("docs/reference/events.md"));
    told.retain(|cell| !cell.contains(' ') && !cell.contains('/'));
    told.sort();
    assert_eq!(told, types);
}

#[test]
fn the_reference_of_the_configuration_is_the_default_file() {
    let page = read("docs/reference/configuration.md");
    let quote = page.blocks.iter().find(
        |block| matches!(&block.kind, Kind::Quote(path) if path.ends_with("config.default.toml")),
    );
    assert!(quote.is_some(), "it quotes the file");
}

/// What stands in backquotes in the first column of a page's tables.
fn first_column(page: &Page) -> Vec<String> {
    let cell = |line: &String| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    page.lines.iter().filter_map(cell).collect()
}
