//! `INSERT`, `UPDATE`, `DELETE` and `MERGE`.

use super::{analyze, render, show};

#[test]
fn insert() {
    show!("insert into t (a, b) values (1, 2), (3, 4) on conflict (a) do update set b = excluded.b returning id", @r"
        insert t(a, b) rows 2 on conflict a
        #0:
        ");
    show!("insert into t select a, b from s where c = 1", @r"
        insert t()
        #0: get a, b from s where c = 1
        ");
    show!("insert into t default values", @r"
        insert t() rows 1
        #0:
        ");
    show!("insert into t (a) overriding system value select a from s where b = 1 on conflict (lower(a)) where x do update set a = 1", @r"
        insert t(a)
        #0: get a from s where b = 1
        ");
    show!("insert into t select * from s on conflict on constraint k do nothing", @r"
        insert t()
        #0: get * from s
        ");
}

#[test]
fn update() {
    show!("update t set a = a + 1, (b, c) = (select x, y from s where s.id = t.id) from u where u.id = t.u_id and u.k = 'x' returning t.a", @r"
        update t(a, b, c) relation 0
        #0: get t.a from t, u where u.id = t.u_id & u.k = 'x' reads [a + 1], #1
        #1 in #0 scalar: get x, y from s where s.id = t.id
        ");
    show!("update only s.t as x set b = 1 where x.id in (1,2)", @r"
        update s.t(b) relation 0
        #0: from s.t x where x.id in (1, 2)
        ");
}

#[test]
fn delete() {
    show!("delete from t using u where u.id = t.u_id and u.k = 'x'", @r"
        delete t() relation 0
        #0: from t, u where u.id = t.u_id & u.k = 'x'
        ");
    show!("delete from t where id in (select id from t order by created_at limit 100)", @r"
        delete t() relation 0
        #0: from t where id in #1
        #1 in #0 in: get id from t order created_at limit 100
        ");
    show!("delete from t where current of c", @r"
        delete t() relation 0
        #0: from t where ctid = $1
        ");
}

#[test]
fn merge() {
    show!("merge into t using s on t.id = s.id when matched and s.x > 1 then update set a = s.a when not matched then insert (id, a) values (s.id, s.a)", @r"
        merge t(a, id) relation 0
        #0: from t, s where t.id = s.id reads {s.x: x > 1}, s.a, s.id, s.a
        ");
    show!("merge into t using (select * from s where z = 1) q on q.id = t.id when not matched by source then delete when matched then do nothing", @r"
        merge t() relation 0
        #0: from t, #1 q where q.id = t.id
        #1 in #0 from: get * from s where z = 1
        ");
}

#[test]
fn ctes_that_write() {
    show!("with d as (delete from t where a < now() - interval '7 days' returning *) insert into archive select * from d", @r"
        insert archive()
        #0: get * from #1 d
        #1 in #0 cte d: get * from t where a < [now() - '7 days'::interval]
        ");
    show!("with d as (delete from t where a < 5 returning *) select count(*) from d", @r"
        delete t()
        #0: get {: count(*)} from #1 d agg count()
        #1 in #0 cte d: get * from t where a < 5
        ");
    show!("with x as (select id from q where st = 'n' order by p limit 1 for update skip locked) update q set st = 'r' from x where q.id = x.id returning q.*", @r"
        update q(st) relation 0
        #0: get q.* from q, #1 x where q.id = x.id
        #1 in #0 cte x: get id from q where st = 'n' order p limit 1 lock
        ");
}
