//! What the server does or does not let be done.

use dbopt_gdpr::EraseError;
use dbopt_testkit::Cluster;

use crate::{
    check, rows,
    support::{
        case::{Case, migrated},
        client, reference, tables,
    },
    table,
};

const SHOP: &str = "CREATE TABLE customer (id int PRIMARY KEY, name text);
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customer); CREATE TABLE history (was text);
    INSERT INTO customer VALUES (1, 'Ann'), (2, 'Bob'); INSERT INTO orders VALUES (1, 1), (2, 2);";

fn shop() -> String {
    [
        table("customer", "owned", "id", "erase = 'mask'\ncolumn.name.erase = 'redact'"),
        table("orders", "owned", "id customer_id", ""),
        tables("lookup", "history"),
        reference("orders", "customer_id", "customer", "class = 'owned'"),
    ]
    .concat()
}

/// Erases with a trigger `when` that does something.
async fn with_trigger(when: &str, body: &str) -> String {
    let schema = format!(
        "{SHOP} CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
         CREATE TRIGGER odd {when} FOR EACH ROW EXECUTE FUNCTION odd()"
    );
    check(&schema, &shop()).await
}

#[tokio::test]
async fn triggers_that_copy_are_told() {
    let copies = "INSERT INTO public.history VALUES (OLD.name); RETURN NEW;";
    insta::assert_snapshot!(with_trigger("AFTER UPDATE ON customer", copies).await, @"
    change 1 of customer
    delete 1 of orders
    warning: triggers of `public.customer` fire, and may copy what is erased or keep it from being erased: `odd`
    then triggers have written 1 rows to `public.history`, maybe copies of what was erased
    - customer (1,Ann)
    + customer (1,[erased])
    + history (Ann)
    - orders (1,1)
    ");
    let copies = "INSERT INTO public.history VALUES (OLD::text); RETURN OLD;";
    insta::assert_snapshot!(with_trigger("BEFORE DELETE ON orders", copies).await, @r#"
    change 1 of customer
    delete 1 of orders
    warning: triggers of `public.orders` fire, and may copy what is erased or keep it from being erased: `odd`
    then triggers have written 1 rows to `public.history`, maybe copies of what was erased
    - customer (1,Ann)
    + customer (1,[erased])
    + history ("(1,1)")
    - orders (1,1)
    "#);
}

#[tokio::test]
async fn triggers_that_keep_a_row_roll_it_back() {
    let told = with_trigger("BEFORE DELETE ON orders", "RETURN NULL;").await;
    assert!(told.contains("not erased: a statement on `public.orders` has changed 0 rows instead of 1"), "{told}");
    let told = with_trigger("BEFORE UPDATE ON customer", "RETURN NULL;").await;
    assert!(told.contains("not erased: a statement on `public.customer` has changed 0 rows instead of 1"), "{told}");
}

#[tokio::test]
async fn triggers_that_undo_a_mask_roll_it_back() {
    for undoes in [
        "RETURN OLD;",
        "NEW.name := OLD.name; RETURN NEW;",
        "NEW.name := upper(NEW.name); RETURN NEW;",
        "NEW.name := NULL; RETURN NEW;",
    ] {
        let told = with_trigger("BEFORE UPDATE ON customer", undoes).await;
        let why = "not erased: 1 rows of `public.customer` do not have what was written";
        assert!(told.contains(why), "{undoes}: {told}");
    }
    // What it changes besides is not the erasure's business.
    let told = with_trigger("BEFORE UPDATE ON customer", "NEW.name := NEW.name || ''; RETURN NEW;").await;
    assert!(told.contains("+ customer (1,[erased])"), "{told}");
    let told = with_trigger(
        "AFTER UPDATE ON customer",
        "UPDATE public.customer SET name = OLD.name WHERE id = OLD.id AND name = '[erased]'; RETURN NEW;",
    )
    .await;
    assert!(told.contains("not erased: 2 rows of `public.customer` were changed"), "{told}");
}

#[tokio::test]
async fn hidden_rows_are_refused() {
    let database = migrated(
        Cluster::shared(),
        &format!("{SHOP} ALTER TABLE orders ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON orders USING (id > 1);"),
    )
    .await;
    let role = format!("eraser_{}", database.name());
    database.execute(&format!(
        "CREATE ROLE {role}; GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
         GRANT USAGE ON SCHEMA dbopt TO {role}; GRANT SELECT, INSERT ON dbopt.audit_record TO {role}"
    ));
    let mut client = client(&database).await;
    client.batch_execute(&format!("SET ROLE {role}")).await.expect("set");
    let case = Case::new(&client, &shop(), "1").await;
    let before = rows(&database);
    let hidden = case.plan(&mut client).await.expect_err("hidden");
    assert!(matches!(hidden, dbopt_gdpr::Error::Hidden(_)), "{hidden:?}");
    // An approval that somebody got who saw all rows.
    client.batch_execute("RESET ROLE").await.expect("reset");
    let approval = case.approval(&mut client).await;
    client.batch_execute(&format!("SET ROLE {role}")).await.expect("set");
    let refused = case.erasure().erase(&mut client, &approval).await;
    assert!(matches!(refused, Err(EraseError::Query(dbopt_gdpr::Error::Hidden(_)))), "{refused:?}");
    assert_eq!(rows(&database), before);
    // Who owns the table is not hidden anything, unless the policy is forced.
    database.execute(&format!("ALTER TABLE orders OWNER TO {role}"));
    let erased = case.erasure().erase(&mut client, &approval).await.expect("erased");
    assert_eq!((erased.deleted, erased.changed), (1, 1));
    drop(client);
    database.execute(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
}

#[tokio::test]
async fn rights_are_asked_for_before() {
    let database = migrated(Cluster::shared(), SHOP).await;
    let role = format!("eraser_{}", database.name());
    database.execute(&format!(
        "CREATE ROLE {role}; GRANT USAGE ON SCHEMA dbopt TO {role}; GRANT SELECT, INSERT ON dbopt.audit_record TO {role};
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}; GRANT DELETE ON orders TO {role}; GRANT UPDATE (id) ON customer TO {role}"
    ));
    let mut client = client(&database).await;
    client.batch_execute(&format!("SET ROLE {role}")).await.expect("set");
    let case = Case::new(&client, &shop(), "1").await;
    let plan = case.plan(&mut client).await.expect("planned");
    let told: Vec<_> = plan
        .findings
        .iter()
        .filter(|finding| finding.code.0 == "no-privilege")
        .map(|finding| format!("{finding}: {}", finding.help.as_deref().unwrap_or_default()).replace(&role, "eraser"))
        .collect();
    insta::assert_snapshot!(told.join("\n"), @"
    this role lacks UPDATE (name) on `public.customer`: Let its owner, `postgres`, run `GRANT UPDATE (name) ON public.customer TO eraser;`
    this role lacks UPDATE on `public.orders` (to lock rows, of one column at least): Let its owner, `postgres`, run `GRANT UPDATE ON public.orders TO eraser;`
    ");
    assert!(plan.is_refused());
    // Locking a row needs UPDATE of some column, changing it UPDATE of those that are changed.
    database.execute(&format!("GRANT UPDATE (id) ON orders TO {role}; GRANT UPDATE (name) ON customer TO {role}"));
    let erased = case.erase(&mut client).await.expect("erased");
    assert_eq!((erased.deleted, erased.changed), (1, 1));
    drop(client);
    database.execute(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
}
