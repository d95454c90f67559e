//! PostgreSQL: three-window checks beside one prepared UPDATE of a counter by its key, in a table that is unlogged or not.

use dbopt_pg::{ConnectArgs, Environment, Session, SessionProfile, Settings};
use dbopt_ratelimit::{Algorithm, PostgresConfig, PostgresStore};
use dbopt_testkit::Cluster;
use futures_util::future::try_join_all;

use crate::{Best, CONNECTIONS, KEYS, Size, check, limit};

pub(crate) async fn run(size: Size) -> anyhow::Result<()> {
    // Commits wait for the disk, as they do where the data matters.
    let cluster = Cluster::builder().setting("fsync", "on").setting("synchronous_commit", "on");
    let cluster = cluster.setting("shared_buffers", "256MB").setting("autovacuum", "on").start()?;
    let database = cluster.database();
    let settings = Settings::resolve(
        &ConnectArgs { database: Some(&database.conn_string()), ..ConnectArgs::default() },
        &Environment::default(),
    )?;
    let profile = SessionProfile::default();
    let mut sessions = try_join_all((0..CONNECTIONS).map(|_| Session::connect(&settings, &profile))).await?;
    dbopt_migrate::up(&mut sessions[0]).await?;
    for (unlogged, table) in [("UNLOGGED", "brief"), ("", "kept")] {
        database.execute(&format!(
            "CREATE {unlogged} TABLE {table} (id bigint PRIMARY KEY, count bigint NOT NULL) WITH (fillfactor = 50);
             INSERT INTO {table} SELECT id, 0 FROM generate_series(0, {KEYS} - 1) AS id"
        ));
    }
    let config = PostgresConfig { sessions: 1.try_into()?, timeout: 20 * size.length };
    let stores: Vec<_> = (0..CONNECTIONS).map(|_| PostgresStore::new(settings.clone(), config)).collect();
    for (engine, table, durable) in [("PostgreSQL, unlogged", "brief", false), ("PostgreSQL, durable", "kept", true)] {
        let limits = [Algorithm::Gcra, Algorithm::Sliding].map(limit);
        let [gcra, sliding] = if durable { limits.map(|limit| limit.durable()) } else { limits };
        let update = format!("UPDATE {table} SET count = count + 1 WHERE id = $1");
        let statements = try_join_all(sessions.iter().map(|session| session.client().prepare(&update))).await?;
        let bare = |lane: usize, turn: u64| {
            let (client, statement) = (sessions[lane].client(), &statements[lane]);
            async move {
                let id = i64::try_from(turn % KEYS)?;
                anyhow::ensure!(client.execute(statement, &[&id]).await? == 1, "the row is there");
                Ok(())
            }
        };
        let mut best = [Best::default(); 3];
        for _ in 0..size.rounds {
            best[0].round(size, bare).await?;
            best[1].round(size, |lane, turn| check(&stores[lane], &gcra, turn)).await?;
            best[2].round(size, |lane, turn| check(&stores[lane], &sliding, turn)).await?;
        }
        best[0].print(engine, "one bare UPDATE", best[0]);
        best[1].print(engine, "dbopt, three windows, gcra", best[0]);
        best[2].print(engine, "dbopt, three windows, sliding", best[0]);
    }
    Ok(())
}
