//! The queries of the walk.

use dbopt_catalog::TypeName;
use dbopt_sql::{quote_ident, quote_literal};

use crate::{
    graph::{By, Edge, Graph, Identity, Node, cast},
    policy::{Hash, Match},
};

impl Node {
    /// The rows `alias` that have the keys of [`super::KeyArrays::parameters`], as a `FROM` clause: each key `k` with its row. To be
    /// run with the search path of the system alone.
    #[must_use]
    pub fn by_keys(&self, alias: &str) -> String {
        format!("{} JOIN {} AS {alias} ON {}", keys(self.identity.width(), 1), self.from_item(), same(self, alias))
    }

    /// The key of a row `alias`, as texts, to be selected.
    #[must_use]
    pub fn key_texts(&self, alias: &str) -> Vec<String> {
        texts(self, alias)
    }
}

/// Keys as a `FROM` item with the columns `k0`, `k1`, …, of parameters from `first` on.
pub(crate) fn keys(width: usize, first: usize) -> String {
    let arrays: Vec<_> = (first..first + width).map(|at| format!("${at}::text[]")).collect();
    let names: Vec<_> = (0..width).map(|at| format!("k{at}")).collect();
    format!("unnest({}) AS k ({})", arrays.join(", "), names.join(", "))
}

/// Whether a row `alias` is the one of a key `k`.
pub(crate) fn same(node: &Node, alias: &str) -> String {
    match &node.identity {
        Identity::Key(columns) => {
            let one = |(at, column): (usize, &crate::KeyColumn)| {
                let equal = equal(node, &column.name);
                format!("{alias}.{} {equal} k.k{at}::{}", quote_ident(&column.name), column.cast)
            };
            columns.iter().enumerate().map(one).collect::<Vec<_>>().join(" AND ")
        }
        Identity::Place => format!("{alias}.tableoid = k.k0::oid AND {alias}.ctid = k.k1::tid"),
    }
}

/// The key of a row `alias` as texts.
fn texts(node: &Node, alias: &str) -> Vec<String> {
    match &node.identity {
        Identity::Key(columns) => {
            columns.iter().map(|column| format!("{alias}.{}::text", quote_ident(&column.name))).collect()
        }
        Identity::Place => vec![format!("{alias}.tableoid::text"), format!("{alias}.ctid::text")],
    }
}

/// Finds the rows `c` that refer by an edge to rows of its parent, given by their keys. `extra` is selected besides.
pub(crate) fn children(graph: &Graph, edge: &Edge, extra: &[String], has_utf8: bool) -> String {
    let (child, parent) = (graph.node(edge.child), graph.node(edge.parent));
    let mut columns = texts(child, "c");
    columns.extend(extra.iter().cloned());
    format!("SELECT {} FROM {}", columns.join(", "), referring(child, parent, edge, has_utf8))
}

/// Counts what refers by a foreign key to one row of its parent, as the server does before that row goes: by reading the table and
/// comparing with values that are known, not by a join.
pub(crate) fn check(graph: &Graph, edge: &Edge) -> String {
    let (child, parent) = (graph.node(edge.child), graph.node(edge.parent));
    let one = |(at, name): (usize, &String)| {
        let (value, of) = parent_value(parent, edge, at);
        let value = format!("(SELECT {value} FROM {})", source(parent, edge));
        equals((format!("c.{}", quote_ident(name)), kind(child, name)), (value, of))
    };
    let on: Vec<_> = edge.child_columns.iter().enumerate().map(one).collect();
    format!("SELECT count(*) FROM {} AS c WHERE {}", child.from_item(), on.join(" AND "))
}

/// The `FROM` clause of the rows `c` that refer to rows with keys `k`.
pub(super) fn referring(child: &Node, parent: &Node, edge: &Edge, has_utf8: bool) -> String {
    let source = source(parent, edge);
    let from = child.from_item();
    let column = || format!("c.{}", quote_ident(edge.child_columns.first().map_or("", String::as_str)));
    let (value, kind) = parent_value(parent, edge, 0);
    match &edge.by {
        By::Columns => format!("{source} JOIN {from} AS c ON {}", pairs(child, parent, edge)),
        By::Type { column, value } => format!(
            "{source} JOIN {from} AS c ON c.{} = {} AND {}",
            quote_ident(column),
            quote_literal(value),
            pairs(child, parent, edge)
        ),
        By::Json { path } if path.iter().all(|step| step != "*") => {
            let steps: Vec<_> = path.iter().map(|step| quote_literal(step)).collect();
            format!("{source} JOIN {from} AS c ON {} #>> ARRAY[{}] = {value}::text", column(), steps.join(", "))
        }
        By::Json { path } => format!(
            "{source} JOIN ({from} AS c CROSS JOIN LATERAL jsonb_path_query({}::jsonb, {}) AS u (v)) \
             ON u.v #>> '{{}}' = {value}::text",
            column(),
            quote_literal(&json_path(path))
        ),
        By::Array => {
            let name = child.column(&edge.child_columns[0]).map_or("", |column| base(&column.kind));
            let element = name.strip_suffix("[]").unwrap_or(name);
            if family(element) == family(kind) {
                format!("{from} AS c WHERE {} && ARRAY(SELECT {value}::{element} FROM {source})", column())
            } else {
                format!(
                    "{source} JOIN ({from} AS c CROSS JOIN LATERAL unnest({}) AS u (v)) ON u.v::text = {value}::text",
                    column()
                )
            }
        }
        By::Identifier { matching, hash } => {
            let plain = format!("{value}::text");
            let value = normal(&plain, matching, has_utf8);
            // An empty value identifies nobody.
            let values = |expression: &str| format!("{expression} FROM {source} WHERE {value} <> ''");
            let kind = child.column(&edge.child_columns[0]).map_or("", |column| base(&column.kind));
            let Some(hash) = hash else {
                let column = normal(&format!("{}::text", column()), matching, has_utf8);
                return format!("{from} AS c WHERE {column} = ANY (ARRAY(SELECT {}))", values(&value));
            };
            let hex = |text: &str| match hash {
                Hash::Md5 => format!("md5({text})"),
                Hash::Sha256 => format!("encode(sha256(convert_to({text}, 'UTF8')), 'hex')"),
            };
            let own = match kind {
                "bytea" => format!("encode({}, 'hex')", column()),
                _ => format!("lower({}::text)", column()),
            };
            // Whoever hashed it may have normalised it or not.
            let both = format!("unnest(ARRAY[{}, {}])", hex(&value), hex(&plain));
            format!("{from} AS c WHERE {own} = ANY (ARRAY(SELECT {}))", values(&both))
        }
    }
}

/// Finds the rows `p` to which rows with keys `k` refer by an edge.
pub(super) fn parents(graph: &Graph, edge: &Edge) -> String {
    let (child, parent) = (graph.node(edge.child), graph.node(edge.parent));
    let on: Vec<_> = edge
        .parent_columns
        .iter()
        .zip(&edge.child_columns)
        .map(|(to, from)| {
            let (one, two) = (kind(parent, to), kind(child, from));
            equals((format!("p.{}", quote_ident(to)), one), (format!("c.{}", quote_ident(from)), two))
        })
        .collect();
    format!(
        "SELECT {} FROM {} JOIN {} AS p ON {}",
        texts(parent, "p").join(", "),
        child.by_keys("c"),
        parent.from_item(),
        on.join(" AND ")
    )
}

/// The values of some columns, as texts, of rows with keys `k`.
pub(super) fn values(node: &Node, columns: &[String]) -> String {
    let columns: Vec<_> = columns.iter().map(|name| format!("t.{}::text", quote_ident(name))).collect();
    format!("SELECT {} FROM {}", columns.join(", "), node.by_keys("t"))
}

/// Finds a person by the columns of a subject's key, each one text.
pub(super) fn person(node: &Node, key: &[String]) -> String {
    let conditions: Vec<_> = key
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let cast = node.column(name).map(|column| cast(&column.kind)).unwrap_or_default();
            format!("t.{} {} ${}::text::{cast}", quote_ident(name), equal(node, name), at + 1)
        })
        .collect();
    let (texts, from) = (texts(node, "t").join(", "), node.from_item());
    format!("SELECT {texts} FROM {from} AS t WHERE {} LIMIT 2", conditions.join(" AND "))
}

/// The keys `k`, joined with their rows `p` where the values that are referred to are not in the key.
fn source(parent: &Node, edge: &Edge) -> String {
    let in_key = edge.parent_columns.iter().all(|name| in_key(parent, name).is_some());
    if in_key { keys(parent.identity.width(), 1) } else { parent.by_keys("p") }
}

fn in_key(parent: &Node, name: &str) -> Option<usize> {
    match &parent.identity {
        Identity::Key(columns) => columns.iter().position(|column| column.name == name),
        Identity::Place => None,
    }
}

/// The value of a column that is referred to, and its type.
fn parent_value<'a>(parent: &'a Node, edge: &Edge, at: usize) -> (String, &'a str) {
    let name = edge.parent_columns.get(at).map_or("", String::as_str);
    let kind = kind(parent, name);
    let all = edge.parent_columns.iter().all(|name| in_key(parent, name).is_some());
    match in_key(parent, name).filter(|_| all) {
        Some(at) => {
            let cast = parent.column(name).map(|column| cast(&column.kind)).unwrap_or_default();
            (format!("k.k{at}::{cast}"), kind)
        }
        None => (format!("p.{}", quote_ident(name)), kind),
    }
}

fn pairs(child: &Node, parent: &Node, edge: &Edge) -> String {
    let one = |(at, name): (usize, &String)| {
        equals((format!("c.{}", quote_ident(name)), kind(child, name)), parent_value(parent, edge, at))
    };
    edge.child_columns.iter().enumerate().map(one).collect::<Vec<_>>().join(" AND ")
}

/// That two values are the same; as texts when their types do not compare.
fn equals((one, one_kind): (String, &str), (two, two_kind): (String, &str)) -> String {
    if one_kind == two_kind {
        return format!("{one} {} {two}", operator(one_kind));
    }
    match (family(one_kind), family(two_kind)) {
        (Family::Integer, Family::Integer) => format!("{one} = {two}"),
        // The column that refers keeps its index.
        (Family::Text, _) => format!("{one} = {two}::text"),
        _ => format!("{one}::text = {two}::text"),
    }
}

#[derive(PartialEq, Eq)]
enum Family<'a> {
    Integer,
    Text,
    Other(&'a str),
}

fn family(kind: &str) -> Family<'_> {
    match kind {
        "smallint" | "integer" | "bigint" => Family::Integer,
        "text" | "character varying" => Family::Text,
        other => Family::Other(other),
    }
}

fn kind<'a>(node: &'a Node, column: &str) -> &'a str {
    node.column(column).map_or("", |column| base(&column.kind))
}

fn base(kind: &TypeName) -> &str {
    kind.base.as_deref().unwrap_or(&kind.name)
}

fn equal(node: &Node, column: &str) -> String {
    match node.column(column) {
        Some(column) if column.kind.category != 'E' => operator(base(&column.kind)),
        _ => "=".to_owned(),
    }
}

/// Equality of a type. That of an extension's type is where the type is, since the search path is that of the system.
fn operator(kind: &str) -> String {
    match kind.rsplit_once('.') {
        // Names of types are quoted as in SQL already. Only these have an own equality for which there is no other.
        Some((schema, "citext" | "ltree" | "hstore" | "isbn" | "isbn13" | "ean13" | "cube" | "seg")) => {
            format!("OPERATOR({schema}.=)")
        }
        _ => "=".to_owned(),
    }
}

/// A path as SQL/JSON has it; `lax`, so that a missing key is nothing.
fn json_path(path: &[String]) -> String {
    let step = |step: &String| match step.as_str() {
        "*" => "[*]".to_owned(),
        name => format!(".\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")),
    };
    format!("lax ${}", path.iter().map(step).collect::<String>())
}

/// A value without what does not make two values different.
pub(crate) fn normal(value: &str, matching: &[Match], has_utf8: bool) -> String {
    let mut value = value.to_owned();
    let is = |one: Match| matching.contains(&one);
    if is(Match::UrlEncoding) {
        for (code, letter) in [("%40", "@"), ("%2[bB]", "+"), ("%2[eE]", "."), ("%20", " ")] {
            value = format!("regexp_replace({value}, '{code}', '{letter}', 'g')");
        }
    }
    if is(Match::Nfc) && has_utf8 {
        value = format!("normalize({value}, NFC)");
    }
    if is(Match::DisplayName) {
        value = format!("coalesce(substring({value} FROM '<([^<>]*)>'), {value})");
    }
    if is(Match::Trim) {
        value = format!("btrim({value}, E' \\t\\n\\r')");
    }
    if is(Match::Case) {
        value = format!("lower({value})");
    }
    if is(Match::PlusTag) {
        value = format!("regexp_replace({value}, '\\+[^@]*@', '@')");
    }
    if is(Match::Dots) {
        value = format!("regexp_replace({value}, '\\.(?=[^@]*@)', '', 'g')");
    }
    value
}
