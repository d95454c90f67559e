//! What statements that differ only in their constants have in common: a text without constants, and its fingerprint.
//!
//! Both come from one pass over the tokens ([`pass::Pass`]). The rules are those of `pg_stat_statements`, and where that
//! still keeps apart what people think of as one query, a little more:
//!
//! - constants and parameters become `$1`, `$2`, … in order of appearance; a sign that can only belong to a number goes
//!   with it;
//! - white space, comments and the case of unquoted words do not matter, nor do quotes that a name does not need;
//! - equal elements of `IN (…)`, `VALUES (…), (…)` and `ARRAY[…]` count once, so that lists of any length are one class, also
//!   `IN (cast($1 as date), cast($2 as date))`;
//! - names of savepoints, cursors and prepared statements do not matter.
//!
//! `true`, `false` and `null` stay, since a plan depends on them more often than not.

mod fingerprint;
mod hash;
mod pass;

pub use fingerprint::{Fingerprint, ParseFingerprintError};
use pass::Pass;

/// The fingerprint of a statement's class.
///
/// It needs one pass, allocates nothing for most statements, and is the same on every machine and in every version that has
/// the same [`Fingerprint::VERSION`], so that digests of logs can be merged.
///
/// ```
/// use dbopt_sql::fingerprint;
/// assert_eq!(fingerprint(b"SELECT * FROM t WHERE a IN (1, 2)"), fingerprint(b"select * from t where a in ($1) -- x"));
/// assert_ne!(fingerprint(b"select a from t"), fingerprint(b"select b from t"));
/// ```
#[must_use]
pub fn fingerprint(sql: &[u8]) -> Fingerprint {
    Pass::<false>::new(sql).run().0
}

/// The statement without its constants, on one line. Bytes that are not UTF-8 are replaced.
///
/// ```
/// use dbopt_sql::normalize;
/// let text = normalize(b"SELECT *\n FROM \"t\" WHERE a = -5 AND b IN ('x', 'y') LIMIT 3;");
/// assert_eq!(text, "select * from t where a = $1 and b in ($2) limit $3");
/// ```
#[must_use]
pub fn normalize(sql: &[u8]) -> String {
    fingerprint_and_normalize(sql).1
}

/// Both, in one pass.
#[must_use]
pub fn fingerprint_and_normalize(sql: &[u8]) -> (Fingerprint, String) {
    let (fingerprint, text) = Pass::<true>::new(sql).run();
    (
        fingerprint,
        String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(sql: &str, expected: &str) {
        assert_eq!(normalize(sql.as_bytes()), expected, "{sql}");
        assert_eq!(fingerprint(sql.as_bytes()), fingerprint(expected.as_bytes()), "{sql}");
    }

    fn same(sqls: &[&str]) {
        for sql in sqls {
            assert_eq!(fingerprint(sqls[0].as_bytes()), fingerprint(sql.as_bytes()), "{} / {sql}", sqls[0]);
        }
    }

    fn apart(sqls: &[&str]) {
        for (at, one) in sqls.iter().enumerate() {
            for other in &sqls[at + 1..] {
                assert_ne!(fingerprint(one.as_bytes()), fingerprint(other.as_bytes()), "{one} / {other}");
            }
        }
    }

    #[test]
    fn constants_become_parameters() {
        check("select 'a', 1.5, E'\\n', $7, null, true", "select $1, $2, $3, $4, null, true");
        check("SELECT count( * )FROM a.b WHERE x::int=5", "select count(*) from a.b where x::int = $1");
        check("select 'a'\n'b'", "select $1");
        check("select a[1:2]", "select a[$1 : $2]");
    }

    #[test]
    fn signs_go_with_their_number() {
        check("select -1, a -1, a - -1, (-1), a = -1", "select $1, a - $2, a - $3, ($4), a = $5");
        check("select * from t where b between -1 and +2", "select * from t where b between $1 and $2");
        check("select -a, -$1", "select - a, - $1");
    }

    #[test]
    fn lists_of_any_length_are_one() {
        same(&[
            "select * from t where a in (1)",
            "select * from t where a in (1,2,3)",
            "select * from t where a in ($1, 'x')",
        ]);
        same(&["where a in (cast($1 as date))", "where a in (cast($1 as date), cast($2 as date))"]);
        same(&["insert into t values (1, 'a')", "insert into t values (1, 'a'), (2, 'b'), ($1, $2)"]);
        same(&["select array[1]", "select array[1,2,3]"]);
        check(
            "select * from t where (a, b) in ((1,2), (3,4)) and c = 5",
            "select * from t where (a, b) in (($1, $2)) and c = $3",
        );
        check(
            "insert into t values (1, now()), (2, now()) returning id",
            "insert into t values ($1, now()) returning id",
        );
        check("insert into t values (1, default), (2, 3)", "insert into t values ($1, default), ($2, $3)");
    }

    #[test]
    fn lists_of_different_things_are_apart() {
        apart(&[
            "where a in (1)",
            "where a in (b)",
            "where a in (b, 1)",
            "where a in (select 1)",
            "where a in (select b, b)",
        ]);
        apart(&["insert into t values (1)", "insert into t values (1, 2)"]);
        apart(&["select f(1)", "select f(1, 2)"]);
    }

    #[test]
    fn a_subselect_is_no_list() {
        check("where a in (select x, x from t) and b", "where a in (select x, x from t) and b");
    }

    #[test]
    fn writing_does_not_matter() {
        same(&["SELECT a FROM t", "select A from \"t\";", "/* x */ select\ta\nfrom t -- y", "select a from t;;"]);
        apart(&[
            "select a from t",
            "select a from \"T\"",
            "select a, b from t",
            "select b from t",
            "select a from t; select a from t",
        ]);
    }

    #[test]
    fn names_of_the_moment_do_not_matter() {
        same(&["savepoint sp_1", "SAVEPOINT sp_22"]);
        same(&["release savepoint a", "release savepoint b"]);
        same(&["fetch 10 from c1", "fetch 20 from c2"]);
        same(&["declare c1 cursor for select a from t", "declare \"c2\" cursor for select a from t"]);
        apart(&[
            "declare c cursor for select a from t",
            "declare c cursor for select b from t",
            "close c",
            "deallocate c",
        ]);
        check("rollback to savepoint x", "rollback to savepoint $1");
        check("deallocate all", "deallocate all");
    }

    #[test]
    fn identifiers_beyond_ascii_are_apart() {
        apart(&["select é", "select è", "select É"]);
    }

    #[test]
    fn the_value_is_pinned() {
        // Digests keep fingerprints: a change here needs a new `Fingerprint::VERSION`.
        insta::assert_snapshot!(fingerprint(b"select a from t where b = 1 and c in (1, 2)"), @"12bfe45dc3b68985");
    }

    /// Pieces that meet in odd ways.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "select",
            "in",
            "values",
            "array",
            "(",
            ")",
            "[",
            "]",
            ",",
            ";",
            ".",
            ":",
            "::",
            "=",
            "-",
            "+",
            "1",
            "'a'",
            "$1",
            "$",
            "a",
            "\"B\"",
            "\"b\"",
            "é",
            "--x\n",
            "/*c*/",
            "*",
            "/",
            "e",
            "u&",
            "@-",
            "savepoint",
            "fetch",
            "b_1",
        ]);
        prop::collection::vec((piece, prop::sample::select(vec![" ", ""])), 0..24)
            .prop_map(|pieces| pieces.into_iter().map(|(piece, space)| format!("{piece}{space}")).collect())
    }

    proptest! {
        #[test]
        fn a_normalised_text_has_the_same_fingerprint(sql in pieces()) {
            let (print, text) = fingerprint_and_normalize(sql.as_bytes());
            prop_assert_eq!(print, fingerprint(sql.as_bytes()));
            prop_assert_eq!(print, fingerprint(text.as_bytes()), "{}", text);
            prop_assert_eq!(&normalize(text.as_bytes()), &text);
        }

        #[test]
        fn white_space_does_not_matter(sql in pieces()) {
            let spaced: Vec<&str> = crate::lex(sql.as_bytes()).map(|token| &sql[token.start..token.end]).collect();
            // Two strings in a row are one constant only when a line end stands between them; the pass does not look.
            prop_assert_eq!(fingerprint(sql.as_bytes()), fingerprint(spaced.join(" \n").as_bytes()));
        }

        #[test]
        fn bytes_never_panic(bytes: Vec<u8>) {
            let _ = fingerprint_and_normalize(&bytes);
        }
    }
}
