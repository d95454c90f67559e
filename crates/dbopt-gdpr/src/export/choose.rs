//! Which columns of which rows a person is given.
//!
//! Article 15 gives all that is the person's, and of rows that are others' too what the policy does not keep back (15(4): the rights of
//! others): columns with `provided = false` and references to other persons are left out there. Article 20 gives what the person
//! provided, on the ground of consent or a contract, with the keys that hold rows together.

use std::collections::BTreeSet;

use super::{Article, Opener, manifest::Missing, value::Kind};
use crate::{
    graph::{By, EdgeId, Graph, Identity, Node, NodeColumn, NodeId},
    policy::{Basis, Class, ColumnErase, ColumnRule, GdprPolicy, Purpose, TableRule},
    walk::{Found, Row},
};

/// A column that some rows are given with.
pub(super) struct Chosen<'a> {
    pub(super) column: &'a NodeColumn,
    pub(super) rule: Option<&'a ColumnRule>,
    pub(super) kind: Kind,
    /// Whether rows that are not the person's alone have it.
    pub(super) of_others: bool,
    pub(super) content: Content,
}

/// What is in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Value,
    /// A sealed value, bound to the texts of these columns.
    Sealed(Vec<String>),
    /// The number of a large object.
    Object,
}

/// A table with rows of the person.
pub(super) struct Table<'a> {
    pub(super) node: &'a Node,
    pub(super) rule: Option<&'a TableRule>,
    pub(super) found: &'a Found,
    pub(super) columns: Vec<Chosen<'a>>,
    /// References that may be to other persons, with their columns.
    references: Vec<(EdgeId, Vec<&'a str>, bool)>,
    article: Article,
}

/// What is asked of each column.
struct Choice<'a> {
    graph: &'a Graph,
    policy: &'a GdprPolicy,
    article: Article,
    opener: Option<&'a dyn Opener>,
}

/// Chooses of the tables that rows were found of. What is left out is added to `missing`.
pub(super) fn tables<'a>(
    (graph, policy): (&'a Graph, &'a GdprPolicy),
    found: &'a [Found],
    article: Article,
    opener: Option<&'a dyn Opener>,
    missing: &mut Vec<Missing>,
) -> Vec<Table<'a>> {
    let choice = Choice { graph, policy, article, opener };
    found.iter().filter_map(|found| choice.table(found, missing)).collect()
}

impl<'a> Choice<'a> {
    fn table(&self, found: &'a Found, missing: &mut Vec<Missing>) -> Option<Table<'a>> {
        let node = self.graph.node(found.table);
        let rule = self.policy.table(&node.table);
        let mut columns = Vec::new();
        let (mut has_data, mut withheld) = (false, Vec::new());
        let is_given = |class: Class| gives(self.article, class);
        if !found.rows().iter().any(|row| is_given(row.class)) {
            missing.push(Missing::table(node, found.len(), "these rows are others', who wrote them about the person"));
            return None;
        }
        for column in &node.columns {
            let own = rule.and_then(|rule| named(&rule.columns, &column.name));
            match self.column((found.table, node), rule, column, own) {
                Ok(chosen) => {
                    has_data |= own.is_some();
                    if !chosen.of_others {
                        withheld.push(column.name.as_str());
                    }
                    columns.push(chosen);
                }
                Err(why) => missing.push(Missing::column(node, &column.name, None, why)),
            }
        }
        if self.article == Article::Portability && !has_data {
            // One word about the table rather than one about each column.
            missing.retain(|one| one.column.is_none() || !one.is_of(node));
            let why = "nothing in it was provided by the person on the ground of consent or a contract";
            missing.push(Missing::table(node, found.len(), why));
            return None;
        }
        let of_others = found.rows().iter().filter(|row| row.class < Class::Owned && is_given(row.class)).count();
        for name in withheld.iter().filter(|_| of_others > 0) {
            let why = "left out of rows that are not the person's alone";
            missing.push(Missing::column(node, name, Some(of_others), why));
        }
        let left = found.rows().iter().filter(|row| !is_given(row.class)).count();
        if left > 0 {
            missing.push(Missing::table(node, left, "these rows are others', who wrote them about the person"));
        }
        let table =
            Table { node, rule, found, columns, references: self.references(found.table), article: self.article };
        for chosen in table.columns.iter().filter(|chosen| of_others > 0 && table.refers(chosen)) {
            let is_left = |row: &&Row| is_given(row.class) && !table.has(row.class, found.via(row), chosen);
            let rows = found.rows().iter().filter(is_left).count();
            if rows > 0 && chosen.of_others {
                let why = "it is a reference by which these rows were not found";
                missing.push(Missing::column(node, &chosen.column.name, Some(rows), why));
            }
        }
        Some(table)
    }

    fn column(
        &self,
        (id, node): (NodeId, &Node),
        rule: Option<&'a TableRule>,
        column: &'a NodeColumn,
        own: Option<&'a ColumnRule>,
    ) -> Result<Chosen<'a>, &'static str> {
        let is_key = matches!(&node.identity, Identity::Key(key) if key.iter().any(|key| key.name == column.name));
        let is_provided = own.is_some_and(|own| own.provided);
        if self.article == Article::Portability {
            let purpose = own.and_then(|own| own.purpose.as_ref()).or_else(|| rule?.purpose.as_ref());
            let basis =
                purpose.and_then(|name| named(&self.policy.purposes, name)).map(|purpose: &Purpose| purpose.basis);
            let is_link = || {
                let edges = self.graph.edges_from(id).chain(self.graph.edges_to(id).filter(|edge| edge.is_to_itself()));
                edges.filter(|edge| edge.is_followed()).any(|edge| edge.child_columns.contains(&column.name))
            };
            if column.generated && !is_key {
                return Err("it was computed, and not provided by the person");
            }
            if own.is_some() && !is_provided {
                return Err("it was not provided by the person");
            }
            if own.is_none() && !is_key && !is_link() {
                return Err("it is no data that the person provided");
            }
            if own.is_some() && !basis.is_some_and(Basis::is_portable) {
                return Err("it is not processed on the ground of consent or a contract");
            }
        }
        let sealed = self.opener.and_then(|opener| opener.row(&node.table, &column.name));
        let content = match sealed {
            Some(row) => Content::Sealed(row),
            None if own.is_some_and(|own| own.erase == ColumnErase::Encrypt) => {
                return Err("it is encrypted, and no keys were given to open it");
            }
            None if own.is_some() && is_object(column) => Content::Object,
            None => Content::Value,
        };
        let is_plain = rule.is_some_and(|rule| rule.plain.contains(&column.name));
        Ok(Chosen {
            column,
            rule: own,
            kind: Kind::of(&column.kind),
            of_others: is_key || is_plain || is_provided,
            content,
        })
    }

    /// References by which a row could be another person's.
    fn references(&self, id: NodeId) -> Vec<(EdgeId, Vec<&'a str>, bool)> {
        let edges = self.graph.edges_from(id).filter(|edge| {
            let parent = self.graph.node(edge.parent).class;
            !matches!(edge.by, By::Json { .. }) && parent.is_none_or(Class::is_followed)
        });
        // An array has everybody's keys.
        let reference = |edge: &'a crate::Edge| {
            (edge.id, edge.child_columns.iter().map(String::as_str).collect(), edge.by == By::Array)
        };
        edges.map(reference).collect()
    }
}

impl Table<'_> {
    /// Whether rows of a class are given.
    pub(super) fn gives(&self, class: Class) -> bool {
        gives(self.article, class)
    }

    /// Whether a column is one of a reference to a person.
    fn refers(&self, chosen: &Chosen<'_>) -> bool {
        self.references.iter().any(|(_, columns, _)| columns.contains(&chosen.column.name.as_str()))
    }

    /// Whether a row of a class, found by some references, is given with a column.
    pub(super) fn has(&self, class: Class, via: &BTreeSet<EdgeId>, chosen: &Chosen<'_>) -> bool {
        let name = chosen.column.name.as_str();
        if class == Class::Owned {
            return true;
        }
        let mut refers = self.references.iter().filter(|(_, columns, _)| columns.contains(&name)).peekable();
        let is_own = |(edge, _, is_all): &(EdgeId, Vec<&str>, bool)| via.contains(edge) && !is_all;
        chosen.of_others && (refers.peek().is_none() || refers.any(is_own))
    }
}

/// A large object is only where the policy says that an `oid` is data of persons; other columns have numbers of other things.
fn is_object(column: &NodeColumn) -> bool {
    let name = column.kind.name.rsplit('.').next().unwrap_or_default();
    name == "oid" || name == "lo"
}

/// What others wrote about the person was not provided by the person.
fn gives(article: Article, class: Class) -> bool {
    match article {
        Article::Access => class.is_followed(),
        Article::Portability => class >= Class::Shared,
    }
}

pub(super) fn named<'a, T>(all: &'a [(String, T)], name: &str) -> Option<&'a T> {
    all.iter().find(|(other, _)| other == name).map(|(_, one)| one)
}
