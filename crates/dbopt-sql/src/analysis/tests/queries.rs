//! `SELECT`: blocks, joins, names, outputs.

use super::{analyze, render, show};

#[test]
fn tables_have_aliases_and_schemas() {
    show!("select o.id, o.total from shop.orders as o where o.user_id = $1 and status in ('a','b') order by created_at desc limit 10", @r"
        select
        #0: get o.id, o.total from shop.orders o where o.user_id = $1 & status in ('a', 'b') order created_at desc limit 10
        ");
    show!("SELECT * FROM a, b WHERE a.x = b.y", @r"
        select
        #0: get * from a, b where a.x = b.y
        ");
    show!("select * from s1.t join s2.t t2 on s1.t.id = t2.id", @r"
        select
        #0: get * from s1.t t, s2.t t2 where t.id = t2.id
        ");
    show!(r#"select * from "Mixed Case"."Table" as "T" where "T"."Col" = 1 and "lower" = 2"#, @r"
        select
        #0: get * from Mixed Case.Table T where T.Col = 1 & lower = 2
        ");
    show!("select a from only t where a isnull or b notnull", @r"
        select
        #0: get a from t where (a is null | b is not null)
        ");
    show!("select from t", @r"
        select
        #0: from t
        ");
    show!("select t from t where t.a = 1", @r"
        select
        #0: get t from t where t.a = 1
        ");
}

#[test]
fn joins_keep_their_side() {
    show!("select 1 from a join b on a.x = b.y left join c using (z) join d using (z) where 5 < a.n", @r"
        select
        #0: get 1 from a, b, left c on z = c.z, d where a.x = b.y & z = d.z & a.n > 5
        ");
    show!("select * from a full join b on a.id = b.id and b.x = 1 right join c on true", @r"
        select
        #0: get * from a, full b on a.id = b.id & b.x = 1, right c
        ");
    show!("select * from (a join b on a.x = b.x) left join (c join d on c.y = d.y) on a.z = c.z", @r"
        select
        #0: get * from a, b, left c on a.z = c.z, left d on c.y = d.y where a.x = b.x
        ");
    show!("select * from a natural join b", @r"
        select
        #0: get * from a, b
        ");
    show!("select * from t join s using (a, b) where a = 1", @r"
        select
        #0: get * from t, s where t.a = s.a & t.b = s.b & a = 1
        ");
    show!("select * from t cross join s where t.a = s.b", @r"
        select
        #0: get * from t, s where t.a = s.b
        ");
    show!("select * from a left join lateral (select * from b where b.x = a.x) b on true", @r"
        select
        #0: get * from a, left #1 b
        #1 in #0 lateral: get * from b where b.x = a.x
        ");
}

#[test]
fn ctes_are_found_by_scope() {
    show!("with r as (select * from t where a = 1), s(x) as (select id from r) select * from s join r on s.x = r.id", @r"
        select
        #0: get * from #2 s(x), #1 r where s.x = r.id
        #1 in #0 cte r: get * from t where a = 1
        #2 in #0 cte s: get id from #1 r
        ");
    show!("with t as (select * from t) select * from t", @r"
        select
        #0: get * from #1 t
        #1 in #0 cte t: get * from t
        ");
    show!("explain (analyze, format json) with x as materialized (select 1), y as not materialized (select 2) select * from x, y", @r"
        select
        #0: get * from #1 x, #2 y
        #1 in #0 cte x materialized: get 1
        #2 in #0 cte y not materialized: get 2
        ");
    show!("insert into t with x as (select 1) select * from x", @r"
        insert t()
        #0: get * from #1 x
        #1 in #0 cte x: get 1
        ");
}

#[test]
fn a_recursive_cte_refers_to_itself() {
    show!("with recursive tree as (select id from nodes where parent_id is null union all select n.id from nodes n join tree t on n.parent_id = t.id) select * from tree", @r"
        select
        #0: get * from #1 tree
        #1 in #0 cte tree recursive:
        #2 in #1 branch all: get id from nodes where parent_id is null
        #3 in #1 branch all: get n.id from nodes n, #1 t where n.parent_id = t.id
        ");
}

#[test]
fn set_operations_have_branches() {
    show!("select a from t1 union all select b from t2 order by 1 limit 5", @r"
        select
        #0: order a limit 5
        #1 in #0 branch all: get a from t1
        #2 in #0 branch all: get b from t2
        ");
    show!("select a from t1 union select b from t2 union all select c from t3 order by a", @r"
        select
        #0: order a
        #1 in #0 branch all:
        #2 in #1 branch: get a from t1
        #3 in #1 branch: get b from t2
        #4 in #0 branch all: get c from t3
        ");
    show!("(select a from t order by a limit 1) union all (select b from s order by b desc limit 1) order by 1", @r"
        select
        #0: order a
        #1 in #0 branch all: get a from t order a limit 1
        #2 in #0 branch all: get b from s order b desc limit 1
        ");
    show!("select a from t except select a from s intersect select a from u", @r"
        select
        #0:
        #1 in #0 branch: get a from t
        #2 in #0 branch:
        #3 in #2 branch: get a from s
        #4 in #2 branch: get a from u
        ");
}

#[test]
fn parentheses_around_a_query_are_kept_only_where_they_limit() {
    show!("(select a from t limit 5) limit 3", @r"
        select
        #0: get * from #1 limit 3
        #1 in #0 from: get a from t limit 5
        ");
}

#[test]
fn sub_selects_become_blocks_wherever_they_stand() {
    show!("select * from users u, lateral (select * from orders o where o.user_id = u.id order by created_at desc limit 1) last", @r"
        select
        #0: get * from users u, #1 last
        #1 in #0 lateral: get * from orders o where o.user_id = u.id order created_at desc limit 1
        ");
    show!("select u.name, (select count(*) from orders o where o.user_id = u.id) n from users u where exists (select 1 from carts c where c.user_id = u.id) and u.id not in (select user_id from bans) order by n", @r"
        select
        #0: get u.name, #1 as n from users u where exists #2 & u.id not in #3 order #1
        #1 in #0 scalar: get {: count(*)} from orders o where o.user_id = u.id agg count()
        #2 in #0 exists: get 1 from carts c where c.user_id = u.id
        #3 in #0 in: get user_id from bans
        ");
    show!("select exists(select 1 from t where a = $1)", @r"
        select
        #0: get {: EXISTS (SELECT 1 FROM t WHERE a = $1)}
        #1 in #0 scalar: get 1 from t where a = $1
        ");
    show!("select case when exists (select 1 from t where t.a = u.a) then 1 else 0 end from u", @r"
        select
        #0: get {: CASE WHEN EXISTS (SELECT 1 FROM t WHERE t.a = u.a) THEN 1 ELSE 0 END} from u
        #1 in #0 scalar: get 1 from t where t.a = u.a
        ");
    show!("select * from t where exists (select 1 from s where s.id = t.id) is true or (select true)", @r"
        select
        #0: get * from t where ({: EXISTS (SELECT 1 FROM s WHERE s.id = t.id) IS TRUE} | {: (SELECT true)})
        #1 in #0 scalar: get 1 from s where s.id = t.id
        #2 in #0 scalar: get bool(true)
        ");
    show!("insert into t (a) values ((select max(b) from s where c = 1))", @r"
        insert t(a) rows 1
        #0: reads #1
        #1 in #0 scalar: get {b: max(b)} from s where c = 1 agg max(b)
        ");
    show!("select t.* , (select 1) from t order by 2", @r"
        select
        #0: get t.*, #1 from t order {: *}
        #1 in #0 scalar: get 1
        ");
}

#[test]
fn functions_and_values_in_from_are_no_tables() {
    show!("select * from generate_series(1, 10) g(n) join t on t.id = g.n, jsonb_array_elements(t.payload) e", @r"
        select
        #0: get * from ? g(n), t, ? e where t.id = g.n reads t.payload
        ");
    show!("select * from (values (1, 'a'), (2, 'b')) v(id, name) join t using (id)", @r"
        select
        #0: get * from ? v(id name), t where v.id = t.id
        ");
    show!("values (1, 2)", @r"
        select
        #0: get 1 as column1, 2 as column2
        ");
    show!("select * from rows from (f(1), g(2)) as x(a, b) where a = 1", @r"
        select (tokens)
        #0: get * from ? f, ? g, ? x where a = 1 reads a, b
        ");
    show!("select * from f(1) with ordinality as x(a, ord)", @r"
        select
        #0: get * from ? x(a ord)
        ");
    show!("select * from f(1) as x(a int, b text)", @r"
        select
        #0: get * from ? x(a b)
        ");
    show!("select * from json_table('[]', '$[*]' columns (a int path '$.a')) jt join t on t.a = jt.a", @r"
        select
        #0: get * from ? jt, t where t.a = jt.a
        ");
    show!("select * from xmltable('/a' passing t.x columns b int) x, t", @r"
        select
        #0: get * from ? x, t reads t.x
        ");
}

#[test]
fn keys_refer_to_outputs() {
    show!("select date_trunc('day', created_at) as day, count(*) from t group by day order by 1", @r"
        select
        #0: get date_trunc('day', created_at) as day, {: count(*)} from t group date_trunc('day', created_at) order date_trunc('day', created_at) agg count()
        ");
    show!("select lower(name) as name, count(*) from t group by name having count(*) > 5", @r"
        select
        #0: get lower(name) as name, {: count(*)} from t group name having {: count(*)} > 5 agg count()
        ");
    show!("select a, sum(b) from t group by 1", @r"
        select
        #0: get a, {b: sum(b)} from t group a agg sum(b)
        ");
    show!("select id, row_number() over (partition by g order by c desc) rn from t order by rn", @r"
        select
        #0: get id, {g c: row_number() OVER (PARTITION BY g ORDER BY c DESC)} as rn from t order {g c: row_number() OVER (PARTITION BY g ORDER BY c DESC)} window (g / c desc)
        ");
    show!("select a as x from t order by x + 1", @r"
        select
        #0: get a as x from t order [x + 1]
        ");
    show!("select * from (select a as x, count(*) c from t group by a) s where s.c > 5", @r"
        select
        #0: get * from #1 s where s.c > 5
        #1 in #0 from: get a as x, {: count(*)} as c from t group a agg count()
        ");
}

#[test]
fn grouping_sets_are_flattened() {
    show!("select a, b from t group by rollup (a, b), grouping sets ((c), (d, e))", @r"
        select
        #0: get a, b from t group a, b, c, d, e sets 
        ");
    show!("select grouping(a), a from t group by cube (a)", @r"
        select
        #0: get grouping(a), a from t group a sets 
        ");
}

#[test]
fn distinct_and_limits() {
    show!("select distinct on (user_id) * from t order by user_id, created_at desc nulls last fetch first 1 row only", @r"
        select
        #0: get * distinct user_id from t order user_id, created_at desc nulls last limit 1
        ");
    show!("select * from t limit all offset 5", @r"
        select
        #0: get * from t offset 5
        ");
    show!("select * from t where a = 1 fetch first row with ties", @r"
        select
        #0: get * from t where a = 1 limit 1
        ");
}

#[test]
fn aggregates_and_windows_are_noted() {
    show!("select rank() over w, sum(x) over (partition by a order by b) from t window w as (partition by c order by d desc)", @r"
        select
        #0: get {: rank() OVER w}, {x a b: sum(x) OVER (PARTITION BY a ORDER BY b)} from t window (c / d desc), (a / b) reads x
        ");
    show!("select count(*) filter (where a = 1), array_agg(b order by c), count(distinct d), percentile_cont(0.5) within group (order by e) from t", @r"
        select
        #0: get {a: count(*) FILTER (WHERE a = 1)}, {b c: array_agg(b ORDER BY c)}, {d: count(DISTINCT d)}, {e: percentile_cont(0.5) WITHIN GROUP (ORDER BY e)} from t agg count(), array_agg(b), count(distinct d), percentile_cont(0.5, e) reads {a: a = 1}
        ");
    show!("select sum(x) over (order by y rows between unbounded preceding and current row exclude ties) from t where a = 1", @r"
        select
        #0: get {x y: sum(x) OVER (ORDER BY y ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)} from t where a = 1 window ( / y) reads x
        ");
    show!("select max(a), min(b) from t where c = 1", @r"
        select
        #0: get {a: max(a)}, {b: min(b)} from t where c = 1 agg max(a), min(b)
        ");
    show!("select count(*) from t where a = 1 having count(*) > 1", @r"
        select
        #0: get {: count(*)} from t where a = 1 having {: count(*)} > 1 agg count()
        ");
    show!("select sum(count(*)) over () from t group by a", @r"
        select
        #0: get {: sum(count(*)) OVER ()} from t group a agg count() window ( / ) reads {: count(*)}
        ");
}

#[test]
fn rows_are_locked() {
    show!("select * from t where id = 1 for update skip locked", @r"
        select
        #0: get * from t where id = 1 lock
        ");
    show!("select * from t where a = 1 for no key update of t nowait", @r"
        select
        #0: get * from t where a = 1 lock
        ");
    show!("select * from t for key share", @r"
        select
        #0: get * from t lock
        ");
}

#[test]
fn commands_are_looked_into() {
    show!("copy (select * from t where a = 1) to stdout", @r"
        select
        #0: get * from t where a = 1
        ");
    show!("explain analyze select * from t where a = 1", @r"
        select
        #0: get * from t where a = 1
        ");
    show!("create table n as select * from t where a = 1 with no data", @r"
        select
        #0: get * from t where a = 1
        ");
    show!("begin; select * from t where a = 1; commit", @r"
        select
        #0: get * from t where a = 1
        ");
    show!("declare c1 cursor for select * from t where a > 5 order by a", @r"
        select
        #0: get * from t where a > 5 order a
        ");
}

#[test]
fn utility_commands_have_no_blocks() {
    show!("lock table t", @"utility");
    show!("truncate t", @"utility");
    show!("call p(1)", @"utility");
    show!("fetch 100 from c1", @"utility");
}

#[test]
fn old_and_rare_spellings() {
    show!("table t", @r"
        select
        #0: get * from t
        ");
    show!("select f(variadic array[1,2]) from t where t.a = $1", @r"
        select
        #0: get f({: ARRAY[1, 2]}) from t where t.a = $1
        ");
    show!("select json_value(payload, '$.a' returning int) from t where a = 1", @r"
        select
        #0: get {payload: json_value(payload, '$.a' RETURNING INT)} from t where a = 1
        ");
    show!("select * from t where a operator(pg_catalog.=) 5", @r"
        select
        #0: get * from t where a = 5
        ");
    show!("select 1", @r"
        select
        #0: get 1
        ");
}
