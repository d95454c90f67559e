//! Migrating real databases.

use dbopt_migrate::{ADVISORY_LOCK, Error, MIGRATIONS, SCHEMA, State, require, status, up};
use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};
use dbopt_testkit::{Cluster, Database};

async fn session(conn_string: &str) -> Session {
    let args = ConnectArgs { database: Some(conn_string), ..Default::default() };
    let settings = Settings::resolve(&args, &Environment::default()).expect("the settings are good");
    Session::connect(&settings, &SessionProfile::default()).await.expect("a session")
}

async fn superuser(database: &Database<'_>) -> Session {
    session(&database.conn_string()).await
}

/// A session of a role of its own, unprivileged and named after the database.
async fn role(database: &Database<'_>) -> (String, Session) {
    let name = format!("role_{}", database.name());
    database.execute(&format!("CREATE ROLE {name} LOGIN"));
    let conn_string = database.conn_string().replace("user=postgres", &format!("user={name}"));
    (name, session(&conn_string).await)
}

/// Everything outside of the schema that a migration could have changed.
fn outside(database: &Database<'_>) -> Vec<Vec<Option<String>>> {
    database.query(
        "SELECT 'class', md5(string_agg(c::text, '|' ORDER BY oid)) FROM pg_class c
             WHERE relnamespace <> 'dbopt'::regnamespace AND relnamespace <> 'pg_toast'::regnamespace
         UNION ALL SELECT 'namespace', md5(string_agg(n::text, '|' ORDER BY oid)) FROM pg_namespace n WHERE nspname <> 'dbopt'
         UNION ALL SELECT 'extension', md5(string_agg(e::text, '|' ORDER BY oid)) FROM pg_extension e
         UNION ALL SELECT 'proc', md5(string_agg(p::text, '|' ORDER BY oid)) FROM pg_proc p
             WHERE pronamespace <> 'dbopt'::regnamespace
         UNION ALL SELECT 'roles', md5(string_agg(r::text, '|' ORDER BY oid)) FROM pg_authid r
         UNION ALL SELECT 'settings', md5(string_agg(s::text, '|' ORDER BY s::text)) FROM pg_db_role_setting s
         UNION ALL SELECT 'database', datacl::text FROM pg_database WHERE datname = current_database()",
    )
}

#[tokio::test]
async fn up_applies_all_once_and_touches_nothing_else() {
    let database = Cluster::shared().database();
    // The comparison asks for what is not in `dbopt`, so there must be such a schema from the beginning.
    database.execute("CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE SCHEMA dbopt");
    let before = outside(&database);
    let mut session = superuser(&database).await;
    let pending = status(&session).await.expect("an empty schema is nobody's");
    assert!(pending.steps.iter().all(|step| step.state == State::Pending && step.applied_at.is_none()));
    assert_eq!(up(&mut session).await.expect("it migrates"), MIGRATIONS);
    assert_eq!(up(&mut session).await.expect("it has migrated"), []);
    let status = status(&session).await.expect("the status");
    assert!(status.is_current(), "{status:?}");
    assert_eq!(status.steps.len(), MIGRATIONS.len());
    let last = MIGRATIONS.last().expect("there are migrations").number;
    require(&session, last).await.expect("all there");
    assert_eq!(outside(&database), before);
    assert_eq!(database.value("SELECT a FROM t"), "1");
}

#[tokio::test]
async fn every_table_and_column_has_a_comment() {
    let database = Cluster::shared().database();
    let mut session = superuser(&database).await;
    up(&mut session).await.expect("it migrates");
    let bare = database.query(&format!(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum >= 0
         WHERE relnamespace = '{SCHEMA}'::regnamespace AND relkind IN ('r', 'p') AND NOT attisdropped
             AND (obj_description(c.oid, 'pg_class') IS NULL
                 -- The columns of a partition are those of its table.
                 OR col_description(c.oid, attnum) IS NULL AND NOT relispartition)"
    ));
    assert_eq!(bare, Vec::<Vec<Option<String>>>::new());
}

#[tokio::test]
async fn a_role_with_create_on_the_database_is_enough() {
    let database = Cluster::shared().database();
    let (name, mut session) = role(&database).await;
    let error = up(&mut session).await.expect_err("the role may not create");
    assert!(matches!(&error, Error::Forbidden { role, .. } if *role == name), "{error}");
    let grant = error.hint("x").expect("a hint");
    let grant = grant.split_once(": ").expect("a statement").1;
    assert_eq!(grant, format!("GRANT CREATE ON DATABASE \"{}\" TO \"{name}\";", database.name()));
    assert_eq!(database.value("SELECT to_regnamespace('dbopt') IS NULL"), "t");
    database.execute(grant);
    assert_eq!(up(&mut session).await.expect("it migrates"), MIGRATIONS);
    assert_eq!(database.value("SELECT DISTINCT applied_by FROM dbopt.migration"), name);
}

#[tokio::test]
async fn a_role_migrates_into_a_schema_made_for_it() {
    let database = Cluster::shared().database();
    let (name, mut session) = role(&database).await;
    database.execute("CREATE SCHEMA dbopt");
    let error = up(&mut session).await.expect_err("the role may not create there");
    let grant = error.hint("x").expect("a hint");
    assert_eq!(error.to_string(), format!("role `{name}` may not create in the schema `dbopt`"));
    database.execute(grant.split_once(": ").expect("a statement").1);
    assert_eq!(up(&mut session).await.expect("it migrates"), MIGRATIONS);
}

#[tokio::test]
async fn reading_the_status_needs_a_grant_that_the_hint_names() {
    let database = Cluster::shared().database();
    let mut owner = superuser(&database).await;
    up(&mut owner).await.expect("it migrates");
    let (_, session) = role(&database).await;
    let error = status(&session).await.expect_err("the role may not look");
    database.execute(error.hint("x").expect("a hint").split_once(": ").expect("a statement").1);
    require(&session, 1).await.expect("the role may look");
}

#[tokio::test]
async fn only_one_migrates_at_a_time() {
    let database = Cluster::shared().database();
    let (holder, mut session) = (superuser(&database).await, superuser(&database).await);
    holder.batch(&format!("BEGIN; SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")).await.expect("the lock is free");
    let error = up(&mut session).await.expect_err("somebody else migrates");
    assert!(matches!(error, Error::Busy), "{error}");
    assert_eq!(database.value("SELECT to_regnamespace('dbopt') IS NULL"), "t");
    holder.batch("COMMIT").await.expect("the lock is given back");
    assert_eq!(up(&mut session).await.expect("it migrates"), MIGRATIONS);
}

#[tokio::test]
async fn racing_migrations_apply_each_once() {
    let database = Cluster::shared().database();
    let conn_string = database.conn_string();
    let racers: Vec<_> = (0..8)
        .map(|_| {
            let conn_string = conn_string.clone();
            tokio::spawn(async move { up(&mut session(&conn_string).await).await })
        })
        .collect();
    let mut applied = Vec::new();
    for racer in racers {
        match racer.await.expect("the task ends") {
            Ok(migrations) => applied.extend(migrations.iter().map(|migration| migration.number)),
            Err(error) => assert!(matches!(error, Error::Busy), "{error}"),
        }
    }
    // One that lost its way between two migrations may have left the rest to another, which is why this runs again.
    let rest = up(&mut superuser(&database).await).await.expect("it migrates");
    applied.extend(rest.iter().map(|migration| migration.number));
    // It does not say what it had applied before it lost its way, so that some numbers may be missing here, but none is
    // there twice.
    applied.sort_unstable();
    assert!(applied.windows(2).all(|pair| pair[0] < pair[1]), "{applied:?}");
    let recorded = database.query("SELECT number::text FROM dbopt.migration ORDER BY number");
    let expected: Vec<_> = MIGRATIONS.iter().map(|migration| [Some(migration.number.to_string())]).collect();
    assert_eq!(recorded, expected);
}

#[tokio::test]
async fn a_changed_migration_is_refused() {
    let database = Cluster::shared().database();
    let mut session = superuser(&database).await;
    up(&mut session).await.expect("it migrates");
    database.execute("UPDATE dbopt.migration SET checksum = repeat('0', 64) WHERE number = 1");
    for error in [up(&mut session).await.map(|_| ()), require(&session, 1).await].map(Result::unwrap_err) {
        assert!(matches!(&error, Error::Changed { number: 1, .. }), "{error}");
        assert!(error.to_string().contains(&MIGRATIONS[0].checksum()), "{error}");
    }
    let status = status(&session).await.expect("the status");
    assert!(matches!(status.steps[0].state, State::Changed { .. }) && !status.is_current());
}

#[tokio::test]
async fn a_newer_database_is_left_alone_and_still_served() {
    let database = Cluster::shared().database();
    let mut session = superuser(&database).await;
    up(&mut session).await.expect("it migrates");
    database.execute(
        "INSERT INTO dbopt.migration (number, name, checksum, program) VALUES (9999, 'future', repeat('a', 64), '9.9.9')",
    );
    let error = up(&mut session).await.expect_err("the database is newer");
    assert_eq!(error.to_string(), "this database has migration 9999 (`future`), which this dbopt does not know");
    require(&session, 1).await.expect("what is needed is there");
    let status = status(&session).await.expect("the status");
    assert_eq!(status.steps.last().map(|step| &step.state), Some(&State::Unknown));
}

#[tokio::test]
async fn a_missing_migration_is_named() {
    let database = Cluster::shared().database();
    let session = superuser(&database).await;
    let error = require(&session, 1).await.expect_err("nothing is there");
    assert_eq!(error.to_string(), "dbopt's schema in this database lacks migration 1 (`schema`)");
    assert_eq!(error.hint("shop").as_deref(), Some("run `dbopt migrate up -d shop`"));
}

#[tokio::test]
async fn the_schema_of_somebody_else_is_left_alone() {
    let objects = [
        ("CREATE TABLE dbopt.orders (a int)", "1 object is in it, but no table `migration`"),
        (
            "CREATE FUNCTION dbopt.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "1 object is in it, but no table `migration`",
        ),
        ("CREATE TABLE dbopt.migration (version text)", "its `migration` is not the table of that name"),
        ("CREATE VIEW dbopt.migration AS SELECT 1 AS number", "its `migration` is not the table of that name"),
    ];
    for (sql, reason) in objects {
        let database = Cluster::shared().database();
        database.execute(&format!("CREATE SCHEMA dbopt; {sql}"));
        let before = database.query("SELECT c::text FROM pg_class c ORDER BY oid");
        let mut session = superuser(&database).await;
        for error in [up(&mut session).await.map(|_| ()), status(&session).await.map(|_| ())].map(Result::unwrap_err) {
            assert!(matches!(&error, Error::Foreign { .. }) && error.to_string().contains(reason), "{sql}: {error}");
        }
        assert_eq!(database.query("SELECT c::text FROM pg_class c ORDER BY oid"), before);
    }
}

#[tokio::test]
async fn an_empty_schema_of_another_role_is_not_trusted() {
    let database = Cluster::shared().database();
    let (name, mut session) = role(&database).await;
    database.execute(&format!(
        "CREATE ROLE other_{name}; CREATE SCHEMA dbopt AUTHORIZATION other_{name}; GRANT ALL ON SCHEMA dbopt TO {name}"
    ));
    let error = up(&mut session).await.expect_err("another role could replace everything");
    assert!(error.to_string().contains(&format!("it belongs to `other_{name}`")), "{error}");
    database.execute(&format!("GRANT other_{name} TO {name}"));
    assert_eq!(up(&mut session).await.expect("a member is the owner"), MIGRATIONS);
}

#[tokio::test]
async fn a_standby_is_refused() {
    let cluster = Cluster::builder().standby().start().expect("a standby starts");
    let error = up(&mut session(&cluster.conn_string("postgres")).await).await.expect_err("a standby is read-only");
    assert!(matches!(error, Error::Standby), "{error}");
}

/// Operators and functions of the user's must not be run in place of the catalogue's.
#[tokio::test]
async fn names_of_the_search_path_are_not_used() {
    let database = Cluster::shared().database();
    database.execute(
        "CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz';
         CREATE FUNCTION public.pg_try_advisory_xact_lock(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT false';",
    );
    database.execute(&format!("ALTER DATABASE {} SET search_path = public, pg_catalog", database.name()));
    let mut session = superuser(&database).await;
    assert_eq!(up(&mut session).await.expect("it migrates"), MIGRATIONS);
}

#[tokio::test]
async fn a_role_that_cannot_migrate_is_told_who_can() {
    let database = Cluster::shared().database();
    let (name, mut session) = role(&database).await;
    database.execute(&format!("CREATE ROLE owner_{name}; CREATE SCHEMA dbopt AUTHORIZATION owner_{name}"));
    let owner = format!("`owner_{name}`");
    let error = up(&mut session).await.expect_err("the schema is not the role's");
    assert!(error.hint("x").is_some_and(|hint| hint.starts_with(&format!("connect as {owner} to migrate"))), "{error}");
    let pending = status(&session).await.expect("anybody may look");
    assert_eq!(pending.role.as_deref(), Some(owner.trim_matches('`')));
    let error = require(&session, 1).await.expect_err("nothing is there");
    assert_eq!(error.hint("x"), Some(format!("run `dbopt migrate up -d x`, connected as {owner}")));
}

#[tokio::test]
async fn removed_records_are_told_from_pending_migrations() {
    let database = Cluster::shared().database();
    let mut session = superuser(&database).await;
    up(&mut session).await.expect("it migrates");
    for (number, table) in [(2, "audit_record"), (1, "migration")] {
        database.execute(&format!("DELETE FROM dbopt.migration WHERE number = {number}"));
        for error in [up(&mut session).await.map(|_| ()), require(&session, 3).await].map(Result::unwrap_err) {
            assert!(error.to_string().contains(&format!("the table `{table}` of migration {number} ")), "{error}");
            assert!(error.hint("x").is_some_and(|hint| hint.contains("removed rows")));
        }
        let status = status(&session).await.expect("the status");
        assert!(!status.is_current());
        let index = usize::try_from(number).expect("a small number") - 1;
        assert_eq!(status.steps[index].state, State::Unrecorded { table: table.to_owned() });
    }
}

/// Who owns the schema could replace a table by one with triggers, at any time.
#[tokio::test]
async fn a_superuser_leaves_the_schema_of_an_unprivileged_role_alone() {
    let database = Cluster::shared().database();
    let (mallory, mut hers) = role(&database).await;
    database.execute(&format!("GRANT CREATE ON DATABASE {} TO {mallory}", database.name()));
    hers.batch("CREATE SCHEMA dbopt").await.expect("she may");
    // Until PostgreSQL 15 she can do that herself; it must make no difference.
    database.execute(&format!("GRANT {mallory} TO postgres"));
    let mut session = superuser(&database).await;
    let error = up(&mut session).await.expect_err("she could replace everything");
    assert!(matches!(error, Error::Untrusted { .. }), "{error}");
    assert!(error.to_string().contains(&format!("it belongs to `{mallory}`")), "{error}");
    assert!(error.hint("x").is_some_and(|hint| hint.contains(&format!("connect as `{mallory}`"))));
    assert_eq!(database.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'dbopt'::regnamespace"), "0");

    up(&mut hers).await.expect("it is her own");
    require(&hers, 1).await.expect("it is her own");
    for error in [up(&mut session).await.map(|_| ()), status(&session).await.map(|_| ()), require(&session, 1).await] {
        let error = error.expect_err("her tables could have triggers");
        assert!(matches!(error, Error::Untrusted { .. }), "{error}");
    }
    // A superuser is one behind `SET ROLE` too: a trigger would take that back.
    session.batch(&format!("SET ROLE {mallory}")).await.expect("a superuser may");
    require(&session, 1).await.expect_err("the session is still a superuser's");
}

#[tokio::test]
async fn a_role_that_may_become_a_superuser_counts_as_one() {
    let database = Cluster::shared().database();
    let (mallory, mut hers) = role(&database).await;
    database.execute(&format!("GRANT CREATE ON DATABASE {} TO {mallory}", database.name()));
    up(&mut hers).await.expect("it is her own");
    database.execute(&format!(
        "CREATE ROLE dba_{mallory} LOGIN NOINHERIT; GRANT postgres TO dba_{mallory};
         GRANT USAGE ON SCHEMA dbopt TO dba_{mallory}; GRANT SELECT ON ALL TABLES IN SCHEMA dbopt TO dba_{mallory}"
    ));
    let dba = session(&database.conn_string().replace("user=postgres", &format!("user=dba_{mallory}"))).await;
    let error = require(&dba, 1).await.expect_err("a trigger of hers could set the role");
    assert!(matches!(error, Error::Untrusted { .. }), "{error}");
    database
        .execute(&format!("ALTER SCHEMA dbopt OWNER TO dba_{mallory}; REASSIGN OWNED BY {mallory} TO dba_{mallory}"));
    let superuser = superuser(&database).await;
    require(&superuser, 1).await.expect("who owns it may do everything anyway");
}

#[tokio::test]
async fn what_is_not_of_the_migrations_is_not_used() {
    let evil = "CREATE FUNCTION evil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'";
    for (sql, reason) in [
        (
            "ALTER TABLE dbopt.journal OWNER TO {role}",
            "`dbopt.journal` belongs to `{role}`, and the schema to `postgres`",
        ),
        (
            "ALTER FUNCTION dbopt.refuse_audit_change() OWNER TO {role}",
            "`dbopt.refuse_audit_change()` belongs to `{role}`",
        ),
        ("CREATE TRIGGER t AFTER INSERT ON dbopt.run EXECUTE FUNCTION evil()", "`dbopt.run` has the trigger `t`"),
        (
            "CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE ON dbopt.audit_record EXECUTE FUNCTION evil()",
            "`dbopt.audit_record` has the trigger `refuse_change`",
        ),
        ("CREATE RULE r AS ON INSERT TO dbopt.run DO ALSO SELECT 1", "`dbopt.run` has the rule `r`"),
        (
            "CREATE TRIGGER t AFTER INSERT ON dbopt.limit_state_durable EXECUTE FUNCTION evil()",
            "`dbopt.limit_state_durable` has the trigger `t`",
        ),
    ] {
        let database = Cluster::shared().database();
        let mut session = superuser(&database).await;
        up(&mut session).await.expect("it migrates");
        let (role, own) = role(&database).await;
        database.execute(&format!(
            "{evil}; GRANT USAGE ON SCHEMA dbopt TO {role}; GRANT SELECT ON dbopt.migration TO {role}"
        ));
        require(&own, 1).await.expect("nothing is wrong yet");
        database.execute(&sql.replace("{role}", &role));
        let reason = reason.replace("{role}", &role);
        let error = require(&session, 1).await.expect_err("it is not what was migrated");
        assert!(error.to_string().contains(&reason), "{sql}: {error}");
        assert!(up(&mut session).await.is_err() && status(&session).await.is_err());
        // The role itself has nothing to fear of what is its own.
        assert_eq!(require(&own, 1).await.is_ok(), sql.contains("OWNER"), "{sql}");
    }
}
