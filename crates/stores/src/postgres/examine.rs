//! Looking at a database without changing anything, for those who look after it.

use postroom_core::time::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config};

use super::error::{OpenError, said};
use super::tls::Tls;
use super::{Options, migrate, server_settings};

/// What a database and its server look like.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct Examined {
    /// The server's version, in its own words.
    pub version: String,
    /// The newest migration of the schema; 0 where there is none yet.
    pub migration: i64,
    /// The newest that this version knows; what is older is brought there when it is opened.
    pub newest: i64,
    /// Whether this user may do what is needed: make the schema, or make tables in it.
    pub may_migrate: bool,
    /// Whether the server only follows another one.
    pub is_standby: bool,
    /// How many clients the server takes, but for those of its own administrators.
    pub connections_max: i64,
    /// How many it has.
    pub connections: i64,
    /// Whether a commit is on the disk before it is confirmed: `fsync` and `synchronous_commit`.
    pub syncs: bool,
    /// The values of both, for people.
    pub sync_settings: String,
    /// Whether a torn page can be mended after a crash: `full_page_writes`.
    pub mends_torn_pages: bool,
    /// Whether statements may scan whole tables unless a connection's settings forbid it.
    pub may_scan: bool,
    /// Whether a pooler gives each transaction another connection.
    pub is_pooled: bool,
    /// Why the server, or a pooler before it, does not take the settings that nodes give their
    /// connections; they give them where `prepares` is set.
    pub refuses_settings: Option<String>,
    /// Its clock.
    pub now: Timestamp,
}

/// Looks at the database and its server.
///
/// # Errors
/// [`OpenError`] says why the database can't be used, and what to do.
pub async fn examine(options: &Options) -> Result<Examined, OpenError> {
    let address = |error: tokio_postgres::Error| OpenError::Address { reason: said(&error) };
    let mut config: Config = options.url.parse().map_err(address)?;
    config.application_name("postroom doctor").connect_timeout(options.limit);
    let tls = Tls::of(options.tls.clone());
    let connect = async |config: &Config| {
        let connecting = Box::pin(tls.connect(config, &*options.spawner));
        connecting.await.map_err(|error| OpenError::Unreachable { reason: said(&error) })
    };
    let mut client = connect(&config).await?;
    migrate::check_server(&client).await?;
    let migration = migrate::found(&mut client, &options.schema).await?;
    let row = client
        .query_typed_one(QUERY, &[(&options.schema, Type::TEXT)])
        .await
        .map_err(|error| OpenError::Unreachable { reason: said(&error) })?;
    let (fsync, commit): (String, String) = (row.get("fsync"), row.get("synchronous_commit"));
    let other = connect(&config).await?;
    let is_pooled = shares_its_connection(&client, &other).await;
    let refuses_settings = if options.prepares && config.get_options().is_none() {
        config.options(server_settings(options.limit));
        connect(&config).await.err().map(|error| error.to_string())
    } else {
        None
    };
    Ok(Examined {
        version: row.get("version"),
        migration,
        newest: migrate::NEWEST,
        may_migrate: row.get("may_migrate"),
        is_standby: row.get("is_standby"),
        connections_max: row.get("connections_max"),
        connections: row.get("connections"),
        syncs: fsync == "on" && commit != "off",
        sync_settings: format!("fsync = {fsync}, synchronous_commit = {commit}"),
        mends_torn_pages: row.get::<_, String>("full_page_writes") == "on",
        may_scan: row.get::<_, String>("enable_seqscan") == "on",
        is_pooled,
        refuses_settings,
        now: Timestamp(row.get("now_ms")),
    })
}

/// Drops the schema with all that is in it: what was measured in it is not to stay.
///
/// # Errors
/// [`OpenError`] says why it is still there.
pub async fn drop_schema(options: &Options) -> Result<(), OpenError> {
    let unreachable =
        |error: tokio_postgres::Error| OpenError::Unreachable { reason: said(&error) };
    let address = |error: tokio_postgres::Error| OpenError::Address { reason: said(&error) };
    let config: Config = options.url.parse().map_err(address)?;
    let tls = Tls::of(options.tls.clone());
    let client = Box::pin(tls.connect(&config, &*options.spawner)).await.map_err(unreachable)?;
    let quoted = options.schema.replace('"', "\"\"");
    let drop = format!("DROP SCHEMA IF EXISTS \"{quoted}\" CASCADE");
    client.batch_execute(&drop).await.map_err(unreachable)
}

const QUERY: &str = include_str!("queries/examine.sql");

/// Whether what is set on one connection is found on the other, or on none: a pooler in transaction
/// mode gives each statement the server's connection that was used last. What was set is cleared.
async fn shares_its_connection(one: &Client, other: &Client) -> bool {
    const MARK: &str = "SELECT set_config('postroom.doctor', 'was here', false)";
    const LOOK: &str = "SELECT coalesce(current_setting('postroom.doctor', true), '')";
    let see = async |client: &Client| {
        let row = client.query_typed_one(LOOK, &[]).await.ok()?;
        Some(row.get::<_, String>(0))
    };
    if one.batch_execute(MARK).await.is_err() {
        return false;
    }
    let found = see(other).await.is_some_and(|mark| !mark.is_empty());
    let own = see(one).await.is_some_and(|mark| mark.is_empty());
    // On whatever connection it is by now.
    for client in [one, other] {
        let _ = client.batch_execute("RESET postroom.doctor").await;
    }
    found || own
}
