//! Rows that are others', or not the person's alone, or to stay.

use crate::{
    check,
    support::{reference, tables},
    table,
};

const SHOP: &str = "CREATE TABLE customer (id int PRIMARY KEY);
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customer, note text, deleted_at date);
    INSERT INTO customer VALUES (1), (2);
    INSERT INTO orders VALUES (1, 1, 'a', NULL), (2, 1, 'b', '2020-01-01'), (3, 2, 'c', '2020-01-01');";

fn shop(orders: &str) -> String {
    [
        table("customer", "owned", "id", "erase = 'mask'"),
        table("orders", "owned", "id customer_id deleted_at", &format!("column.note.erase = 'null'\n{orders}")),
        reference("orders", "customer_id", "customer", "class = 'owned'"),
    ]
    .concat()
}

#[tokio::test]
async fn rows_of_others_are_not_taken_along() {
    for (action, does) in [
        ("CASCADE", "would be deleted along"),
        ("SET NULL", "would be changed along"),
        ("SET DEFAULT", "would be changed along"),
        ("RESTRICT", "stand in the way"),
        ("NO ACTION", "stand in the way"),
    ] {
        let schema = format!(
            "{SHOP} CREATE TABLE vote (id int PRIMARY KEY, of int DEFAULT 3 REFERENCES orders ON DELETE {action});
             CREATE TABLE vote_log (of int REFERENCES vote ON DELETE CASCADE, n int);
             INSERT INTO vote VALUES (1, 1), (2, 3); INSERT INTO vote_log VALUES (1, 1), (2, 2);"
        );
        let body =
            shop("") + &tables("foreign", "vote vote_log") + &reference("vote", "of", "orders", "class = 'foreign'");
        let told = check(&schema, &body).await;
        assert!(told.contains(&format!("error: 1 rows of others {does}: they refer by `public.vote (of)")), "{told}");
        assert_eq!(told.contains("vote_log (of)"), action == "CASCADE", "{told}");
        assert!(told.ends_with("not erased: something speaks against erasing this person\n"), "{told}");
    }
}

#[tokio::test]
async fn references_are_emptied_as_the_policy_says() {
    // Of a key of two columns, the one that may be NULL; the other is a column of more than this reference.
    let schema = format!(
        "{SHOP} ALTER TABLE orders ADD tenant int NOT NULL DEFAULT 7, ADD UNIQUE (tenant, id);
         CREATE TABLE vote (id int PRIMARY KEY, tenant int NOT NULL, of int,
             FOREIGN KEY (tenant, of) REFERENCES orders (tenant, id) ON DELETE SET NULL (of));
         CREATE TABLE reply (id int PRIMARY KEY, of int REFERENCES orders ON DELETE SET NULL);
         INSERT INTO vote VALUES (1, 7, 1), (2, 7, 3); INSERT INTO reply VALUES (1, 1), (2, 2), (3, 3);"
    );
    let body = |erase: &str| {
        let orders = shop("").replace("deleted_at'", "deleted_at', 'tenant'");
        let to = |from: &str, columns: &str| reference(from, columns, "orders", &format!("class = 'foreign'\n{erase}"));
        orders + &tables("foreign", "vote reply") + &to("vote", "tenant of") + &to("reply", "of")
    };
    insta::assert_snapshot!(check(&schema, &body("")).await, @"
    delete 2 of orders
    error: 2 rows of others would be changed along: they refer by `public.reply (of) → public.orders` (SET NULL) to rows that go
    error: 1 rows of others would be changed along: they refer by `public.vote (tenant, of) → public.orders` (SET NULL) to rows that go
    not erased: something speaks against erasing this person
    ");
    insta::assert_snapshot!(check(&schema, &body("erase = 'detach'")).await, @"
    change 2 of reply
    change 1 of vote
    delete 2 of orders
    - orders (1,1,a,,7)
    - orders (2,1,b,2020-01-01,7)
    + reply (1,)
    - reply (1,1)
    + reply (2,)
    - reply (2,2)
    + vote (1,7,)
    - vote (1,7,1)
    ");
}

#[tokio::test]
async fn messages_stay_without_their_author() {
    let schema = "CREATE TABLE customer (id int PRIMARY KEY);
        CREATE TABLE message (id int PRIMARY KEY, sender_id int NOT NULL REFERENCES customer,
            recipient_id int REFERENCES customer ON DELETE CASCADE, body text);
        CREATE TABLE attachment (id int PRIMARY KEY, message_id int NOT NULL REFERENCES message);
        INSERT INTO customer VALUES (0), (1), (2);
        INSERT INTO message VALUES (1, 1, 2, 'a'), (2, 2, 1, 'b'), (3, 1, 1, 'c'), (4, 2, 2, 'd'), (5, 1, NULL, 'e');
        INSERT INTO attachment VALUES (1, 1), (2, 2);";
    let body = [
        table("customer", "owned", "id", ""),
        table("message", "shared", "id sender_id recipient_id body", ""),
        table("attachment", "shared", "id message_id", ""),
        reference("message", "sender_id", "customer", "class = 'shared'\nerase = 'detach'\nbecome = ['0']"),
        reference("message", "recipient_id", "customer", "class = 'about'\nerase = 'detach'"),
        reference("attachment", "message_id", "message", "class = 'owned'"),
    ]
    .concat();
    insta::assert_snapshot!(check(schema, &body).await, @"
    change 1 of message
    change 1 of message
    change 2 of message
    delete 1 of customer
    keep 2 of attachment: it is not the person's alone
    - customer (1)
    + message (1,0,2,a)
    - message (1,1,2,a)
    + message (2,2,,b)
    - message (2,2,1,b)
    + message (3,0,,c)
    - message (3,1,1,c)
    + message (5,0,,e)
    - message (5,1,,e)
    ");
}

#[tokio::test]
async fn what_is_held_stays_and_the_rest_goes() {
    let schema = format!(
        "{SHOP} CREATE SCHEMA legal; CREATE TABLE legal.hold (relation text, row text, field text, until date);
         INSERT INTO orders VALUES (4, 1, 'd', NULL);
         INSERT INTO legal.hold VALUES ('public.orders', '1', NULL, NULL), ('public.orders', '2', 'note', '2027-01-01'),
             ('public.orders', '4', NULL, '2020-01-01'), ('public.orders', '3', NULL, NULL);"
    );
    let hold = "[[table]]\nname = 'legal.hold'\nclass = 'lookup'\n\
        [[hold]]\nname = 'court'\ntable = 'legal.hold'\nfield = 'field'\nuntil = 'until'\n";
    insta::assert_snapshot!(check(&schema, &(shop("") + hold)).await, @"
    delete 1 of orders
    keep 1 of orders: hold `court`
    keep 1 of orders.note: hold `court`
    - orders (4,1,d,)
    ");
}

#[tokio::test]
async fn rows_that_are_only_marked_as_deleted_go() {
    let view = "CREATE VIEW living AS SELECT * FROM orders WHERE deleted_at IS NULL";
    insta::assert_snapshot!(check(&format!("{SHOP} {view}"), &shop("")).await, @"
    delete 2 of orders
    - orders (1,1,a,)
    - orders (2,1,b,2020-01-01)
    ");
}
