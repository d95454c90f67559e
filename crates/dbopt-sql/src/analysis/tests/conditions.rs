//! Conditions and expressions.

use super::{analyze, render, show};

#[test]
fn constants_stand_on_the_right() {
    show!("select * from t where a = $1 and $2 = b and $3 < c and now() > d and $4 between e and f", @r"
        select
        #0: get * from t where a = $1 & b = $2 & c > $3 & d < now() & e <= $4 & f >= $4
        ");
    show!("select * from t where interval '1 day' < age(created_at) and x = interval '1' day and created_at > now() - $1::interval", @r"
        select
        #0: get * from t where age(created_at) > '1 day'::interval & x = '1'::interval day & created_at > [now() - $1::interval]
        ");
    show!("select * from t where 'x' = any(tags) and '{a}' <@ tags and a like '%' || $1 || '%'", @r"
        select
        #0: get * from t where {tags: 'x' = ANY(tags)} & tags @> '{a}' & a like [['%' || $1] || '%']
        ");
}

#[test]
fn rows_are_compared_by_field_where_that_is_exact() {
    show!("select * from t where (a, b) < ($1, $2) and (c, d) = (1, 2)", @r"
        select
        #0: get * from t where (a, b) < ($1, $2) & c = 1 & d = 2
        ");
    show!("select * from t where (a, b) in ((1, 2), (3, 4))", @r"
        select
        #0: get * from t where (a = 1 & b = 2 | a = 3 & b = 4)
        ");
    show!("select * from t where (a, b) = any (select x, y from s) and row(a, b) = row(1, 2) and (a, b) not in ((1,2))", @r"
        select
        #0: get * from t where a, b in #1 & a = 1 & b = 2 & {a b: NOT (a, b) IN (…)}
        #1 in #0 in: get x, y from s
        ");
}

#[test]
fn arrays_are_taken_apart() {
    show!("select * from t where c = any (values ($1))", @r"
        select
        #0: get * from t where c in ($1)
        ");
    show!("select * from t where a = any($1) and b = any('{1,2}'::int[]) and c = any(array['x','y']) and d <> all($2::int[])", @r"
        select
        #0: get * from t where a any ($1) & b in ('1'::int, '2'::int) & c in ('x', 'y') & d not any ($2::int[])
        ");
}

#[test]
fn between_is_two_bounds() {
    show!("select * from t where a between 1 and 5 and b not between $1 and $2", @r"
        select
        #0: get * from t where a >= 1 & a <= 5 & (b < $1 | b > $2)
        ");
}

#[test]
fn patterns() {
    show!("select * from t where name like 'x%' and note not ilike '%y' and k ~~ 'z' and k ~ '^a'", @r"
        select
        #0: get * from t where name like 'x%' & note not ilike '%y' & k like 'z' & k ~ '^a'
        ");
    show!("select * from t where a similar to 'x%' and b like 'x!%' escape '!' and c ilike any ($1)", @r"
        select
        #0: get * from t where {a: a SIMILAR TO 'x%'} & {b: b LIKE 'x!%' ESCAPE '!'} & [c ILIKE ANY $1]
        ");
}

#[test]
fn null_and_truth_tests() {
    show!("select * from t where a is distinct from b and c is not distinct from 5 and d is true and not e and f is not true and g is false", @r"
        select
        #0: get * from t where a IS DISTINCT FROM b & c IS NOT DISTINCT FROM 5 & d & not e & {f: f IS NOT TRUE} & not g
        ");
    show!("select * from t where true and a", @r"
        select
        #0: get * from t where a
        ");
    show!("select * from t where (a is null) = true and not (b like 'x%') and not (c between 1 and 2) and not (d in (1,2)) and not (e is null) and not exists (select 1)", @r"
        select
        #0: get * from t where {a: a IS NULL} = bool(true) & b not like 'x%' & (c < 1 | c > 2) & d not in (1, 2) & e is not null & not exists #1
        #1 in #0 exists: get 1
        ");
}

#[test]
fn typed_constants_are_casts() {
    show!("select * from t where d >= date '2024-01-01' and e < '2024-01-01'::timestamptz and f > cast($1 as date)", @r"
        select
        #0: get * from t where d >= '2024-01-01'::date & e < '2024-01-01'::timestamptz & f > $1::date
        ");
    show!("select * from t where d > date $1 and e > timestamp with time zone $2", @r"
        select
        #0: get * from t where d > $1::date & e > $2::timestamp with time zone
        ");
    show!("select * from t where tsv @@ to_tsquery('english', $1) and range @> now() and ip << inet '10.0.0.0/8'", @r"
        select
        #0: get * from t where tsv @@ to_tsquery('english', $1) & range @> now() & ip << '10.0.0.0/8'::inet
        ");
}

#[test]
fn negation_is_pushed_inwards() {
    show!("select * from t where not (a = 1 and b = 2) and not (c = 1 or d > 2)", @r"
        select
        #0: get * from t where (a <> 1 | b <> 2) & c <> 1 & d <= 2
        ");
    show!("select * from t where not (a @> '{1}') and not (a ~ 'x') and not (a < all(array[1,2]))", @r"
        select
        #0: get * from t where {a: NOT (a @> '{1}')} & a !~ 'x' & {a: NOT (a < ALL(ARRAY[1, 2]))}
        ");
}

#[test]
fn disjunctions_stay() {
    show!("select * from t where (a, b) in (($1, $2)) and c like any ('{x%}')", @r"
        select
        #0: get * from t where a = $1 & b = $2 & c like 'x%'
        ");
    show!("select * from t where a = 1 or a = 2 or (b = 3 and c = 4)", @r"
        select
        #0: get * from t where (a = 1 | a = 2 | b = 3 & c = 4)
        ");
    show!("select 1 where $1::text is null or exists(select 1 from t where a = $1)", @r"
        select
        #0: get 1 where ($1::text is null | exists #1)
        #1 in #0 exists: get 1 from t where a = $1
        ");
}

#[test]
fn functions_of_time() {
    show!("select * from t where created_at at time zone 'UTC' > $1 and extract(year from created_at) = 2024 and date_trunc('day', created_at) = $2", @r"
        select
        #0: get * from t where timezone('UTC', created_at) > $1 & extract('year', created_at) = 2024 & date_trunc('day', created_at) = $2
        ");
    show!("select * from t where a::date = current_date - 1 and b = current_user and c > localtimestamp", @r"
        select
        #0: get * from t where a::date = [current_date() - 1] & b = current_user() & c > localtimestamp()
        ");
}

#[test]
fn special_functions() {
    show!("select * from t where coalesce(a, 0) = 1 and case when a = 1 then b else c end = 5", @r"
        select
        #0: get * from t where coalesce(a, 0) = 1 & {a b c: CASE WHEN a = 1 THEN b ELSE c END} = 5
        ");
    show!("select position('a' in b), substring(c from 1 for 2), trim(both ' ' from d), overlay(e placing 'x' from 1), ceil(g), extract(epoch from h), current_date, localtimestamp(0) from t", @r"
        select
        #0: get position(b, 'a'), substring(c, 1, 2), btrim(d, ' '), {e: OVERLAY(e PLACING 'x' FROM 1)}, ceil(g), extract('epoch', h), current_date(), localtimestamp(0) from t
        ");
}

#[test]
fn json_and_array_operators() {
    show!(r#"select * from t where payload->>'k' = 'v' and payload -> 'a' ->> 'b' = 'c' and payload @> '{"a":1}' and payload ? 'x' and tags && array['a']"#, @r#"
        select
        #0: get * from t where [payload ->> 'k'] = 'v' & [[payload -> 'a'] ->> 'b'] = 'c' & payload @> '{"a":1}' & payload ? 'x' & tags && {: ARRAY['a']}
        "#);
    show!("select * from t where a->'x'->>'y' is not null and (b->>'n')::int > 5 and cast(b->>'m' as int) = 3 and jsonb_extract_path_text(c, 'a') = 'q'", @r"
        select
        #0: get * from t where [[a -> 'x'] ->> 'y'] is not null & [b ->> 'n']::int > 5 & [b ->> 'm']::int = 3 & jsonb_extract_path_text(c, 'a') = 'q'
        ");
    show!("select * from t where (a).b = 5 and c[1] = 2 and d[1:2] = 'x'", @r"
        select
        #0: get * from t where {a: (a).b} = 5 & {c: c[1]} = 2 & {d: d[1:2]} = 'x'
        ");
}

#[test]
fn text_of_expressions() {
    show!(r#"select * from t where lower(t."Name") = 'x' and (a || b) = 'c'"#, @r"
        select
        #0: get * from t where lower(t.Name) = 'x' & [a || b] = 'c'
        ");
    show!(r#"select * from t where a collate "C" like 'x%' and lower(b) = lower($1) and b::text = 'x' and upper(t.c)::text like 'Y'"#, @r#"
        select
        #0: get * from t where {a: a COLLATE "C"} like 'x%' & lower(b) = lower($1) & b::text = 'x' & upper(t.c)::text like 'Y'
        "#);
}

#[test]
fn arithmetic_and_distance() {
    show!("select * from t where a = -5 and b in (-1, 2)", @r"
        select
        #0: get * from t where a = -5 & b in (-1, 2)
        ");
    show!("select * from t where a % 10 = 3 and b & 4 <> 0 and name % 'foo' and point <-> '(1,2)' < 5", @r"
        select
        #0: get * from t where [a % 10] = 3 & [b & 4] <> 0 & name % 'foo' & [point <-> '(1,2)'] < 5
        ");
    show!("select a <-> '(0,0)' as dist from t order by dist limit 5", @r"
        select
        #0: get [a <-> '(0,0)'] as dist from t order [a <-> '(0,0)'] limit 5
        ");
    show!("select * from t order by embedding <=> '[1,2]' limit 3", @r"
        select
        #0: get * from t order {embedding: embedding <=> '[1,2]'} limit 3
        ");
}

#[test]
fn quantified_sub_selects() {
    show!("select * from t where a > all (select b from s) and x = (select max(y) from z) and array(select 1) = c", @r"
        select
        #0: get * from t where [a > ALL #1] & x = #2 & #3 = c
        #1 in #0 in: get b from s
        #2 in #0 scalar: get {y: max(y)} from z agg max(y)
        #3 in #0 scalar: get 1
        ");
}

#[test]
fn string_constants() {
    show!(r"select * from t where x = E'a\n' and y = U&'d\0061t' and z = B'101' and w = $$it's$$", @r"
        select
        #0: get * from t where x = 'a
        ' & y = 'dat' & z = {: B'101'} & w = 'it's'
        ");
    show!("select * from t where a = (1) and (b) = (($1)) and ((c = 2))", @r"
        select
        #0: get * from t where a = 1 & b = $1 & c = 2
        ");
}
