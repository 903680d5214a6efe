//! How far long work is, for people at a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a bar moves by itself, so that it is seen to be alive.
const TICK: Duration = Duration::from_millis(120);

/// A bar on standard error that is gone when the work is done. Nobody sees it where standard error
/// is no terminal.
pub struct Progress(ProgressBar);

impl Progress {
    /// For work of `total` parts; of an unknown number where that is `None`.
    pub fn of(total: Option<u64>, what: &str) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let template = match total {
            Some(_) => "{msg} [{bar:30}] {human_pos}/{human_len} {eta}",
            None => "{msg} {spinner} {human_pos} {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// None: the output is for a program.
    pub fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// What is being done now.
    pub fn says(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    /// So many parts are done.
    pub fn is_at(&self, done: u64) {
        self.0.set_position(done);
    }

    /// So many more are done.
    pub fn adds(&self, done: u64) {
        self.0.inc(done);
    }

    /// There are so many parts.
    pub fn is_of(&self, total: u64) {
        self.0.set_length(total);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
