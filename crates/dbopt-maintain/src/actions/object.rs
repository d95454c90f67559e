//! Whether an object is still the one that a plan saw, and what the server counts of it.

use dbopt_pg::Session;
use dbopt_run::{Error, Outcome, Step};

use crate::object::TableRef;

/// A step on a table, whose other fields are for the action to fill in.
pub(super) fn step(kind: &'static str, table: &TableRef, statements: Vec<String>, risk: &'static str) -> Step {
    Step {
        kind,
        schema: table.schema.clone(),
        object: table.name.clone(),
        table: Some((table.schema.clone(), table.name.clone())),
        statements,
        lock: dbopt_run::Lock::ShareUpdateExclusive,
        risk,
        seconds: None,
        bytes: None,
        needs: Vec::new(),
    }
}

/// What the server knows of a table now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Counters {
    /// How often it was vacuumed by hand; this and the next two are nothing when the server does not count.
    pub(super) vacuums: i64,
    /// How often it was analysed by hand.
    pub(super) analyzes: i64,
    /// Rows that are dead and not removed.
    pub(super) dead: i64,
    /// Transactions since its oldest row could have been written.
    pub(super) xid_age: i64,
    /// Its size with its TOAST table and its indexes.
    pub(super) bytes: i64,
    /// Whether the server counts.
    pub(super) is_counted: bool,
    /// Whether the role may vacuum and analyse it, before grants of 17.
    pub(super) is_ours: bool,
    /// Whether anybody can use it but the session it is of.
    pub(super) is_temporary: bool,
}

const COUNTERS: &str = "
    SELECT c.oid, pg_catalog.pg_stat_get_vacuum_count(c.oid) AS vacuums,
           pg_catalog.pg_stat_get_analyze_count(c.oid) AS analyzes, pg_catalog.pg_stat_get_dead_tuples(c.oid) AS dead,
           CASE WHEN c.relfrozenxid = '0' THEN 0 ELSE pg_catalog.age(c.relfrozenxid) END::bigint AS xid_age,
           pg_catalog.pg_total_relation_size(c.oid) AS bytes,
           pg_catalog.current_setting('track_counts')::boolean AS is_counted,
           pg_catalog.pg_has_role(c.relowner, 'USAGE')
               OR (SELECT pg_catalog.pg_has_role(d.datdba, 'USAGE') FROM pg_catalog.pg_database d
                   WHERE d.datname = pg_catalog.current_database()) AS is_ours,
           c.relpersistence = 't' AS is_temporary
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2";

const OWNER_OF_ALL: &str = "
    SELECT pg_catalog.concat_ws(', ', 'process ' || l.pid, 'user ' || a.usename, nullif(a.application_name, ''), a.state)
    FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
    WHERE l.relation = $1 AND l.mode = 'AccessExclusiveLock' AND l.granted
        AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) LIMIT 1";

/// Who owns a table, and whether that is or may become a superuser.
const OWNER: &str = "
    SELECT pg_catalog.quote_ident(current_user) AS role,
           pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)) AS owner,
           EXISTS (SELECT FROM pg_catalog.pg_roles s
                   WHERE s.rolsuper AND pg_catalog.pg_has_role(c.relowner, s.oid, 'MEMBER')) AS is_superuser
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2";

/// What was looked at, or who keeps everybody out of it: that blocks one object, and not the run.
pub(super) async fn or_locked<T>(
    session: &Session,
    relation: u32,
    looked: Result<T, Error>,
) -> Result<Result<T, Outcome>, Error> {
    match looked {
        Err(Error::Session(dbopt_pg::Error::LockTimeout { .. })) => {
            let rows = session.query(OWNER_OF_ALL, &[&relation]).await?;
            let who = rows.first().map_or("somebody".to_owned(), |row| row.get(0));
            Ok(Err(Outcome::Blocked(format!("{who} keeps everybody out of it"))))
        }
        looked => looked.map(Ok),
    }
}

/// Looks a table up; what speaks against touching it, when it is not the one that the plan saw.
pub(super) async fn counters(session: &Session, table: &TableRef) -> Result<Result<Counters, Outcome>, Error> {
    let looked = session.query(COUNTERS, &[&table.schema, &table.name]).await.map_err(Error::from);
    let rows = match or_locked(session, table.oid, looked).await? {
        Ok(rows) => rows,
        Err(outcome) => return Ok(Err(outcome)),
    };
    let Some(row) = rows.first() else {
        return Ok(Err(Outcome::Skipped("it is not there any more".to_owned())));
    };
    if row.get::<_, u32>("oid") != table.oid {
        return Ok(Err(Outcome::Skipped("another table has its name since the plan was made".to_owned())));
    }
    let is_temporary: bool = row.get("is_temporary");
    if is_temporary {
        return Ok(Err(Outcome::Skipped("it is temporary, and only its own session can use it".to_owned())));
    }
    Ok(Ok(Counters {
        vacuums: row.get::<_, Option<i64>>("vacuums").unwrap_or_default(),
        analyzes: row.get::<_, Option<i64>>("analyzes").unwrap_or_default(),
        dead: row.get::<_, Option<i64>>("dead").unwrap_or_default(),
        xid_age: row.get("xid_age"),
        bytes: row.get::<_, Option<i64>>("bytes").unwrap_or_default(),
        is_counted: row.get("is_counted"),
        is_ours: row.get::<_, Option<bool>>("is_ours").unwrap_or_default(),
        is_temporary,
    }))
}

/// Looks again until a counter has moved; before version 15 a collector learns of it only after a while.
pub(super) async fn counted(
    session: &Session,
    table: &TableRef,
    before: &Counters,
    counter: fn(&Counters) -> i64,
) -> Result<Result<Option<Counters>, Outcome>, Error> {
    for pause in [0, 50, 200, 500, 1000] {
        tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
        match counters(session, table).await? {
            Ok(after) if !after.is_counted || counter(&after) > counter(before) => return Ok(Ok(Some(after))),
            Ok(_) => {}
            Err(outcome) => return Ok(Err(outcome)),
        }
    }
    Ok(Ok(None))
}

/// Why the server passed over a table without an error: it warns only, and this role's rights or a lock were in the way.
pub(super) async fn passed_over(
    hands: &dbopt_run::Hands<'_>,
    step: &Step,
    counters: &Counters,
) -> Result<Outcome, Error> {
    if !counters.is_ours {
        let table = TableRef { oid: 0, schema: step.schema.clone(), name: step.object.clone() };
        let rows = hands.control.query(OWNER, &[&step.schema, &step.object]).await?;
        let help = match rows.first() {
            Some(row) => {
                let (role, owner): (&str, &str) = (row.get("role"), row.get("owner"));
                match hands.control.server_version_num() {
                    170_000.. => format!("GRANT MAINTAIN ON {table} TO {role};"),
                    // Whoever got that role would have got the whole cluster.
                    _ if row.get("is_superuser") => "a superuser has to do it".to_owned(),
                    _ => format!("GRANT {owner} TO {role};"),
                }
            }
            None => "its owner has to do it".to_owned(),
        };
        return Ok(Outcome::Failed(format!("the server passed it over, because this role may not do it: {help}")));
    }
    let who = hands.blocker(step.table.as_ref()).await?.map(|who| format!(": {who}")).unwrap_or_default();
    Ok(Outcome::Skipped(format!("the server passed it over, because it was locked{who}")))
}
