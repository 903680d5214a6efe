//! How watching a run ended.

use std::process::ExitCode;

use serde_json::Value;

use crate::output::{Paint, Style, note};

/// How watching a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The run has done what it was asked to.
    Well,
    /// It has not, and why.
    Badly(String),
    /// It waits, and for what.
    Waits(String),
    /// Whoever watched went away.
    LeftAlone,
}

impl Ended {
    /// What a termination comes to.
    pub fn of(termination: &Value, error: Option<&str>) -> Self {
        let kind = termination["type"].as_str().unwrap_or("error");
        if kind == "natural_end" {
            return Self::Well;
        }
        let message = termination["message"].as_str().or(error).unwrap_or_default();
        let code = termination["code"].as_str().unwrap_or_default();
        let what = match kind {
            "cancelled" => return Self::Badly("the run was cancelled".to_owned()),
            "stopped" => "the run was stopped",
            "blocked" => "the run was blocked",
            _ => "the run failed",
        };
        let code = if code.is_empty() { String::new() } else { format!(" ({code})") };
        Self::Badly(format!("{what}: {message}{code}"))
    }

    /// What a run that is done came to.
    pub fn of_run(run: &Value) -> Self {
        Self::of(&run["termination"], run["error"].as_str())
    }

    /// Tells people, and programs by the exit status.
    pub fn report(&self) -> ExitCode {
        let style = Style::of_stderr();
        match self {
            Self::Well => ExitCode::SUCCESS,
            Self::Badly(why) => {
                note(&format!("{} {why}", style.paint(Paint::Bad, "error:")));
                ExitCode::FAILURE
            }
            Self::Waits(what) => {
                note(&format!("the run waits for {what}"));
                ExitCode::SUCCESS
            }
            // 128 + SIGINT, as shells say.
            Self::LeftAlone => ExitCode::from(130),
        }
    }
}
