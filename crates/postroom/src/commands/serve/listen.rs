//! The address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use postroom_server::check_bind;
use tokio::net::TcpListener;

use crate::config::{Invalid, Loaded, StoreUrl};

/// Binds the configured address; answers the one that it came to. Nothing is answered there yet.
pub(in crate::commands) async fn bind(
    loaded: &Loaded,
) -> Result<(TcpListener, SocketAddr), Invalid> {
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
    Ok((listener, address))
}

/// Refuses to serve others from a store that can't have keys yet: before a database is made that nobody
/// could then use.
pub(in crate::commands) fn check_new_store(
    loaded: &Loaded,
    address: SocketAddr,
) -> Result<(), Invalid> {
    if has_no_keys(loaded)? {
        check_keys(loaded, address, false)?;
    }
    Ok(())
}

/// Whether the store can't have keys: it is not there yet, or is never there before the server is.
fn has_no_keys(loaded: &Loaded) -> Result<bool, Invalid> {
    Ok(match loaded.store_url()? {
        StoreUrl::Memory => true,
        StoreUrl::Sqlite(path) => !path.exists(),
        StoreUrl::Postgres(_) => false,
    })
}

/// Refuses to serve others without keys, unless told to. Says whether callers must present one.
pub(super) fn check_keys(
    loaded: &Loaded,
    address: SocketAddr,
    has_keys: bool,
) -> Result<bool, Invalid> {
    let server = &loaded.config.server;
    if check_bind(address, has_keys, server.insecure_no_keys).is_err() {
        let problem = format!(
            "{address} can be reached from other machines, and there are no keys: make one with \
             `postroom keys create --scope admin`, listen on 127.0.0.1, or let anybody call with \
             --insecure-no-keys"
        );
        return Err(loaded.invalid("server.listen", problem));
    }
    let is_open = address.ip().to_canonical().is_loopback() || server.insecure_no_keys;
    Ok(server.require_keys || !is_open)
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
