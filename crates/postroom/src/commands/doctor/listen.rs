//! Is the address free, or a server on it, and is that ready?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::finding::Findings;
use crate::client::{Client, Connection};
use crate::commands::serve;
use crate::config::Loaded;

/// Whether a server of ours is at the configured address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Running {
    Yes,
    No,
}

/// Looks who is at the address.
pub(super) async fn examine(loaded: &Loaded, findings: &mut Findings<'_>) -> Running {
    let listen = &loaded.config.server.listen;
    match ask(listen).await {
        Some(Answer::Ready) => {
            findings.ok(format!("a server runs at {listen}, and is ready"));
            Running::Yes
        }
        Some(Answer::NotReady(why)) => {
            findings.broken(
                format!("the server at {listen} runs, and is not ready: {why}"),
                "give it a moment if it has just started or is shutting down; else its log says \
                 what it waits for",
            );
            Running::Yes
        }
        None => {
            let bound = serve::bind(loaded).await;
            let bound = bound.and_then(|(_, address)| serve::check_new_store(loaded, address));
            match bound {
                Ok(()) => findings.ok(format!("{listen} is free")),
                Err(invalid) => findings.broken(
                    invalid.to_string(),
                    "change server.listen, or what keeps the address from being used",
                ),
            }
            Running::No
        }
    }
}

enum Answer {
    Ready,
    NotReady(String),
}

/// Asks as a load balancer does, which needs no key. `None`: nobody answers, or somebody else does.
async fn ask(listen: &str) -> Option<Answer> {
    let (host, port) = listen.rsplit_once(':')?;
    let url = format!("http://{}:{port}", reachable(host));
    let client = Client::new(&Connection { url, key: None }).ok()?;
    let answer = client.readiness().await.ok()?;
    if answer["status"] == "ready" {
        return Some(Answer::Ready);
    }
    Some(Answer::NotReady(answer["detail"].as_str()?.to_owned()))
}

/// An address that stands for all of this machine's is reached by loopback's.
fn reachable(host: &str) -> String {
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        Ok(IpAddr::V6(ip)) if ip.is_unspecified() => format!("[{}]", Ipv6Addr::LOCALHOST),
        _ => host.to_owned(),
    }
}
