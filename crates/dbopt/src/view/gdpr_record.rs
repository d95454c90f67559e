//! The record of processing activities, as it leaves the program.

use dbopt_finding::Finding;
use dbopt_gdpr::processing::Record;
use schemars::JsonSchema;
use serde::Serialize;

use super::SCHEMA_VERSION;

/// What `dbopt gdpr record` makes: the record of processing activities by Article 30(1).
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt gdpr record")]
pub(crate) struct RecordView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// Who is responsible: point (a).
    pub(crate) controller: ControllerView,
    /// What is done, a purpose each: points (b) to (f).
    pub(crate) activities: Vec<ActivityView>,
    /// Technical and organisational measures of security: point (g).
    pub(crate) measures: Vec<String>,
    /// What the article asks for and the policy does not say.
    pub(crate) missing: Vec<MissingView>,
}

/// Who is responsible.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct ControllerView {
    /// The controller's name.
    pub(crate) name: Option<String>,
    /// How the controller is reached.
    pub(crate) contact: Option<String>,
    /// Joint controllers.
    pub(crate) joint: Vec<String>,
    /// The representative in the union.
    pub(crate) representative: Option<String>,
    /// The data protection officer.
    pub(crate) dpo: Option<String>,
}

/// What is done for a purpose.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct ActivityView {
    /// The purpose, by the policy's name.
    pub(crate) purpose: String,
    /// What it is.
    pub(crate) about: String,
    /// The legal basis of Article 6(1), as a policy names it.
    pub(crate) basis: String,
    /// Categories of persons.
    pub(crate) persons: Vec<String>,
    /// Categories of data, by table.
    pub(crate) data: Vec<DataView>,
    /// To whom data is given; an empty list when to nobody, and absent when the policy does not say.
    pub(crate) recipients: Option<Vec<String>>,
    /// Recipients outside of the union, each with the ground.
    pub(crate) transfers: Vec<String>,
    /// Until when data is kept.
    pub(crate) limits: Vec<String>,
}

/// Data of a table.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct DataView {
    /// The table, as the policy names it.
    pub(crate) table: String,
    /// What it is.
    pub(crate) about: Option<String>,
    /// Its columns with data of persons.
    pub(crate) columns: Vec<DataColumnView>,
}

/// A column.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct DataColumnView {
    /// Its name.
    pub(crate) name: String,
    /// What it is.
    pub(crate) about: Option<String>,
}

/// What is missing.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct MissingView {
    /// The point of Article 30(1), from `a` to `g`.
    pub(crate) point: char,
    /// What.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) help: Option<String>,
}

impl RecordView {
    pub(crate) fn new(record: &Record, uncovered: &[Finding]) -> Self {
        let controller = &record.controller;
        let activity = |one: &dbopt_gdpr::processing::Activity| ActivityView {
            purpose: one.purpose.clone(),
            about: one.about.clone(),
            basis: one.basis.to_owned(),
            persons: one.persons.clone(),
            data: one.data.iter().map(data).collect(),
            recipients: one.recipients.clone(),
            transfers: one.transfers.clone(),
            limits: one.limits().map(str::to_owned).collect(),
        };
        let mut missing: Vec<MissingView> = record
            .missing
            .iter()
            .map(|one| MissingView { point: one.point, what: one.what.clone(), help: Some(one.help.to_owned()) })
            .collect();
        // What a policy does not speak of is a category of data that nobody has looked at.
        let unspoken =
            |finding: &Finding| MissingView { point: 'c', what: finding.message.clone(), help: finding.help.clone() };
        missing.extend(uncovered.iter().map(unspoken));
        missing.sort_by_key(|one| one.point);
        Self {
            schema_version: SCHEMA_VERSION,
            controller: ControllerView {
                name: controller.name.clone(),
                contact: controller.contact.clone(),
                joint: controller.joint.clone(),
                representative: controller.representative.clone(),
                dpo: controller.officer.clone(),
            },
            activities: record.activities.iter().map(activity).collect(),
            measures: record.measures.clone(),
            missing,
        }
    }
}

fn data(data: &dbopt_gdpr::processing::Data) -> DataView {
    let column = |(name, about): &(String, Option<String>)| DataColumnView { name: name.clone(), about: about.clone() };
    DataView {
        table: data.table.clone(),
        about: data.about.clone(),
        columns: data.columns.iter().map(column).collect(),
    }
}
