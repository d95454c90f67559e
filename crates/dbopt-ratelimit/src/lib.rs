//! Rate limits of several windows at once.
//!
//! A [`Limit`] is a list of [`Window`]s that all have to admit a request: 100 a minute and 1,000 an hour. A [`Charge`]
//! asks one limit for one [`Key`]; a [`Store`] answers any number of charges together, all or nothing, and says what
//! remains of each window and which of them refused. Clocks and quotas are those of [`governor`].
//!
//! What each algorithm admits at worst is said at [`Algorithm`].
#![warn(missing_docs)]

mod answer;
mod gcra;
mod key;
mod limit;
mod memory;
mod store;
mod window;

pub use answer::{Answer, Wait, WindowState, WindowStates};
pub use gcra::Gcra;
pub use key::{Key, Keyer};
pub use limit::{Algorithm, InvalidLimit, Limit, MOST_WINDOWS};
pub use memory::{MemoryConfig, MemoryStore};
pub use store::{Charge, Lease, Store, StoreError};
pub use window::Window;
