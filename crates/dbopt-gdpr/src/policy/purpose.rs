//! What data is processed for: the record of processing that Article 30 asks for is made of this.

use dbopt_policy::{Duration, Table};

/// What data is processed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// What it is, in words for the person.
    pub about: String,
    /// On what legal basis.
    pub basis: Basis,
    /// To whom the data is given; none when the policy does not say.
    pub recipients: Option<Vec<String>>,
    /// Who is a recipient outside of the union, and on what ground.
    pub transfers: Vec<String>,
    /// How long the data is kept for it.
    pub retention: Option<Duration>,
}

/// The legal bases of Article 6(1) (<https://eur-lex.europa.eu/eli/reg/2016/679/oj>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Basis {
    /// (a) Consent.
    Consent,
    /// (b) A contract with the person.
    Contract,
    /// (c) A legal obligation.
    LegalObligation,
    /// (d) Vital interests.
    VitalInterests,
    /// (e) A task in the public interest.
    PublicTask,
    /// (f) Legitimate interests.
    LegitimateInterests,
}

impl Basis {
    const NAMES: &[(&str, Self)] = &[
        ("consent", Self::Consent),
        ("contract", Self::Contract),
        ("legal-obligation", Self::LegalObligation),
        ("vital-interests", Self::VitalInterests),
        ("public-task", Self::PublicTask),
        ("legitimate-interests", Self::LegitimateInterests),
    ];

    /// Its name in a policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, basis)| *basis == self).map_or("", |(name, _)| name)
    }

    /// Whether what a person gave on it is portable (Article 20).
    #[must_use]
    pub fn is_portable(self) -> bool {
        matches!(self, Self::Consent | Self::Contract)
    }
}

impl Purpose {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let about = table.required("about", "What the data is processed for, in words for the person.");
        let basis = table.required_choice("basis", "The legal basis, by Article 6(1).", Basis::NAMES);
        let recipients = table.optional("recipients", "To whom the data is given; an empty list when to nobody.");
        let transfers = table.or("transfers", "Recipients outside of the union, each with the ground.", Vec::new());
        let retention = table.optional("retention", "How long data is kept for it.");
        Some(Self { about: about?, basis: basis?, recipients, transfers, retention })
    }
}
