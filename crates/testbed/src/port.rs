//! Ports that a server may keep while it is down.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::Error;

/// Ports below those that the system gives to outgoing connections. Otherwise a client that tries to
/// reach a server that is down could be given the server's port, and connect to itself.
const FIRST: u16 = 12_000;
const COUNT: u16 = 18_000;

/// So far apart begin the searches of two test processes.
const STRIDE: u32 = 37;

/// A port of 127.0.0.1 on which nobody listens.
pub fn free() -> Result<u16, Error> {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id().wrapping_mul(STRIDE) % u32::from(COUNT);
    let start = u16::try_from(start).unwrap_or_default();
    for _ in 0..COUNT {
        let offset = TRIED.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start.wrapping_add(offset)) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::Failed {
        what: "looking for a free port".to_owned(),
        said: format!("{FIRST} to {} are all in use", FIRST + COUNT),
    })
}
