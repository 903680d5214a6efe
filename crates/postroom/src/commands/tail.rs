//! `postroom tail`

use std::process::ExitCode;
use std::time::Duration;

use super::list::printable;
use crate::client::{Client, Connection, Event, Follow, Followed};
use crate::output::{Paint, Style, print, shortened};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Only events of this thread; they go on without a gap when the server comes back
    #[arg(long, short)]
    thread: Option<String>,
    /// With --thread: those after this number first; 0 for all there ever were
    #[arg(long, requires = "thread")]
    after: Option<u64>,
    /// Print JSON, an event a line
    #[arg(long)]
    json: bool,
    /// How many seconds a server that does not answer is waited for
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    retry: u64,
}

/// Carries it out: until it is interrupted.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.connection)?;
    let patience = Duration::from_secs(args.retry);
    // The first answer must come at once: a wrong address is not worth waiting for.
    let mut follow = match &args.thread {
        Some(thread) => {
            let known = client.get(&["threads", thread], &[]).await?;
            // Said even where it is now: a connection that is lost before the first event must not
            // lose that event.
            let after = args.after.or(known["event_count"].as_u64());
            Follow::new(&client, &["threads", thread, "events"], after, patience)
        }
        None => {
            client.get(&["system"], &[]).await?;
            Follow::live(&client, &["events"], patience)
        }
    };
    let style = Style::of_stdout();
    loop {
        match follow.next().await? {
            Followed::Event(event) if args.json => print(&format!("{}\n", event.json))?,
            Followed::Event(event) => print(&line(&event, args.thread.is_none(), style))?,
            Followed::End => follow.again().await?,
        }
    }
}

/// An event on one line: when, where, what.
fn line(event: &Event, with_thread: bool, style: Style) -> String {
    let time = event.text("at").get(11..19).unwrap_or("--:--:--").to_owned();
    let kind = event.text("type");
    let paint = match kind {
        "run_finished" | "run_started" => Paint::Good,
        "run_waiting" | "attempt_reset" | "dispatch_retried" => Paint::Warn,
        "dispatch_dead_lettered" | "error" => Paint::Bad,
        _ => Paint::Heading,
    };
    let kind = style.paint(paint, &format!("{kind:<22}"));
    let mut place = format!("{:>4}", event.seq);
    if with_thread {
        place = format!("{} {place}", event.text("thread_id"));
    }
    let data = event.json.get("data").map(ToString::to_string).unwrap_or_default();
    let place = style.paint(Paint::Dim, &format!("{time} {place}"));
    format!("{place}  {kind}  {}\n", shortened(&printable(&data), 160))
}
