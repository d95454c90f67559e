//! Keywords, as far as they change how a name must be written or where a space goes.
//!
//! The list is PostgreSQL's appendix C: what is reserved, reserved except as function or type, or not allowed as a
//! function or type name (<https://www.postgresql.org/docs/current/sql-keywords-appendix.html>).

/// Words that must be quoted to be an identifier, ascending.
const QUOTED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "json",
    "json_array",
    "json_arrayagg",
    "json_exists",
    "json_object",
    "json_objectagg",
    "json_query",
    "json_scalar",
    "json_serialize",
    "json_table",
    "json_value",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "merge_action",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];

/// Whether a lower-case word must be quoted to be an identifier.
pub(crate) fn needs_quotes(word: &str) -> bool {
    QUOTED.binary_search(&word).is_ok()
}

/// Whether a lower-case word is followed by an operand rather than preceded by one: after it a sign belongs to a number and a
/// parenthesis is no call.
pub(crate) fn expects_operand(word: &[u8]) -> bool {
    matches!(
        word,
        b"select"
            | b"where"
            | b"and"
            | b"or"
            | b"not"
            | b"on"
            | b"using"
            | b"from"
            | b"join"
            | b"as"
            | b"in"
            | b"values"
            | b"over"
            | b"exists"
            | b"by"
            | b"then"
            | b"else"
            | b"when"
            | b"case"
            | b"set"
            | b"returning"
            | b"having"
            | b"distinct"
            | b"union"
            | b"except"
            | b"intersect"
            | b"limit"
            | b"offset"
            | b"with"
            | b"between"
            | b"like"
            | b"ilike"
            | b"is"
            | b"into"
            | b"filter"
            | b"lateral"
            | b"include"
            | b"conflict"
            | b"escape"
            | b"to"
            | b"only"
            | b"materialized"
            | b"within"
            | b"check"
            | b"references"
            | b"default"
            | b"for"
            | b"return"
            | b"do"
    )
}

/// Whether a lower-case name is an aggregate of PostgreSQL's own. User-defined ones are not known without a catalogue.
pub(crate) fn is_aggregate(name: &str) -> bool {
    AGGREGATES.binary_search(&name).is_ok()
}

/// Whether a lower-case name is a function that may return something else at each call, so that no index can be searched
/// for its result. Only those that are met in queries are listed.
pub(crate) fn is_volatile(name: &str) -> bool {
    matches!(
        name,
        "random"
            | "setseed"
            | "random_normal"
            | "clock_timestamp"
            | "timeofday"
            | "nextval"
            | "currval"
            | "lastval"
            | "setval"
            | "gen_random_uuid"
            | "uuid_generate_v4"
            | "uuidv4"
            | "uuidv7"
            | "pg_sleep"
    )
}

/// Aggregates (<https://www.postgresql.org/docs/current/functions-aggregate.html>), ascending.
const AGGREGATES: &[&str] = &[
    "any_value",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar_pop",
    "covar_samp",
    "every",
    "json_agg",
    "json_arrayagg",
    "json_object_agg",
    "json_objectagg",
    "jsonb_agg",
    "jsonb_object_agg",
    "max",
    "min",
    "mode",
    "percentile_cont",
    "percentile_disc",
    "range_agg",
    "range_intersect_agg",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "sum",
    "var_pop",
    "var_samp",
    "variance",
    "xmlagg",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_ascending() {
        assert!(QUOTED.is_sorted() && AGGREGATES.is_sorted());
        assert!(needs_quotes("order") && !needs_quotes("orders"));
    }
}
