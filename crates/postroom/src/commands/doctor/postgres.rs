//! Does the server answer, does it keep what it confirms, and may we use it?

use postroom_core::ports::Clock;
use postroom_stores::postgres::{self, Examined, OpenError};
use postroom_stores::system::SystemClock;

use super::finding::{Findings, Report};
use crate::config::{Loaded, PostgresUrl};

/// Two more connections listen.
const LISTENING: usize = 2;

/// Clocks that differ more than this confuse people who read times.
const DRIFT_MS: i64 = 2000;

/// Looks at the store's database.
pub(super) async fn examine(loaded: &Loaded, url: &PostgresUrl, report: &mut Report) {
    let shown = &*url.to_string();
    let mut findings = report.of("store");
    let options = match url.options(&loaded.config.store) {
        Ok(options) => options,
        Err(error) => {
            let remedy = "correct sslrootcert in store.url";
            return findings.broken(error.to_string(), remedy);
        }
    };
    let found = Box::pin(postgres::examine(&options)).await;
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            let (what, remedy) = explained(&error, shown);
            findings.broken(what, remedy);
            return;
        }
    };
    let schema = &loaded.config.store.schema;
    let state = match found.migration {
        0 => "is made at the first start".to_owned(),
        done if done < found.newest => {
            format!("is brought from {done} to {} at the next start", found.newest)
        }
        done => format!("is at {done}"),
    };
    let version = &found.version;
    findings.ok(format!("{shown}: PostgreSQL {version}; schema {schema} {state}"));
    examine_rights(schema, &found, &mut findings);
    examine_durability(&found, &mut findings);
    examine_connections(loaded, &found, &mut findings);
    examine_pooler(loaded, &found, &mut findings);
    examine_clock(&found, &mut report.of("clock"));
}

fn examine_rights(schema: &str, found: &Examined, findings: &mut Findings<'_>) {
    if found.is_standby {
        findings.broken(
            "the server is a standby: it takes no writes",
            "name the primary in store.url (several hosts with target_session_attrs=read-write)",
        );
    } else if !found.may_migrate {
        findings.broken(
            format!("this user may not make schema {schema}, or tables in it"),
            "as a superuser: GRANT CREATE ON DATABASE … TO USER, or ALTER SCHEMA … OWNER TO USER",
        );
    }
}

fn examine_durability(found: &Examined, findings: &mut Findings<'_>) {
    if found.syncs {
        findings.ok(format!("commits are durable: {}", found.sync_settings));
    } else {
        findings.broken(
            format!("what is confirmed may be lost in a power cut: {}", found.sync_settings),
            "set fsync = on, and synchronous_commit = on for this database or user: ALTER DATABASE … \
             SET synchronous_commit = on",
        );
    }
    if !found.mends_torn_pages {
        findings.warning(
            "a crash may tear pages that can't be mended: full_page_writes = off",
            "set full_page_writes = on, unless the file system never tears a page",
        );
    }
}

fn examine_connections(loaded: &Loaded, found: &Examined, findings: &mut Findings<'_>) {
    let needed = loaded.config.store.connections + LISTENING;
    let needed = i64::try_from(needed).unwrap_or(i64::MAX);
    let Examined { connections, connections_max: max, .. } = found;
    if needed > *max {
        findings.broken(
            format!("a node takes up to {needed} connections, and the server allows {max}"),
            "raise max_connections there, or lower store.connections",
        );
    } else if connections + needed > *max {
        findings.warning(
            format!(
                "{connections} of {max} connections are taken, and a node takes up to {needed}"
            ),
            "raise max_connections there, lower store.connections, or put PgBouncer between",
        );
    } else {
        findings.ok(format!("{connections} of {max} connections are taken; a node takes {needed}"));
    }
}

fn examine_pooler(loaded: &Loaded, found: &Examined, findings: &mut Findings<'_>) {
    if found.is_pooled && loaded.config.signals.postgres_url.is_none() {
        findings.broken(
            "a pooler in transaction mode is between: nodes can't listen to each other through it",
            "set signals.postgres_url to the PostgreSQL server itself",
        );
    }
    if !loaded.config.store.prepared_statements && found.may_scan {
        findings.warning(
            "connections get no settings of ours (store.prepared_statements = false), and without \
             them statements may scan whole tables",
            "ALTER ROLE … SET enable_seqscan = off, and enable_hashjoin, enable_mergejoin, \
             enable_sort and jit likewise",
        );
    }
    if let Some(reason) = &found.refuses_settings {
        findings.broken(
            format!("a pooler is between that does not take a session's settings: {reason}"),
            "set store.prepared_statements = false",
        );
    }
}

fn examine_clock(found: &Examined, findings: &mut Findings<'_>) {
    let drift = SystemClock.now().0 - found.now.0;
    if drift.abs() > DRIFT_MS {
        let (by, how) = (drift.abs() / 1000, if drift > 0 { "ahead of" } else { "behind" });
        findings.warning(
            format!("this machine's clock is {by} s {how} the database's"),
            "set the clock: timedatectl set-ntp true; nothing is lost by it, but times in logs and \
             answers do not fit",
        );
    } else {
        findings.ok("it agrees with the database's");
    }
}

fn explained(error: &OpenError, shown: &str) -> (String, String) {
    let (what, remedy) = match error {
        OpenError::Address { reason } => (
            format!("store.url is not understood: {reason}"),
            "write it as postgres://USER:PASSWORD@HOST:PORT/DATABASE",
        ),
        OpenError::Unreachable { reason } => (
            format!("{shown} can't be reached: {reason}"),
            "start PostgreSQL there, and check the address, the user and the password in store.url",
        ),
        OpenError::OldServer { found, oldest } => {
            let what = format!("{found} is too old: {oldest} or newer is needed");
            return (what, format!("upgrade the server to {oldest} or newer"));
        }
        OpenError::Newer { schema, found, known } => (
            format!("schema {schema} was made by a newer version: {found}, this one knows {known}"),
            "start that version, or restore a backup from before the upgrade",
        ),
        OpenError::Foreign { schema } => (
            format!("schema {schema} has tables that are not Postroom's"),
            "give the store a schema of its own with store.schema",
        ),
        OpenError::Migration { .. } => (error.to_string(), "mend that, and start again"),
    };
    (what, remedy.to_owned())
}
