//! Which addresses may be bound.

use std::net::SocketAddr;

/// The address is open to others, and nothing would keep them out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{addr} can be reached from other machines, and there are no API keys: listen on 127.0.0.1, or \
     let anybody call with --insecure-no-keys"
)]
pub struct BindError {
    /// The address.
    pub addr: SocketAddr,
}

/// Refuses to serve others without keys, unless `insecure` says that this is wanted.
///
/// # Errors
/// [`BindError`] where the address is not loopback, there are no keys, and `insecure` is not set.
pub fn check_bind(addr: SocketAddr, has_keys: bool, insecure: bool) -> Result<(), BindError> {
    if is_loopback(addr) || has_keys || insecure { Ok(()) } else { Err(BindError { addr }) }
}

/// Whether only this machine can reach the address.
pub(crate) fn is_loopback(addr: SocketAddr) -> bool {
    addr.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_needs_neither_keys_nor_the_flag() {
        let open = |addr: &str| check_bind(addr.parse().unwrap(), false, false);
        assert!(open("127.0.0.1:8321").is_ok());
        assert!(open("[::1]:8321").is_ok());
        assert!(open("[::ffff:127.0.0.1]:8321").is_ok());
        for addr in ["0.0.0.0:8321", "[::]:8321", "192.168.1.2:8321"] {
            let error = open(addr).unwrap_err();
            assert!(error.to_string().contains("--insecure-no-keys"), "{error}");
            assert!(check_bind(addr.parse().unwrap(), true, false).is_ok());
            assert!(check_bind(addr.parse().unwrap(), false, true).is_ok());
        }
    }
}
