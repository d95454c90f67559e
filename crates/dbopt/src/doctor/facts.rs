//! What the checks look at: plain data, so that they can be tested without a server.

use std::collections::{BTreeMap, BTreeSet};

use dbopt_migrate::Status;

/// A database as a session sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// `server_version_num`.
    pub(crate) version: u32,
    /// Whether the server is a standby.
    pub(crate) standby: bool,
    /// `host:port`, or the path of a socket.
    pub(crate) server: String,
    /// Whether the connection is encrypted.
    pub(crate) encrypted: bool,
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) superuser: bool,
    /// Whether the user may create schemas in the database.
    pub(crate) may_create: bool,
    /// Predefined roles whose rights the user has.
    pub(crate) roles: BTreeSet<String>,
    /// Size of the database in bytes.
    pub(crate) bytes: f64,
    /// Settings by name; one that the user may not see is absent.
    pub(crate) settings: BTreeMap<String, String>,
    /// Extensions that can be installed, with the installed version.
    pub(crate) extensions: BTreeMap<String, Option<String>>,
    pub(crate) tables: Vec<TableFacts>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) slots: Vec<Slot>,
    /// The longest open transactions, longest first: who, and for how many seconds.
    pub(crate) open: Vec<(String, f64)>,
    /// Invalid indexes that nobody is building, quoted.
    pub(crate) invalid_indexes: Vec<String>,
    /// The state of dbopt's own schema; `None` when it could not be read, as by a user without rights to it.
    pub(crate) own_schema: Option<Status>,
    /// Why dbopt's own schema is not to be used, and what to do.
    pub(crate) own_distrusted: Option<(String, String)>,
    /// Rights on dbopt's own schema that the user lacks for changes: the object, and `SELECT, INSERT`.
    pub(crate) own_missing: Vec<(String, String)>,
    /// Free bytes of the data directory's file system, when the server is on this machine and says where that is.
    pub(crate) free_bytes: Option<f64>,
}

/// One table.
#[derive(Clone, Debug)]
pub(crate) struct TableFacts {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) owner: String,
    /// Whether its owner is a superuser, whose rights nobody should be given for a few indexes.
    pub(crate) owner_superuser: bool,
    /// Whether the user may read it, and so its statistics.
    pub(crate) readable: bool,
    /// Whether the user has its owner's rights.
    pub(crate) owned: bool,
    /// Whether it was never analysed.
    pub(crate) unknown: bool,
}

/// A standby or another receiver of the write-ahead log.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) state: Option<String>,
    /// Bytes of log that it has not replayed; `None` when the user may not see it.
    pub(crate) lag_bytes: Option<f64>,
}

/// A replication slot.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) active: bool,
    /// `reserved`, `extended`, `unreserved` or `lost`.
    pub(crate) wal_status: String,
}

impl Facts {
    /// A setting that the user may see.
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// Whether the user has a predefined role's rights, as a superuser has.
    pub(crate) fn has_role(&self, role: &str) -> bool {
        self.superuser || self.roles.contains(role)
    }

    /// The version as people write it.
    pub(crate) fn version_text(&self) -> String {
        format!("{}.{}", self.version / 10_000, self.version % 10_000)
    }
}
