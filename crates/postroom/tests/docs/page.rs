//! A page of the documentation, as far as it can be tried.

/// What is to be done with a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// ```` ```sh tested ````: a script that must succeed. `#> text` in it claims a line of output.
    Tested,
    /// ```` ```sh server ````: a server that is started, and runs on.
    Server,
    /// ```` ```sh stop ````: the servers are ended in good order in place of the command.
    Stop,
    /// ```` ```sh kill ````: the servers are ended as `kill -9` does.
    Kill,
    /// ```` ```sh untested: WHY ````
    Untested,
    /// ```` ```toml file=NAME ````: what the file shall hold.
    File(String),
    /// ```` ```toml ````: a piece of a configuration.
    Toml,
    /// ```` ```LANGUAGE file=PATH ````: a file of the repository, word for word.
    Quote(String),
    /// A command without a mark.
    Unmarked,
    /// Nothing to try.
    Other,
}

impl Kind {
    fn of(info: &str) -> Self {
        let (language, mark) = info.split_once(' ').unwrap_or((info, ""));
        match (language, mark) {
            ("sh", "tested") => Self::Tested,
            ("sh", "server") => Self::Server,
            ("sh", "stop") => Self::Stop,
            ("sh", "kill") => Self::Kill,
            ("sh", why) if why.starts_with("untested: ") => Self::Untested,
            ("sh" | "bash" | "shell" | "console", _) => Self::Unmarked,
            (_, file) if file.starts_with("file=") => {
                let name = file.trim_start_matches("file=").to_owned();
                if name.contains('/') { Self::Quote(name) } else { Self::File(name) }
            }
            ("toml", _) => Self::Toml,
            _ => Self::Other,
        }
    }

    /// Whether following the page does something about it.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Tested | Self::Server | Self::Stop | Self::Kill)
    }
}

/// A fenced block.
#[derive(Debug, Clone)]
pub struct Block {
    pub kind: Kind,
    pub text: String,
    /// Where it begins.
    pub line: usize,
}

/// A page.
#[derive(Debug)]
pub struct Page {
    pub path: String,
    pub blocks: Vec<Block>,
    /// What is outside of blocks.
    pub lines: Vec<String>,
    pub links: Vec<String>,
}

impl Page {
    pub fn read(path: &str, text: &str) -> Self {
        let mut page = Self {
            path: path.to_owned(),
            blocks: Vec::new(),
            lines: Vec::new(),
            links: Vec::new(),
        };
        let mut open: Option<Block> = None;
        for (at, line) in text.lines().enumerate() {
            match (&mut open, line.strip_prefix("```")) {
                (Some(_), Some(_)) => page.blocks.extend(open.take()),
                (Some(block), None) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, Some(info)) => {
                    open = Some(Block { kind: Kind::of(info), text: String::new(), line: at + 1 });
                }
                (None, None) => {
                    page.links.extend(links(line));
                    page.lines.push(line.to_owned());
                }
            }
        }
        assert!(open.is_none(), "{path}: a block is not closed");
        page
    }
}

/// The targets of a line's links.
fn links(line: &str) -> Vec<String> {
    let targets = line.split("](").skip(1);
    targets.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
}
