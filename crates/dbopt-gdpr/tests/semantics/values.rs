//! What is in columns.

use crate::{check, table};

#[tokio::test]
async fn unique_and_generated_columns_are_masked() {
    let schema = "CREATE TABLE customer (id int PRIMARY KEY, email text COLLATE \"POSIX\", name varchar(70), nick char(70), born date, price numeric(6, 2),
            lower text GENERATED ALWAYS AS (lower(email)) STORED, token text UNIQUE, info json, at timestamp(0), UNIQUE (lower), UNIQUE (name, nick));
        INSERT INTO customer VALUES (1, 'Ann@x', 'Ann', 'a', '2000-01-01', 1, DEFAULT, 't1', '{\"a\":  1}', '2020-01-01'),
            (2, 'Bob@x', '[erased]', '[erased]', NULL, NULL, DEFAULT, 't2', NULL, NULL);";
    let masks = "erase = 'mask'\ncolumn.email.erase = 'redact'\ncolumn.name.erase = 'redact'\ncolumn.nick.erase = 'redact'\n\
        column.born.erase = 'null'\ncolumn.price = { erase = 'redact', value = '0.125' }\ncolumn.token.erase = 'hmac'\n\
        column.info = { erase = 'redact', value = '{ }' }\ncolumn.at = { erase = 'redact', value = '1970-01-01 00:00:00.7' }";
    let told = check(schema, &table("customer", "owned", "id lower", masks)).await;
    insta::assert_snapshot!(told, @r#"
    change 1 of customer
    - customer (1,Ann@x,Ann,"a                                                                     ",2000-01-01,1.00,ann@x,t1,"{""a"":  1}","2020-01-01 00:00:00")
    + customer (1,[erased],[erased]-1,"[erased]-1                                                            ",,0.13,[erased],d796dc428fe7a8de2a64f61aefe440f299dbbfc656db0be8c0d415ee9ca69807,"{ }","1970-01-01 00:00:01")
    "#);
}

#[tokio::test]
async fn values_inside_of_json_and_arrays_lead_to_rows() {
    let schema = "CREATE TABLE customer (id int PRIMARY KEY);
        CREATE TABLE event (id int PRIMARY KEY, payload jsonb);
        CREATE TABLE team (id int PRIMARY KEY, member_ids int[], note text);
        INSERT INTO customer VALUES (1), (2), (11);
        INSERT INTO event VALUES (1, '{\"actor\": {\"id\": 1}}'), (2, '{\"actor\": {\"id\": \"1\"}}'), (3, '{\"actor\": {\"id\": 11}}'),
            (4, '{\"seen\": [{\"by\": 2}, {\"by\": 1}]}'), (5, '{\"seen\": [{\"by\": 2}]}'), (6, NULL);
        INSERT INTO team VALUES (1, '{1,2}', 'a'), (2, '{2,11}', 'b'), (3, '{1}', 'c'), (4, NULL, 'd');";
    let json = |path: &str, rest: &str| {
        format!(
            "[[reference]]\nfrom = 'public.event'\nto = 'public.customer'\njson = {{ column = 'payload', path = {path} }}\n{rest}\n"
        )
    };
    let body = [
        table("customer", "owned", "id", ""),
        table("event", "shared", "id", "column.payload.erase = 'null'"),
        table("team", "shared", "id note", "column.member_ids.erase = 'null'"),
        json("['actor', 'id']", "class = 'owned'"),
        json("['seen', '*', 'by']", "class = 'shared'\nerase = 'mask'"),
        "[[reference]]\nfrom = 'public.team'\nto = 'public.customer'\narray = 'member_ids'\nclass = 'shared'\nerase = 'mask'\n"
            .to_owned(),
    ]
    .concat();
    insta::assert_snapshot!(check(schema, &body).await, @r#"
    change 1 of event
    change 2 of team
    delete 1 of customer
    delete 2 of event
    - customer (1)
    - event (1,"{""actor"": {""id"": 1}}")
    - event (2,"{""actor"": {""id"": ""1""}}")
    - event (4,"{""seen"": [{""by"": 2}, {""by"": 1}]}")
    + event (4,)
    - team (1,"{1,2}",a)
    + team (1,,a)
    + team (3,,c)
    - team (3,{1},c)
    "#);
}
