//! Tables, columns, indexes, constraints and statistics as plain data.
//!
//! A [`Catalog`] is what the planner would know of a database: it comes from a live session (feature `live`), from a
//! snapshot file or from DDL, and knows nothing of workloads or advice.
#![warn(missing_docs)]

mod catalog;
pub mod ddl;
mod index;
mod index_sql;
#[cfg(feature = "live")]
pub mod live;
mod redact;
mod settings;
pub mod snapshot;
mod statistics;
mod table;
mod text;
mod types;

pub use catalog::{Catalog, TableId};
pub use index::{Index, IndexKey, KeyPart, Method};
pub use index_sql::{Build, index_name};
pub use redact::{RedactionKey, RedactionKeyError, redact};
pub use settings::{Server, Settings};
pub use statistics::{ColumnStatistics, CommonValue, Datum, ExtendedStatistics, Quality};
pub use table::{Activity, Column, ColumnId, Constraint, ConstraintKind, Relkind, Table, TypeName};
