-- The first call of each kind of the example's workload. `cargo xtask example` wrote it.

-- shop-web: customer by id
SELECT "customers".* FROM "customers" WHERE "customers"."id" = 9034 LIMIT 1;

-- shop-worker: stock of a product
SELECT coalesce(sum(delta), 0) FROM inventory_movements WHERE product_id = 47 AND warehouse_id = 2;

-- shop-web: a customer's addresses
SELECT "addresses".* FROM "addresses" WHERE "addresses"."customer_id" = 826 ORDER BY "addresses"."id" ASC;

-- shop-web: event
INSERT INTO "events" ("session_id", "customer_id", "kind", "payload", "occurred_at") VALUES ('b19cf2cc-7a3c-4e5b-8d21-00004fd46c7d', 8300, 'view', '{"product_id": 1987}', '2025-07-01 08:00:00+00') RETURNING "id";

-- shop-web: customer was seen
UPDATE "customers" SET "last_seen_at" = '2025-07-01 08:00:00+00' WHERE "customers"."id" = 524;

-- shop-web: products of a brand
SELECT "products"."id", "products"."name", "products"."price_cents" FROM "products" WHERE (attributes->>'brand' = 'brand-62') AND "products"."active" = 'true' ORDER BY "products"."price_cents" ASC LIMIT 24;

-- shop-web: customer by e-mail, any case
SELECT "customers".* FROM "customers" WHERE (LOWER("customers"."email") = 'femke.dubois8185@example.org') LIMIT 1;

-- shop-worker: expired sessions
DELETE FROM sessions WHERE expires_at < '2024-02-06 00:00:00+00';

-- shop-web: shipments of orders
SELECT "shipments".* FROM "shipments" WHERE "shipments"."order_id" IN (22994, 16586);

-- shop-web: a customer's orders, with the items of each
SELECT "orders"."id", "orders"."status", "orders"."total_cents", "orders"."created_at" FROM "orders" WHERE "orders"."customer_id" = 510 ORDER BY "orders"."created_at" DESC LIMIT 10;
SELECT "order_items".* FROM "order_items" WHERE "order_items"."order_id" = 38312;
SELECT "order_items".* FROM "order_items" WHERE "order_items"."order_id" = 20531;
SELECT "order_items".* FROM "order_items" WHERE "order_items"."order_id" = 39909;

-- shop-web: reviews of a product
SELECT "reviews".* FROM "reviews" WHERE "reviews"."product_id" = 948 AND "reviews"."approved" = 'true' ORDER BY "reviews"."created_at" DESC LIMIT 10;

-- shop-web: products of a category
SELECT "products".* FROM "products" INNER JOIN "product_categories" ON "products"."id" = "product_categories"."product_id" WHERE "product_categories"."category_id" = 11 AND "products"."active" = 'true' ORDER BY "products"."price_cents" ASC LIMIT 24;

-- shop-worker: payment webhook
UPDATE payments SET status = 'captured', updated_at = '2025-07-01 08:00:00+00' WHERE provider_ref = 'ref_ed6b1bdd8ba2958e';

-- shop-worker: next pending orders
BEGIN;
SELECT id, customer_id, total_cents FROM orders WHERE status = 'pending' ORDER BY created_at LIMIT 20 FOR UPDATE SKIP LOCKED;
COMMIT;

-- shop-web: products by ids
SELECT "products".* FROM "products" WHERE "products"."id" IN (2105, 4761, 552, 571, 4602, 184, 1163, 5394, 2779, 873, 2576, 4704, 1063, 5303);

-- shop-web: products whose name begins so
SELECT "products"."id", "products"."name" FROM "products" WHERE "products"."name" LIKE 'Grove sh%' ORDER BY "products"."name" ASC LIMIT 8;

-- shop-reports: new customers of a country
SELECT count(*) FROM customers WHERE country = 'NL' AND created_at >= '2025-02-21' AND deleted_at IS NULL;

-- shop-web: customers who bought a product
SELECT DISTINCT "orders"."customer_id" FROM "orders" INNER JOIN "order_items" ON "order_items"."order_id" = "orders"."id" WHERE "order_items"."product_id" = 1218 LIMIT 100;

-- shop-web: has this customer bought this product
SELECT 1 AS one FROM "customers" WHERE "customers"."id" = 742 AND EXISTS (SELECT 1 FROM "orders" INNER JOIN "order_items" ON "order_items"."order_id" = "orders"."id" WHERE "orders"."customer_id" = "customers"."id" AND "order_items"."product_id" = 364) LIMIT 1;

-- shop-worker: touch a cart
UPDATE carts SET updated_at = '2025-07-01 08:00:00+00' WHERE token = '7cf6b9ab-7a3c-4e5b-8d21-00001b2e335c';

-- shop-worker: where is this parcel
SELECT id, order_id, shipped_at, delivered_at FROM shipments WHERE tracking_number = 'TRK7F9B7BEA';

-- shop-web: recent activity, next page
SELECT "events"."id", "events"."kind", "events"."payload", "events"."occurred_at" FROM "events" WHERE ("events"."occurred_at", "events"."id") < ('2025-05-04 01:55:52+00', 7498) ORDER BY "events"."occurred_at" DESC, "events"."id" DESC LIMIT 50;

-- shop-web: checkout
BEGIN;
INSERT INTO "orders" ("customer_id", "status", "total_cents", "created_at", "updated_at") VALUES (1851, 'pending', 16300, '2025-07-01 08:00:00+00', '2025-07-01 08:00:00+00') RETURNING "id";
INSERT INTO "order_items" ("order_id", "product_id", "quantity", "unit_price_cents") VALUES (currval(pg_get_serial_sequence('orders', 'id')), 386, 2, 1490) RETURNING "id";
INSERT INTO "inventory_movements" ("product_id", "warehouse_id", "delta", "reason", "created_at") VALUES (386, 3, -1, 'sale', '2025-07-01 08:00:00+00') RETURNING "id";
INSERT INTO "order_items" ("order_id", "product_id", "quantity", "unit_price_cents") VALUES (currval(pg_get_serial_sequence('orders', 'id')), 284, 2, 1490) RETURNING "id";
INSERT INTO "inventory_movements" ("product_id", "warehouse_id", "delta", "reason", "created_at") VALUES (284, 3, -1, 'sale', '2025-07-01 08:00:00+00') RETURNING "id";
INSERT INTO "order_items" ("order_id", "product_id", "quantity", "unit_price_cents") VALUES (currval(pg_get_serial_sequence('orders', 'id')), 631, 3, 1490) RETURNING "id";
INSERT INTO "inventory_movements" ("product_id", "warehouse_id", "delta", "reason", "created_at") VALUES (631, 2, -1, 'sale', '2025-07-01 08:00:00+00') RETURNING "id";
COMMIT;

-- shop-web: count of orders in a state
SELECT COUNT(*) FROM "orders" WHERE "orders"."status" = 'pending';

-- shop-worker: abandoned carts
SELECT id, customer_id, updated_at FROM carts WHERE checked_out_at IS NULL AND updated_at BETWEEN '2025-06-01 00:00:00+00' AND '2025-06-29 12:23:15+00' ORDER BY updated_at LIMIT 100;

-- shop-web: cart with its products
SELECT "carts".* FROM "carts" WHERE "carts"."token" = 'e87f029f-7a3c-4e5b-8d21-000086b67c50' LIMIT 1;
SELECT "products".*, "cart_items"."quantity" FROM "cart_items" INNER JOIN "products" ON "products"."id" = "cart_items"."product_id" WHERE "cart_items"."cart_id" = 1534;

-- shop-web: orders page by page
SELECT "orders".* FROM "orders" ORDER BY "orders"."created_at" DESC LIMIT 25 OFFSET 6525;

-- shop-worker: parcel delivered
UPDATE shipments SET delivered_at = '2025-07-01 09:00:00+00' WHERE tracking_number = 'TRK3729354A' AND delivered_at IS NULL;

-- shop-reports: funnel of a day
SELECT kind, count(*) AS events, count(DISTINCT session_id) AS sessions
FROM events
WHERE occurred_at >= '2025-05-05 00:00:00+00' AND occurred_at < '2025-05-06 00:00:00+00'
GROUP BY kind
ORDER BY events DESC;

-- shop-reports: best products of a category
SELECT p.id, p.name, sum(i.quantity) AS sold
FROM orders o
JOIN order_items i ON i.order_id = o.id
JOIN products p ON p.id = i.product_id
JOIN product_categories pc ON pc.product_id = p.id
JOIN categories c ON c.id = pc.category_id
WHERE c.parent_id = 4
  AND o.created_at >= '2025-06-14'
  AND o.created_at < '2025-06-28'
GROUP BY p.id, p.name
ORDER BY sold DESC
LIMIT 20;

-- shop-reports: products with a word in the name
SELECT id, sku, name FROM products WHERE name ILIKE '%vase%' ORDER BY name LIMIT 50;

-- shop-worker: what a session did
SELECT kind, count(*) FROM events WHERE session_id = 'fecb5ae8-7a3c-4e5b-8d21-00009d02d499' GROUP BY kind;

-- shop-reports: revenue by day
SELECT date_trunc('day', o.created_at) AS day,
       count(*) AS orders,
       sum(o.total_cents) / 100.0 AS revenue
FROM orders o
WHERE o.created_at >= '2025-03-05'
  AND o.created_at < '2025-04-04'
  AND o.status NOT IN ('cancelled', 'refunded')
GROUP BY 1
ORDER BY 1;

-- shop-reports: products never ordered
SELECT p.id, p.sku FROM products p
WHERE p.active
  AND p.id NOT IN (SELECT product_id FROM order_items WHERE product_id IS NOT NULL)
ORDER BY p.id;

-- shop-reports: open payments of a provider
SELECT p.id, p.order_id, p.amount_cents, o.customer_id, c.email
FROM payments p
JOIN orders o ON o.id = p.order_id
JOIN customers c ON c.id = o.customer_id
WHERE p.status = 'open' AND p.provider = 'sepa'
ORDER BY p.created_at;

-- shop-reports: orders of a calendar day
SELECT count(*), sum(total_cents) FROM orders WHERE created_at::date = '2024-09-21';

-- shop-reports: sales of a product
SELECT date_trunc('month', o.created_at) AS month, sum(i.quantity) AS sold, sum(i.quantity * i.unit_price_cents) AS cents
FROM order_items i
JOIN orders o ON o.id = i.order_id
WHERE i.product_id = 3155
GROUP BY 1
ORDER BY 1;

-- shop-reports: slowest pages
SELECT e.session_id, e.payload, row_number() OVER (PARTITION BY e.kind ORDER BY (e.payload->>'ms')::int DESC, e.id) AS rank
FROM events e
WHERE (e.payload->>'ms')::int > 19
ORDER BY e.kind, rank;
