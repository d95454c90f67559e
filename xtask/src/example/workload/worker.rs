//! Queues, webhooks and cleaning up, in hand-written SQL that is prepared once for each session.

use super::{Class, Service, Statement};
use crate::example::size::Draw;

pub(super) const CLASSES: &[Class] = &[
    class("next pending orders", 120, |_| {
        vec![
            Statement::simple("BEGIN"),
            Statement::prepared(
                "SELECT id, customer_id, total_cents FROM orders WHERE status = 'pending' ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED",
                &[&20],
            ),
            Statement::simple("COMMIT"),
        ]
    }),
    class("payment webhook", 240, |draw| {
        vec![Statement::prepared(
            "UPDATE payments SET status = $1, updated_at = $2 WHERE provider_ref = $3",
            &[&"captured", &"2025-07-01 08:00:00+00", &draw.payment_reference()],
        )]
    }),
    class("where is this parcel", 120, |draw| {
        vec![Statement::prepared(
            "SELECT id, order_id, shipped_at, delivered_at FROM shipments WHERE tracking_number = $1",
            &[&draw.tracking_number()],
        )]
    }),
    class("parcel delivered", 60, |draw| {
        vec![Statement::prepared(
            "UPDATE shipments SET delivered_at = $1 WHERE tracking_number = $2 AND delivered_at IS NULL",
            &[&"2025-07-01 09:00:00+00", &draw.tracking_number()],
        )]
    }),
    class("stock of a product", 240, |draw| {
        vec![Statement::prepared(
            "SELECT coalesce(sum(delta), 0) FROM inventory_movements WHERE product_id = $1 AND warehouse_id = $2",
            &[&draw.product(), &(1 + draw.rng.below(4))],
        )]
    }),
    class("abandoned carts", 40, |draw| {
        vec![Statement::prepared(
            "SELECT id, customer_id, updated_at FROM carts WHERE checked_out_at IS NULL AND updated_at BETWEEN $1 AND $2 ORDER BY updated_at LIMIT 100",
            &[&"2025-06-01 00:00:00+00", &draw.moment(20)],
        )]
    }),
    class("touch a cart", 100, |draw| {
        vec![Statement::prepared(
            "UPDATE carts SET updated_at = $1 WHERE token = $2",
            &[&"2025-07-01 08:00:00+00", &draw.cart_token()],
        )]
    }),
    class("expired sessions", 10, |draw| {
        // A day of the first year at a time: what is old is not many.
        let until = jiff::civil::date(2024, 1, 15).saturating_add(jiff::Span::new().days(draw.rng.below(60) as i64));
        vec![Statement::prepared("DELETE FROM sessions WHERE expires_at < $1", &[&format!("{until} 00:00:00+00")])]
    }),
    class("what a session did", 60, |draw| {
        vec![Statement::prepared(
            "SELECT kind, count(*) FROM events WHERE session_id = $1 GROUP BY kind",
            &[&draw.session_id()],
        )]
    }),
];

const fn class(name: &'static str, weight: u32, make: fn(&mut Draw) -> Vec<Statement>) -> Class {
    Class { name, service: Service::Worker, weight, make }
}
