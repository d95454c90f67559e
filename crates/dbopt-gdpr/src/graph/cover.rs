//! What the policy does not speak of: the gate for continuous integration.

use dbopt_finding::Finding;
use dbopt_sql::quote_ident;

use super::{
    Graph,
    build::{unknown_column, unknown_table},
    node::{Node, NodeId},
};
use crate::{
    infer,
    policy::{Class, ColumnErase, GdprPolicy, Keep, RowErase, TableName, TableRule},
};

impl Graph {
    /// What of the database the policy does not cover, and what of the policy is not in the database. With an error among it,
    /// nothing may be exported or erased: something could be missed.
    #[must_use]
    pub fn uncovered(&self, policy: &GdprPolicy) -> Vec<Finding> {
        let mut findings = self.findings.clone();
        self.subjects(policy, &mut findings);
        for rule in &policy.tables {
            let Some((schema, name)) = rule.table.exact() else { continue };
            let table = TableName::new(schema, name);
            match self.find(&table) {
                Some(id) => self.rule(rule, id, policy, &mut findings),
                None => findings.push(unknown_table(&self.nodes, &table)),
            }
        }
        for node in &self.nodes {
            match policy.table(&node.table) {
                Some(rule) => columns(node, rule, &mut findings),
                None => {
                    let message = format!("the policy does not say whose the rows of `{}` are", node.table);
                    findings.push(
                        Finding::error("uncovered-table", message)
                            .help(format!("Write a `[[table]]` with `name = \"{}\"` and a `class`.", node.table)),
                    );
                }
            }
        }
        self.references(&mut findings);
        self.unreachable(policy, &mut findings);
        findings
    }

    fn subjects(&self, policy: &GdprPolicy, findings: &mut Vec<Finding>) {
        if policy.subjects.is_empty() {
            let finding = Finding::error("no-subject", "the policy does not say who the persons are");
            findings.push(finding.help("Write a `[[subject]]`."));
        }
        for subject in &policy.subjects {
            let Some(id) = self.find(&subject.table) else {
                findings.push(unknown_table(&self.nodes, &subject.table));
                continue;
            };
            let node = self.node(id);
            let unknown: Vec<_> = subject.key.iter().filter(|name| node.column(name).is_none()).collect();
            findings.extend(unknown.iter().map(|name| unknown_column(node, name)));
            if unknown.is_empty() && !self.is_unique(id, &subject.key) {
                let names: Vec<_> = subject.key.iter().map(|name| quote_ident(name)).collect();
                let message = format!("`{}` ({}) does not name one person", subject.table, names.join(", "));
                let help = "Name the columns of its primary key, or of a unique index.";
                findings.push(Finding::error("subject-not-unique", message).help(help));
            }
            if node.class.is_some_and(|class| class != Class::Owned) {
                let message = format!("rows of `{}` are persons, and not said to be owned", subject.table);
                findings.push(Finding::error("subject-not-owned", message).help("Write `class = \"owned\"`."));
            }
            for rule in &subject.identifiers {
                match self.find(&rule.table).map(|id| self.node(id)) {
                    None => findings.push(unknown_table(&self.nodes, &rule.table)),
                    Some(node) if node.column(&rule.column).is_none() => {
                        findings.push(unknown_column(node, &rule.column));
                    }
                    Some(_) => {}
                }
            }
        }
    }

    fn is_unique(&self, id: NodeId, names: &[String]) -> bool {
        let table = self.catalog.table(self.node(id).id);
        let same = |columns: &[String]| columns.len() <= names.len() && columns.iter().all(|name| names.contains(name));
        let by_constraint = table.constraints.iter().any(|constraint| {
            use dbopt_catalog::ConstraintKind::{Primary, Unique};
            matches!(constraint.kind, Primary | Unique) && same(&constraint.columns)
        });
        by_constraint
            || table.indexes.iter().filter(|index| index.unique && index.valid && index.predicate.is_none()).any(
                |index| {
                    let columns: Option<Vec<_>> =
                        index.keys.iter().map(|key| key.as_column().map(str::to_owned)).collect();
                    columns.is_some_and(|columns| same(&columns))
                },
            )
    }

    /// Columns that a rule names and the table has not.
    fn rule(&self, rule: &TableRule, id: NodeId, policy: &GdprPolicy, findings: &mut Vec<Finding>) {
        let node = self.node(id);
        let keep = |keep: &Keep| keep.after.as_ref().map(|(column, _)| column.clone());
        let mut names: Vec<String> = rule.columns.iter().map(|(name, _)| name.clone()).collect();
        names.extend(rule.plain.iter().chain(&rule.owner).cloned());
        names.extend(rule.retention.iter().map(|retention| retention.column.clone()));
        if let RowErase::Keep(kept) = &rule.erase {
            names.extend(keep(kept));
        }
        for (_, column) in &rule.columns {
            if let ColumnErase::Keep(kept) = &column.erase {
                names.extend(keep(kept));
            }
        }
        names.sort();
        names.dedup();
        let mut is_whole = true;
        for name in names.iter().filter(|name| node.column(name).is_none()) {
            findings.push(unknown_column(node, name));
            is_whole = false;
        }
        if is_whole && !rule.owner.is_empty() && self.owner(id, policy).is_none() {
            let message = format!("`owner` of `{}` is no reference", node.table);
            findings.push(
                Finding::error("bad-owner", message).help("Name the columns of a foreign key or of a `[[reference]]`."),
            );
        }
        let refers_to_itself = self.edges_from(id).any(|edge| edge.is_to_itself() && edge.is_followed());
        if refers_to_itself
            && self.owner(id, policy).is_none()
            && !policy.subjects.iter().any(|subject| subject.table == node.table)
        {
            let message = format!(
                "rows of `{}` lead to rows of their own table, and nothing says where others' begin",
                node.table
            );
            findings.push(
                Finding::warning("no-owner", message)
                    .help("Write `owner`, the columns of the reference to whoever owns a row."),
            );
        }
    }

    /// References to rows of persons that the policy does not speak of.
    fn references(&self, findings: &mut Vec<Finding>) {
        for edge in &self.edges {
            let parent = self.node(edge.parent);
            if edge.class.is_some() || !parent.class.is_some_and(Class::is_followed) {
                continue;
            }
            let columns: Vec<_> =
                edge.child_columns.iter().map(|name| format!("\"{}\"", name.escape_default())).collect();
            let message = format!("the policy does not say whose rows are that refer by `{edge}`");
            findings.push(Finding::error("uncovered-reference", message).help(format!(
                "Write a `[[reference]]` with `from = \"{}\"`, `columns = [{}]`, `to = \"{}\"` and a `class`.",
                edge.names.0,
                columns.join(", "),
                edge.names.1
            )));
        }
    }

    /// Tables with rows of persons to which nothing leads.
    fn unreachable(&self, policy: &GdprPolicy, findings: &mut Vec<Finding>) {
        let mut reached = vec![false; self.nodes.len()];
        let mut open: Vec<NodeId> = policy.subjects.iter().filter_map(|subject| self.find(&subject.table)).collect();
        while let Some(id) = open.pop() {
            if std::mem::replace(&mut reached[id.0], true) {
                continue;
            }
            open.extend(self.edges_to(id).filter(|edge| edge.is_followed()).map(|edge| edge.child));
            open.extend(self.edges_from(id).filter(|edge| edge.parents).map(|edge| edge.parent));
        }
        if policy.subjects.is_empty() {
            return;
        }
        for (node, _) in self.nodes.iter().zip(&reached).filter(|(_, reached)| !**reached) {
            if node.class.is_some_and(Class::is_followed) {
                let message = format!("no reference leads from a person to the rows of `{}`", node.table);
                findings.push(
                    Finding::error("unreachable-table", message)
                        .help("Write the `[[reference]]` by which its rows are found, or `class = \"lookup\"`."),
                );
            }
        }
    }
}

/// Columns of which the policy does not say whether they have data of persons. Of tables without any, only what looks like it is asked.
fn columns(node: &Node, rule: &TableRule, findings: &mut Vec<Finding>) {
    let is_said = |name: &String| rule.plain.contains(name) || rule.columns.iter().any(|(other, _)| other == name);
    for column in node.columns.iter().filter(|column| !is_said(&column.name)) {
        let looks = infer::personal(&column.name, &column.kind);
        if !rule.class.is_followed() && looks.is_none() {
            continue;
        }
        let like = looks.map(|what| format!(", and it looks like {what}")).unwrap_or_default();
        let name = quote_ident(&column.name);
        let message = format!("the policy does not say whether `{}.{name}` has data of persons{like}", node.table);
        findings.push(
            Finding::error("uncovered-column", message)
                .help("Write what becomes of it as `column`, or list it in `plain`."),
        );
    }
}
