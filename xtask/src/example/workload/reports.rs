//! Figures for people: long statements over several lines, with the values written into them.

use super::{Class, Service, Statement};
use crate::example::size::Draw;

pub(super) const CLASSES: &[Class] = &[
    class("revenue by day", 8, |draw| {
        let day = draw.date(400);
        simple(format!(
            "SELECT date_trunc('day', o.created_at) AS day,\n       count(*) AS orders,\n       sum(o.total_cents) / 100.0 AS revenue\nFROM orders o\nWHERE o.created_at >= '{day}'\n  AND o.created_at < '{}'\n  AND o.status NOT IN ('cancelled', 'refunded')\nGROUP BY 1\nORDER BY 1",
            day.saturating_add(jiff::Span::new().days(30))
        ))
    }),
    class("best products of a category", 4, |draw| {
        let (day, category) = (draw.date(300), 1 + draw.rng.below(8));
        simple(format!(
            "SELECT p.id, p.name, sum(i.quantity) AS sold\nFROM orders o\nJOIN order_items i ON i.order_id = o.id\nJOIN products p ON p.id = i.product_id\nJOIN product_categories pc ON pc.product_id = p.id\nJOIN categories c ON c.id = pc.category_id\nWHERE c.parent_id = {category}\n  AND o.created_at >= '{day}'\n  AND o.created_at < '{}'\nGROUP BY p.id, p.name\nORDER BY sold DESC\nLIMIT 20",
            day.saturating_add(jiff::Span::new().days(14))
        ))
    }),
    class("sales of a product", 16, |draw| {
        let product = 1 + draw.rng.below(draw.sizes.products);
        simple(format!(
            "SELECT date_trunc('month', o.created_at) AS month, sum(i.quantity) AS sold, sum(i.quantity * i.unit_price_cents) AS cents\nFROM order_items i\nJOIN orders o ON o.id = i.order_id\nWHERE i.product_id = {product}\nGROUP BY 1\nORDER BY 1"
        ))
    }),
    class("new customers of a country", 10, |draw| {
        let (country, day) = (draw.rng.pick(&["DE", "FR", "NL", "AT", "PT", "CH"]), draw.date(300));
        simple(format!(
            "SELECT count(*) FROM customers WHERE country = '{country}' AND created_at >= '{day}' AND deleted_at IS NULL"
        ))
    }),
    class("funnel of a day", 10, |draw| {
        let day = draw.date(200);
        simple(format!(
            "SELECT kind, count(*) AS events, count(DISTINCT session_id) AS sessions\nFROM events\nWHERE occurred_at >= '{day} 00:00:00+00' AND occurred_at < '{} 00:00:00+00'\nGROUP BY kind\nORDER BY events DESC",
            day.saturating_add(jiff::Span::new().days(1))
        ))
    }),
    class("open payments of a provider", 8, |draw| {
        let provider = draw.rng.pick(&["card", "sepa", "paypal", "klarna"]);
        simple(format!(
            "SELECT p.id, p.order_id, p.amount_cents, o.customer_id, c.email\nFROM payments p\nJOIN orders o ON o.id = p.order_id\nJOIN customers c ON c.id = o.customer_id\nWHERE p.status = 'open' AND p.provider = '{provider}'\nORDER BY p.created_at"
        ))
    }),
    class("orders of a calendar day", 5, |draw| {
        let day = draw.date(400);
        simple(format!("SELECT count(*), sum(total_cents) FROM orders WHERE created_at::date = '{day}'"))
    }),
    class("products with a word in the name", 6, |draw| {
        let word = draw.rng.pick(&["mirror", "clock", "sofa", "desk", "vase"]);
        simple(format!("SELECT id, sku, name FROM products WHERE name ILIKE '%{word}%' ORDER BY name LIMIT 50"))
    }),
    class("products never ordered", 1, |_| {
        simple("SELECT p.id, p.sku FROM products p\nWHERE p.active\n  AND p.id NOT IN (SELECT product_id FROM order_items WHERE product_id IS NOT NULL)\nORDER BY p.id".to_owned())
    }),
    class("slowest pages", 1, |draw| {
        let ms = 10 + draw.rng.below(40);
        simple(format!(
            "SELECT e.session_id, e.payload, row_number() OVER (PARTITION BY e.kind ORDER BY (e.payload->>'ms')::int DESC, e.id) AS rank\nFROM events e\nWHERE (e.payload->>'ms')::int > {ms}\nORDER BY e.kind, rank"
        ))
    }),
];

const fn class(name: &'static str, weight: u32, make: fn(&mut Draw) -> Vec<Statement>) -> Class {
    Class { name, service: Service::Reports, weight, make }
}

fn simple(sql: String) -> Vec<Statement> {
    vec![Statement::simple(sql)]
}
