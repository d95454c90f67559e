//! Policy documents: TOML files that say how dbopt may act, loaded with located findings.
//!
//! A domain crate implements [`Policy`] for its settings and reads a [`Table`] key by key; this crate loads the file
//! and its includes, finds every fault and says where it is, checks the references to secrets, and reloads the file when
//! it changes (feature `watch`). The same reads describe the document to an editor (feature `schema`). The values that
//! several kinds share are here too. This crate knows no kind of document, and prints nothing.
#![warn(missing_docs)]

mod common;
mod document;
mod fault;
mod files;
mod log;
#[cfg(feature = "schema")]
mod schema;
mod secret;
mod shape;
mod suggest;
mod syntax;
mod table;
mod tree;
mod value;
#[cfg(feature = "watch")]
mod watch;

pub use common::{
    bytes::Bytes,
    duration::Duration,
    rate::Rate,
    selector::TableSelector,
    window::{Window, Windows, Zone},
};
pub use document::{Checked, Kind, Loaded, Options, Policy, Refused, check, check_text, load, load_with, parse};
pub use fault::Fault;
pub use files::MOST_BYTES;
pub use secret::{Secret, SecretRef};
pub use shape::{Field, Shape};
pub use suggest::suggest;
pub use table::Table;
pub use value::{FromValue, Value};
#[cfg(feature = "watch")]
pub use watch::{Event, Watch};
