//! The script of a small policy, whole.

mod support;

#[test]
fn a_small_policy() {
    let desired = support::desired(
        "policy = 'access'\nversion = 1\npermissions = ['a:read']\n[role.reader]\npermissions = ['a:read']\n\
         [role.auditor]\ninherits = ['reader']\nall_tenants = true\n\
         [database]\nschemas = ['shop']\nrevoke_public = false\n\
         [database.role.Reader]\nstands_for = 'reader'\nmembers = ['app']\n[database.role.auditor]\nstands_for = 'auditor'\n\
         [[database.grant]]\npermission = 'a:read'\ntables = ['shop.order']\nprivileges = ['select']\ncolumns = ['id', 'user']\n\
         [database.tenant]\nsetting = 'app.tenant'\ntype = 'uuid'\ntables = ['shop.order']\nviews = ['shop.mine']\n",
    );
    insta::assert_snapshot!(dbopt_access::script(&desired), @r#"
    -- Roles, rights and row-level security of an access policy. May be run again; run it as a superuser, or as the owner of
    -- all that it names with CREATEROLE. One transaction: all of it happens, or none.
    BEGIN;
    SET LOCAL search_path = pg_catalog;
    SET LOCAL lock_timeout = '5s';
    SET LOCAL client_min_messages = warning;

    -- Roles, which cannot log in and have no more power than is given below.
    DO $do$
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'Reader') THEN
            CREATE ROLE "Reader" NOLOGIN;
        END IF;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'Reader' AND (rolsuper OR rolbypassrls)) THEN
            RAISE EXCEPTION USING MESSAGE = 'role "Reader" is a superuser or bypasses row-level security';
        END IF;
    END
    $do$;
    DO $do$
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'auditor') THEN
            CREATE ROLE auditor NOLOGIN;
        END IF;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'auditor' AND (rolsuper OR rolbypassrls)) THEN
            RAISE EXCEPTION USING MESSAGE = 'role auditor is a superuser or bypasses row-level security';
        END IF;
    END
    $do$;
    GRANT "Reader" TO app;

    -- What roles of the policy and everybody have is taken away, and what the policy says is given.
    REVOKE ALL ON SCHEMA shop FROM "Reader", auditor;
    DO $do$
    DECLARE found record;
    BEGIN
        FOR found IN
            SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, c.oid::regclass::text AS name FROM pg_class c
            WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
                AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
            UNION ALL
            SELECT 'ROUTINE', p.oid::regprocedure::text FROM pg_proc p
            WHERE p.pronamespace = 'shop'::regnamespace AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
            ORDER BY 1, 2
        LOOP
            EXECUTE format('REVOKE ALL ON %s %s FROM %s', found.kind, found.name, '"Reader", auditor');
        END LOOP;
    END
    $do$;

    -- Rights.
    GRANT USAGE ON SCHEMA shop TO "Reader", auditor;
    GRANT SELECT (id) ON TABLE shop."order" TO "Reader", auditor;
    GRANT SELECT ("user") ON TABLE shop."order" TO "Reader", auditor;

    -- Rows of tenants. No setting, or an empty one, is no tenant and gives no rows.
    DO $do$
    DECLARE old record;
    BEGIN
        FOR old IN
            WITH RECURSIVE guarded AS (
                SELECT oid FROM pg_class WHERE oid IN ('shop."order"'::regclass)
                UNION
                SELECT i.inhrelid FROM guarded g JOIN pg_inherits i ON i.inhparent = g.oid)
            SELECT p.polname, p.polrelid::regclass AS name FROM guarded g JOIN pg_policy p ON p.polrelid = g.oid
            WHERE p.polname LIKE 'dbopt\_%'
            ORDER BY p.polrelid::regclass::text, 1
        LOOP
            EXECUTE format('DROP POLICY %I ON %s', old.polname, old.name);
        END LOOP;
    END
    $do$;
    ALTER TABLE shop."order" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY dbopt_tenant ON shop."order" AS PERMISSIVE FOR ALL TO PUBLIC USING (tenant = NULLIF(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant = NULLIF(current_setting('app.tenant', true), '')::uuid);
    CREATE POLICY dbopt_all_tenants_select ON shop."order" AS PERMISSIVE FOR SELECT TO auditor USING (true);
    DO $do$
    DECLARE below record;
    BEGIN
        FOR below IN
            WITH RECURSIVE heir AS (
                SELECT inhrelid FROM pg_inherits WHERE inhparent = 'shop."order"'::regclass
                UNION
                SELECT i.inhrelid FROM heir h JOIN pg_inherits i ON i.inhparent = h.inhrelid)
            SELECT c.oid::regclass AS name FROM heir h JOIN pg_class c ON c.oid = h.inhrelid
            WHERE c.relkind IN ('r', 'p') AND c.oid NOT IN ('shop."order"'::regclass)
            ORDER BY c.oid::regclass::text
        LOOP
            EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', below.name);
            EXECUTE format('DROP POLICY IF EXISTS dbopt_tenant ON %s', below.name);
            EXECUTE format('CREATE POLICY dbopt_tenant ON %s AS PERMISSIVE FOR ALL TO PUBLIC USING (tenant = NULLIF(current_setting(''app.tenant'', true), '''')::uuid) WITH CHECK (tenant = NULLIF(current_setting(''app.tenant'', true), '''')::uuid)', below.name);
            EXECUTE format('DROP POLICY IF EXISTS dbopt_all_tenants_select ON %s', below.name);
            EXECUTE format('CREATE POLICY dbopt_all_tenants_select ON %s AS PERMISSIVE FOR SELECT TO auditor USING (true)', below.name);
        END LOOP;
    END
    $do$;

    -- Views that run with the rights of whoever asks.
    DO $do$
    BEGIN
        IF current_setting('server_version_num')::integer >= 150000 THEN
            ALTER VIEW shop.mine SET (security_invoker = true);
        END IF;
    END
    $do$;

    COMMIT;
    "#);
}
