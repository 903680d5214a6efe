//! What a run waits for from a person: leave to call a tool, or an answer.

use serde_json::Value;

use super::super::list::printable;
use super::super::runs::Verdict;
use crate::output::{plain, shortened};

/// The longest arguments that are shown whole: who approves shall see what.
const ARGUMENT_CHARS_MAX: usize = 2000;

/// The tool by which agents ask.
const ASK_USER: &str = "ask_user";

/// A call that waits.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) tool_call_id: String,
    wish: Wish,
}

/// What the agent wants.
#[derive(Debug, Clone)]
enum Wish {
    /// To call a tool.
    Call { tool: String, arguments: String, message: String },
    /// To know something; any answer will do where there are no options.
    Know { question: String, options: Vec<String> },
}

impl Ticket {
    /// Reads a ticket of a run as the API shows it.
    pub(super) fn read(ticket: &Value) -> Self {
        let arguments = &ticket["arguments"];
        let message = ticket["message"].as_str().unwrap_or_default().to_owned();
        let question = arguments["question"].as_str();
        // Also asking may be what needs an approval: then the message is not the question.
        let is_question = ticket["tool_name"] == ASK_USER && question == Some(message.as_str());
        let wish = if is_question {
            let options = arguments["options"].as_array().into_iter().flatten();
            let options = options.filter_map(Value::as_str).map(str::to_owned).collect();
            Wish::Know { question: message, options }
        } else {
            Wish::Call {
                tool: plain(&ticket["tool_name"]),
                arguments: arguments.to_string(),
                message,
            }
        };
        Self { tool_call_id: plain(&ticket["tool_call_id"]), wish }
    }

    /// Whether both stand for the same call.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.tool_call_id == other.tool_call_id
    }

    /// What the agent wants, in a line.
    pub(super) fn headline(&self) -> String {
        match &self.wish {
            Wish::Call { tool, arguments, .. } => {
                let arguments = printable(&shortened(arguments, ARGUMENT_CHARS_MAX));
                format!("the agent wants to call {} {arguments}", printable(tool))
            }
            Wish::Know { question, .. } => format!("the agent asks: {}", printable(question)),
        }
    }

    /// What else a person must know to decide, and how to: a line each.
    pub(super) fn advice(&self) -> Vec<String> {
        match &self.wish {
            Wish::Call { message, .. } => {
                let message = (!message.is_empty()).then(|| format!("  {}", printable(message)));
                let how = "  approve? type y or n, and Enter".to_owned();
                message.into_iter().chain([how]).collect()
            }
            Wish::Know { options, .. } if options.is_empty() => {
                vec!["  type your answer, and Enter".to_owned()]
            }
            Wish::Know { options, .. } => {
                let option =
                    |(at, option): (usize, &String)| format!("  {}) {}", at + 1, printable(option));
                let how = "  type a number or an answer of your own, and Enter".to_owned();
                options.iter().enumerate().map(option).chain([how]).collect()
            }
        }
    }

    /// The flags with which `runs decide` takes the decision later.
    pub(super) fn flags(&self) -> &'static [&'static str] {
        match self.wish {
            Wish::Call { .. } => &["--approve", "--deny"],
            Wish::Know { .. } => &["--answer TEXT"],
        }
    }

    /// What the typed line decides; `None` where it is no answer.
    pub(super) fn verdict(&self, line: &str) -> Option<Verdict> {
        let line = line.trim();
        match &self.wish {
            Wish::Call { .. } => match line.to_lowercase().as_str() {
                "y" | "yes" => Some(Verdict::Approve { arguments: None }),
                "n" | "no" => Some(Verdict::Deny),
                _ => None,
            },
            Wish::Know { .. } if line.is_empty() => None,
            Wish::Know { options, .. } => {
                let number = line.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                let chosen = number.and_then(|at| options.get(at)).map_or(line, String::as_str);
                Some(Verdict::Answer(chosen.into()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ticket(tool: &str, arguments: &Value, message: &str) -> Ticket {
        Ticket::read(&json!({
            "tool_call_id": "c1", "tool_name": tool, "arguments": arguments, "message": message,
        }))
    }

    #[test]
    fn a_question_takes_any_answer_and_its_options_have_numbers() {
        let arguments = json!({"question": "Which?", "options": ["red", "blue"]});
        let asked = ticket("ask_user", &arguments, "Which?");
        assert_eq!(asked.headline(), "the agent asks: Which?");
        let answer = |line: &str| asked.verdict(line);
        assert_eq!(answer(" 2 "), Some(Verdict::Answer("blue".into())));
        assert_eq!(answer("3"), Some(Verdict::Answer("3".into())));
        assert_eq!(answer("0"), Some(Verdict::Answer("0".into())));
        assert_eq!(answer("green\r"), Some(Verdict::Answer("green".into())));
        assert_eq!(answer("  "), None);
    }

    #[test]
    fn an_approval_takes_yes_or_no_also_for_asking() {
        let arguments = json!({"question": "Which?"});
        for ticket in [
            ticket("pay", &json!({"euros": 9}), "It is much."),
            ticket("ask_user", &arguments, "The agent wants to ask you."),
        ] {
            assert!(ticket.headline().starts_with("the agent wants to call "));
            assert_eq!(ticket.verdict("YES"), Some(Verdict::Approve { arguments: None }));
            assert_eq!(ticket.verdict("n"), Some(Verdict::Deny));
            assert_eq!(ticket.verdict("perhaps"), None);
        }
    }
}
