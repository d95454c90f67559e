//! The record of processing activities that Article 30(1) asks for (<https://eur-lex.europa.eu/eli/reg/2016/679/oj>), as the policy has it.
//!
//! A purpose is an activity. What the policy does not say is listed by the points of the article, so that nobody takes a gap for an
//! answer: who receives data is missing until the policy says to whom, or says that there is nobody.

mod measure;
mod people;

use crate::policy::{
    ColumnErase, ColumnRule, ControllerRule, GdprPolicy, Keep, Purpose, RowErase, TableName, TableRule,
};

/// The record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who is responsible.
    pub controller: ControllerRule,
    /// What is done, a purpose each, in the order of the policy.
    pub activities: Vec<Activity>,
    /// Measures of security: those that the policy tells in words, and those that follow from it.
    pub measures: Vec<String>,
    /// What the article asks for and the policy does not say.
    pub missing: Vec<Missing>,
}

/// What is done for one purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The name of the purpose.
    pub purpose: String,
    /// What it is.
    pub about: String,
    /// The legal basis, by its name in a policy.
    pub basis: &'static str,
    /// Categories of persons: names of subjects.
    pub persons: Vec<String>,
    /// Categories of data, by table.
    pub data: Vec<Data>,
    /// To whom data is given; none when the policy does not say.
    pub recipients: Option<Vec<String>>,
    /// Recipients outside of the union, each with the ground.
    pub transfers: Vec<String>,
    /// How long data is kept for it, whatever the table.
    pub retention: Option<String>,
}

impl Activity {
    /// Until when data is kept, for the purpose and by table.
    pub fn limits(&self) -> impl Iterator<Item = &str> {
        self.retention.iter().chain(self.data.iter().flat_map(|data| &data.limits)).map(String::as_str)
    }
}

/// Data of one table that is for one purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// The table.
    pub table: String,
    /// What it is.
    pub about: Option<String>,
    /// Its columns with data of persons, each with what it is.
    pub columns: Vec<(String, Option<String>)>,
    /// Until when its rows and fields are kept.
    pub limits: Vec<String>,
}

/// Something that the article asks for and the policy does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The point of Article 30(1), from `a` to `g`.
    pub point: char,
    /// What.
    pub what: String,
    /// What to write.
    pub help: &'static str,
}

/// Makes the record.
#[must_use]
pub fn record(policy: &GdprPolicy) -> Record {
    let mut missing = Vec::new();
    let mut miss = |point, what: String, help| missing.push(Missing { point, what, help });
    let controller = &policy.controller;
    for (value, key, help) in [
        (&controller.name, "name", "Write `name` in `[controller]`."),
        (&controller.contact, "contact details", "Write `contact` in `[controller]`."),
    ] {
        if value.is_none() {
            miss('a', format!("the controller's {key}"), help);
        }
    }
    if policy.purposes.is_empty() {
        miss('b', "what data is processed for".to_owned(), "Write a section `[purpose.…]` for each purpose.");
    }
    for rule in personal(policy) {
        let unsaid: Vec<_> = rule.columns.iter().filter(|(_, column)| column.purpose.is_none()).collect();
        if rule.purpose.is_none() && (rule.columns.is_empty() || !unsaid.is_empty()) {
            let what = format!("what the data in `{}` is processed for", rule.table);
            miss('b', what, "Name a `purpose` in its `[[table]]`.");
        }
    }
    if policy.subjects.is_empty() {
        miss('c', "who the persons are".to_owned(), "Write a `[[subject]]` for each kind of person.");
    }
    let activities: Vec<Activity> =
        policy.purposes.iter().map(|(name, purpose)| activity(policy, name, purpose)).collect();
    for activity in &activities {
        let of = |what: &str| format!("{what} for the purpose `{}`", activity.purpose);
        if activity.persons.is_empty() && !activity.data.is_empty() && !policy.subjects.is_empty() {
            miss('c', of("who the persons are"), "Write the `[[reference]]` by which a table leads to a subject's.");
        }
        if activity.data.is_empty() {
            miss(
                'c',
                of("the categories of data that are processed"),
                "Name the purpose in a `[[table]]`, or take it out.",
            );
        }
        for data in &activity.data {
            let names: Vec<_> =
                data.columns.iter().filter(|(_, about)| about.is_none()).map(|(name, _)| format!("`{name}`")).collect();
            if !names.is_empty() {
                let what = of(&format!("what {} of `{}` is,", names.join(", "), data.table));
                miss('c', what, "Write `about` for each of these columns.");
            } else if data.columns.is_empty() && data.about.is_none() {
                miss('c', of(&format!("what the rows of `{}` are,", data.table)), "Write `about` in its `[[table]]`.");
            }
        }
        if activity.recipients.is_none() {
            miss(
                'd',
                of("to whom data is given"),
                "Write `recipients`, and an empty list when data is given to nobody.",
            );
        }
        for data in activity.data.iter().filter(|data| activity.retention.is_none() && data.limits.is_empty()) {
            let what = of(&format!("until when the data in `{}` is kept", data.table));
            miss('f', what, "Write `retention` for the purpose, or for the table.");
        }
    }
    if controller.security.is_empty() {
        let help = "Write `security` in `[controller]`, a text for each measure.";
        miss('g', "technical and organisational measures of security in words".to_owned(), help);
    }
    missing.sort_by_key(|missing| missing.point);
    Record { controller: controller.clone(), activities, measures: measure::measures(policy), missing }
}

/// The tables with data of persons.
fn personal(policy: &GdprPolicy) -> impl Iterator<Item = &TableRule> {
    policy.tables.iter().filter(|rule| rule.class.is_followed() || !rule.columns.is_empty())
}

fn activity(policy: &GdprPolicy, name: &str, purpose: &Purpose) -> Activity {
    let mut activity = Activity {
        purpose: name.to_owned(),
        about: purpose.about.clone(),
        basis: purpose.basis.name(),
        persons: Vec::new(),
        data: Vec::new(),
        recipients: purpose.recipients.clone(),
        transfers: purpose.transfers.clone(),
        retention: purpose.retention.map(|keep| keep.to_string()),
    };
    let people = people::by_table(policy);
    for rule in personal(policy) {
        let is_own = rule.purpose.as_deref() == Some(name);
        let is_for = |column: &&(String, ColumnRule)| match &column.1.purpose {
            Some(own) => own == name,
            None => is_own,
        };
        let columns: Vec<_> = rule.columns.iter().filter(is_for).collect();
        if !is_own && columns.is_empty() {
            continue;
        }
        let names = rule.table.exact().map(|(schema, name)| TableName::new(schema, name));
        for person in names.and_then(|names| people.get(&names)).into_iter().flatten() {
            if !activity.persons.contains(person) {
                activity.persons.push(person.clone());
            }
        }
        let limits = limits(rule, &columns);
        let columns = columns.into_iter().map(|(name, column)| (name.clone(), column.about.clone())).collect();
        activity.data.push(Data { table: rule.table.to_string(), about: rule.about.clone(), columns, limits });
    }
    activity.persons.sort_by_key(|name| policy.subjects.iter().position(|subject| subject.name == *name));
    activity
}

/// Until when rows and fields of a table are kept, in words.
fn limits(rule: &TableRule, columns: &[&(String, ColumnRule)]) -> Vec<String> {
    let keep = |keep: &Keep| {
        let after = keep.after.as_ref().map(|(column, length)| format!("{length} after `{column}`"));
        let until = keep.until.map(|day| format!("until {day}"));
        let when: Vec<String> = after.into_iter().chain(until).collect();
        format!("{} ({})", when.join(", and "), keep.basis)
    };
    let table = &rule.table;
    let mut limits = Vec::new();
    if let Some(retention) = &rule.retention {
        limits.push(format!("`{table}`: {} after `{}`", retention.keep, retention.column));
    }
    if let RowErase::Keep(kept) = &rule.erase {
        limits.push(format!("`{table}`, also when erasure is asked for: {}", keep(kept)));
    }
    for (name, column) in columns {
        if let ColumnErase::Keep(kept) = &column.erase {
            limits.push(format!("`{table}.{name}`, also when erasure is asked for: {}", keep(kept)));
        }
    }
    limits
}

#[cfg(test)]
mod tests;
