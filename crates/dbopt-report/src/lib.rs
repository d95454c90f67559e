//! A neutral document and its printers, and printers of findings for the tools of others.
//!
//! Commands turn their results into a [`Document`] of headings, paragraphs, tables, charts, code and findings; the printers
//! turn it into terminal text, Markdown or HTML. The document knows no domain type, and the printers are the one place where
//! outside text is made safe to show: control characters never reach a terminal, and Markdown and HTML are escaped.
//!
//! ```
//! use dbopt_report::{Document, Table, terminal, markdown};
//!
//! let mut document = Document::default();
//! document.heading(1, "Indexes");
//! document.table(Table::new(["name", "size"]).right(1).row(["orders_pkey", "2 MB"]));
//! assert!(terminal::print(&document, &terminal::Options { color: false, width: 80 }).contains("orders_pkey"));
//! assert!(markdown::print(&document).starts_with("# Indexes"));
//! ```
#![warn(missing_docs)]

mod chart;
mod document;
pub mod gcc;
pub mod github;
pub mod gitlab;
pub mod html;
pub mod markdown;
pub mod number;
mod safe;
#[cfg(test)]
mod sample;
pub mod sarif;
pub mod terminal;

pub use chart::{Chart, Series};
pub use document::{Block, Document, Run, Style, Table, Text};
