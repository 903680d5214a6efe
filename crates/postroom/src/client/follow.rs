//! Following events through everything that happens to the connection and to the server.

use std::time::Duration;

use reqwest::{Method, Response};
use tokio::time::Instant;

use super::sse::{Frame, Parser};
use super::{Client, Error, Event};
use crate::output::note;

/// The pauses between two tries.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long a server that does not answer is waited for.
#[derive(Debug)]
pub struct Patience {
    time: Duration,
    /// Since when it does not answer, and the next pause.
    since: Option<(Instant, Duration)>,
}

impl Patience {
    /// Waits for up to `time` each time.
    pub fn new(time: Duration) -> Self {
        Self { time, since: None }
    }

    /// Pauses before the next try, and tells people so; gives up with `error` when the time is over.
    pub async fn pause(&mut self, error: Error) -> Result<(), Error> {
        let now = Instant::now();
        let (since, pause) = *self.since.get_or_insert_with(|| {
            let seconds = self.time.as_secs();
            let why = match &error {
                Error::Unreachable { reason, .. } => reason.clone(),
                other => other.to_string(),
            };
            note(&format!("the server does not answer ({why}); trying again for {seconds} s …"));
            (now, PAUSE_FIRST)
        });
        if now + pause > since + self.time {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        self.since = Some((since, (pause * 2).min(PAUSE_MAX)));
        Ok(())
    }

    /// The server answers again.
    pub fn restore(&mut self) {
        if self.since.take().is_some() {
            note("the server answers again");
        }
    }
}

/// What following brought.
#[derive(Debug)]
pub enum Followed {
    /// The next event.
    Event(Event),
    /// The server has ended the stream in good order: nothing follows.
    End,
}

/// A stream of events that survives its connection: it goes on after the last event that it gave.
#[derive(Debug)]
pub struct Follow {
    client: Client,
    path: Vec<String>,
    after: Option<u64>,
    /// All events are of one thread, so that their numbers say where to go on.
    is_numbered: bool,
    patience: Patience,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    response: Response,
    parser: Parser,
    ready: std::vec::IntoIter<Frame>,
}

impl Follow {
    /// Follows the events at `path`, those after `after` where it is given.
    pub fn new(client: &Client, path: &[&str], after: Option<u64>, patience: Duration) -> Self {
        Self {
            client: client.clone(),
            path: path.iter().map(ToString::to_string).collect(),
            after,
            is_numbered: true,
            patience: Patience::new(patience),
            open: None,
        }
    }

    /// Follows events of many threads, as they happen: what happens while the connection is lost is
    /// not shown.
    pub fn live(client: &Client, path: &[&str], patience: Duration) -> Self {
        Self { is_numbered: false, ..Self::new(client, path, None, patience) }
    }

    /// The next event. May be dropped and called again.
    ///
    /// # Errors
    /// Where the server refuses, or did not answer for too long.
    pub async fn next(&mut self) -> Result<Followed, Error> {
        loop {
            let Some(open) = &mut self.open else {
                match self.connect().await {
                    Ok(()) => self.patience.restore(),
                    Err(error) if error.is_transient() => self.patience.pause(error).await?,
                    Err(error) => return Err(error),
                }
                continue;
            };
            for frame in open.ready.by_ref() {
                let Some(event) = Event::read(&frame.data) else { continue };
                if !self.is_numbered {
                    return Ok(Followed::Event(event));
                }
                // A server that repeats itself must not make us do so.
                if self.after.is_none_or(|after| event.seq > after) {
                    self.after = Some(event.seq);
                    return Ok(Followed::Event(event));
                }
            }
            match open.response.chunk().await {
                Ok(Some(bytes)) => open.ready = open.parser.feed(&bytes).into_iter(),
                // Whether that was the end of the story, the caller knows from the last event.
                Ok(None) => {
                    self.open = None;
                    return Ok(Followed::End);
                }
                Err(_) => self.open = None,
            }
        }
    }

    /// The stream has ended, but its story has not: goes on after a pause.
    pub async fn again(&mut self) -> Result<(), Error> {
        self.open = None;
        let reason = "it closed the connection".to_owned();
        let url = self.client.base().to_owned();
        self.patience.pause(Error::Unreachable { url, reason }).await
    }

    async fn connect(&mut self) -> Result<(), Error> {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let mut request =
            self.client.request(Method::GET, &path, &[]).header("accept", "text/event-stream");
        if let Some(after) = self.after {
            request = request.header("last-event-id", after.to_string());
        }
        let response = self.client.send(request).await?;
        let (parser, ready) = (Parser::default(), Vec::new().into_iter());
        self.open = Some(Open { response, parser, ready });
        Ok(())
    }
}
