//! The same form from tokens alone.

use super::{read_tokens, render, show_tokens};

#[test]
fn what_the_parser_rejects() {
    show_tokens!("select (f(x)).* from t where a = 1", @r"
        select (tokens)
        #0: get f(x) from t where a = 1
        ");
    show_tokens!("with recursive r as (select 1 as id from n where n.p = $1 union all select n.id from n join r on n.p = r.id) search depth first by id set ord cycle id set is_cycle using path select * from r where ord > 5", @r"
        select (tokens)
        #0: get * from #1 r where ord > 5
        #1 in #0 cte r recursive:
        #2 in #1 branch all: get 1 as id from n where n.p = $1
        #3 in #1 branch all: get n.id from n, #1 r where n.p = r.id
        ");
    show_tokens!("update t set a[1] = 5 where id = 3", @r"
        update (tokens) t(a) relation 0
        #0: from t where id = 3
        ");
}

#[test]
fn tables_and_joins() {
    show_tokens!("select o.id, o.total from shop.orders as o where o.user_id = $1 and status in ('a','b') order by created_at desc limit 10", @r"
        select (tokens)
        #0: get o.id, o.total from shop.orders o where o.user_id = $1 & status in ('a', 'b') order created_at desc limit 10
        ");
    show_tokens!("select 1 from a join b on a.x = b.y left join c using (z) join d using (z) where 5 < a.n", @r"
        select (tokens)
        #0: get 1 from a, b, left c on z = c.z, d where a.x = b.y & z = d.z & a.n > 5
        ");
    show_tokens!("select * from (a join b on a.x = b.x) left join (c join d on c.y = d.y) on a.z = c.z", @r"
        select (tokens)
        #0: get * from a, b, left c, left d on c.y = d.y & a.z = c.z where a.x = b.x
        ");
    show_tokens!("select * from s1.t join s2.t t2 on s1.t.id = t2.id", @r"
        select (tokens)
        #0: get * from s1.t t, s2.t t2 where t.id = t2.id
        ");
    show_tokens!(r#"select * from "Mixed Case"."Table" as "T" where "T"."Col" = 1 and "lower" = 2"#, @r"
        select (tokens)
        #0: get * from Mixed Case.Table T where T.Col = 1 & lower = 2
        ");
    show_tokens!("select * from a left join lateral (select * from b where b.x = a.x) b on true", @r"
        select (tokens)
        #0: get * from a, left #1 b
        #1 in #0 lateral: get * from b where b.x = a.x
        ");
    show_tokens!("select * from t cross join s where t.a = s.b", @r"
        select (tokens)
        #0: get * from t, s where t.a = s.b
        ");
}

#[test]
fn ctes_and_set_operations() {
    show_tokens!("with r as (select * from t where a = 1), s(x) as (select id from r) select * from s join r on s.x = r.id", @r"
        select (tokens)
        #0: get * from #2 s, #1 r where s.x = r.id
        #1 in #0 cte r: get * from t where a = 1
        #2 in #0 cte s: get id from #1 r
        ");
    show_tokens!("with recursive tree as (select id from nodes where parent_id is null union all select n.id from nodes n join tree t on n.parent_id = t.id) select * from tree", @r"
        select (tokens)
        #0: get * from #1 tree
        #1 in #0 cte tree recursive:
        #2 in #1 branch all: get id from nodes where parent_id is null
        #3 in #1 branch all: get n.id from nodes n, #1 t where n.parent_id = t.id
        ");
    show_tokens!("select a from t1 union all select b from t2 order by 1 limit 5", @r"
        select (tokens)
        #0: order {: *} limit 5
        #1 in #0 branch all: get a from t1
        #2 in #0 branch all: get b from t2
        ");
    show_tokens!("explain (analyze, format json) with x as materialized (select 1), y as not materialized (select 2) select * from x, y", @r"
        select (tokens)
        #0: get * from #1 x, #2 y
        #1 in #0 cte x materialized: get 1
        #2 in #0 cte y not materialized: get 2
        ");
    show_tokens!("(select a from t limit 5) limit 3", @r"
        select (tokens)
        #0: get * from #1 limit 3
        #1 in #0 from: get a from t limit 5
        ");
}

#[test]
fn sub_selects() {
    show_tokens!("select * from users u, lateral (select * from orders o where o.user_id = u.id order by created_at desc limit 1) last", @r"
        select (tokens)
        #0: get * from users u, #1 last
        #1 in #0 lateral: get * from orders o where o.user_id = u.id order created_at desc limit 1
        ");
    show_tokens!("select u.name, (select count(*) from orders o where o.user_id = u.id) n from users u where exists (select 1 from carts c where c.user_id = u.id) and u.id not in (select user_id from bans) order by n", @r"
        select (tokens)
        #0: get u.name, #1 as n from users u where exists #2 & u.id not in #3 order #1
        #1 in #0 scalar: get {: count(*)} from orders o where o.user_id = u.id
        #2 in #0 exists: get 1 from carts c where c.user_id = u.id
        #3 in #0 in: get user_id from bans
        ");
    show_tokens!("delete from t where id in (select id from t order by created_at limit 100)", @r"
        delete (tokens) t() relation 0
        #0: from t where id in #1
        #1 in #0 in: get id from t order created_at limit 100
        ");
    show_tokens!("select * from t where a > all (select b from s) and x = (select max(y) from z) and array(select 1) = c", @r"
        select (tokens)
        #0: get * from t where {a: a > all (select b from s)} & x = #2 & {: array(select 1)} = c
        #1 in #0 scalar: get b from s
        #2 in #0 scalar: get {y: max(y)} from z
        #3 in #0 scalar: get 1
        ");
    show_tokens!("insert into t (a) values ((select max(b) from s where c = 1))", @r"
        insert (tokens) t(a) rows 1
        #0: reads #1
        #1 in #0 scalar: get {b: max(b)} from s where c = 1
        ");
}

#[test]
fn writes() {
    show_tokens!("update t set a = a + 1, (b, c) = (select x, y from s where s.id = t.id) from u where u.id = t.u_id and u.k = 'x' returning t.a", @r"
        update (tokens) t(a, b, c) relation 0
        #0: get t.a from t, u where u.id = t.u_id & u.k = 'x' reads [a + 1], #1
        #1 in #0 scalar: get x, y from s where s.id = t.id
        ");
    show_tokens!("delete from t using u where u.id = t.u_id and u.k = 'x'", @r"
        delete (tokens) t() relation 0
        #0: from t, u where u.id = t.u_id & u.k = 'x'
        ");
    show_tokens!("insert into t (a, b) values (1, 2), (3, 4) on conflict (a) do update set b = excluded.b returning id", @r"
        insert (tokens) t(a, b) rows 2 on conflict a
        #0:
        ");
    show_tokens!("insert into t select a, b from s where c = 1", @r"
        insert (tokens) t()
        #0: get a, b from s where c = 1
        ");
    show_tokens!("insert into t default values", @r"
        insert (tokens) t() rows 1
        #0:
        ");
    show_tokens!("with d as (delete from t where a < now() - interval '7 days' returning *) insert into archive select * from d", @r"
        insert (tokens) archive()
        #0: get * from #1 d
        #1 in #0 cte d: get * from t where a < [now() - '7 days'::interval]
        ");
    show_tokens!("merge into t using s on t.id = s.id when matched and s.x > 1 then update set a = s.a when not matched then insert (id, a) values (s.id, s.a)", @r"
        merge (tokens) t(a) relation 0
        #0: from t, s where t.id = s.id reads s.a
        ");
    show_tokens!("insert into t (a) overriding system value select a from s where b = 1 on conflict (lower(a)) where x do update set a = 1", @r"
        insert (tokens) t(a)
        #0: get a from s where b = 1
        ");
    show_tokens!("update only s.t as x set b = 1 where x.id in (1,2)", @r"
        update (tokens) s.t(b) relation 0
        #0: from s.t x where x.id in (1, 2)
        ");
    show_tokens!("merge into t using (select * from s where z = 1) q on q.id = t.id when not matched by source then delete when matched then do nothing", @r"
        merge (tokens) t() relation 0
        #0: from t, #1 q where q.id = t.id
        #1 in #0 from: get * from s where z = 1
        ");
}

#[test]
fn predicates() {
    show_tokens!("select * from t where (a, b) < ($1, $2) and (c, d) = (1, 2)", @r"
        select (tokens)
        #0: get * from t where {a b: (a, b) < ($1, $2)} & {c d: (c, d) = (1, 2)}
        ");
    show_tokens!("select * from t where a = any($1) and b = any('{1,2}'::int[]) and c = any(array['x','y']) and d <> all($2::int[])", @r"
        select (tokens)
        #0: get * from t where a any ($1) & b any ('{1,2}'::int[]) & c in ('x', 'y') & d not any ($2::int[])
        ");
    show_tokens!("select * from t where a between 1 and 5 and b not between $1 and $2", @r"
        select (tokens)
        #0: get * from t where a >= 1 & a <= 5 & (b < $1 | b > $2)
        ");
    show_tokens!("select * from t where name like 'x%' and note not ilike '%y' and k ~~ 'z' and k ~ '^a'", @r"
        select (tokens)
        #0: get * from t where name like 'x%' & note not ilike '%y' & k like 'z' & k ~ '^a'
        ");
    show_tokens!("select * from t where a is distinct from b and c is not distinct from 5 and d is true and not e and f is not true and g is false", @r"
        select (tokens)
        #0: get * from t where {a b: a is distinct from b} & {c: c is not distinct from 5} & d & not e & {f: f is not true} & not g
        ");
    show_tokens!("select * from t where d >= date '2024-01-01' and e < '2024-01-01'::timestamptz and f > cast($1 as date)", @r"
        select (tokens)
        #0: get * from t where d >= '2024-01-01'::date & e < '2024-01-01'::timestamptz & f > {: cast($1 as date)}
        ");
    show_tokens!("select * from t where coalesce(a, 0) = 1 and case when a = 1 then b else c end = 5", @r"
        select (tokens)
        #0: get * from t where coalesce(a, 0) = 1 & {a b c: case when a = 1 then b else c end} = 5
        ");
    show_tokens!(r#"select * from t where payload->>'k' = 'v' and payload -> 'a' ->> 'b' = 'c' and payload @> '{"a":1}' and payload ? 'x' and tags && array['a']"#, @r#"
        select (tokens)
        #0: get * from t where [payload ->> 'k'] = 'v' & {payload: payload -> 'a' ->> 'b'} = 'c' & payload @> '{"a":1}' & payload ? 'x' & tags && {: array['a']}
        "#);
    show_tokens!("select * from t where a = 1 or a = 2 or (b = 3 and c = 4)", @r"
        select (tokens)
        #0: get * from t where (a = 1 | a = 2 | b = 3 & c = 4)
        ");
    show_tokens!("select * from t where a = -5 and b in (-1, 2)", @r"
        select (tokens)
        #0: get * from t where a = -5 & b in (-1, 2)
        ");
    show_tokens!("select * from t where a in ($1) and b not in (1,2) and c = any (values (1), (2)) and d like any (array['a%','b%'])", @r"
        select (tokens)
        #0: get * from t where a in ($1) & b not in (1, 2) & c in #1 & {d: d like any (array['a%','b%'])}
        #1 in #0 in:
        ");
    show_tokens!("select 1 where $1::text is null or exists(select 1 from t where a = $1)", @r"
        select (tokens)
        #0: get 1 where ($1::text is null | exists #1)
        #1 in #0 exists: get 1 from t where a = $1
        ");
}

#[test]
fn keys_and_limits() {
    show_tokens!("select date_trunc('day', created_at) as day, count(*) from t group by day order by 1", @r"
        select (tokens)
        #0: get date_trunc('day', created_at) as day, {: count(*)} from t group date_trunc('day', created_at) order date_trunc('day', created_at)
        ");
    show_tokens!("select distinct on (user_id) * from t order by user_id, created_at desc nulls last fetch first 1 row only", @r"
        select (tokens)
        #0: get * distinct user_id from t order user_id, created_at desc nulls last limit 1
        ");
    show_tokens!("select * from t where id = 1 for update skip locked", @r"
        select (tokens)
        #0: get * from t where id = 1 lock
        ");
    show_tokens!("select * from t where a = 1 fetch first row with ties", @r"
        select (tokens)
        #0: get * from t where a = 1 limit 1
        ");
    show_tokens!("select a as x from t order by x + 1", @r"
        select (tokens)
        #0: get a as x from t order [x + 1]
        ");
}

#[test]
fn broken_text_still_has_its_tables() {
    show_tokens!("select * from t1 t, t2 s where t.id = s.id (+)", @r"
        select (tokens)
        #0: get * from t1 t, t2 s where t.id = id({: +})
        ");
    show_tokens!("select * frm t where a = 1", @r"
        select (tokens)
        #0: get {frm: * frm} as t where a = 1
        ");
    show_tokens!("select * from t where a = 1 and", @r"
        select (tokens)
        #0: get * from t where a = 1
        ");
    show_tokens!("select a, b from t where x = 1 and y = (select", @r"
        select (tokens)
        #0: get a, b from t where x = 1 & y = {: (select}
        #1 in #0 scalar:
        ");
    show_tokens!("select * from t where a = 1 and ?column? = 5 and b = ?", @r"
        select (tokens)
        #0: get * from t where a = 1 & {: ?column?} = 5 & b = {: ?}
        ");
}
