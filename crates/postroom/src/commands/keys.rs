//! `postroom keys`: who may call.
//!
//! It works on the store that the configuration names, so that the first key can be made before the
//! server is started. Where a server has the store to itself (a SQLite file that is in use, a store in
//! memory), or where `--url` or `--key` says so, the server is asked.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Subcommand, ValueEnum};
use postroom_core::access::Scope;
use postroom_core::id::{KeyId, TenantId};
use postroom_core::ports::{AccessStore, Clock};
use postroom_core::time::Timestamp;
use postroom_server::wire::{KeyView, MadeKeyView, moment, parse_moment};
use postroom_server::{KeyOrder, make_key};
use postroom_stores::sqlite::OpenError;
use postroom_stores::system::SystemClock;
use serde_json::{Value, json};

use super::list::Columns;
use super::serve::parts::OpenStore;
use super::session::Session;
use crate::cli::Usage;
use crate::client::{Client, Connection};
use crate::config::{Flags, Loaded, StoreUrl};
use crate::output::{Ages, note, plain, print, print_json};

/// What is done about keys, and where.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key, and show its secret, which is shown only now
    Create {
        /// Whose: a tenant sees only its own threads
        #[arg(long, default_value = TenantId::DEFAULT)]
        tenant: TenantId,
        /// What it allows; each includes those before it
        #[arg(long, value_enum)]
        scope: ScopeWord,
        /// What it is for
        #[arg(long, default_value = "")]
        label: String,
        /// When it ends by itself: a time (RFC 3339), or after so long, such as 90d, 12h or 30m
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
        #[command(flatten)]
        config: Flags,
    },
    /// List the keys, without their secrets
    List {
        /// Only those of this tenant
        #[arg(long)]
        tenant: Option<TenantId>,
        #[command(flatten)]
        config: Flags,
    },
    /// Take a key back: it is refused everywhere within 5 seconds
    Revoke {
        /// The key's id, which is what stands before the point
        #[arg(value_name = "KEY")]
        id: String,
        #[command(flatten)]
        config: Flags,
    },
}

impl Command {
    fn config(&self) -> &Flags {
        match self {
            Self::Create { config, .. }
            | Self::List { config, .. }
            | Self::Revoke { config, .. } => config,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScopeWord {
    /// See threads, runs and events
    Read,
    /// And submit, decide, cancel
    Write,
    /// And make keys, retry and delete dispatches
    Admin,
}

impl From<ScopeWord> for Scope {
    fn from(word: ScopeWord) -> Self {
        match word {
            ScopeWord::Read => Self::Read,
            ScopeWord::Write => Self::Write,
            ScopeWord::Admin => Self::Admin,
        }
    }
}

const COLUMNS: Columns = Columns {
    headings: &["KEY", "TENANT", "SCOPE", "LABEL", "CREATED", "LAST USED", "STATE"],
    row: |key, ages: Ages| {
        let state = match (&key["revoked_at"], &key["expires_at"]) {
            (Value::String(_), _) => "revoked".to_owned(),
            (_, Value::String(end)) => format!("until {end}"),
            _ => "good".to_owned(),
        };
        let scope = key["scopes"].as_array().and_then(|scopes| scopes.last());
        vec![
            plain(&key["key_id"]),
            plain(&key["tenant"]),
            scope.map(plain).unwrap_or_default(),
            plain(&key["label"]),
            ages.of(&key["created_at"]),
            ages.of(&key["last_used_at"]),
            state,
        ]
    },
};

/// Carries it out.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { connection, json, command } = args;
    let session = Session { client: Client::new(&connection)?, json };
    let Some(store) = own_store(command.config(), &connection).await? else {
        return ask(&session, command).await;
    };
    let done = do_here(&session, &**store.access(), command).await;
    store.close();
    done
}

/// The store, where it is this command's to open.
async fn own_store(config: &Flags, connection: &Connection) -> anyhow::Result<Option<OpenStore>> {
    if connection.is_given() {
        return Ok(None);
    }
    let loaded = Loaded::read(config, &[])?;
    if loaded.store_url()? == StoreUrl::Memory {
        return Ok(None);
    }
    match OpenStore::open(&loaded).await {
        Ok(store) => Ok(Some(store)),
        Err(error) => match error.downcast_ref::<OpenError>() {
            Some(OpenError::InUse { .. }) => Ok(None),
            _ => Err(error),
        },
    }
}

/// On the store itself.
async fn do_here(
    session: &Session,
    store: &dyn AccessStore,
    command: Command,
) -> anyhow::Result<ExitCode> {
    let now = SystemClock.now();
    match command {
        Command::Create { tenant, scope, label, expires, .. } => {
            let expires_at = expires.map(|text| end(&text, now)).transpose()?;
            let order = KeyOrder { tenant, scope: scope.into(), label, expires_at };
            let made = make_key(order, now)?;
            store.add_key(made.key.clone()).await?;
            show_made(session, &serde_json::to_value(MadeKeyView::from(made))?)
        }
        Command::List { tenant, .. } => {
            let keys = store.keys(tenant.as_ref()).await?;
            let items: Vec<KeyView> = keys.into_iter().map(KeyView::from).collect();
            session.show_items(&json!({"items": items, "next_cursor": null}), &COLUMNS)
        }
        Command::Revoke { id, .. } => {
            let id = KeyId::parse(without_secret(&id))?;
            if !store.revoke_key(&id, now).await? {
                bail!("there is no key {id}: `postroom keys list` shows those there are");
            }
            show_revoked(session, &id.to_string())
        }
    }
}

/// Of the server.
async fn ask(session: &Session, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create { tenant, scope, label, expires, .. } => {
            let now = SystemClock.now();
            let expires_at = expires.map(|text| end(&text, now)).transpose()?.map(moment);
            let scopes = [Scope::from(scope)];
            let body = json!({
                "tenant": tenant, "scopes": scopes, "label": label, "expires_at": expires_at,
            });
            show_made(session, &session.client.post(&["keys"], &body).await?)
        }
        Command::List { tenant, .. } => {
            let query: Vec<(&str, String)> =
                tenant.iter().map(|tenant| ("tenant", tenant.to_string())).collect();
            session.show_items(&session.client.get(&["keys"], &query).await?, &COLUMNS)
        }
        Command::Revoke { id, .. } => {
            let id = without_secret(&id);
            session.client.delete(&["keys", id], &[]).await?;
            show_revoked(session, id)
        }
    }
}

fn show_made(session: &Session, made: &Value) -> anyhow::Result<ExitCode> {
    if session.json {
        print_json(made)?;
        return Ok(ExitCode::SUCCESS);
    }
    // Alone on standard output, for `KEY=$(postroom keys create …)`.
    print(&format!("{}\n", plain(&made["key"])))?;
    note("Keep it: it is shown only now. Its holder sends the header `Authorization: Bearer KEY`.");
    Ok(ExitCode::SUCCESS)
}

fn show_revoked(session: &Session, id: &str) -> anyhow::Result<ExitCode> {
    if session.json {
        print_json(&json!({"key_id": id, "revoked": true}))?;
    } else {
        print(&format!("{id} is revoked; servers refuse it within 5 seconds\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Who gives a whole key means its id; the secret goes no further.
fn without_secret(key: &str) -> &str {
    key.split('.').next().unwrap_or(key).trim()
}

/// The moment that `text` means, seen from `now`.
fn end(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let wrong = || {
        Usage(format!(
            "--expires `{text}` is no time: write one as 2027-01-31T09:00:00Z, or how long from now \
             as 90d, 12h or 30m"
        ))
    };
    let text = text.trim();
    let end = match text.split_at_checked(text.len().saturating_sub(1)) {
        Some((number, unit @ ("d" | "h" | "m"))) => {
            let minutes: u64 = match unit {
                "d" => 24 * 60,
                "h" => 60,
                _ => 1,
            };
            let number: u32 = number.parse().map_err(|_| wrong())?;
            now + Duration::from_secs(u64::from(number) * minutes * 60)
        }
        _ => parse_moment("--expires", text).map_err(|_| wrong())?,
    };
    if end <= now {
        return Err(wrong()).context("that is over already");
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_moment_or_a_while() {
        let now = Timestamp(1_000);
        for (text, ms) in [("1m", 61_000), ("2h", 7_201_000), ("90d", 7_776_001_000)] {
            assert_eq!(end(text, now).unwrap(), Timestamp(ms), "{text}");
        }
        assert_eq!(end("1970-01-02T00:00:00Z", now).unwrap(), Timestamp(86_400_000));
        for text in
            ["", "d", "x", "-1d", "0d", "1.5h", "é", "99999999999999d", "1970-01-01T00:00:00Z"]
        {
            assert!(end(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_goes_nowhere() {
        assert_eq!(without_secret("pr_1.secret"), "pr_1");
        assert_eq!(without_secret("pr_1"), "pr_1");
    }
}
