//! The address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use postroom_server::check_bind;
use tokio::net::TcpListener;

use crate::config::{Invalid, Loaded};

/// Binds the configured address; answers the one that it came to.
pub(super) async fn bind(loaded: &Loaded) -> Result<(TcpListener, SocketAddr), Invalid> {
    let wanted = &loaded.config.server.listen;
    let failed = |error: &io::Error| {
        let problem = match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "{wanted} is taken: another server runs there (Postroom already?); stop it, or \
                 choose another address with --listen"
            ),
            io::ErrorKind::PermissionDenied => {
                format!("{wanted} is not allowed to this user: choose a port from 1024 on")
            }
            _ => format!("{wanted} can't be listened on: {error}"),
        };
        loaded.invalid("server.listen", problem)
    };
    let listener = TcpListener::bind(wanted).await.map_err(|error| failed(&error))?;
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    // Nothing is answered yet. Keys come with a later version, so there are none.
    if check_bind(address, false, loaded.config.server.insecure_no_keys).is_err() {
        let problem = format!(
            "{address} can be reached from other machines, and this version has no keys: listen on \
             127.0.0.1, or let anybody call with --insecure-no-keys"
        );
        return Err(loaded.invalid("server.listen", problem));
    }
    Ok((listener, address))
}

/// The address as a browser on this machine can open it.
pub(super) fn to_open(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
