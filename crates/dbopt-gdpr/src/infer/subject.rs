//! Which tables have a row for each person.
//!
//! A table of persons is named after them and has what tells persons apart: an address, a name, a password. Of several, the one that
//! most is referred to is taken first: in a social network where `users` can sign in and `accounts` write, that is `accounts`.

use std::collections::BTreeSet;

use super::{
    Confidence, InferError,
    class::classes,
    name::{one_of, words},
    personal::{ADDRESS, BIRTH, CREDENTIAL, MAIL, NAME, PERSON, PHONE, personal},
    reference::ReferenceGuess,
    tables::Tables,
};
use crate::{
    graph::{Graph, Identity, Node, NodeId},
    policy::{Match, TableName},
};

/// A table that seems to have a row for each person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectGuess {
    /// What such a person is called.
    pub name: String,
    /// The table.
    pub table: TableName,
    /// Columns of a unique key.
    pub key: Vec<String>,
    /// By what else a person is recognised.
    pub identifiers: Vec<IdentifierGuess>,
    /// How sure it is.
    pub confidence: Confidence,
    /// Why, in words.
    pub reason: String,
    pub(super) node: NodeId,
    /// Whether its rows are persons, whatever they refer to: a profile is its user's, a customer is nobody's.
    pub(super) is_strong: bool,
}

/// A column by which a person is recognised where no key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentifierGuess {
    /// Its name.
    pub name: String,
    /// The column.
    pub column: String,
    /// What does not make two values different.
    pub matching: Vec<Match>,
}

/// The tables that were said to be of persons.
pub(super) fn given(tables: &Tables<'_>, names: &[TableName]) -> Result<Vec<SubjectGuess>, InferError> {
    names.iter().map(|name| this(tables, name)).collect()
}

/// All tables that look like ones of persons, the one that is most referred to first.
pub(super) fn subjects(tables: &Tables<'_>, named: &[ReferenceGuess]) -> Vec<SubjectGuess> {
    let mut found: Vec<(usize, SubjectGuess)> = Vec::new();
    for (id, node) in tables.nodes() {
        let Some((is_strong, why)) = looks(tables, id, node) else { continue };
        let Some(key) = key(tables, id) else { continue };
        let referrers = referrers(tables.graph, named, id);
        let confidence = if is_strong && referrers > 0 { Confidence::High } else { Confidence::Medium };
        let reason = format!("{why}, and {referrers} references lead to it");
        let mut guess = subject(node, id, key, confidence, reason);
        guess.is_strong = is_strong;
        found.push((referrers, guess));
    }
    found.sort_by(|one, two| two.0.cmp(&one.0).then_with(|| one.1.table.cmp(&two.1.table)));
    found.into_iter().map(|(_, guess)| guess).collect()
}

/// Leaves only tables of persons that are not of persons before them: a profile is its user's.
pub(super) fn apart(graph: &Graph, found: Vec<SubjectGuess>, references: &[ReferenceGuess]) -> Vec<SubjectGuess> {
    let persons: BTreeSet<NodeId> =
        found.iter().filter(|subject| subject.is_strong).map(|subject| subject.node).collect();
    let mut subjects: Vec<SubjectGuess> = Vec::new();
    for subject in found {
        let classes = classes(graph, &subjects, &persons, references, Confidence::Medium);
        if !classes.depth.contains_key(&subject.node) {
            subjects.push(subject);
        }
    }
    subjects
}

/// Gives each a name of its own.
pub(super) fn name(subjects: &mut [SubjectGuess]) {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for subject in subjects {
        if taken.contains(&subject.name) {
            subject.name = format!("{}_{}", words(&subject.table.schema).join("_"), subject.name);
        }
        let plain = subject.name.clone();
        let mut number = 2;
        while !taken.insert(subject.name.clone()) {
            subject.name = format!("{plain}_{number}");
            number += 1;
        }
    }
}

fn this(tables: &Tables<'_>, table: &TableName) -> Result<SubjectGuess, InferError> {
    let id = tables.graph.find(table).ok_or_else(|| InferError::UnknownSubject(table.clone()))?;
    let node = tables.graph.node(id);
    let key = key(tables, id).ok_or_else(|| InferError::NoKey(table.clone()))?;
    Ok(subject(node, id, key, Confidence::High, "it was said to be".to_owned()))
}

fn subject(node: &Node, id: NodeId, key: Vec<String>, confidence: Confidence, reason: String) -> SubjectGuess {
    let name = one_of(&node.table.name).join("_");
    SubjectGuess {
        name: if name.is_empty() { "person".to_owned() } else { name },
        table: node.table.clone(),
        key,
        identifiers: identifiers(node),
        confidence,
        reason,
        node: id,
        is_strong: true,
    }
}

/// The key by which rows are told, or else a unique column that may be NULL.
fn key(tables: &Tables<'_>, id: NodeId) -> Option<Vec<String>> {
    match &tables.graph.node(id).identity {
        Identity::Key(columns) => Some(columns.iter().map(|column| column.name.clone()).collect()),
        Identity::Place => tables.keys(id).first().map(|key| vec![key.column.clone()]),
    }
}

/// How many references lead to a table.
fn referrers(graph: &Graph, named: &[ReferenceGuess], table: NodeId) -> usize {
    let declared = graph.edges_to(table).filter(|edge| !edge.is_to_itself()).count();
    declared + named.iter().filter(|guess| guess.ends.1 == table && guess.confidence > Confidence::Low).count()
}

/// Whether a table is one of persons, surely or maybe, and why.
fn looks(tables: &Tables<'_>, id: NodeId, node: &Node) -> Option<(bool, String)> {
    let stems = tables.stems(id);
    let last = stems.last()?;
    // Programs that may call are clients, too.
    let is_program =
        stems.iter().any(|word| matches!(word.as_str(), "oauth" | "api" | "app" | "application" | "o" | "webhook"));
    let find = |wanted: &[&str]| {
        node.columns.iter().find_map(|column| {
            let what = personal(&column.name, &column.kind)?;
            wanted.contains(&what).then_some((what, &column.name))
        })
    };
    let strong = find(&[PERSON]).or_else(|| find(&[MAIL, PHONE])).or_else(|| find(&[BIRTH]));
    let sign_in = find(&[CREDENTIAL, ADDRESS]).filter(|_| find(&[NAME, MAIL, PERSON]).is_some());
    let by = |(what, column): (&str, &String)| format!("it is named after persons and has {what} (`{column}`)");
    match last.as_str() {
        _ if is_program => None,
        word if STRONG.contains(&word) => {
            let own = find(&[PERSON, MAIL, BIRTH]);
            own.or(sign_in).or(strong).map(|found| (stems.len() == 1 || own.is_some(), by(found)))
        }
        // An account may be a firm's, unless it has the name of somebody, or signs in.
        word if WEAK.contains(&word) => find(&[PERSON, BIRTH]).map(|found| (false, by(found))),
        _ => None,
    }
}

/// What identifies a person of a table: addresses, numbers, names to sign in with.
fn identifiers(node: &Node) -> Vec<IdentifierGuess> {
    let mut found: Vec<IdentifierGuess> = Vec::new();
    for column in &node.columns {
        let is_text = super::tables::family(&column.kind) == Some(super::tables::Family::Text);
        let stems = super::name::stems(&column.name);
        let (name, matching) = match personal(&column.name, &column.kind) {
            Some(MAIL) if is_text && !super::identifier::is_hash(&column.name) => {
                ("email", vec![Match::Case, Match::Trim, Match::Nfc, Match::DisplayName, Match::UrlEncoding])
            }
            Some(PHONE) if is_text => ("phone", vec![Match::Trim]),
            Some(PERSON)
                if is_text && stems.iter().any(|word| matches!(word.as_str(), "username" | "login" | "user")) =>
            {
                ("username", vec![Match::Case, Match::Trim, Match::Nfc])
            }
            _ => continue,
        };
        // `email` before `unconfirmed_email`: the shorter name is the plain one.
        match found.iter_mut().find(|guess| guess.name == name) {
            Some(guess) if guess.column.len() > column.name.len() => guess.column.clone_from(&column.name),
            Some(_) => {}
            None => found.push(IdentifierGuess { name: name.to_owned(), column: column.name.clone(), matching }),
        }
    }
    found
}

/// Words, in the form of [`super::name::stem`], of tables that have persons.
const STRONG: &[&str] = &[
    "user",
    "customer",
    "person",
    "member",
    "employee",
    "patient",
    "student",
    "client",
    "subscriber",
    "guest",
    "player",
    "driver",
    "participant",
    "applicant",
    "candidate",
    "citizen",
    "voter",
    "donor",
    "resident",
    "visitor",
    "contact",
    "passenger",
    "teacher",
    "doctor",
    "author",
    "buyer",
    "seller",
    "staff",
    "worker",
    "lead",
    "prospect",
    "individual",
    "attendee",
    "volunteer",
    "shopper",
    "learner",
    "reader",
    "friend",
    "login",
];

/// Words of tables that have persons, or firms.
const WEAK: &[&str] = &["account", "profile", "identity", "party", "actor", "admin", "owner", "principal"];
