//! The shop's pages, in the words of an object-relational mapper.

use super::{Class, Service, Statement};
use crate::example::size::Draw;

pub(super) const CLASSES: &[Class] = &[
    class("customer by id", 380, |draw| vec![customer(draw)]),
    class("customer by e-mail, any case", 260, |draw| {
        let customer = draw.customer();
        let email = draw.email(customer).to_lowercase();
        vec![Statement::unnamed(
            r#"SELECT "customers".* FROM "customers" WHERE (LOWER("customers"."email") = $1) LIMIT $2"#,
            &[&email, &1],
        )]
    }),
    class("a customer's orders, with the items of each", 420, orders_of_a_customer),
    class("a customer's addresses", 240, |draw| {
        vec![Statement::unnamed(
            r#"SELECT "addresses".* FROM "addresses" WHERE "addresses"."customer_id" = $1 ORDER BY "addresses"."id" ASC"#,
            &[&draw.customer()],
        )]
    }),
    class("products by ids", 200, |draw| {
        let count = 2 + draw.rng.below(14);
        let ids: Vec<u64> = (0..count).map(|_| draw.product()).collect();
        vec![in_list(r#"SELECT "products".* FROM "products" WHERE "products"."id" IN "#, &ids)]
    }),
    class("shipments of orders", 160, |draw| {
        let count = 1 + draw.rng.below(10);
        let ids: Vec<u64> = (0..count).map(|_| draw.order()).collect();
        vec![in_list(r#"SELECT "shipments".* FROM "shipments" WHERE "shipments"."order_id" IN "#, &ids)]
    }),
    class("reviews of a product", 160, |draw| {
        vec![Statement::unnamed(
            r#"SELECT "reviews".* FROM "reviews" WHERE "reviews"."product_id" = $1 AND "reviews"."approved" = $2 ORDER BY "reviews"."created_at" DESC LIMIT $3"#,
            &[&draw.product(), &true, &10],
        )]
    }),
    class("products whose name begins so", 120, |draw| {
        let word = draw.rng.pick(&["Aurora ch", "Fjord", "Lumen la", "Opal ta", "Kite", "Nordic be", "Grove sh"]);
        vec![Statement::unnamed(
            r#"SELECT "products"."id", "products"."name" FROM "products" WHERE "products"."name" LIKE $1 ORDER BY "products"."name" ASC LIMIT $2"#,
            &[&format!("{word}%"), &8],
        )]
    }),
    class("products of a category", 150, |draw| {
        let category = draw.rng.skewed(64, 1.6);
        vec![Statement::unnamed(
            r#"SELECT "products".* FROM "products" INNER JOIN "product_categories" ON "products"."id" = "product_categories"."product_id" WHERE "product_categories"."category_id" = $1 AND "products"."active" = $2 ORDER BY "products"."price_cents" ASC LIMIT $3"#,
            &[&category, &true, &24],
        )]
    }),
    class("products of a brand", 130, |draw| {
        let brand = format!("brand-{}", draw.rng.skewed(120, 1.8));
        vec![Statement::unnamed(
            r#"SELECT "products"."id", "products"."name", "products"."price_cents" FROM "products" WHERE (attributes->>'brand' = $1) AND "products"."active" = $2 ORDER BY "products"."price_cents" ASC LIMIT $3"#,
            &[&brand, &true, &24],
        )]
    }),
    class("cart with its products", 220, |draw| {
        let token = draw.cart_token();
        let cart = 1 + draw.rng.below(draw.sizes.carts);
        vec![
            Statement::unnamed(r#"SELECT "carts".* FROM "carts" WHERE "carts"."token" = $1 LIMIT $2"#, &[&token, &1]),
            Statement::unnamed(
                r#"SELECT "products".*, "cart_items"."quantity" FROM "cart_items" INNER JOIN "products" ON "products"."id" = "cart_items"."product_id" WHERE "cart_items"."cart_id" = $1"#,
                &[&cart],
            ),
        ]
    }),
    class("has this customer bought this product", 100, |draw| {
        vec![Statement::unnamed(
            r#"SELECT 1 AS one FROM "customers" WHERE "customers"."id" = $1 AND EXISTS (SELECT 1 FROM "orders" INNER JOIN "order_items" ON "order_items"."order_id" = "orders"."id" WHERE "orders"."customer_id" = "customers"."id" AND "order_items"."product_id" = $2) LIMIT $3"#,
            &[&draw.customer(), &draw.product(), &1],
        )]
    }),
    class("customers who bought a product", 50, |draw| {
        vec![Statement::unnamed(
            r#"SELECT DISTINCT "orders"."customer_id" FROM "orders" INNER JOIN "order_items" ON "order_items"."order_id" = "orders"."id" WHERE "order_items"."product_id" = $1 LIMIT $2"#,
            &[&(1 + draw.rng.below(draw.sizes.products)), &100],
        )]
    }),
    class("count of orders in a state", 60, |draw| {
        let state = draw.rng.pick(&["pending", "paid", "pending", "shipped"]);
        vec![Statement::unnamed(r#"SELECT COUNT(*) FROM "orders" WHERE "orders"."status" = $1"#, &[&state])]
    }),
    class("orders page by page", 30, |draw| {
        vec![Statement::unnamed(
            r#"SELECT "orders".* FROM "orders" ORDER BY "orders"."created_at" DESC LIMIT $1 OFFSET $2"#,
            &[&25, &(25 * draw.rng.skewed(400, 2.0))],
        )]
    }),
    class("recent activity, next page", 60, |draw| {
        let (before, id) = (draw.moment(60), draw.rng.below(draw.sizes.events));
        vec![Statement::unnamed(
            r#"SELECT "events"."id", "events"."kind", "events"."payload", "events"."occurred_at" FROM "events" WHERE ("events"."occurred_at", "events"."id") < ($1, $2) ORDER BY "events"."occurred_at" DESC, "events"."id" DESC LIMIT $3"#,
            &[&before, &id, &50],
        )]
    }),
    class("customer was seen", 180, |draw| {
        vec![Statement::unnamed(
            r#"UPDATE "customers" SET "last_seen_at" = $1 WHERE "customers"."id" = $2"#,
            &[&"2025-07-01 08:00:00+00", &draw.customer()],
        )]
    }),
    class("event", 240, |draw| {
        let (session, customer, product) = (draw.session_id(), draw.customer(), draw.product());
        vec![Statement::unnamed(
            r#"INSERT INTO "events" ("session_id", "customer_id", "kind", "payload", "occurred_at") VALUES ($1, $2, $3, $4, $5) RETURNING "id""#,
            &[&session, &customer, &"view", &format!("{{\"product_id\": {product}}}"), &"2025-07-01 08:00:00+00"],
        )]
    }),
    class("checkout", 70, checkout),
];

const fn class(name: &'static str, weight: u32, make: fn(&mut Draw) -> Vec<Statement>) -> Class {
    Class { name, service: Service::Web, weight, make }
}

fn customer(draw: &mut Draw) -> Statement {
    Statement::unnamed(
        r#"SELECT "customers".* FROM "customers" WHERE "customers"."id" = $1 LIMIT $2"#,
        &[&draw.customer(), &1],
    )
}

/// An account page. The items are fetched order by order, as happens when nobody asked for them in advance.
fn orders_of_a_customer(draw: &mut Draw) -> Vec<Statement> {
    let mut page = vec![Statement::unnamed(
        r#"SELECT "orders"."id", "orders"."status", "orders"."total_cents", "orders"."created_at" FROM "orders" WHERE "orders"."customer_id" = $1 ORDER BY "orders"."created_at" DESC LIMIT $2"#,
        &[&draw.customer(), &10],
    )];
    for _ in 0..draw.rng.below(4) {
        page.push(Statement::unnamed(
            r#"SELECT "order_items".* FROM "order_items" WHERE "order_items"."order_id" = $1"#,
            &[&draw.order()],
        ));
    }
    page
}

fn in_list(select: &str, ids: &[u64]) -> Statement {
    let places: Vec<String> = (1..=ids.len()).map(|at| format!("${at}")).collect();
    let params: Vec<&dyn ToString> = ids.iter().map(|id| id as &dyn ToString).collect();
    Statement::unnamed(format!("{select}({})", places.join(", ")), &params)
}

fn checkout(draw: &mut Draw) -> Vec<Statement> {
    let customer = draw.customer();
    let at = "2025-07-01 08:00:00+00";
    let mut statements = vec![
        Statement::simple("BEGIN"),
        Statement::unnamed(
            r#"INSERT INTO "orders" ("customer_id", "status", "total_cents", "created_at", "updated_at") VALUES ($1, $2, $3, $4, $5) RETURNING "id""#,
            &[&customer, &"pending", &(900 + 100 * draw.rng.below(600)), &at, &at],
        ),
    ];
    for _ in 0..=draw.rng.below(3) {
        let product = draw.product();
        // The mapper knows the new order's id; a lookup in the session gives the same to a script.
        statements.push(Statement::unnamed(
            r#"INSERT INTO "order_items" ("order_id", "product_id", "quantity", "unit_price_cents") VALUES (currval(pg_get_serial_sequence('orders', 'id')), $1, $2, $3) RETURNING "id""#,
            &[&product, &(1 + draw.rng.below(3)), &1490],
        ));
        statements.push(Statement::unnamed(
            r#"INSERT INTO "inventory_movements" ("product_id", "warehouse_id", "delta", "reason", "created_at") VALUES ($1, $2, $3, $4, $5) RETURNING "id""#,
            &[&product, &(1 + draw.rng.below(4)), &-1, &"sale", &at],
        ));
    }
    statements.push(Statement::simple("COMMIT"));
    statements
}
