//! Whose code the schema can run.
//!
//! Whoever owns a table can give it triggers, defaults and checks, at any time, and they run with the rights of whoever
//! writes to it. So a session uses the schema only when its owners can be trusted with the session's rights: nothing that
//! is looked for in the tables themselves would do, as it could be added a moment later. Who *may become* a superuser
//! counts as one, since a trigger can `SET ROLE` as the session could
//! (<https://www.postgresql.org/docs/current/sql-set-role.html>).

use tokio_postgres::GenericClient;

use crate::{error::Error, state::Schema};

/// Whether the session is a superuser or may become one.
pub(crate) const POWERFUL: &str = "
    EXISTS (SELECT FROM pg_catalog.pg_roles s
            WHERE s.rolsuper AND pg_catalog.pg_has_role(session_user, s.oid, 'MEMBER'))";

/// Whether a session can trust the role `r` with its rights; `{powerful}` stands for [`POWERFUL`].
///
/// A superuser trusts superusers only. `pg_has_role` would say that it is a member of every role, and until PostgreSQL 15
/// a role could make anybody its member by itself. Everybody else trusts those as well whose member they are.
const TRUSTED: &str = "
    (EXISTS (SELECT FROM pg_catalog.pg_roles s WHERE s.rolsuper AND pg_catalog.pg_has_role(r.oid, s.oid, 'MEMBER'))
     OR pg_catalog.pg_has_role(r.oid, 'USAGE') AND NOT {powerful})";

/// [`TRUSTED`], as SQL.
pub(crate) fn trusted() -> String {
    TRUSTED.replace("{powerful}", POWERFUL)
}

/// Everything in the schema that is not its owner's or another trusted role's, and everything that runs when its tables
/// are written to and is not of a migration.
const STRANGE: &str = "
    WITH trusted AS MATERIALIZED (SELECT r.oid FROM pg_catalog.pg_roles r WHERE {trusted}),
    own AS (SELECT n.oid, n.nspowner FROM pg_catalog.pg_namespace n WHERE n.nspname = 'dbopt'),
    thing AS (
        SELECT c.oid, c.relname::text AS name, c.relowner AS owner
        FROM pg_catalog.pg_class c, own WHERE c.relnamespace = own.oid AND c.relkind <> 'c'
        UNION ALL
        SELECT p.oid, p.proname::text || '()', p.proowner
        FROM pg_catalog.pg_proc p, own WHERE p.pronamespace = own.oid
    )
    SELECT 'owner', thing.name, pg_catalog.pg_get_userbyid(thing.owner)::text
    FROM thing, own
    WHERE thing.owner <> own.nspowner AND thing.owner NOT IN (SELECT oid FROM trusted)
    UNION ALL
    SELECT 'trigger', c.relname::text, t.tgname::text
    FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid, own
    WHERE c.relnamespace = own.oid AND NOT t.tgisinternal
        AND NOT (c.relname = 'audit_record' AND t.tgname = 'refuse_change' AND EXISTS (
            SELECT FROM pg_catalog.pg_proc p
            WHERE p.oid = t.tgfoid AND p.pronamespace = own.oid AND p.proname = 'refuse_audit_change'))
    UNION ALL
    SELECT 'rule', c.relname::text, r.rulename::text
    FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class, own
    WHERE c.relnamespace = own.oid AND c.relkind IN ('r', 'p')
    ORDER BY 1, 2, 3 LIMIT 1";

/// Why this session had better not use the schema of this owner, if so.
pub(crate) async fn fault(
    client: &impl GenericClient,
    schema: &Schema,
) -> Result<Option<Error>, tokio_postgres::Error> {
    let owner = &schema.owner;
    // A role without such powers has the grants of docs/migrations.md on what another one owns.
    if schema.is_dangerous {
        return Ok(Some(Error::Untrusted {
            reason: format!("it belongs to `{owner}`, whose code would run there with the rights of a superuser"),
            advice: format!(
                "connect as `{owner}` to migrate, and as a role that has its grants to do the rest; when nobody \
                 answers for `{owner}`, rename the schema and migrate anew"
            ),
        }));
    }
    let Some(row) = client.query_opt(&STRANGE.replace("{trusted}", &trusted()), &[]).await? else { return Ok(None) };
    let (what, on, name): (&str, &str, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let (reason, advice) = if what == "owner" {
        (
            format!("`dbopt.{on}` belongs to `{name}`, and the schema to `{owner}`"),
            "find out who made it; when nothing is wrong with it, give both to one role by `ALTER … OWNER TO`"
                .to_owned(),
        )
    } else {
        (
            format!("`dbopt.{on}` has the {what} `{name}`, which is not dbopt's"),
            format!("find out who made that {what}, and drop it"),
        )
    };
    Ok(Some(Error::Untrusted { reason, advice }))
}
