//! Results in the form that leaves the program: what `--format json` prints and what documents are made from.
//!
//! These structs are the wire format. They are filled by hand from domain types, so that a change inside a library
//! does not change what scripts read. `schema_version` rises when a reader could break.

pub(crate) mod advise;
pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod doctor;
pub(crate) mod drift;
pub(crate) mod explain;
pub(crate) mod finding;
pub(crate) mod gdpr;
pub(crate) mod gdpr_erase;
pub(crate) mod gdpr_export;
pub(crate) mod gdpr_init;
pub(crate) mod gdpr_record;
pub(crate) mod gdpr_request;
pub(crate) mod gdpr_verify;
pub(crate) mod input;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod logs;
pub(crate) mod maintain;
pub(crate) mod migrate;
pub(crate) mod password;
pub(crate) mod policy;
pub(crate) mod re_encrypt;
pub(crate) mod redact;
pub(crate) mod simulation;
pub(crate) mod token;

/// Version of the wire formats.
pub(crate) const SCHEMA_VERSION: u32 = 1;
