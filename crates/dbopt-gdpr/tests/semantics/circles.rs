//! Rows that refer to each other.

use crate::{check, support::reference, table};

#[tokio::test]
async fn answers_go_and_those_of_others_stand_in_the_way() {
    let schema = "CREATE TABLE customer (id int PRIMARY KEY);
        CREATE TABLE comment (id int PRIMARY KEY, parent_id int REFERENCES comment, author_id int REFERENCES customer);
        INSERT INTO customer VALUES (1), (2);
        INSERT INTO comment VALUES (10, NULL, 2), (1, NULL, 1), (2, 1, 1), (3, 2, 1), (4, 10, 1), (5, NULL, 1), (11, NULL, 2);
        UPDATE comment SET parent_id = 3 WHERE id = 1; UPDATE comment SET parent_id = 5 WHERE id = 5;";
    let body = |to_itself: &str| {
        [
            table("customer", "owned", "id", ""),
            table("comment", "owned", "id parent_id author_id", "owner = ['author_id']"),
            reference("comment", "author_id", "customer", "class = 'owned'"),
            reference("comment", "parent_id", "comment", to_itself),
        ]
        .concat()
    };
    // 1, 2 and 3 answer each other in a circle, and 5 answers itself.
    insta::assert_snapshot!(check(schema, &body("class = 'owned'")).await, @"
    delete 5 of comment
    delete 1 of customer
    - comment (1,3,1)
    - comment (2,1,1)
    - comment (3,2,1)
    - comment (4,10,1)
    - comment (5,5,1)
    - customer (1)
    ");
    let answered = format!("{schema} INSERT INTO comment VALUES (12, 2, 2)");
    insta::assert_snapshot!(check(&answered, &body("class = 'owned'")).await, @"
    delete 5 of comment
    delete 1 of customer
    error: 1 rows of others stand in the way: they refer by `public.comment (parent_id) → public.comment` (NO ACTION) to rows that go
    not erased: something speaks against erasing this person
    ");
    let let_go = "class = 'foreign'\nerase = 'detach'";
    insta::assert_snapshot!(check(&answered, &body(let_go)).await, @"
    change 1 of comment
    delete 5 of comment
    delete 1 of customer
    - comment (1,3,1)
    + comment (12,,2)
    - comment (12,2,2)
    - comment (2,1,1)
    - comment (3,2,1)
    - comment (4,10,1)
    - comment (5,5,1)
    - customer (1)
    ");
}

#[tokio::test]
async fn circles_go_whatever_their_constraints() {
    for (nulls, options) in [
        ("", ""),
        ("", "ON DELETE RESTRICT"),
        ("", "ON DELETE SET NULL"),
        ("NOT NULL", "DEFERRABLE"),
        ("NOT NULL", "DEFERRABLE INITIALLY DEFERRED"),
        ("NOT NULL", ""),
        ("NOT NULL", "ON DELETE RESTRICT"),
        ("NOT NULL", "ON DELETE RESTRICT DEFERRABLE"),
        ("NOT NULL", "ON DELETE CASCADE"),
    ] {
        let schema = format!(
            "CREATE TABLE customer (id int PRIMARY KEY, home int {nulls});
             CREATE TABLE home (id int PRIMARY KEY, street int {nulls}, owner int {nulls} REFERENCES customer {options});
             CREATE TABLE street (id int PRIMARY KEY, mayor int {nulls} REFERENCES customer {options});
             CREATE TABLE friend (id int PRIMARY KEY, owner int NOT NULL REFERENCES customer {options},
                 next int {nulls} REFERENCES friend {options});
             INSERT INTO customer VALUES (1, 10), (2, 20); INSERT INTO home VALUES (10, 100, 1), (20, 200, 2);
             INSERT INTO street VALUES (100, 1), (200, 2);
             INSERT INTO friend VALUES (1, 1, 1), (2, 1, 1), (3, 2, 3); SET CONSTRAINTS ALL IMMEDIATE;
             ALTER TABLE customer ADD CONSTRAINT lives FOREIGN KEY (home) REFERENCES home {options};
             ALTER TABLE home ADD CONSTRAINT is_in FOREIGN KEY (street) REFERENCES street {options};"
        );
        let body = [
            table("customer", "owned", "id home", ""),
            table("home", "owned", "id owner street", ""),
            table("street", "owned", "id mayor", ""),
            table("friend", "owned", "id owner next", ""),
            reference("home", "owner", "customer", "class = 'owned'"),
            reference("customer", "home", "home", "class = 'foreign'"),
            reference("street", "mayor", "customer", "class = 'owned'"),
            reference("home", "street", "street", "class = 'foreign'"),
            reference("friend", "owner", "customer", "class = 'owned'"),
            reference("friend", "next", "friend", "class = 'owned'"),
        ]
        .concat();
        let told = check(&schema, &body).await;
        let went: Vec<&str> = told.lines().filter(|line| line.starts_with(['+', '-', 'n'])).collect();
        let expected =
            ["- customer (1,10)", "- friend (1,1,1)", "- friend (2,1,1)", "- home (10,100,1)", "- street (100,1)"];
        assert_eq!(went, expected, "{nulls} {options}: {told}");
        let first = match (nulls, options) {
            ("", _) => "untie",
            (_, "DEFERRABLE" | "DEFERRABLE INITIALLY DEFERRED") => "defer",
            _ => "delete 2 of friend\ndelete 1 of customer + 1 of home + 1 of street",
        };
        assert!(told.starts_with(first), "{nulls} {options}: {told}");
    }
}
