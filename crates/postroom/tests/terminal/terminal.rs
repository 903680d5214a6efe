//! A terminal: a window, a keyboard, and a command that has both.

use pty_process::{Command, OwnedReadPty, OwnedWritePty, Size};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::time::timeout;

use crate::support::{DEADLINE, Home, Server};

/// What a terminal sends for Ctrl-C and Ctrl-D.
pub const CTRL_C: &str = "\u{3}";
pub const CTRL_D: &str = "\u{4}";

/// What a command is started with.
#[derive(Clone, Copy)]
pub struct Setting<'s> {
    pub rows: u16,
    pub columns: u16,
    pub env: &'s [(&'s str, &'s str)],
}

impl Default for Setting<'_> {
    fn default() -> Self {
        Self { rows: 24, columns: 80, env: &[("TERM", "xterm")] }
    }
}

/// A window in which a command runs.
pub struct Terminal {
    screen: OwnedReadPty,
    keyboard: OwnedWritePty,
    child: Child,
    shown: String,
    /// How much of it was looked at.
    looked_at: usize,
}

impl Terminal {
    /// Runs the binary as a client of `server`.
    pub fn open(home: &Home, server: &Server, args: &[&str], setting: Setting<'_>) -> Self {
        let (pty, inside) = pty_process::open().unwrap();
        pty.resize(Size::new(setting.rows, setting.columns)).unwrap();
        let command = Command::new(env!("CARGO_BIN_EXE_postroom"))
            .args(args)
            .current_dir(home.path(""))
            .env_clear()
            .env("POSTROOM_URL", &server.url)
            .envs(setting.env.iter().copied())
            .kill_on_drop(true);
        let child = command.spawn(inside).unwrap();
        let (screen, keyboard) = pty.into_split();
        Self { screen, keyboard, child, shown: String::new(), looked_at: 0 }
    }

    /// Waits until `text` is shown, behind what was waited for before.
    pub async fn sees(&mut self, text: &str) {
        loop {
            if let Some(at) = self.shown[self.looked_at..].find(text) {
                self.looked_at += at + text.len();
                return;
            }
            let more = timeout(DEADLINE, self.read()).await;
            let is_over = !more.unwrap_or_else(|_| panic!("no `{text}` in {:?}", self.shown));
            assert!(!is_over, "it ended without `{text}`: {:?}", self.shown);
        }
    }

    /// What the person types.
    pub async fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).await.unwrap();
    }

    /// The person makes the window larger or smaller.
    pub fn resizes(&self, rows: u16, columns: u16) {
        self.keyboard.resize(Size::new(rows, columns)).unwrap();
    }

    /// The exit status, and all that was shown.
    pub async fn ends(mut self) -> (Option<i32>, String) {
        let ended = async {
            while self.read().await {}
            self.child.wait().await.unwrap()
        };
        let ended = timeout(DEADLINE, ended).await;
        let status = ended.unwrap_or_else(|_| panic!("it does not end: {:?}", self.shown));
        (status.code(), self.shown)
    }

    /// Reads what is new; `false` once the command has closed the terminal.
    async fn read(&mut self) -> bool {
        let mut bytes = Vec::with_capacity(4096);
        loop {
            // Linux answers EIO for a terminal that nobody has open any more, other systems its end.
            match self.screen.read_buf(&mut bytes).await {
                Ok(0) | Err(_) => return false,
                Ok(_) => {}
            }
            // A character may come in two parts.
            if let Ok(text) = std::str::from_utf8(&bytes) {
                self.shown.push_str(text);
                return true;
            }
        }
    }
}
