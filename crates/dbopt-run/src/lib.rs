//! What every change to a live database shares.
//!
//! A [`Step`] says what is to be done, to what, under which lock; an [`Action`] is a step with the function that does
//! it. The [`Runner`] takes actions one at a time: on a guarded, direct session under an advisory lock, after looking
//! whether it has to stop or to wait for replicas, with a durable journal entry before anything that could be left half
//! done, and with a result for each object. It knows nothing of what is being changed or why.
//!
//! ```no_run
//! # async fn example(settings: &dbopt_pg::Settings) -> Result<(), dbopt_run::Error> {
//! use dbopt_run::{Action, CreateIndex, Options, Runner};
//!
//! let mut runner = Runner::start(settings, "apply", Options::default()).await?;
//! let repairs = runner.repair().await?;
//! let create = CreateIndex::new(("public", "orders"), "orders_customer_id_idx",
//!     "CREATE INDEX CONCURRENTLY orders_customer_id_idx ON public.orders USING btree (customer_id);");
//! let mut actions: Vec<Box<dyn Action>> = vec![Box::new(create)];
//! let reports = runner.execute(&mut actions, &mut |_event| {}).await?;
//! runner.finish(&reports).await?;
//! # Ok(())
//! # }
//! ```
#![warn(missing_docs)]

mod audit;
mod backoff;
mod batch;
mod create_index;
mod ddl;
mod definition;
mod disk;
mod drop_index;
mod error;
mod guard;
mod hands;
mod history;
mod horizon;
mod index;
mod journal;
mod leftover;
mod lock;
#[cfg(feature = "policy")]
mod policy;
mod probe;
mod rebuild;
mod report;
mod runner;
mod step;
mod stop;
mod throttle;
mod turns;
mod watch;

pub use backoff::Backoff;
pub use batch::{BatchLimits, Batches};
pub use create_index::CreateIndex;
pub use ddl::{Ddl, KIND as STATEMENT};
pub use definition::same_definition;
pub use disk::FreeSpace;
pub use drop_index::DropIndex;
pub use error::Error;
pub use guard::{APPLICATION_NAME, builds_concurrently, refuse_pooler};
pub use hands::Hands;
pub use history::{Known, Predicted, created, dropped, predict_seconds, was_attached};
pub use horizon::old_transaction;
pub use index::{IndexFacts, find as find_index};
pub use journal::Entry;
pub use leftover::{Fate, Repair};
pub use lock::ADVISORY_LOCK;
#[cfg(feature = "policy")]
pub use policy::RunPolicy;
pub use probe::Probe;
pub use rebuild::REINDEX;
pub use report::{Effect, Event, Outcome, Progress, Report};
pub use runner::{MIGRATION, Options, Runner};
pub use step::{Action, Lock, Pending, Step};
pub use stop::Stop;
pub use throttle::{Limits, Unseen};
pub use watch::Ended;
