//! Prints how long facts and estimates of a database take: `cargo run --release --example estimate -- CONNECTION`.
//!
//! `cargo xtask bench maintain --part bloat` measures with it, since xtask itself is not optimised.
#![expect(clippy::print_stdout, reason = "it is a program")]

use std::time::Instant;

use dbopt_maintain::{Facts, Method, Sampling, estimate};
use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = std::env::args().nth(1).ok_or("a connection string is needed")?;
    let args = ConnectArgs { database: Some(&text), ..Default::default() };
    let settings = Settings::resolve(&args, &Environment::of_process())?;
    let mut session = Session::connect(&settings, &SessionProfile::reading()).await?;
    let start = Instant::now();
    let facts = Facts::load(&mut session).await?;
    let loaded = start.elapsed();
    let found = estimate(&session, &facts, |table| !table.is_system, &Sampling::default()).await?;
    let both = start.elapsed();
    let unknown = found.indexes.values().filter(|bloat| matches!(bloat.method, Method::Unknown(_))).count();
    println!("{} {} {unknown}", loaded.as_secs_f64(), both.as_secs_f64());
    Ok(())
}
