//! What goes wrong on any ordinary day. Each incident happens for real and leaves its lines in the log.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio_postgres::error::SqlState;

use super::session::Session;
use super::shop::Shop;
use super::workload::{Service, Statement};

/// Something that goes wrong, or a chore of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Incident {
    Checkpoint,
    AddressTaken,
    NoSuchProduct,
    NegativePrice,
    Typo,
    NoSuchColumn,
    WrongDatabase,
    Timeout,
    LockWait,
    Deadlock,
    ClientDied,
}

impl Incident {
    pub(crate) const ALL: [Self; 11] = [
        Self::AddressTaken,
        Self::WrongDatabase,
        Self::LockWait,
        Self::NoSuchColumn,
        Self::NoSuchProduct,
        Self::Timeout,
        Self::Checkpoint,
        Self::Deadlock,
        Self::Typo,
        Self::NegativePrice,
        Self::ClientDied,
    ];

    /// Makes it happen.
    pub(crate) async fn happen(self, shop: &Shop, database: &str) -> Result<()> {
        let mut web = shop.session(database, Service::Web).await?;
        match self {
            Self::Checkpoint => drop(shop.admin(database).await?.script("CHECKPOINT").await?),
            Self::AddressTaken => {
                let sql = r#"INSERT INTO "customers" ("email", "name", "country") VALUES ($1, $2, $3) RETURNING "id""#;
                let again = Statement::unnamed(sql, &[&"georg.hansen6@example.com", &"Georg Hansen", &"DE"]);
                fails(web.run(&again).await, &SqlState::UNIQUE_VIOLATION)?;
            }
            Self::NoSuchProduct => {
                let sql = r#"INSERT INTO "order_items" ("order_id", "product_id", "quantity", "unit_price_cents") VALUES ($1, $2, $3, $4)"#;
                let orphan = Statement::unnamed(sql, &[&1, &2_000_000_000, &1, &990]);
                fails(web.run(&orphan).await, &SqlState::FOREIGN_KEY_VIOLATION)?;
            }
            Self::NegativePrice => {
                let sql = r#"UPDATE "products" SET "price_cents" = $1 WHERE "products"."id" = $2"#;
                fails(web.run(&Statement::unnamed(sql, &[&-100, &17])).await, &SqlState::CHECK_VIOLATION)?;
            }
            Self::Typo => {
                let sql = "SELEC id, status FROM orders WHERE id = 4711;";
                fails(shop.session(database, Service::Reports).await?.script(sql).await, &SqlState::SYNTAX_ERROR)?;
            }
            Self::NoSuchColumn => {
                let sql = "SELECT o.id, o.order_number\nFROM orders o\nWHERE o.status = 'paid'";
                fails(shop.session(database, Service::Reports).await?.script(sql).await, &SqlState::UNDEFINED_COLUMN)?;
            }
            Self::WrongDatabase => {
                let conn_string = shop.conn_string("shop_staging", "shop_app", "shop-web");
                fails(Session::open(&conn_string).await, &SqlState::INVALID_CATALOG_NAME)?;
            }
            Self::Timeout => {
                let reports = shop.session(database, Service::Reports).await?;
                reports.script("SET statement_timeout = '250ms'").await?;
                let sql = "SELECT count(*)\nFROM events a\nJOIN events b ON b.customer_id = a.customer_id AND b.kind <> a.kind\nJOIN order_items i ON i.product_id = (a.payload->>'product_id')::bigint";
                fails(reports.script(sql).await, &SqlState::QUERY_CANCELED)?;
            }
            Self::LockWait => lock_wait(shop, database).await?,
            Self::Deadlock => deadlock(shop, database).await?,
            Self::ClientDied => {
                let other = shop.session(database, Service::Web).await?;
                other.script("BEGIN").await?;
                other.script("UPDATE carts SET updated_at = now() WHERE id = 3").await?;
                other.abandon().await;
            }
        }
        web.close().await;
        Ok(())
    }
}

/// One session waits for another's row lock for longer than `deadlock_timeout`.
async fn lock_wait(shop: &Shop, database: &str) -> Result<()> {
    let sql = "UPDATE products SET price_cents = price_cents + 100 WHERE id = 1";
    let first = shop.session(database, Service::Web).await?;
    let second = shop.session(database, Service::Worker).await?;
    first.script("BEGIN").await?;
    first.script(sql).await?;
    let commit = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        first.script("COMMIT").await
    };
    let (waited, committed) = tokio::join!(second.script(sql), commit);
    waited?;
    committed?;
    Ok(())
}

/// Two sessions lock the same rows in opposite orders.
async fn deadlock(shop: &Shop, database: &str) -> Result<()> {
    let first = shop.session(database, Service::Web).await?;
    let second = shop.session(database, Service::Web).await?;
    let lock = |id: u32| format!("UPDATE customers SET marketing_opt_in = false WHERE id = {id}");
    for (session, id) in [(&first, 11), (&second, 12)] {
        session.script("BEGIN").await?;
        session.script(&lock(id)).await?;
    }
    let (one, two) = (lock(12), lock(11));
    let (one, two) = tokio::join!(first.script(&one), second.script(&two));
    if one.is_ok() == two.is_ok() {
        bail!("expected one of two sessions to fail with a deadlock");
    }
    fails(one.and(two), &SqlState::T_R_DEADLOCK_DETECTED)?;
    for session in [&first, &second] {
        session.script("ROLLBACK").await?;
    }
    Ok(())
}

/// Checks that the server refused, and for this reason.
fn fails<T>(result: Result<T, tokio_postgres::Error>, state: &SqlState) -> Result<()> {
    match result {
        Ok(_) => bail!("expected the error {}, but the statement succeeded", state.code()),
        Err(error) if error.code() == Some(state) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
