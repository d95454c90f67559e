//! Runs calls and takes their time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::session::Session;
use super::shop::Shop;
use super::workload::{Call, Service};

/// What the calls of one class took, as their client saw it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) calls: u32,
    pub(crate) rows: usize,
    pub(crate) time: Duration,
}

/// The time of each class, by name.
pub(crate) type Times = BTreeMap<&'static str, Taken>;

/// Runs the calls one after the other, each in a session of its service.
pub(crate) async fn in_turn(shop: &Shop, database: &str, calls: &[Call]) -> Result<Times> {
    let mut sessions = BTreeMap::new();
    for service in Service::ALL {
        sessions.insert(service, shop.session(database, service).await?);
    }
    let mut times = Times::new();
    for call in calls {
        let session = sessions.get_mut(&call.class.service).context("every service has a session")?;
        run(session, call, &mut times).await?;
    }
    for session in sessions.into_values() {
        session.close().await;
    }
    Ok(times)
}

/// Runs the calls in all services' sessions at the same time; each session does its share in the given order.
pub(crate) async fn at_once(shop: &Shop, database: &str, calls: &[Call]) -> Result<()> {
    let mut lanes = Vec::new();
    for service in Service::ALL {
        let (_, _, sessions) = service.session();
        for lane in 0..sessions {
            let own = calls.iter().filter(|call| call.class.service == service);
            let own: VecDeque<&Call> = own.skip(lane).step_by(sessions).collect();
            lanes.push(async move {
                let mut session = shop.session(database, service).await?;
                for call in own {
                    run(&mut session, call, &mut Times::new()).await?;
                }
                session.close().await;
                anyhow::Ok(())
            });
        }
    }
    futures_util::future::try_join_all(lanes).await.map(drop)
}

async fn run(session: &mut Session, call: &Call, times: &mut Times) -> Result<()> {
    let taken = times.entry(call.class.name).or_default();
    taken.calls += 1;
    for statement in &call.statements {
        let start = Instant::now();
        taken.rows += session.run(statement).await.with_context(|| format!("`{}`", statement.with_literals()))?;
        taken.time += start.elapsed();
    }
    Ok(())
}
