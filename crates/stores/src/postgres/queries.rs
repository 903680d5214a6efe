//! The statements: written in `queries/*.sql`, known by their names.

use std::collections::HashMap;

use tokio_postgres::types::Type;

/// Where the statements are written: each below a line `-- name: …`.
const FILES: [&str; 7] = [
    include_str!("queries/columns.sql"),
    include_str!("queries/load.sql"),
    include_str!("queries/save.sql"),
    include_str!("queries/claim.sql"),
    include_str!("queries/read.sql"),
    include_str!("queries/nodes.sql"),
    include_str!("queries/access.sql"),
];

/// The schema as the files name it.
const SCHEMA: &str = "postroom";

macro_rules! queries {
    ($($name:ident = $word:literal,)*) => {
        /// A statement.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(super) enum Query {
            $($name,)*
        }

        impl Query {
            /// All of them, in the order of their numbers.
            pub(super) const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name in the files.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

queries! {
    LockThreads = "lock_threads",
    LockKnown = "lock_known",
    Threads = "threads",
    RunsPointed = "runs_pointed",
    DispatchesClaimed = "dispatches_claimed",
    Now = "now",
    Runs = "runs",
    Dispatches = "dispatches",
    DispatchesDue = "dispatches_due",
    DispatchesDelayed = "dispatches_delayed",
    DispatchesQueued = "dispatches_queued",
    RunsDue = "runs_due",
    InputsDue = "inputs_due",
    RunsQueued = "runs_queued",
    Pending = "pending",
    MessageRuns = "message_runs",
    MessagesRanges = "messages_ranges",
    KeyHolders = "key_holders",
    Submissions = "submissions",
    ThreadNumbers = "thread_numbers",

    ThreadsInsert = "threads_insert",
    ThreadsUpdate = "threads_update",
    ThreadsUpdateAlone = "threads_update_alone",
    ThreadsUpdateMetadata = "threads_update_metadata",
    RunsInsert = "runs_insert",
    RunsUpdate = "runs_update",
    RunsRemove = "runs_remove",
    DispatchesInsert = "dispatches_insert",
    DispatchesUpdate = "dispatches_update",
    ClaimsInsert = "claims_insert",
    ClaimsUpdate = "claims_update",
    ClaimsRemove = "claims_remove",
    MessagesInsert = "messages_insert",
    PendingPut = "pending_put",
    PendingRemove = "pending_remove",
    EventsInsert = "events_insert",
    SubmissionsInsert = "submissions_insert",
    DepthAdd = "depth_add",
    TenantDepthAdd = "tenant_depth_add",
    SaveTogether = "save_together",
    ThreadDelete = "thread_delete",

    LockReady = "lock_ready",
    LockReadyExcept = "lock_ready_except",
    ReadyTenants = "ready_tenants",
    LockReadyOf = "lock_ready_of",
    LockReadyOfExcept = "lock_ready_of_except",
    LockDue = "lock_due",
    NextDue = "next_due",
    LockLeased = "lock_leased",

    ThreadRead = "thread_read",
    DispatchesPurge = "dispatches_purge",
    DispatchesPurgeDefault = "dispatches_purge_default",
    DispatchesPurgeOfTenant = "dispatches_purge_of_tenant",
    SubmissionsPurge = "submissions_purge",
    EventsPurge = "events_purge",
    ThreadsMentioning = "threads_mentioning",
    ThreadsLookedThrough = "threads_looked_through",
    ThreadsNewest = "threads_newest",
    ThreadsOfTenant = "threads_of_tenant",
    QueuedThreadIds = "queued_thread_ids",
    RunsNewest = "runs_newest",
    RunsOfTenant = "runs_of_tenant",
    RunsOfThread = "runs_of_thread",
    RunsOfParent = "runs_of_parent",
    RunsWaiting = "runs_waiting",
    RunsUnderWay = "runs_under_way",
    RunsWaitingForTasks = "runs_waiting_for_tasks",
    RunsOwingReports = "runs_owing_reports",
    OldRuns = "old_runs",
    MessagesRead = "messages_read",
    Prompt = "prompt",
    EventsRead = "events_read",
    PendingRead = "pending_read",
    Depth = "depth",
    TenantDepth = "tenant_depth",
    TenantsDepth = "tenants_depth",
    DispatchesNewest = "dispatches_newest",
    DispatchesOfThread = "dispatches_of_thread",
    DispatchesUnacked = "dispatches_unacked",
    DispatchesOfTenant = "dispatches_of_tenant",
    DispatchesUnackedOfTenant = "dispatches_unacked_of_tenant",

    NodeBeat = "node_beat",
    Nodes = "nodes",
    NodeForget = "node_forget",
    NodesForget = "nodes_forget",

    KeyAdd = "key_add",
    Key = "key",
    Keys = "keys",
    KeyRevoke = "key_revoke",
    KeysUsed = "keys_used",
    Secret = "secret",
    SecretAdd = "secret_add",
}

/// A statement as it is sent.
#[derive(Debug)]
pub(super) struct Text {
    /// Its SQL.
    pub(super) sql: String,
    /// The types of its values, in order.
    pub(super) types: Vec<Type>,
}

/// The texts of all statements, for one schema.
#[derive(Debug)]
pub(super) struct Texts {
    schema: String,
    texts: Vec<Text>,
}

impl Texts {
    /// The statements on the tables of `schema`.
    pub(super) fn of(schema: &str) -> Self {
        let parts: HashMap<&str, &str> = written_in(&FILES).collect();
        let texts = Query::ALL.iter().map(|query| text(query.name(), &parts, schema)).collect();
        Self { schema: schema.to_owned(), texts }
    }

    /// A statement.
    pub(super) fn get(&self, query: Query) -> &Text {
        &self.texts[query as usize]
    }

    /// `save_together` for one row of each of `kinds`, and none of the others.
    pub(super) fn together_of_one(&self, kinds: &[Query]) -> Text {
        let parts: HashMap<&str, &str> = written_in(&FILES).collect();
        let whole = parts.get(Query::SaveTogether.name()).copied().unwrap_or_default();
        let sql = one_by_one(&numbered_on(&only(kinds, whole), &parts));
        Text { types: types(&sql), sql: in_schema(&sql, &self.schema) }
    }
}

/// The lines of `save_together` (there is one for each kind of row) without those of other kinds than
/// `kinds`; of those, no row is counted.
fn only(kinds: &[Query], together: &str) -> String {
    let kinds: Vec<String> = kinds.iter().map(|kind| format!("({{{}+}}", kind.name())).collect();
    let mut left_out = Vec::new();
    let mut lines = Vec::new();
    for line in together.lines() {
        let written = line.split_once(" AS ({").filter(|(_, part)| !part.starts_with("depth_add"));
        match written {
            Some((name, _)) if !kinds.iter().any(|kind| line.contains(kind)) => {
                left_out.push(name.trim().to_owned());
            }
            _ => lines.push(line.to_owned()),
        }
    }
    let count = |name: &String| format!("(SELECT count(*) FROM {name})");
    let counted = lines.join("\n");
    left_out.iter().fold(counted, |sql, name| sql.replace(&count(name), "0::bigint"))
}

/// `sql` for one row in place of many: a value is taken where an array was taken apart.
fn one_by_one(sql: &str) -> String {
    let mut pieces = sql.split("unnest(");
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        whole.push_str(&piece.replacen("[])", "", 1));
    }
    whole
}

/// `sql` with the tables of `schema` instead of those it names.
pub(super) fn in_schema(sql: &str, schema: &str) -> String {
    let quoted = format!("\"{}\"", schema.replace('"', "\"\""));
    sql.replace(&format!("{SCHEMA}."), &format!("{quoted}.")).replace(
        &format!("SCHEMA IF NOT EXISTS {SCHEMA};"),
        &format!("SCHEMA IF NOT EXISTS {quoted};"),
    )
}

/// The statement of this name as it is sent.
pub(super) fn text(name: &str, parts: &HashMap<&str, &str>, schema: &str) -> Text {
    let sql = numbered_on(parts.get(name).copied().unwrap_or_default(), parts);
    let sql = filled_in(&sql, parts);
    Text { types: types(&sql), sql: in_schema(&sql, schema) }
}

/// The names and texts of all statements in some files, and of the parts they have in common.
pub(super) fn written_in<'f>(
    files: &'f [&'static str],
) -> impl Iterator<Item = (&'static str, &'static str)> + 'f {
    files.iter().flat_map(|file| {
        file.split("-- name: ").skip(1).filter_map(|part| {
            let (name, rest) = part.split_once('\n')?;
            // What follows the last `;` is a comment on the next statement.
            let (sql, _) = rest.rsplit_once(';')?;
            Some((name.trim(), sql))
        })
    })
}

/// `sql` with the parts that it names in braces.
fn filled_in(sql: &str, parts: &HashMap<&str, &str>) -> String {
    parts.iter().fold(sql.to_owned(), |sql, (name, part)| sql.replace(&format!("{{{name}}}"), part))
}

/// `sql` with the statements that it names in braces with a plus: the values of each are numbered on
/// from those before.
fn numbered_on(sql: &str, parts: &HashMap<&str, &str>) -> String {
    let mut pieces = sql.split('{');
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    let mut before = 0;
    for piece in pieces {
        let Some((name, rest)) = piece.split_once("+}") else {
            whole.push('{');
            whole.push_str(piece);
            continue;
        };
        let part = parts.get(name).copied().unwrap_or_default();
        whole.push_str(&renumbered(part, before));
        whole.push_str(rest);
        before += types(part).len();
    }
    whole
}

/// `sql` with each `$n` as `$(n + by)`.
fn renumbered(sql: &str, by: usize) -> String {
    let mut pieces = sql.split('$');
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(|c: char| !c.is_ascii_digit()).unwrap_or(piece.len());
        let (number, rest) = piece.split_at(end);
        let number =
            number.parse::<usize>().map_or_else(|_| number.to_owned(), |n| (n + by).to_string());
        whole.push('$');
        whole.push_str(&number);
        whole.push_str(rest);
    }
    whole
}

/// The types of the values: each is written with a cast, `$1::bigint`.
fn types(sql: &str) -> Vec<Type> {
    (1..)
        .map_while(|number| {
            let (_, after) = sql.split_once(&format!("${number}::"))?;
            let end = after.find(|c: char| !(c.is_alphanumeric() || "[]".contains(c)));
            named(&after[..end.unwrap_or(after.len())])
        })
        .collect()
}

fn named(word: &str) -> Option<Type> {
    Some(match word {
        "bigint" => Type::INT8,
        "text" => Type::TEXT,
        "boolean" => Type::BOOL,
        "uuid" => Type::UUID,
        "bigint[]" => Type::INT8_ARRAY,
        "text[]" => Type::TEXT_ARRAY,
        "boolean[]" => Type::BOOL_ARRAY,
        "uuid[]" => Type::UUID_ARRAY,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_is_written_once_and_every_written_one_is_used() {
        for query in Query::ALL {
            let found = written_in(&FILES).filter(|(name, _)| *name == query.name()).count();
            assert_eq!(found, 1, "{}", query.name());
        }
        let whole: String = FILES.concat();
        for (name, _) in written_in(&FILES) {
            let is_statement = Query::ALL.iter().any(|query| query.name() == name);
            let is_part = |braces: String| whole.contains(&braces);
            let is_part = is_part(format!("{{{name}}}")) || is_part(format!("{{{name}+}}"));
            assert!(is_statement || is_part, "{name} is not used");
        }
    }

    #[test]
    fn every_value_has_a_type_and_every_part_is_filled_in() {
        let texts = Texts::of("a \"b\"");
        for query in Query::ALL {
            let text = texts.get(*query);
            assert!(!text.sql.contains('{') && !text.sql.contains("postroom."), "{}", text.sql);
            let next = format!("${}", text.types.len() + 1);
            assert!(!text.sql.contains(&next), "{} has a value without a type", query.name());
        }
    }

    #[test]
    fn one_row_of_some_kinds_is_written_with_plain_values() {
        let texts = Texts::of("a");
        let of = |kinds: &[Query]| texts.together_of_one(kinds);
        let submitted = of(&[Query::ThreadsUpdate, Query::RunsInsert, Query::EventsInsert]);
        for Text { sql, types } in [&submitted, &of(&[Query::ThreadsUpdate, Query::ClaimsRemove])] {
            assert!(!sql.contains("unnest") && !sql.contains('{') && !sql.contains("[]"), "{sql}");
            assert!(sql.contains(&format!("${}::", types.len())), "{sql}");
            assert!(!sql.contains(&format!("${}::", types.len() + 1)), "{sql}");
            let counts = sql.matches("SELECT count(*)").count();
            assert_eq!(counts + sql.matches(" 0::bigint").count(), 5, "{sql}");
        }
        assert!(submitted.sql.contains("INSERT INTO \"a\".runs"), "{}", submitted.sql);
        assert!(!submitted.sql.contains("claims"), "{}", submitted.sql);
    }
}
