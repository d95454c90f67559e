//! What a policy asks of a database, as SQL that may be run again and again.
//!
//! The script knows no database: the same policy gives the same text. What depends on the database (which objects a schema
//! has, whether a role is there, the server's version) is asked by `DO` blocks when it runs. It is one transaction, in which rights are taken
//! away and given again; other sessions see only the end of it.

use std::collections::{BTreeMap, BTreeSet};

use dbopt_sql::{quote_ident, quote_literal};

use crate::{
    desired::{Desired, Object, Right, qualified},
    isolation,
};

/// The script.
#[must_use]
pub fn script(desired: &Desired) -> String {
    let sections = [
        ("Roles, which cannot log in and have no more power than is given below.", roles(desired)),
        (
            "What roles of the policy and everybody have is taken away, and what the policy says is given.",
            revoke(desired),
        ),
        ("Rights.", grants(desired)),
        ("Rights on what is made later.", defaults(desired)),
        ("Rows of tenants. No setting, or an empty one, is no tenant and gives no rows.", rows(desired)),
        ("Views that run with the rights of whoever asks.", views(desired)),
    ];
    let mut text = String::from(
        "-- Roles, rights and row-level security of an access policy. May be run again; run it as a superuser, or as the owner of\n\
         -- all that it names with CREATEROLE. One transaction: all of it happens, or none.\n\
         BEGIN;\n\
         SET LOCAL search_path = pg_catalog;\n\
         SET LOCAL lock_timeout = '5s';\n\
         SET LOCAL client_min_messages = warning;\n",
    );
    for (title, statements) in sections {
        if statements.is_empty() {
            continue;
        }
        text.push_str(&format!("\n-- {title}\n"));
        for statement in statements {
            text.push_str(&statement);
            text.push('\n');
        }
    }
    text.push_str("\nCOMMIT;\n");
    text
}

fn roles(desired: &Desired) -> Vec<String> {
    let mut statements = Vec::new();
    for role in desired.roles.keys() {
        let (literal, ident) = (quote_literal(role), quote_ident(role));
        let refusal = quote_literal(&format!("role {ident} is a superuser or bypasses row-level security"));
        statements.push(block(&format!(
            "BEGIN\n    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal}) THEN\n        \
             CREATE ROLE {ident} NOLOGIN;\n    END IF;\n    \
             IF EXISTS (SELECT FROM pg_roles WHERE rolname = {literal} AND (rolsuper OR rolbypassrls)) THEN\n        \
             RAISE EXCEPTION USING MESSAGE = {refusal};\n    END IF;\nEND"
        )));
    }
    for (role, members) in &desired.roles {
        statements.extend(members.iter().map(|member| membership(role, member)));
    }
    statements
}

/// The statement that makes a member.
pub(crate) fn membership(role: &str, member: &str) -> String {
    format!("GRANT {} TO {};", quote_ident(role), quote_ident(member))
}

/// Who loses all that is not given below.
fn losers(desired: &Desired) -> Option<String> {
    let public = desired.revoke_public.then(|| "PUBLIC".to_owned());
    let losers: Vec<String> =
        public.into_iter().chain(desired.roles.keys().map(|role| quote_ident(role).into_owned())).collect();
    (!losers.is_empty()).then(|| losers.join(", "))
}

fn revoke(desired: &Desired) -> Vec<String> {
    let Some(losers) = losers(desired) else { return Vec::new() };
    let mut statements = Vec::new();
    for schema in &desired.schemas {
        statements.push(format!("REVOKE ALL ON SCHEMA {} FROM {losers};", quote_ident(schema)));
        statements.push(each(schema, &["'r'", "'p'", "'v'", "'m'", "'f'", "'S'"], true, |what| {
            format!("format('REVOKE ALL ON {what} FROM %s', found.kind, found.name, {})", quote_literal(&losers))
        }));
    }
    statements
}

/// Something done to each relation of some kinds, and each function, of a schema; extensions keep theirs as they are.
fn each(schema: &str, kinds: &[&str], functions: bool, statement: impl Fn(&str) -> String) -> String {
    let schema = quote_literal(&quote_ident(schema));
    let not_of_extension = |class: &str, oid: &str| {
        format!(
            "NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '{class}'::regclass AND d.objid = {oid} AND d.deptype = 'e')"
        )
    };
    let routines = if functions {
        format!(
            "\n        UNION ALL\n        SELECT 'ROUTINE', p.oid::regprocedure::text FROM pg_proc p\n        \
             WHERE p.pronamespace = {schema}::regnamespace AND {}",
            not_of_extension("pg_proc", "p.oid")
        )
    } else {
        String::new()
    };
    let relations = not_of_extension("pg_class", "c.oid");
    block(&format!(
        "DECLARE found record;\nBEGIN\n    FOR found IN\n        \
         SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, c.oid::regclass::text AS name FROM pg_class c\n        \
         WHERE c.relnamespace = {schema}::regnamespace AND c.relkind IN ({})\n            AND {relations}{routines}\n        \
         ORDER BY 1, 2\n    LOOP\n        EXECUTE {};\n    END LOOP;\nEND",
        kinds.join(", "),
        statement("%s %s")
    ))
}

fn grants(desired: &Desired) -> Vec<String> {
    // Roles that have the same, and privileges that the same roles have, are of one statement.
    let mut by_object: BTreeMap<&Object, BTreeMap<String, BTreeSet<&str>>> = BTreeMap::new();
    for Right { object, privilege, subject } in &desired.rights {
        by_object.entry(object).or_default().entry(subject.to_string()).or_default().insert(privilege);
    }
    let mut statements = Vec::new();
    for (object, subjects) in by_object {
        let mut by_privileges: BTreeMap<BTreeSet<&str>, Vec<String>> = BTreeMap::new();
        for (subject, privileges) in subjects {
            by_privileges.entry(privileges).or_default().push(subject);
        }
        for (privileges, subjects) in by_privileges {
            let (privileges, subjects) = (joined(&privileges), subjects.join(", "));
            statements.push(match object {
                Object::Tables(schema) => each(schema, &["'r'", "'p'", "'v'", "'f'"], false, |what| {
                    format!(
                        "format('GRANT {privileges} ON {what} TO %s', found.kind, found.name, {})",
                        quote_literal(&subjects)
                    )
                }),
                Object::Column(schema, table, column) => {
                    let column = quote_ident(column);
                    let of: Vec<String> =
                        privileges.split(", ").map(|privilege| format!("{privilege} ({column})")).collect();
                    format!("GRANT {} ON TABLE {} TO {subjects};", of.join(", "), qualified(schema, table))
                }
                other => format!("GRANT {} TO {subjects};", other.on(&privileges)),
            });
        }
    }
    statements
}

fn joined(privileges: &BTreeSet<&str>) -> String {
    privileges.iter().copied().collect::<Vec<_>>().join(", ")
}

fn defaults(desired: &Desired) -> Vec<String> {
    let mut statements = Vec::new();
    for creator in &desired.creators {
        let creator = quote_ident(creator);
        if desired.revoke_public {
            statements
                .push(format!("ALTER DEFAULT PRIVILEGES FOR ROLE {creator} REVOKE EXECUTE ON ROUTINES FROM PUBLIC;"));
        }
        let Some(losers) = losers(desired) else { continue };
        for schema in &desired.schemas {
            let of = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {creator} IN SCHEMA {}", quote_ident(schema));
            for kind in ["TABLES", "SEQUENCES", "ROUTINES"] {
                statements.push(format!("{of} REVOKE ALL ON {kind} FROM {losers};"));
            }
            for Right { object, privilege, subject } in &desired.rights {
                let kind = match object {
                    Object::Tables(all) if all == schema => "TABLES",
                    Object::Sequences(all) if all == schema => "SEQUENCES",
                    _ => continue,
                };
                statements.push(format!("{of} GRANT {privilege} ON {kind} TO {subject};"));
            }
        }
    }
    statements
}

fn rows(desired: &Desired) -> Vec<String> {
    let Some((setting, _)) = &desired.tenant else { return Vec::new() };
    let listed: Vec<String> = desired
        .tables
        .iter()
        .map(|table| quote_literal(&qualified(&table.schema, &table.name)) + "::regclass")
        .collect();
    if listed.is_empty() {
        return Vec::new();
    }
    let mut statements = vec![block(&format!(
        "DECLARE old record;\nBEGIN\n    FOR old IN\n        WITH RECURSIVE guarded AS (\n            \
             SELECT oid FROM pg_class WHERE oid IN ({})\n            UNION\n            \
             SELECT i.inhrelid FROM guarded g JOIN pg_inherits i ON i.inhparent = g.oid)\n        \
         SELECT p.polname, p.polrelid::regclass AS name FROM guarded g JOIN pg_policy p ON p.polrelid = g.oid\n        \
         WHERE p.polname LIKE 'dbopt\\_%'\n        ORDER BY p.polrelid::regclass::text, 1\n    LOOP\n        \
         EXECUTE format('DROP POLICY %I ON %s', old.polname, old.name);\n    END LOOP;\nEND",
        listed.join(", ")
    ))];
    for table in &desired.tables {
        let on = qualified(&table.schema, &table.name);
        let force = if table.exempt_owner { "NO FORCE" } else { "FORCE" };
        let protect = |on: &str| format!("ALTER TABLE {on} ENABLE ROW LEVEL SECURITY, {force} ROW LEVEL SECURITY;");
        let policies = isolation::policies(desired, table);
        statements.push(protect(&on));
        statements.extend(policies.iter().map(|policy| policy.create(&on, table, setting)));
        // A partition, or a child, that is reached by its own name is held to its own policies only.
        let mut below = vec![execute(&protect(HERE))];
        for policy in &policies {
            below.push(execute(&format!("DROP POLICY IF EXISTS {} ON {HERE};", policy.name)));
            below.push(execute(&policy.create(HERE, table, setting)));
        }
        statements.push(block(&format!(
            "DECLARE below record;\nBEGIN\n    FOR below IN\n        WITH RECURSIVE heir AS (\n            \
             SELECT inhrelid FROM pg_inherits WHERE inhparent = {}::regclass\n            UNION\n            \
             SELECT i.inhrelid FROM heir h JOIN pg_inherits i ON i.inhparent = h.inhrelid)\n        \
             SELECT c.oid::regclass AS name FROM heir h JOIN pg_class c ON c.oid = h.inhrelid\n        \
             WHERE c.relkind IN ('r', 'p') AND c.oid NOT IN ({})\n        ORDER BY c.oid::regclass::text\n    LOOP\n{}\n    END LOOP;\nEND",
            quote_literal(&on),
            listed.join(", "),
            below.join("\n")
        )));
    }
    statements
}

fn views(desired: &Desired) -> Vec<String> {
    let of = |(schema, name): &(String, String)| {
        let statement = format!("ALTER VIEW {} SET (security_invoker = true)", qualified(schema, name));
        // PostgreSQL 14 has no such views: there one runs as its owner, who is held to the same policies when not exempt.
        block(&format!(
            "BEGIN\n    IF current_setting('server_version_num')::integer >= 150000 THEN\n        {statement};\n    END IF;\nEND"
        ))
    };
    desired.views.iter().map(of).collect()
}

/// Stands for the name of a child; no name has it.
const HERE: &str = "\0";

/// Runs a statement for each child.
fn execute(statement: &str) -> String {
    let format = statement.trim_end_matches(';').replace('%', "%%").replace(HERE, "%s");
    format!("        EXECUTE format({}, below.name);", quote_literal(&format))
}

/// A block of PL/pgSQL, quoted by dollars with a tag that is not in it.
fn block(body: &str) -> String {
    let tag = (0_u32..).map(|n| if n == 0 { "$do$".to_owned() } else { format!("$do{n}$") });
    let tag = tag.into_iter().find(|tag| !body.contains(tag.as_str())).expect("a text has finitely many tags in it");
    format!("DO {tag}\n{body}\n{tag};")
}
