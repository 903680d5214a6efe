//! One connection through a proxy.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use super::{LostReply, Shared, State, Weather};

/// An answer that is to be lost comes within this, or it was not the one: then the connection is cut
/// all the same, since a part of it may have been swallowed.
const REPLY: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    ToServer,
    ToClient,
}

/// Both of its sockets.
#[derive(Debug)]
pub(super) struct Link {
    client: TcpStream,
    server: TcpStream,
    /// The answer that comes now is to be lost.
    swallows: AtomicBool,
}

/// What passes one way, looked through for some bytes, wherever it is torn apart.
#[derive(Default)]
struct Seen(Vec<u8>);

impl Seen {
    fn shows(&mut self, piece: &[u8], wanted: &[u8]) -> bool {
        self.0.extend_from_slice(piece);
        let found = self.0.windows(wanted.len()).any(|part| part == wanted);
        let kept = self.0.len().saturating_sub(wanted.len() - 1);
        self.0.drain(..kept);
        found
    }
}

impl Link {
    pub(super) fn new(client: TcpStream, server: TcpStream) -> Self {
        // Small pieces go at once, as they would without a proxy; without it they are only later.
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        Self { client, server, swallows: AtomicBool::new(false) }
    }

    /// Closes both sides. Who reads or writes there is woken.
    pub(super) fn cut(&self) {
        // It may be closed already.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    /// Passes on what comes, until either side ends.
    pub(super) fn pump(&self, way: Way, shared: &Shared) {
        let (mut from, mut to) = match way {
            Way::ToServer => (&self.client, &self.server),
            Way::ToClient => (&self.server, &self.client),
        };
        let mut buffer = vec![0; 64 * 1024];
        let mut seen = Seen::default();
        loop {
            let length = match from.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => return,
                Ok(length) => length,
            };
            let piece = &buffer[..length];
            if !passes(shared) {
                return;
            }
            match way {
                Way::ToServer => self.look_for_request(piece, &mut seen, shared),
                Way::ToClient if self.swallows.load(Ordering::SeqCst) => {
                    return self.swallow(piece, &mut buffer.clone(), shared);
                }
                Way::ToClient => {}
            }
            if to.write_all(piece).is_err() {
                return;
            }
        }
    }

    /// Before the request is passed on, so that its answer can't be faster.
    fn look_for_request(&self, piece: &[u8], seen: &mut Seen, shared: &Shared) {
        let state = shared.lock();
        let Some(lose) = &state.lose else {
            // Nothing is wanted: nothing is remembered either.
            seen.0.clear();
            return;
        };
        if seen.shows(piece, lose.request) && !self.swallows.swap(true, Ordering::SeqCst) {
            // The server answers soon, or not at all.
            let _ = self.server.set_read_timeout(Some(REPLY));
        }
    }

    /// Waits for the end of the answer, and passes nothing on.
    fn swallow(&self, first: &[u8], buffer: &mut [u8], shared: &Shared) {
        let Some(LostReply { reply, .. }) = shared.lock().lose.take() else { return };
        let mut seen = Seen::default();
        let mut ended = seen.shows(first, reply);
        while !ended {
            match (&self.server).read(buffer) {
                Ok(0) | Err(_) => return,
                Ok(length) => ended = seen.shows(&buffer[..length], reply),
            }
        }
        shared.lock().replies_lost += 1;
    }
}

/// Waits as the weather wants it; `false` if the connection is to end.
#[expect(clippy::disallowed_methods, reason = "it delays other processes, in real time")]
fn passes(shared: &Shared) -> bool {
    let mut state = shared.lock();
    while state.weather == Weather::HalfOpen && !state.closed {
        state = wait(state, shared);
    }
    let goes_on = !state.closed && state.weather != Weather::Cut;
    if let Weather::Slow(delay) = state.weather {
        drop(state);
        std::thread::sleep(delay);
    }
    goes_on
}

fn wait<'s>(state: MutexGuard<'s, State>, shared: &'s Shared) -> MutexGuard<'s, State> {
    shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
}
