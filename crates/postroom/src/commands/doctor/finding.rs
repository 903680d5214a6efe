//! What was found, and what to do about it.

use serde::Serialize;
use serde_json::{Value, json};

use super::super::list::printable;
use crate::output::{Paint, Style};

/// What a thing is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// As it should be.
    Ok,
    /// It works, and may not for long, or not as well as it could.
    Warning,
    /// It does not work.
    Broken,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Broken => "broken",
        }
    }

    fn paint(self) -> Paint {
        match self {
            Self::Ok => Paint::Good,
            Self::Warning => Paint::Warn,
            Self::Broken => Paint::Bad,
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    area: &'static str,
    status: Status,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// All that was found about one part of the installation.
#[derive(Debug)]
pub(super) struct Findings<'r> {
    area: &'static str,
    report: &'r mut Report,
}

impl Findings<'_> {
    pub(super) fn ok(&mut self, what: impl Into<String>) {
        self.add(Status::Ok, &what.into(), None);
    }

    pub(super) fn warning(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(Status::Warning, &what.into(), Some(remedy.into()));
    }

    pub(super) fn broken(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(Status::Broken, &what.into(), Some(remedy.into()));
    }

    fn add(&mut self, status: Status, what: &str, remedy: Option<String>) {
        let what = printable(what);
        self.report.0.push(Finding { area: self.area, status, what, remedy });
    }
}

/// All that was found.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Finding>);

impl Report {
    /// Takes in what is found about `area`.
    pub(super) fn of(&mut self, area: &'static str) -> Findings<'_> {
        Findings { area, report: self }
    }

    fn count(&self, status: Status) -> usize {
        self.0.iter().filter(|finding| finding.status == status).count()
    }

    pub(super) fn is_broken(&self) -> bool {
        self.count(Status::Broken) > 0
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "findings": self.0,
            "broken": self.count(Status::Broken),
            "warnings": self.count(Status::Warning),
        })
    }

    /// For people.
    pub(super) fn to_text(&self, style: Style) -> String {
        let width = self.0.iter().map(|finding| finding.area.len()).max().unwrap_or(0);
        let line = |Finding { area, status, what, remedy }: &Finding| {
            let word = style.paint(status.paint(), &format!("{:<7}", status.word()));
            let remedy = remedy.as_ref().map(|remedy| {
                let margin = " ".repeat(7 + 2 + width + 2);
                format!("{margin}→ {remedy}\n")
            });
            format!("{word}  {area:<width$}  {what}\n{}", remedy.unwrap_or_default())
        };
        let lines: String = self.0.iter().map(line).collect();
        let total = match (self.count(Status::Broken), self.count(Status::Warning)) {
            (0, 0) => "Everything is as it should be.".to_owned(),
            (0, warnings) => format!("Nothing is broken; {warnings} to look at."),
            (broken, warnings) => format!("{broken} broken, {warnings} to look at."),
        };
        format!("{lines}\n{total}\n")
    }
}
