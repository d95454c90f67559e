//! The first policy as text.
//!
//! It is a policy that `dbopt policy check` accepts, and every guess in it has a comment that begins with `confirm:`. What cannot be
//! guessed is left out, so that `dbopt gdpr lint` asks for it. The same catalogue gives the same text: all is in the order of names, and
//! no time is in it.

use std::fmt::Write as _;

use dbopt_finding::Finding;
use dbopt_policy::TableSelector;

use super::{
    Confidence, Inferred,
    class::{Classes, Link},
    mask::{Mask, is_provided},
    rule::{Rule, is_name, rules},
    toml::{comment, key, list, text},
};
use crate::{
    graph::{Graph, Identity, NodeId},
    policy::{Class, Detach, GdprPolicy, Hash, ReferenceErase, ReferenceKind, TableName},
};

/// A first policy.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The policy, as TOML.
    pub text: String,
    /// How many tables it says to be of each class.
    pub classes: Vec<ClassCount>,
    /// For each of [`Inferred::references`], whether the policy has it.
    pub taken: Vec<bool>,
    /// What `dbopt gdpr lint` finds of it.
    pub left: Vec<Finding>,
}

/// How many tables are of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassCount {
    /// The class.
    pub class: Class,
    /// How many tables are of it.
    pub tables: usize,
}

impl Draft {
    /// Writes the policy with guesses of references that are at least so sure; the others are listed at its end.
    #[must_use]
    pub fn new(inferred: &Inferred, minimum: Confidence) -> Self {
        let (rules, classes) = rules(inferred, minimum);
        let mut writer = Writer { inferred, classes: &classes, text: HEAD.to_owned() };
        writer.subjects();
        writer.text.push_str(PURPOSE);
        for rule in &rules {
            writer.table(rule);
        }
        let mut taken = vec![false; inferred.references.len()];
        for link in sorted(inferred, &classes) {
            writer.reference(link);
            if let Some(at) = link.guess {
                taken[at] = true;
            }
        }
        writer.others(&taken);
        let text = writer.text;
        let counted = |class| ClassCount { class, tables: rules.iter().filter(|rule| rule.class == class).count() };
        let classes = [Class::Owned, Class::Shared, Class::About, Class::Foreign, Class::Lookup].map(counted).to_vec();
        let left = match dbopt_policy::parse::<GdprPolicy>(text.clone(), "gdpr.toml") {
            Ok(loaded) => Graph::new(inferred.graph.catalog.clone(), &loaded.policy).uncovered(&loaded.policy),
            Err(refused) => refused.findings,
        };
        Self { text, classes, taken, left }
    }
}

/// References of which something is said: to rows of persons, in the order of the tables and columns that refer.
fn sorted<'a>(inferred: &Inferred, classes: &'a Classes) -> Vec<&'a Link> {
    let possible = |table: NodeId| selector(&inferred.graph.node(table).table).is_some();
    let mut links: Vec<&Link> = classes
        .links
        .iter()
        .filter(|link| link.class.is_some() && possible(link.child) && possible(link.parent))
        .filter(|link| link.columns().iter().chain(&link.key).all(|name| is_name(name)))
        .collect();
    links.sort_by(|one, two| {
        (one.child, one.columns(), one.parent, &one.key).cmp(&(two.child, two.columns(), two.parent, &two.key))
    });
    links
}

struct Writer<'a> {
    inferred: &'a Inferred,
    classes: &'a Classes,
    text: String,
}

impl Writer<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn confirm(&mut self, what: &str) {
        let line = format!("# confirm: {}", comment(what));
        self.line(&line);
    }

    fn subjects(&mut self) {
        for subject in &self.inferred.subjects {
            let Some(table) = selector(&subject.table) else { continue };
            if !subject.key.iter().all(|name| is_name(name)) {
                continue;
            }
            self.line("");
            self.confirm(&format!(
                "{}: `{}` has a row for each person, because {}",
                subject.confidence.name(),
                subject.table,
                subject.reason
            ));
            self.line("[[subject]]");
            self.line(&format!("name = {}", text(&subject.name)));
            self.line(&format!("table = {}", text(&table)));
            self.line(&format!("key = {}", list(&names(&subject.key))));
            for identifier in subject.identifiers.iter().filter(|identifier| is_name(&identifier.column)) {
                self.confirm(&format!("high: `{}` tells persons apart, by its name", identifier.column));
                self.line("[[subject.identifier]]");
                self.line(&format!("name = {}", text(&identifier.name)));
                self.line(&format!("column = {}", text(&identifier.column)));
                let matching: Vec<_> = identifier.matching.iter().map(|matching| matching.name()).collect();
                self.line(&format!("match = {}", list(&matching)));
            }
        }
    }

    fn table(&mut self, rule: &Rule) {
        let node = self.inferred.graph.node(rule.node);
        let Some(name) = selector(&node.table) else { return };
        self.line("");
        let why = self.why(rule);
        self.confirm(&format!("{}: {why}", rule.class.name()));
        for (column, what) in &rule.open {
            self.confirm(&format!(
                "`{column}` looks like {what}, and nothing leads from a person to it: write a reference, or list it in `plain`"
            ));
        }
        self.line("[[table]]");
        self.line(&format!("name = {}", text(&name)));
        self.line(&format!("class = {}", text(rule.class.name())));
        if rule.class.is_followed() {
            self.line("purpose = \"unconfirmed\"");
        }
        if rule.class == Class::Owned {
            let erase = if rule.is_masked { "mask" } else { "delete" };
            let why = if rule.is_masked { "rows that stay refer to it" } else { "what refers to it goes as well" };
            self.line(&format!("erase = \"{erase}\" # confirm: {why}"));
        }
        for (column, why) in &rule.doubtful {
            self.confirm(&format!("`{column}` is plain, although it {why}"));
        }
        if !rule.texts.is_empty() {
            let shown: Vec<_> = rule.texts.iter().map(|name| format!("`{name}`")).collect();
            self.confirm(&format!("texts whose names say nothing are plain: {}", shown.join(", ")));
        }
        if rule.class.is_followed() || !rule.doubtful.is_empty() {
            let is_asked =
                |name: &&String| rule.class.is_followed() || rule.doubtful.iter().any(|(other, _)| other == *name);
            let plain: Vec<&str> = rule.plain.iter().filter(is_asked).map(String::as_str).collect();
            self.line(&format!("plain = {}", list(&plain)));
        }
        if !rule.columns.is_empty() {
            self.line("[table.column]");
        }
        for column in &rule.columns {
            let erase = match &column.mask {
                Mask::Null => "erase = \"null\"".to_owned(),
                Mask::Redact("[erased]") => "erase = \"redact\"".to_owned(),
                Mask::Redact(value) => format!("erase = \"redact\", value = {}", text(value)),
                Mask::Random => "erase = \"random\"".to_owned(),
            };
            let provided = if is_provided(column.what) { "" } else { ", provided = false" };
            let line = format!(
                "{} = {{ {erase}{provided} }} # confirm: {}: looks like {}, {}",
                key(&column.name),
                column.confidence.name(),
                column.what,
                comment(&column.why)
            );
            self.line(&line);
        }
    }

    /// Why a table is of its class.
    fn why(&self, rule: &Rule) -> String {
        if self.inferred.subjects.iter().any(|subject| subject.node == rule.node) {
            return "it has a row for each person".to_owned();
        }
        let link = self
            .classes
            .links
            .iter()
            .find(|link| link.child == rule.node && link.class == Some(rule.class) && !link.is_to_itself());
        let Some(link) = link else { return "nothing leads to it from a person".to_owned() };
        let parent = &self.inferred.graph.node(link.parent).table;
        let columns: Vec<_> = link.columns().iter().map(|name| format!("`{name}`")).collect();
        let far = match self.classes.depth.get(&rule.node) {
            Some(depth) if *depth > 1 => format!(", {depth} references from a person"),
            _ => String::new(),
        };
        format!("{} leads to `{parent}`{far}", columns.join(", "))
    }

    fn reference(&mut self, link: &Link) {
        let graph = &self.inferred.graph;
        let (child, parent) = (&graph.node(link.child).table, &graph.node(link.parent).table);
        let (Some(from), Some(to), Some(class)) = (selector(child), selector(parent), link.class) else { return };
        self.line("");
        match (link.guess.and_then(|at| self.inferred.references.get(at)), link.edge) {
            (Some(guess), _) => self.confirm(&format!("{}: {}", guess.confidence.name(), guess.reason)),
            (None, Some(edge)) => {
                let action = graph.edge(edge).on_delete().map_or("NO ACTION", |action| action.name());
                self.line(&format!("# A foreign key, ON DELETE {action}."));
            }
            (None, None) => {}
        }
        self.confirm(&format!("{}, because {}", class.name(), link.reason));
        self.line("[[reference]]");
        self.line(&format!("from = {}", text(&from)));
        self.line(&kind(&link.kind));
        self.line(&format!("to = {}", text(&to)));
        let by_key = !matches!(link.kind, ReferenceKind::Identifier { .. });
        if by_key && self.needs_key(link) {
            self.line(&format!("key = {}", list(&names(&link.key))));
        }
        self.line(&format!("class = {}", text(class.name())));
        match &link.erase {
            ReferenceErase::AsTable => {}
            ReferenceErase::Detach(Detach::Values(values)) => {
                self.line(&format!("erase = \"detach\"\nbecome = {}", list(&names(values))));
            }
            other => self.line(&format!("erase = {}", text(other.name()))),
        }
    }

    /// Whether it has to be said what is referred to: it is not the primary key, or there are several references by these columns.
    fn needs_key(&self, link: &Link) -> bool {
        let primary: Vec<&String> = match &self.inferred.graph.node(link.parent).identity {
            Identity::Key(columns) => columns.iter().map(|column| &column.name).collect(),
            Identity::Place => Vec::new(),
        };
        let same = |other: &&Link| {
            other.child == link.child
                && other.parent == link.parent
                && other.columns().len() == link.columns().len()
                && other.columns().iter().all(|name| link.columns().contains(name))
        };
        !primary.into_iter().eq(&link.key) || self.classes.links.iter().filter(same).count() > 1
    }

    /// What was thought of and left out.
    fn others(&mut self, taken: &[bool]) {
        let others: Vec<_> =
            self.inferred.references.iter().zip(taken).filter(|(_, taken)| !**taken).map(|(guess, _)| guess).collect();
        if others.is_empty() {
            return;
        }
        self.line("\n# References that may be there as well. They are not sure enough, or lead to nobody.");
        for guess in others {
            let columns: Vec<_> = guess.columns().iter().map(|name| format!("`{name}`")).collect();
            let mut line = String::new();
            let _ = write!(
                line,
                "{} ({}) to {}: {}: {}",
                guess.from,
                columns.join(", "),
                guess.to,
                guess.confidence.name(),
                guess.reason
            );
            let line = format!("# - {}", comment(&line));
            self.line(&line);
        }
    }
}

fn kind(kind: &ReferenceKind) -> String {
    match kind {
        ReferenceKind::Columns(columns) => format!("columns = {}", list(&names(columns))),
        ReferenceKind::Polymorphic { columns, type_column, type_value } => format!(
            "columns = {}\ntype = {{ column = {}, value = {} }}",
            list(&names(columns)),
            text(type_column),
            text(type_value)
        ),
        ReferenceKind::Json { column, path } => {
            let path: Vec<_> = path.iter().map(|part| text(part)).collect();
            format!("json = {{ column = {}, path = [{}] }}", text(column), path.join(", "))
        }
        ReferenceKind::Array(column) => format!("array = {}", text(column)),
        ReferenceKind::Identifier { column, name, hash } => {
            let hash = match hash {
                Some(Hash::Md5) => ", hash = \"md5\"",
                Some(Hash::Sha256) => ", hash = \"sha256\"",
                None => "",
            };
            format!("identifier = {{ column = {}, name = {}{hash} }}", text(column), text(name))
        }
    }
}

fn names(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// A table as a policy names it; none when PostgreSQL could not have it.
fn selector(table: &TableName) -> Option<String> {
    let quoted = format!("\"{}\".\"{}\"", table.schema.replace('"', "\"\""), table.name.replace('"', "\"\""));
    TableSelector::parse(&quoted).ok().map(|selector| selector.to_string())
}

const HEAD: &str = "\
# A first policy, guessed from names and types. Every line with `confirm:` is a guess: read it, mend it, and take the word out.
# `dbopt gdpr lint` says what is missing; docs/gdpr.md says what the words mean.
policy = \"gdpr\"
version = 1

# Persons are named in plans and records by an HMAC under this key. All but `lint` needs it. One is made by:
#     head -c 32 /dev/urandom | base64 > gdpr.key
# [pseudonym]
# id = \"gdpr-1\"
# key = \"file:gdpr.key\"
";

const PURPOSE: &str = "
# confirm: for what data is processed, and on what legal basis (Article 6). Name each purpose, and give it to the tables.
[purpose.unconfirmed]
about = \"To be confirmed.\"
basis = \"legitimate-interests\"
";
