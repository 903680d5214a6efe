//! `postroom send` as a person has it: in a terminal, where the answer streams, questions are asked
//! and Ctrl-C leaves.

#[path = "../support/mod.rs"]
mod support;

mod model;
mod terminal;

use model::Asking;
use serde_json::{Value, json};
use support::{Home, Server};
use terminal::{CTRL_C, CTRL_D, Setting, Terminal};

const NO_COLOUR: Setting<'_> =
    Setting { rows: 24, columns: 80, env: &[("TERM", "xterm"), ("NO_COLOR", "1")] };

async fn home_and_server() -> (Home, Server) {
    let home = Home::new();
    let server = home.serve(&[]).await;
    (home, server)
}

/// The only run of a thread.
async fn run_of(server: &Server, thread: &str) -> Value {
    let mut runs = server.get(&format!("/v1/runs?thread_id={thread}")).await;
    runs["items"][0].take()
}

#[tokio::test]
async fn an_answer_is_shown_while_it_is_given_and_ctrl_c_leaves_the_run_alone() {
    let (home, server) = home_and_server().await;
    let args = ["send", "-t", "t", "slow 3600"];
    let mut terminal = Terminal::open(&home, &server, &args, Setting::default());
    terminal.sees("thread t  run ").await;
    terminal.sees("Slowly to 3600: 1").await;
    let run = run_of(&server, "t").await;
    assert_eq!(run["status"], "running", "it is far from done: {run:#}");
    terminal.sees(" 2").await;

    terminal.types(CTRL_C).await;
    let advice = format!("postroom runs tail {}\r\n", run["run_id"].as_str().unwrap());
    // On a line of its own.
    terminal.sees("\r\nthe run goes on; see it with: ").await;
    terminal.sees(&advice).await;
    let (code, shown) = terminal.ends().await;
    assert_eq!(code, Some(130), "as shells say: {shown:?}");
    assert!(shown.ends_with(&advice), "{shown:?}");
    assert_eq!(run_of(&server, "t").await["status"], "running");
}

/// What was pressed while a decision was on its way to a server that is gone was not heard, for as
/// long as the server was waited for.
#[tokio::test]
async fn ctrl_c_is_heard_while_a_decision_is_sent() {
    let (home, mut server) = home_and_server().await;
    let args = ["send", "I want approval"];
    let mut terminal = Terminal::open(&home, &server, &args, NO_COLOUR);
    terminal.sees("approve? type y or n, and Enter").await;
    server.kill().await;
    terminal.sees("trying again").await;
    terminal.types("y\n").await;
    // The decision is tried again too.
    terminal.sees("trying again").await;
    terminal.types(CTRL_C).await;
    terminal.sees("the run goes on; see it with: postroom runs tail ").await;
    assert_eq!(terminal.ends().await.0, Some(130));
}

/// On a terminal words can't be taken back: it is said that they do not count.
#[tokio::test]
async fn what_a_killed_server_has_said_is_declared_void() {
    let home = Home::new();
    // Outside of what the system gives to outgoing connections, so that it stays free meanwhile.
    let listen = format!("127.0.0.1:{}", 10_000 + std::process::id() % 20_000);
    let mut server = home.serve_at(&listen, &[]).await;
    let mut terminal = Terminal::open(&home, &server, &["send", "slow 3"], NO_COLOUR);
    terminal.sees("\r\nSlowly to 3: 1").await;
    server.kill().await;
    // On a line of its own, although the answer's line had not ended.
    terminal.sees("\r\nthe server does not answer").await;
    let _server = home.serve_at(&listen, &[]).await;
    terminal.sees("the server answers again\r\n").await;
    terminal.sees("; what it said is void; trying again\r\n").await;
    terminal.sees("Slowly to 3: 1 2 3 done.\r\n").await;
    assert_eq!(terminal.ends().await.0, Some(0));
}

#[tokio::test]
async fn approvals_are_asked_for_in_place() {
    let (home, server) = home_and_server().await;
    for (typed, answer) in [("Y\n", "You approved it"), (" no \n", "You did not approve it")] {
        let args = ["send", "I want approval"];
        let mut terminal = Terminal::open(&home, &server, &args, NO_COLOUR);
        terminal
            .sees("the agent wants to call demo_action {\"request\":\"I want approval\"}")
            .await;
        terminal.sees("approve? type y or n, and Enter").await;
        terminal.types("perhaps\n").await;
        terminal.sees("approve? type y or n, and Enter").await;
        terminal.types(typed).await;
        terminal.sees(answer).await;
        let (code, shown) = terminal.ends().await;
        assert_eq!(code, Some(0), "{shown:?}");
        assert!(!shown.contains("decided elsewhere"), "{shown:?}");
    }
}

#[tokio::test]
async fn whoever_closes_the_input_is_told_how_to_decide_later() {
    let (home, server) = home_and_server().await;
    let args = ["send", "-t", "t", "I want approval"];
    let mut terminal = Terminal::open(&home, &server, &args, NO_COLOUR);
    terminal.sees("approve? type y or n, and Enter").await;
    terminal.types(CTRL_D).await;
    let run = run_of(&server, "t").await;
    let id = run["run_id"].as_str().unwrap();
    let call = run["waiting"]["tickets"][0]["tool_call_id"].as_str().unwrap();
    terminal.sees("; decide with:").await;
    terminal.sees(&format!("postroom runs decide {id} {call} --approve")).await;
    terminal.sees(&format!("postroom runs decide {id} {call} --deny")).await;
    home.client(&server, &["runs", "decide", id, call, "--approve"]).await.ok();
    terminal.sees("You approved it").await;
    assert_eq!(terminal.ends().await.0, Some(0));
}

#[tokio::test]
async fn colour_is_for_those_who_want_it() {
    let (home, server) = home_and_server().await;
    for (env, wanted) in [
        (&[("TERM", "xterm")][..], true),
        (&[("TERM", "xterm"), ("NO_COLOR", "")], true),
        (&[("TERM", "xterm"), ("NO_COLOR", "1")], false),
        (&[("TERM", "dumb")], false),
    ] {
        let args = ["send", "fail permanently"];
        let setting = Setting { env, ..Setting::default() };
        let (code, shown) = Terminal::open(&home, &server, &args, setting).ends().await;
        assert_eq!(code, Some(1), "{shown:?}");
        let (dim, error) = if wanted {
            ("\u{1b}[2mthread ", "\r\n\u{1b}[31merror:\u{1b}[0m the run failed: ")
        } else {
            ("thread ", "\r\nerror: the run failed: ")
        };
        assert!(shown.starts_with(dim) && shown.contains(error), "{env:?}: {shown:?}");
        assert_eq!(shown.contains('\u{1b}'), wanted, "{env:?}: {shown:?}");
    }
}

/// What the model or a tool says is shown, and can't move the cursor, colour the screen or ring.
#[tokio::test]
async fn what_is_said_does_not_steer_the_terminal() {
    let (home, server) = home_and_server().await;
    let args = ["send", "\u{1b}[2J\u{1b}]0;title\u{7} good\u{8}\u{8} morning\r"];
    let (code, shown) = Terminal::open(&home, &server, &args, NO_COLOUR).ends().await;
    assert_eq!(code, Some(0), "{shown:?}");
    let shown = shown.replace("\r\n", "\n");
    let steering = shown.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(steering, None, "{shown:?}");
    assert!(shown.contains("\u{fffd}[2J\u{fffd}]0;title"), "{shown:?}");
}

/// The terminal wraps lines, not the command: what is shown does not depend on the window.
#[tokio::test]
async fn a_narrow_window_shows_the_same() {
    let (home, server) = home_and_server().await;
    let args = ["send", "a text that is longer than the window is wide: 一二三四五六七八九十"];
    let mut answers = Vec::new();
    for (rows, columns) in [(24, 80), (2, 5), (1, 1), (0, 0)] {
        let setting = Setting { rows, columns, ..NO_COLOUR };
        let (code, shown) = Terminal::open(&home, &server, &args, setting).ends().await;
        assert_eq!(code, Some(0), "{shown:?}");
        // The first line has the ids, which differ.
        let (_, answer) = shown.split_once("\r\n").unwrap();
        answers.push(answer.to_owned());
    }
    assert!(answers[0].contains("一二三四五六七八九十"), "{answers:?}");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
}

#[tokio::test]
async fn a_window_that_changes_its_size_interrupts_nothing() {
    let (home, server) = home_and_server().await;
    let mut terminal = Terminal::open(&home, &server, &["send", "slow 2"], NO_COLOUR);
    terminal.sees("Slowly to 2: 1").await;
    terminal.resizes(2, 10);
    terminal.sees(" 2").await;
    terminal.resizes(50, 200);
    let (code, shown) = terminal.ends().await;
    assert_eq!(code, Some(0), "{shown:?}");
    assert!(shown.ends_with("\r\nSlowly to 2: 1 2 done.\r\n"), "{shown:?}");
}

#[tokio::test]
async fn without_a_message_it_says_what_to_do() {
    let (home, server) = home_and_server().await;
    let (code, shown) = Terminal::open(&home, &server, &["send"], NO_COLOUR).ends().await;
    assert_eq!(code, Some(2), "{shown:?}");
    assert!(shown.starts_with("error: say what to send: postroom send \"text\""), "{shown:?}");
}

/// A server whose agent asks, with these arguments, and then says what it was told.
async fn asking(arguments: Value) -> (Home, Server, Asking) {
    let model = Asking::start(arguments).await;
    let home = Home::with_config(&format!(
        "[models.m]\nprovider = \"openai\"\nmodel = \"m\"\nbase_url = {:?}\n\
         [agents.default]\nmodel = \"m\"\ntools = [\"ask_user\"]\n",
        model.url
    ));
    let server = home.serve(&[]).await;
    (home, server, model)
}

#[tokio::test]
async fn an_agents_question_is_answered_in_place() {
    let (home, server, _model) = asking(json!({"question": "Which colour?"})).await;
    let mut terminal = Terminal::open(&home, &server, &["send", "paint it"], NO_COLOUR);
    terminal.sees("the agent asks: Which colour?").await;
    terminal.sees("type your answer, and Enter").await;
    terminal.types("\n").await;
    terminal.sees("type your answer, and Enter").await;
    terminal.types("light blue\n").await;
    terminal.sees("It was told: light blue").await;
    let (code, shown) = terminal.ends().await;
    assert_eq!(code, Some(0), "{shown:?}");
    assert!(!shown.contains("elsewhere"), "{shown:?}");
}

#[tokio::test]
async fn a_questions_options_have_numbers() {
    let question = json!({"question": "Which colour?", "options": ["red", "blue\u{1b}[2J"]});
    let (home, server, _model) = asking(question).await;
    let mut terminal = Terminal::open(&home, &server, &["send", "paint it"], NO_COLOUR);
    terminal.sees("1) red").await;
    terminal.sees("2) blue\u{fffd}[2J").await;
    terminal.sees("type a number or an answer of your own").await;
    terminal.types("1\n").await;
    terminal.sees("It was told: red").await;
    assert_eq!(terminal.ends().await.0, Some(0));
}

#[tokio::test]
async fn a_question_can_be_answered_later() {
    let (home, server, _model) = asking(json!({"question": "Which colour?"})).await;
    let args = ["send", "-t", "t", "paint it"];
    let mut terminal = Terminal::open(&home, &server, &args, NO_COLOUR);
    terminal.sees("type your answer, and Enter").await;
    terminal.types(CTRL_D).await;
    let run = run_of(&server, "t").await;
    let id = run["run_id"].as_str().unwrap();
    let call = run["waiting"]["tickets"][0]["tool_call_id"].as_str().unwrap();
    terminal.sees("the agent asks: Which colour?; decide with:").await;
    terminal.sees(&format!("postroom runs decide {id} {call} --answer TEXT")).await;
    home.client(&server, &["runs", "decide", id, call, "--answer", "green"]).await.ok();
    terminal.sees("It was told: green").await;
    assert_eq!(terminal.ends().await.0, Some(0));
}

/// Every list, in a window of 60 columns: no line is wider, and what is left out is said.
#[tokio::test]
async fn tables_fit_the_window() {
    let home = Home::with_config(
        "[mailbox]\ndefault_retry_delay_ms = 10\ndefault_max_attempts = 2\n\
         [agents.an-agent-with-a-name-that-is-rather-long]\nmodel = \"demo\"\n\
         tools = [\"clock\", \"send_message\", \"wait\", \"ask_user\", \"start_background\"]\n",
    );
    let server = home.serve(&[]).await;
    let agent = "an-agent-with-a-name-that-is-rather-long";
    let thread = "a thread whose name is longer than most windows are wide: 一二三四五六七八九十";
    for text in ["hello, this will be said again and make a long line of output", "please fail"] {
        home.client(&server, &["send", "-a", agent, "-t", thread, text]).await;
    }
    let window = Setting { columns: 60, ..NO_COLOUR };
    for list in ["threads", "runs", "dispatches", "agents", "dead-letters", "nodes"] {
        let (code, shown) = Terminal::open(&home, &server, &[list, "list"], window).ends().await;
        assert_eq!(code, Some(0), "{list}: {shown:?}");
        let (notes, table): (Vec<&str>, Vec<&str>) =
            shown.lines().partition(|line| line.starts_with("no room for: "));
        assert!(table.len() > 1, "{list}: {shown:?}");
        for line in &table {
            let width = unicode_width::UnicodeWidthStr::width(*line);
            assert!(width <= 60, "{list}: {width}: {line:?}");
        }
        // Nothing is left out silently: the wide table has the same columns.
        let wide = home.client(&server, &[list, "list"]).await.ok().stdout;
        let headings = |line: &str| line.split("  ").filter(|word| !word.trim().is_empty()).count();
        let left_out = headings(wide.lines().next().unwrap()) - headings(table[0]);
        assert_eq!(left_out > 0, !notes.is_empty(), "{list}: {shown}");
    }
}

/// Long work shows how far it is, and takes the bar away.
#[tokio::test]
async fn long_work_shows_its_progress() {
    let (home, server) = home_and_server().await;
    let setting = Setting { env: &[("TERM", "xterm")], ..Setting::default() };
    let mut terminal = Terminal::open(&home, &server, &["bench", "--seconds", "5"], setting);
    terminal.sees("the disk [").await;
    terminal.sees("the whole service [").await;
    terminal.sees("submit to end of run").await;
    assert_eq!(terminal.ends().await.0, Some(0));
}
