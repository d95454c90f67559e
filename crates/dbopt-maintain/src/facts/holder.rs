//! Who keeps dead rows from being removed.
//!
//! VACUUM removes a dead row only when nobody can see it any more. What "nobody" means is set by the oldest of: running
//! transactions, prepared transactions, replication slots, and standbys with `hot_standby_feedback`
//! (<https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-SPACE-RECOVERY>).

/// One of those who hold the horizon.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Holder {
    /// What it is.
    pub kind: HolderKind,
    /// Its name: of a session the process, user and application, of a slot or standby the name, of a prepared transaction
    /// its identifier. Never the text of a query.
    pub name: String,
    /// The process, where there is one.
    pub pid: Option<i32>,
    /// The database it holds; none where it holds all of them.
    pub database: Option<String>,
    /// How many transactions ago its horizon is; none where this role may not see.
    pub xid_age: Option<i64>,
    /// For how many seconds it has held, where that is known.
    pub seconds: Option<f64>,
    /// Whether it holds the system's catalogues only, as a logical slot does.
    pub only_catalogues: bool,
    /// The statement that would end it, for a person to decide on; this crate never runs it.
    pub remedy: String,
}

/// What holds the horizon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HolderKind {
    /// A session with an open transaction.
    #[default]
    Session,
    /// A transaction that was prepared and never committed.
    Prepared,
    /// A replication slot.
    Slot,
    /// A standby with `hot_standby_feedback` and no slot.
    Standby,
}
