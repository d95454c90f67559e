//! PostgreSQL sessions by libpq's conventions: settings, TLS, timeouts.
//!
//! Users of PostgreSQL tools expect that `PGHOST`, `~/.pgpass`, service files, URIs and `sslmode` mean everywhere what
//! they mean to psql. tokio-postgres speaks the protocol but knows none of these habits, so this crate reads them
//! ([`Settings`]), chooses a server, sets up TLS over rustls, and opens a guarded [`Session`]. It knows nothing of
//! catalogues or advice.
//!
//! ```no_run
//! # async fn example() -> Result<(), dbopt_pg::Error> {
//! use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};
//!
//! let args = ConnectArgs { database: Some("postgresql://app@db.example/shop?sslmode=verify-full"), ..Default::default() };
//! let settings = Settings::resolve(&args, &Environment::of_process())?;
//! let session = Session::connect(&settings, &SessionProfile::reading()).await?;
//! let tables = session.query("SELECT relname FROM pg_catalog.pg_class WHERE relkind = 'r'", &[]).await?;
//! # Ok(())
//! # }
//! ```
#![warn(missing_docs)]

mod choice;
mod connect;
mod environment;
mod error;
mod fuzz;
mod keyvalue;
mod keyword;
mod passfile;
mod profile;
mod redact;
mod secret;
mod service;
mod session;
mod settings;
mod settings_error;
mod target;
mod tls;
mod uri;

pub use choice::{SslMode, TargetSessionAttrs};
pub use environment::Environment;
pub use error::Error;
#[doc(hidden)]
pub use fuzz::fuzz_connection;
pub use profile::SessionProfile;
pub use redact::redact;
pub use session::{Canceller, Session};
pub use settings::{ConnectArgs, Notice, Settings};
pub use settings_error::SettingsError;
