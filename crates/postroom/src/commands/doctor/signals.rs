//! Can nodes tell each other?

use std::sync::Arc;
use std::time::Duration;

use postroom_agent::provider::client_tls;
use postroom_service::TokioSpawner;
use postroom_signals::nats::{Nats, Options, State};
use postroom_stores::postgres;
use postroom_stores::system::SystemIds;

use super::finding::Findings;
use crate::config::{Loaded, PostgresUrl, StoreUrl, without_secrets};

/// How long NATS may take to have everything ready.
const READY_WITHIN: Duration = Duration::from_secs(8);

/// Looks at what is configured for it.
pub(super) async fn examine(loaded: &Loaded, findings: &mut Findings<'_>) {
    let signals = &loaded.config.signals;
    if let Ok(Some(url)) = loaded.listening_url() {
        examine_postgres(loaded, &url, findings).await;
    }
    if let Some(url) = &signals.nats_url {
        examine_nats(loaded, url, findings).await;
    } else if matches!(loaded.store_url(), Ok(StoreUrl::Postgres(_))) {
        findings.ok("nodes tell each other through PostgreSQL");
    } else {
        findings.ok("one process needs none");
    }
}

async fn examine_postgres(loaded: &Loaded, url: &PostgresUrl, findings: &mut Findings<'_>) {
    let options = match url.options(&loaded.config.store) {
        Ok(options) => options,
        Err(error) => {
            let remedy = "correct sslrootcert in signals.postgres_url";
            return findings.broken(error.to_string(), remedy);
        }
    };
    match Box::pin(postgres::examine(&options)).await {
        Ok(found) if found.is_pooled => findings.broken(
            format!("signals.postgres_url {url} is a pooler in transaction mode itself"),
            "name the PostgreSQL server there: notifications do not come through a pooler",
        ),
        Ok(_) => findings.ok(format!("{url} can be listened to")),
        Err(error) => findings.broken(
            format!("signals.postgres_url: {error}"),
            "correct the address, or let this machine reach it",
        ),
    }
}

async fn examine_nats(loaded: &Loaded, url: &str, findings: &mut Findings<'_>) {
    let shown = without_secrets(url);
    let options = Options {
        url: url.to_owned(),
        tls: client_tls().ok().map(Arc::new),
        installation: loaded.config.store.schema.clone(),
        ids: Arc::new(SystemIds::new()),
        spawner: Arc::new(TokioSpawner),
    };
    let nats = match Nats::connect(options).await {
        Ok(nats) => nats,
        Err(error) => {
            let remedy = "correct signals.nats_url: nats://HOST:PORT";
            return findings.broken(format!("{shown} is {error}"), remedy);
        }
    };
    let mut state = nats.state();
    let settled = state.wait_for(|state| *state != State::Connecting);
    let settled = match tokio::time::timeout(READY_WITHIN, settled).await {
        Ok(Ok(state)) => state.clone(),
        _ => State::Lost { reason: "it does not answer".to_owned() },
    };
    match settled {
        State::Ready { version } => {
            findings.ok(format!("NATS {version} at {shown}, with its stream and consumer"));
        }
        State::Lost { reason } => findings.broken(
            format!("NATS at {shown}: {reason}"),
            "start nats-server 2.9 or newer there with --jetstream, or take signals.nats_url out: \
             PostgreSQL carries the signals then",
        ),
        State::Connecting => {}
    }
}
