//! Conditions of a plan node: what it looks up, joins on and filters by.

/// Which part a condition plays in its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConditionKind {
    /// Answered by the index itself.
    IndexCond,
    /// Checked again on the heap row of a bitmap or a lossy index.
    RecheckCond,
    /// Checked on each row that the node has read.
    Filter,
    /// Checked on each pair of joined rows.
    JoinFilter,
    /// The equality that a hash join probes by.
    HashCond,
    /// The equality that a merge join walks by.
    MergeCond,
    /// Checked once, before any row is read.
    OneTimeFilter,
    /// Rows looked up by their physical place.
    TidCond,
    /// The ordering that the index delivers by distance (`ORDER BY a <-> b`).
    OrderBy,
    /// The condition at which a window aggregate stops.
    RunCondition,
    /// The condition of `ON CONFLICT DO UPDATE ... WHERE`.
    ConflictFilter,
}

impl ConditionKind {
    const NAMES: [(Self, &'static str); 11] = [
        (Self::IndexCond, "Index Cond"),
        (Self::RecheckCond, "Recheck Cond"),
        (Self::Filter, "Filter"),
        (Self::JoinFilter, "Join Filter"),
        (Self::HashCond, "Hash Cond"),
        (Self::MergeCond, "Merge Cond"),
        (Self::OneTimeFilter, "One-Time Filter"),
        (Self::TidCond, "TID Cond"),
        (Self::OrderBy, "Order By"),
        (Self::RunCondition, "Run Condition"),
        (Self::ConflictFilter, "Conflict Filter"),
    ];

    /// EXPLAIN's name of it, such as `Index Cond`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// One condition of a node, as PostgreSQL prints it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The part it plays.
    pub kind: ConditionKind,
    /// The expression, with its literals.
    pub text: String,
}
