//! Tables and indexes of every awkward kind, each with the damage that makes it bloated.

/// A table's name, what makes it and its indexes, and what happened to it since. `{n}` is the number of rows.
pub(super) struct Fixture {
    pub(super) name: &'static str,
    pub(super) make: &'static str,
    pub(super) then: &'static [&'static str],
}

const fn fixture(name: &'static str, make: &'static str, then: &'static [&'static str]) -> Fixture {
    Fixture { name, make, then }
}

pub(super) const ALL: &[Fixture] = &[
    fixture(
        "aligned",
        "CREATE TABLE aligned (a bigint, b bigint, c int, d int);
         INSERT INTO aligned SELECT n, n, n, n FROM generate_series(1, {n}) n;
         CREATE INDEX aligned_a ON aligned (a); CREATE INDEX aligned_c_a ON aligned (c, a);",
        &["DELETE FROM aligned WHERE a % 4 = 0"],
    ),
    fixture(
        "padded",
        "CREATE TABLE padded (a \"char\", b bigint, c bool, d timestamptz, e int2, f float8);
         INSERT INTO padded SELECT 'x', n, true, to_timestamp(n), 1, n FROM generate_series(1, {n}) n;
         CREATE INDEX padded_c_b ON padded (c, b); CREATE INDEX padded_d ON padded (d); CREATE INDEX padded_f ON padded (f);",
        &["DELETE FROM padded WHERE b % 3 = 0"],
    ),
    fixture(
        "nulls",
        "CREATE TABLE nulls (id int PRIMARY KEY, a int, b text, c timestamptz, d int, e int, f int, g int, h int, i int);
         INSERT INTO nulls SELECT n, nullif(n % 10, n % 3), CASE WHEN n % 5 = 0 THEN 'text ' || n END, NULL, 1, 1, 1, 1, 1, NULL
         FROM generate_series(1, {n}) n;
         CREATE INDEX nulls_a ON nulls (a); CREATE INDEX nulls_b ON nulls (b); CREATE INDEX nulls_c ON nulls (c);
         CREATE INDEX nulls_a_b ON nulls (a, b);",
        &["DELETE FROM nulls WHERE id % 2 = 0"],
    ),
    fixture(
        "duplicates",
        "CREATE TABLE duplicates (id int, two bool, hundred int, dozen int, pair int, status text);
         INSERT INTO duplicates SELECT n, n % 2 = 0, hashint4(n) % 100, hashint4(n) % ({n} / 12), n / 2,
                (ARRAY['new', 'paid', 'sent'])[n % 3 + 1]
         FROM generate_series(1, {n}) n;
         CREATE INDEX duplicates_two ON duplicates (two); CREATE INDEX duplicates_hundred ON duplicates (hundred);
         CREATE INDEX duplicates_dozen ON duplicates (dozen); CREATE INDEX duplicates_pair ON duplicates (pair);
         CREATE INDEX duplicates_status ON duplicates (status); CREATE INDEX duplicates_both ON duplicates (status, hundred);",
        &["UPDATE duplicates SET two = NOT two WHERE id % 3 = 0", "DELETE FROM duplicates WHERE id % 5 = 0"],
    ),
    fixture(
        "undeduplicated",
        "CREATE TABLE undeduplicated (a int, n numeric, i text, r float8);
         INSERT INTO undeduplicated SELECT n % 50, n % 50, 'x' || n % 50, n % 50 FROM generate_series(1, {n}) n;
         CREATE INDEX undeduplicated_a ON undeduplicated (a) WITH (deduplicate_items = off);
         CREATE INDEX undeduplicated_n ON undeduplicated (n); CREATE INDEX undeduplicated_r ON undeduplicated (r);
         CREATE INDEX undeduplicated_i ON undeduplicated (a) INCLUDE (i);",
        &["DELETE FROM undeduplicated WHERE a < 20"],
    ),
    fixture(
        "filled",
        "CREATE TABLE filled (id int, t text) WITH (fillfactor = 60);
         INSERT INTO filled SELECT n, md5(n::text) FROM generate_series(1, {n}) n;
         CREATE INDEX filled_id ON filled (id) WITH (fillfactor = 70);
         CREATE UNIQUE INDEX filled_t ON filled (t) WITH (fillfactor = 50);",
        &["UPDATE filled SET t = t || 'x' WHERE id % 4 = 0", "DELETE FROM filled WHERE id % 7 = 0"],
    ),
    fixture(
        "dropped",
        "CREATE TABLE dropped (id int, gone text, kept text, away bigint);
         INSERT INTO dropped SELECT n, repeat('g', 100), md5(n::text), n FROM generate_series(1, {n}) n;
         ALTER TABLE dropped DROP COLUMN gone; ALTER TABLE dropped DROP COLUMN away;
         CREATE INDEX dropped_id ON dropped (id); CREATE INDEX dropped_kept ON dropped (kept);",
        &[],
    ),
    fixture(
        "added",
        "CREATE TABLE added (id int);
         INSERT INTO added SELECT n FROM generate_series(1, {n}) n;
         ALTER TABLE added ADD COLUMN later text DEFAULT 'a value that no row has yet', ADD COLUMN empty int;
         CREATE INDEX added_later ON added (later); CREATE INDEX added_id ON added (id);",
        &["DELETE FROM added WHERE id > {n} / 2"],
    ),
    fixture(
        "toasted",
        "CREATE TABLE toasted (id int PRIMARY KEY, body text, head text);
         ALTER TABLE toasted ALTER body SET STORAGE EXTERNAL;
         INSERT INTO toasted SELECT n, repeat(md5(n::text), n % 300), md5(n::text) FROM generate_series(1, {n} / 40) n;",
        &["DELETE FROM toasted WHERE id % 3 = 0"],
    ),
    fixture(
        "compressed",
        "CREATE TABLE compressed (id int PRIMARY KEY, body text);
         INSERT INTO compressed SELECT n, repeat('lorem ipsum ' || n, n % 2000) FROM generate_series(1, {n} / 20) n;",
        &["UPDATE compressed SET id = id WHERE id % 2 = 0"],
    ),
    fixture(
        "wide",
        "CREATE TABLE wide (id int, a text, b text, c text);
         ALTER TABLE wide ALTER a SET STORAGE MAIN, ALTER b SET STORAGE MAIN, ALTER c SET STORAGE MAIN;
         INSERT INTO wide SELECT n, (SELECT string_agg(md5((n * 31 + i)::text), '') FROM generate_series(1, 30) i),
                (SELECT string_agg(md5((n * 37 + i)::text), '') FROM generate_series(1, n % 60) i), 'c'
         FROM generate_series(1, {n} / 20) n;
         CREATE INDEX wide_id ON wide (id);",
        &["DELETE FROM wide WHERE id % 5 < 2"],
    ),
    fixture(
        "many_columns",
        "CREATE TABLE many_columns (id int, c1 int, c2 text, c3 int8, c4 text, c5 date, c6 uuid, c7 numeric, c8 bool, c9 inet,
                                    c10 int, c11 text, c12 int, c13 int2, c14 timestamptz, c15 interval, c16 jsonb, c17 name);
         INSERT INTO many_columns SELECT n, n, 't' || n, n, repeat('y', n % 50), '2024-01-01'::date + n % 900, md5(n::text)::uuid,
                n / 3.0, true, '10.0.0.1', NULL, NULL, n, 1, now(), '1 day', jsonb_build_object('k', n), 'name' || n
         FROM generate_series(1, {n} / 2) n;
         CREATE INDEX many_columns_c4 ON many_columns (c4); CREATE INDEX many_columns_c5 ON many_columns (c5);
         CREATE INDEX many_columns_c6 ON many_columns (c6); CREATE INDEX many_columns_c7 ON many_columns (c7);
         CREATE INDEX many_columns_c9 ON many_columns (c9); CREATE INDEX many_columns_c17 ON many_columns (c17);
         CREATE INDEX many_columns_all ON many_columns (c5, c13, c2, id);
         CREATE INDEX many_columns_c16 ON many_columns USING gin (c16);",
        &["DELETE FROM many_columns WHERE id % 10 < 3"],
    ),
    fixture(
        "partial",
        "CREATE TABLE partial (id int, state int, t text);
         INSERT INTO partial SELECT n, hashint4(n) % 1000, md5(n::text) FROM generate_series(1, {n}) n;
         CREATE INDEX partial_rare ON partial (id) WHERE state BETWEEN 1 AND 5;
         CREATE INDEX partial_half ON partial (t) WHERE state < 0; CREATE INDEX partial_none ON partial (id) WHERE state > 5000;
         CREATE INDEX partial_few ON partial (state) WHERE state > 900;",
        &["UPDATE partial SET state = state + 1 WHERE id % 3 = 0", "DELETE FROM partial WHERE id % 4 = 0"],
    ),
    fixture(
        "expressions",
        "CREATE TABLE expressions (id int, t text, j jsonb, at timestamp);
         INSERT INTO expressions SELECT n, 'User' || n || '@Example.Com', jsonb_build_object('k', n % 1000, 'x', md5(n::text)),
                '2024-01-01'::timestamp + n * interval '1 minute'
         FROM generate_series(1, {n}) n;
         CREATE INDEX expressions_lower ON expressions (lower(t)); CREATE INDEX expressions_k ON expressions ((j ->> 'k'));
         CREATE INDEX expressions_day ON expressions (date_trunc('day', at)); CREATE INDEX expressions_sum ON expressions ((id % 7), t);
         CREATE INDEX expressions_x ON expressions (md5(t)) WHERE id > 100;",
        &["DELETE FROM expressions WHERE id % 3 = 1"],
    ),
    fixture(
        "others",
        "CREATE EXTENSION IF NOT EXISTS btree_gist;
         CREATE TABLE others (id int, words tsvector, place point, span int4range, key text);
         INSERT INTO others SELECT n, to_tsvector('simple', 'word' || n % 100 || ' and' || n), point(n, n % 100), int4range(n, n + 5),
                md5(n::text) FROM generate_series(1, {n} / 4) n;
         CREATE INDEX others_words ON others USING gin (words); CREATE INDEX others_place ON others USING gist (place);
         CREATE INDEX others_span ON others USING spgist (span); CREATE INDEX others_key ON others USING hash (key);
         CREATE INDEX others_id ON others USING brin (id);",
        &["DELETE FROM others WHERE id % 2 = 0"],
    ),
    fixture(
        "never_analysed",
        "CREATE TABLE never_analysed (id int PRIMARY KEY, t text);
         INSERT INTO never_analysed SELECT n, md5(n::text) FROM generate_series(1, {n}) n;
         CREATE INDEX never_analysed_t ON never_analysed (t);",
        &["UPDATE never_analysed SET t = t || id"],
    ),
    fixture(
        "just_vacuumed",
        "CREATE TABLE just_vacuumed (id int PRIMARY KEY, t text, again int);
         INSERT INTO just_vacuumed SELECT n, md5(n::text), n % 5000 FROM generate_series(1, {n}) n;
         CREATE INDEX just_vacuumed_t ON just_vacuumed (t); CREATE INDEX just_vacuumed_again ON just_vacuumed (again);",
        &["DELETE FROM just_vacuumed WHERE id % 3 > 0", "VACUUM (ANALYZE) just_vacuumed"],
    ),
    fixture(
        "stale",
        "CREATE TABLE stale (id int PRIMARY KEY, t text);
         INSERT INTO stale SELECT n, 'short' FROM generate_series(1, {n}) n;
         ANALYZE stale;",
        &["UPDATE stale SET t = repeat('much longer than before', 4) WHERE id % 2 = 0", "DELETE FROM stale WHERE id < {n} / 3"],
    ),
    fixture(
        "half_empty",
        "CREATE TABLE half_empty (id int PRIMARY KEY, t text);
         INSERT INTO half_empty SELECT n, md5(n::text) FROM generate_series(1, {n}) n;",
        &["DELETE FROM half_empty WHERE id BETWEEN {n} / 10 AND {n} * 6 / 10", "VACUUM half_empty"],
    ),
    fixture(
        "emptied",
        "CREATE TABLE emptied (id int PRIMARY KEY, t text);
         INSERT INTO emptied SELECT n, md5(n::text) FROM generate_series(1, {n}) n;",
        &["DELETE FROM emptied WHERE id < {n}"],
    ),
    fixture(
        "churned",
        "CREATE TABLE churned (id int PRIMARY KEY, count int, t text);
         INSERT INTO churned SELECT n, 0, md5(n::text) FROM generate_series(1, {n}) n;
         CREATE INDEX churned_count ON churned (count);",
        &[
            "UPDATE churned SET count = hashint4(id) % 100 WHERE id % 2 = 0",
            "VACUUM churned",
            "UPDATE churned SET count = hashint4(id + 1) % 30 WHERE id % 3 = 0",
            "VACUUM churned",
            "UPDATE churned SET count = count + 1 WHERE id % 10 = 0",
        ],
    ),
    fixture(
        "shuffled",
        "CREATE TABLE shuffled (id uuid PRIMARY KEY, parent int, v varchar(40), k char(12));
         INSERT INTO shuffled SELECT md5(n::text)::uuid, hashint4(n) % 3000, md5((n % 200)::text), 'k' || n % 10
         FROM generate_series(1, {n}) n;
         CREATE INDEX shuffled_parent ON shuffled (parent); CREATE INDEX shuffled_v ON shuffled (v);
         CREATE INDEX shuffled_k ON shuffled (k); CREATE INDEX shuffled_k_parent ON shuffled (k, parent DESC NULLS LAST);",
        &["DELETE FROM shuffled WHERE parent > 0 AND parent % 2 = 0"],
    ),
    fixture(
        "tight",
        "CREATE TABLE tight (id int PRIMARY KEY, t text);
         INSERT INTO tight SELECT n, md5(n::text) FROM generate_series(1, {n}) n;
         CREATE INDEX tight_t ON tight (t);",
        &[],
    ),
    fixture(
        "queue",
        "CREATE TABLE queue (id bigint PRIMARY KEY, body jsonb, done bool);
         INSERT INTO queue SELECT n, jsonb_build_object('a', n, 'b', repeat('z', n % 400)), false FROM generate_series(1, {n} / 4) n;
         CREATE INDEX queue_open ON queue (id) WHERE NOT done;",
        &["UPDATE queue SET done = true WHERE id % 20 > 0", "VACUUM queue", "DELETE FROM queue WHERE id % 20 > 10"],
    ),
    fixture(
        "materialised",
        "CREATE MATERIALIZED VIEW materialised AS SELECT n AS id, md5(n::text) AS t, n % 40 AS k FROM generate_series(1, {n}) n;
         CREATE UNIQUE INDEX materialised_id ON materialised (id); CREATE INDEX materialised_k ON materialised (k);",
        &["REFRESH MATERIALIZED VIEW CONCURRENTLY materialised"],
    ),
];
