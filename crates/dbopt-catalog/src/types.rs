//! PostgreSQL's own types: their names and what the planner needs of them.
//!
//! A live session reads these facts from `pg_type`. DDL and snapshot files name the types only, and the facts of the
//! built-in ones are part of PostgreSQL's on-disk format, so that a table of them serves (`src/include/catalog/pg_type.dat`;
//! a test compares it with a real server).

use crate::table::TypeName;

impl TypeName {
    /// The type of a name as `format_type` writes it (`integer`, `character varying`, `text[]`), without modifier.
    /// A name that is not built in gives a variable-length type of category `U`, which is right for most extensions.
    #[must_use]
    pub fn of(name: &str) -> Self {
        if let Some(element) = name.strip_suffix("[]") {
            let align = Self::of(element).align.max(4);
            return Self { length: -1, align, category: 'A', ..Self::unknown(name) };
        }
        let Ok(at) = BUILT_IN.binary_search_by(|entry| entry.0.cmp(name)) else {
            return Self::unknown(name);
        };
        let (_, length, align, category) = BUILT_IN[at];
        Self { length, align, category, ..Self::unknown(name) }
    }

    /// Whether a name, as `format_type` writes it, is a built-in type or an array of one.
    #[must_use]
    pub fn is_built_in(name: &str) -> bool {
        let name = name.strip_suffix("[]").unwrap_or(name);
        BUILT_IN.binary_search_by(|entry| entry.0.cmp(name)).is_ok()
    }

    fn unknown(name: &str) -> Self {
        Self { name: name.to_owned(), length: -1, align: 4, category: 'U', base: None, modifier: String::new() }
    }
}

/// Name, `typlen`, `typalign` in bytes, `typcategory`; ordered by name.
const BUILT_IN: &[(&str, i16, u8, char)] = &[
    ("\"char\"", 1, 1, 'Z'),
    ("aclitem", 16, 8, 'U'),
    ("bigint", 8, 8, 'N'),
    ("bit", -1, 4, 'V'),
    ("bit varying", -1, 4, 'V'),
    ("boolean", 1, 1, 'B'),
    ("box", 32, 8, 'G'),
    ("bytea", -1, 4, 'U'),
    ("character", -1, 4, 'S'),
    ("character varying", -1, 4, 'S'),
    ("cid", 4, 4, 'U'),
    ("cidr", -1, 4, 'I'),
    ("circle", 24, 8, 'G'),
    ("date", 4, 4, 'D'),
    ("datemultirange", -1, 4, 'R'),
    ("daterange", -1, 4, 'R'),
    ("double precision", 8, 8, 'N'),
    ("inet", -1, 4, 'I'),
    ("int4multirange", -1, 4, 'R'),
    ("int4range", -1, 4, 'R'),
    ("int8multirange", -1, 8, 'R'),
    ("int8range", -1, 8, 'R'),
    ("integer", 4, 4, 'N'),
    ("interval", 16, 8, 'T'),
    ("json", -1, 4, 'U'),
    ("jsonb", -1, 4, 'U'),
    ("jsonpath", -1, 4, 'U'),
    ("line", 24, 8, 'G'),
    ("lseg", 32, 8, 'G'),
    ("macaddr", 6, 4, 'U'),
    ("macaddr8", 8, 4, 'U'),
    ("money", 8, 8, 'N'),
    ("name", 64, 1, 'S'),
    ("numeric", -1, 4, 'N'),
    ("nummultirange", -1, 4, 'R'),
    ("numrange", -1, 4, 'R'),
    ("oid", 4, 4, 'N'),
    ("path", -1, 8, 'G'),
    ("pg_lsn", 8, 8, 'U'),
    ("pg_snapshot", -1, 8, 'U'),
    ("point", 16, 8, 'G'),
    ("polygon", -1, 8, 'G'),
    ("real", 4, 4, 'N'),
    ("regclass", 4, 4, 'N'),
    ("regcollation", 4, 4, 'N'),
    ("regconfig", 4, 4, 'N'),
    ("regdictionary", 4, 4, 'N'),
    ("regnamespace", 4, 4, 'N'),
    ("regoper", 4, 4, 'N'),
    ("regoperator", 4, 4, 'N'),
    ("regproc", 4, 4, 'N'),
    ("regprocedure", 4, 4, 'N'),
    ("regrole", 4, 4, 'N'),
    ("regtype", 4, 4, 'N'),
    ("smallint", 2, 2, 'N'),
    ("text", -1, 4, 'S'),
    ("tid", 6, 2, 'U'),
    ("time with time zone", 12, 8, 'D'),
    ("time without time zone", 8, 8, 'D'),
    ("timestamp with time zone", 8, 8, 'D'),
    ("timestamp without time zone", 8, 8, 'D'),
    ("tsmultirange", -1, 8, 'R'),
    ("tsquery", -1, 4, 'U'),
    ("tsrange", -1, 8, 'R'),
    ("tstzmultirange", -1, 8, 'R'),
    ("tstzrange", -1, 8, 'R'),
    ("tsvector", -1, 4, 'U'),
    ("txid_snapshot", -1, 8, 'U'),
    ("uuid", 16, 1, 'U'),
    ("xid", 4, 4, 'U'),
    ("xid8", 8, 8, 'U'),
    ("xml", -1, 4, 'U'),
];

#[cfg(test)]
mod tests {
    use dbopt_testkit::Cluster;

    use super::*;

    #[test]
    fn the_table_is_ordered() {
        assert!(BUILT_IN.is_sorted_by(|one, two| one.0 < two.0));
    }

    #[test]
    fn arrays_take_the_wider_alignment() {
        assert_eq!(TypeName::of("bigint[]").align, 8);
        assert_eq!(
            TypeName::of("uuid[]"),
            TypeName { category: 'A', ..TypeName::of("extension_type") }.named("uuid[]")
        );
    }

    #[test]
    fn facts_equal_the_servers() {
        let cluster = Cluster::shared();
        let rows = cluster.query(
            "postgres",
            "SELECT format_type(oid, NULL), typlen::text, \
             CASE typalign WHEN 'c' THEN '1' WHEN 's' THEN '2' WHEN 'i' THEN '4' ELSE '8' END, typcategory::text \
             FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm') AND \
             NOT EXISTS (SELECT 1 FROM pg_type e WHERE e.oid = pg_type.typelem AND e.typtype IN ('c', 'p')) AND \
             typname !~ '^_?(pg_node_tree|pg_ndistinct|pg_dependencies|pg_mcv_list|pg_brin|int2vector|oidvector|gtsvector|refcursor)'",
        );
        let mut seen = 0;
        for row in rows {
            let [Some(name), Some(length), Some(align), Some(category)] = row.as_slice() else { panic!("{row:?}") };
            // Two types changed between the supported majors: aclitem grew in 16, "char" moved to `Z` in 15.
            if matches!(name.trim_end_matches("[]"), "aclitem" | "\"char\"") {
                continue;
            }
            let known = TypeName::of(name);
            assert!(TypeName::is_built_in(name), "{name} is missing");
            assert_eq!((known.length.to_string(), known.align.to_string()), (length.clone(), align.clone()), "{name}");
            assert_eq!(known.category.to_string(), *category, "{name}");
            seen += 1;
        }
        assert!(seen > 100, "only {seen} types were compared");
    }

    impl TypeName {
        fn named(self, name: &str) -> Self {
            Self { name: name.to_owned(), ..self }
        }
    }
}
