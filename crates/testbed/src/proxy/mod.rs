//! A TCP proxy that fails as networks do.

mod link;

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use link::Link;

use crate::Error;

/// What happens between the two sides of a [`Proxy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// All is passed on.
    Fair,
    /// All is passed on, each piece so much later.
    Slow(Duration),
    /// Connections are closed, those that are there and those that come.
    Cut,
    /// Connections stay open, and come about, and nothing is passed on: nobody is told. What was
    /// sent meanwhile arrives once the weather changes.
    HalfOpen,
}

/// Which answer is lost.
#[derive(Debug, Clone)]
pub struct LostReply {
    /// What the request contains.
    pub request: &'static [u8],
    /// What the end of its answer contains.
    pub reply: &'static [u8],
}

impl LostReply {
    /// PostgreSQL's answer to a `COMMIT`: it was carried out, and who asked never hears of it.
    pub const COMMIT: Self = Self { request: b"COMMIT", reply: b"COMMIT" };
}

/// A TCP proxy on a port of its own.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

/// What the threads share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    target: u16,
    weather: Weather,
    lose: Option<LostReply>,
    replies_lost: u64,
    links: BTreeMap<u64, Arc<Link>>,
    opened: u64,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1, and passes on to `target`, another port there.
    pub fn to(target: u16) -> Result<Self, Error> {
        // It listens for as long as it is there: whatever port is free will do.
        let listener = TcpListener::bind(("127.0.0.1", 0));
        let listener = listener.map_err(Error::io("cannot listen on any port"))?;
        let address = listener.local_addr().map_err(Error::io("has no address"))?;
        let port = address.port();
        let state = State {
            target,
            weather: Weather::Fair,
            lose: None,
            replies_lost: 0,
            links: BTreeMap::new(),
            opened: 0,
            closed: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let accepting = shared.clone();
        let thread = Builder::new().name(format!("proxy {port}"));
        let thread = thread.spawn(move || accept(&listener, &accepting));
        let listener = Some(thread.map_err(Error::io("cannot start a thread"))?);
        Ok(Self { port, shared, listener })
    }

    /// Where clients connect, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes what happens to connections, those that are there and those that come.
    pub fn set(&self, weather: Weather) {
        let mut state = self.shared.lock();
        state.weather = weather;
        if weather == Weather::Cut {
            state.cut_links();
        }
        self.shared.changed.notify_all();
    }

    /// Passes on to another port of 127.0.0.1 from now on; connections to the old one are cut.
    pub fn aim(&self, target: u16) {
        let mut state = self.shared.lock();
        state.target = target;
        state.cut_links();
        self.shared.changed.notify_all();
    }

    /// Passes the next such request on, swallows its answer, and cuts the connection.
    pub fn lose_next(&self, reply: LostReply) {
        self.shared.lock().lose = Some(reply);
    }

    /// How many answers were lost by [`Proxy::lose_next`].
    pub fn replies_lost(&self) -> u64 {
        self.shared.lock().replies_lost
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.shared.lock().links.len()
    }
}

impl State {
    fn cut_links(&mut self) {
        for (_, link) in std::mem::take(&mut self.links) {
            link.cut();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.cut_links();
        drop(state);
        self.shared.changed.notify_all();
        // Wakes the thread that accepts; if it can't be reached it has ended.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(listener) = self.listener.take() {
            // It has nobody to tell of a panic.
            let _ = listener.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let state = shared.lock();
        let (target, closed, cut) = (state.target, state.closed, state.weather == Weather::Cut);
        drop(state);
        if closed {
            return;
        }
        let Ok(client) = client else { continue };
        // Dropping the client's side is what it sees of a server that can't be reached.
        let server = if cut { None } else { TcpStream::connect(("127.0.0.1", target)).ok() };
        match server {
            Some(server) => open(client, server, shared),
            None => drop(client.shutdown(Shutdown::Both)),
        }
    }
}

fn open(client: TcpStream, server: TcpStream, shared: &Arc<Shared>) {
    let link = Arc::new(Link::new(client, server));
    let mut state = shared.lock();
    if state.closed || state.weather == Weather::Cut {
        return link.cut();
    }
    state.opened += 1;
    let number = state.opened;
    state.links.insert(number, link.clone());
    drop(state);
    for way in [link::Way::ToServer, link::Way::ToClient] {
        let (link, ours) = (link.clone(), shared.clone());
        let pump = move || {
            link.pump(way, &ours);
            link.cut();
            ours.lock().links.remove(&number);
        };
        let thread = Builder::new().name(format!("link {number}"));
        // A connection that can't be served is closed.
        if thread.spawn(pump).is_err() {
            shared.lock().links.remove(&number).inspect(|link| link.cut());
        }
    }
}
