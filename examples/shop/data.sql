-- Fills the web shop. `cargo xtask example` replaces each `{name}` by a number of rows and runs this as one
-- transaction. Every value is a hash of its row's number and a salt, so the same scale gives the same rows.

CREATE SCHEMA gen;

-- A number in [0, 1) that depends on nothing but its arguments.
CREATE FUNCTION gen.u(i bigint, salt integer) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT (hashint8extended(i, salt) & 4503599627370495)::double precision / 4503599627370496 $$;
-- An integer in 1..n; the larger the skew, the more often it is a small one.
CREATE FUNCTION gen.n(i bigint, salt integer, n bigint, skew double precision) RETURNS bigint LANGUAGE sql IMMUTABLE
    PARALLEL SAFE AS $$ SELECT 1 + floor(n * power(gen.u(i, salt), skew))::bigint $$;
CREATE FUNCTION gen.pick(i bigint, salt integer, choices text[], skew double precision) RETURNS text LANGUAGE sql
    IMMUTABLE PARALLEL SAFE AS $$ SELECT choices[gen.n(i, salt, cardinality(choices), skew)] $$;
-- A moment between 2024-01-01 and 2025-07-01 (547 days); later ones are more frequent, because the shop grew.
CREATE FUNCTION gen.at(part double precision) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT timestamptz '2024-01-01 00:00:00+00' + floor(547 * 86400 * power(part, 0.7)) * interval '1 second' $$;
-- Eight hexadecimal digits, different for each i below 2^32. The workload computes them too, to find rows again.
CREATE FUNCTION gen.code(i bigint, salt bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT lpad(to_hex(((i + salt) * 2654435761) & 4294967295), 8, '0') $$;
CREATE FUNCTION gen.uuid(i bigint, salt bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT (gen.code(i, salt) || '-7a3c-4e5b-8d21-0000' || gen.code(i, salt + 1))::uuid $$;

-- The workload computes the address of customer i too.
INSERT INTO customers (id, email, name, country, locale, marketing_opt_in, created_at, last_seen_at, deleted_at)
SELECT i,
       CASE WHEN i % 5 = 0 THEN first || '.' || last ELSE lower(first || '.' || last) END
           || i || '@example.' || ('{com,org,net}'::text[])[1 + i % 3],
       first || ' ' || last,
       gen.pick(i, 5, '{DE,FR,NL,AT,BE,IT,ES,PL,SE,DK,CH,PT}', 2.2),
       CASE WHEN gen.u(i, 6) < 0.7 THEN gen.pick(i, 7, '{de-DE,fr-FR,nl-NL,de-AT,nl-BE,it-IT,es-ES}', 2) END,
       gen.u(i, 8) < 0.35,
       created,
       CASE WHEN gen.u(i, 9) < 0.8 THEN created + (timestamptz '2025-07-01 00:00:00+00' - created) * gen.u(i, 10) END,
       CASE WHEN gen.u(i, 11) < 0.03 THEN created + (timestamptz '2025-07-01 00:00:00+00' - created) * gen.u(i, 12) END
FROM generate_series(1, {customers}) AS i,
     LATERAL (SELECT ('{Anna,Ben,Carla,David,Elif,Femke,Georg,Hanna,Ivan,Julia}'::text[])[1 + i % 10] AS first,
                     ('{Baker,Costa,Dubois,Ekberg,Fischer,Garcia,Hansen}'::text[])[1 + i % 7] AS last,
                     gen.at(i::double precision / {customers}) AS created) AS made;

INSERT INTO addresses (id, customer_id, kind, street, postcode, city, country)
SELECT i, c.id, CASE WHEN gen.u(i, 20) < 0.75 THEN 'shipping' ELSE 'billing' END,
       gen.pick(i, 21, '{Lindenweg,Hauptstrasse,Rue du Moulin,Kerkstraat,Via Roma,Calle Mayor,Parkweg,Am Markt}', 1) || ' '
           || gen.n(i, 22, 120, 1.5),
       lpad(gen.n(i, 23, 99999, 1)::text, 5, '0'),
       gen.pick(i, 24, '{Berlin,Paris,Utrecht,Wien,Gent,Milano,Madrid,Gdansk,Malmo,Odense,Basel,Porto,Hamburg,Lyon}', 1.4),
       c.country
FROM generate_series(1, {addresses}) AS i
JOIN customers AS c ON c.id = CASE WHEN i <= {customers} THEN i ELSE gen.n(i, 25, {customers}, 1) END;

INSERT INTO categories (id, parent_id, slug, name)
SELECT i, CASE WHEN i > 8 THEN 1 + i % 8 END,
       lower(word) || '-' || i, word || ' ' || i
FROM generate_series(1, 64) AS i,
     LATERAL (SELECT gen.pick(i, 30, '{Lamps,Chairs,Tables,Rugs,Shelves,Garden,Kitchen,Office}', 1) AS word) AS made;

INSERT INTO products (id, sku, name, description, price_cents, active, attributes, created_at, updated_at)
SELECT i, 'SKU-' || lpad(i::text, 7, '0'),
       gen.pick(i, 40, '{Aurora,Borealis,Classic,Delta,Ember,Fjord,Grove,Harbour,Indigo,Juniper,Kite,Lumen,Meadow,Nordic,Opal,Pebble}', 1.2)
           || ' ' || gen.pick(i, 41, '{lamp,chair,table,rug,shelf,vase,mirror,clock,bench,stool,desk,sofa}', 1.2) || ' ' || i,
       CASE WHEN gen.u(i, 42) < 0.9 THEN repeat('A well made piece for a home that is lived in. ', gen.n(i, 43, 9, 1)::integer) END,
       (490 + 900 * gen.n(i, 44, 200, 2.5))::integer,
       gen.u(i, 45) < 0.85,
       jsonb_strip_nulls(jsonb_build_object(
           'brand', 'brand-' || gen.n(i, 46, 120, 1.8),
           'colour', gen.pick(i, 47, '{white,black,oak,walnut,blue,green,red}', 1.4),
           'weight_kg', CASE WHEN gen.u(i, 48) < 0.6 THEN gen.n(i, 49, 40, 2) END)),
       gen.at(i::double precision / {products}),
       gen.at(greatest(i::double precision / {products}, gen.u(i, 50)))
FROM generate_series(1, {products}) AS i;

INSERT INTO product_categories (product_id, category_id)
SELECT DISTINCT p, gen.n(p * 3 + k, 60, 64, 1.6)
FROM generate_series(1, {products}) AS p, generate_series(1, 2) AS k;

-- Orders come in the order of their time. The young ones are still on their way; `pending` is rare.
INSERT INTO orders (id, customer_id, shipping_address_id, status, total_cents, currency, coupon_code, note, created_at, updated_at)
SELECT i, customer, CASE WHEN gen.u(i, 70) < 0.97 THEN customer END,
       CASE WHEN part > 0.985 THEN gen.pick(i, 71, '{pending,paid,paid,shipped}', 1)
            ELSE gen.pick(i, 72, '{delivered,delivered,delivered,delivered,delivered,delivered,delivered,delivered,cancelled,refunded,shipped}', 1.3) END,
       (900 + 100 * gen.n(i, 73, 600, 3))::integer,
       CASE WHEN gen.u(i, 74) < 0.93 THEN 'EUR' ELSE 'CHF' END,
       CASE WHEN gen.u(i, 75) < 0.08 THEN 'SAVE' || gen.n(i, 76, 40, 2) END,
       CASE WHEN gen.u(i, 77) < 0.05 THEN 'please ring twice' END,
       created, created + floor(gen.u(i, 78) * 864000) * interval '1 second'
FROM generate_series(1, {orders}) AS i,
     LATERAL (SELECT i::double precision / {orders} AS part, gen.n(i, 79, {customers}, 1.7) AS customer) AS drawn,
     LATERAL (SELECT gen.at(part) AS created) AS made;

INSERT INTO order_items (order_id, product_id, quantity, unit_price_cents)
SELECT o, gen.n(o * 8 + k, 80, {products}, 2), gen.n(o * 8 + k, 81, 4, 3), (490 + 900 * gen.n(o * 8 + k, 82, 200, 2.5))::integer
FROM generate_series(1, {orders}) AS o, LATERAL generate_series(1, gen.n(o, 83, 5, 1.5)) AS k;

INSERT INTO payments (id, order_id, provider, provider_ref, amount_cents, status, created_at, updated_at)
SELECT o.id, o.id, gen.pick(o.id, 90, '{card,card,sepa,paypal,klarna}', 1), 'ref_' || gen.code(o.id, 90) || gen.code(o.id, 91),
       o.total_cents,
       CASE o.status WHEN 'pending' THEN 'open' WHEN 'cancelled' THEN 'voided' WHEN 'refunded' THEN 'refunded' ELSE 'captured' END,
       o.created_at + interval '40 seconds', o.updated_at
FROM orders AS o;

INSERT INTO shipments (order_id, carrier, tracking_number, shipped_at, delivered_at)
SELECT o.id, gen.pick(o.id, 100, '{DHL,UPS,GLS,DPD,PostNL}', 1.5),
       'TRK' || upper(gen.code(o.id, 100)),
       o.created_at + interval '1 day' + gen.u(o.id, 101) * interval '2 days',
       CASE WHEN o.status <> 'shipped' THEN o.created_at + interval '3 days' + gen.u(o.id, 102) * interval '5 days' END
FROM orders AS o WHERE o.status IN ('shipped', 'delivered', 'refunded') ORDER BY o.id;

INSERT INTO reviews (product_id, customer_id, rating, title, body, approved, created_at)
SELECT DISTINCT ON (product, customer) product, customer, 6 - gen.n(i, 112, 5, 2.2),
       CASE WHEN gen.u(i, 113) < 0.6 THEN gen.pick(i, 114, '{Lovely,Good value,Not for me,Sturdy,Would buy again,Arrived late}', 1) END,
       CASE WHEN gen.u(i, 115) < 0.8 THEN repeat('It does what it should. ', gen.n(i, 116, 6, 1)::integer) END,
       gen.u(i, 117) < 0.9, gen.at(gen.u(i, 118))
FROM generate_series(1, {reviews}) AS i,
     LATERAL (SELECT gen.n(i, 110, {products}, 2) AS product, gen.n(i, 111, {customers}, 1.7) AS customer) AS drawn;

INSERT INTO carts (id, token, customer_id, updated_at, checked_out_at)
SELECT i, gen.uuid(i, 120), CASE WHEN gen.u(i, 121) < 0.6 THEN gen.n(i, 122, {customers}, 1.7) END, updated,
       CASE WHEN gen.u(i, 123) < 0.7 THEN updated END
FROM generate_series(1, {carts}) AS i, LATERAL (SELECT gen.at(i::double precision / {carts}) AS updated) AS made;

INSERT INTO cart_items (cart_id, product_id, quantity)
SELECT DISTINCT ON (c, product) c, product, gen.n(c * 4 + k, 131, 3, 2)
FROM generate_series(1, {carts}) AS c, LATERAL generate_series(1, gen.n(c, 130, 3, 1)) AS k,
     LATERAL (SELECT gen.n(c * 4 + k, 132, {products}, 2) AS product) AS drawn;

INSERT INTO inventory_movements (product_id, warehouse_id, delta, reason, created_at)
SELECT gen.n(i, 140, {products}, 2), gen.n(i, 141, 4, 1.6),
       CASE WHEN gen.u(i, 142) < 0.8 THEN -gen.n(i, 143, 4, 2) ELSE 10 * gen.n(i, 144, 20, 1) END,
       CASE WHEN gen.u(i, 142) < 0.8 THEN 'sale' ELSE gen.pick(i, 145, '{delivery,return,stocktaking}', 1.5) END,
       gen.at(i::double precision / {inventory_movements})
FROM generate_series(1, {inventory_movements}) AS i;

INSERT INTO sessions (id, customer_id, started_at, expires_at, user_agent)
SELECT gen.uuid(i, 150), CASE WHEN gen.u(i, 151) < 0.45 THEN gen.n(i, 152, {customers}, 1.7) END,
       started, started + interval '14 days',
       'Mozilla/5.0 (' || gen.pick(i, 153, '{X11; Linux x86_64,Windows NT 10.0,Macintosh,iPhone,Android 14}', 1.3) || ')'
FROM generate_series(1, {sessions}) AS i, LATERAL (SELECT gen.at(i::double precision / {sessions}) AS started) AS made;

INSERT INTO events (session_id, customer_id, kind, payload, occurred_at)
SELECT gen.uuid(session, 150), CASE WHEN gen.u(session, 151) < 0.45 THEN gen.n(session, 152, {customers}, 1.7) END,
       kind,
       CASE WHEN kind = 'search' THEN jsonb_build_object('q', gen.pick(i, 162, '{lamp,oak table,rug,blue chair,shelf}', 1.3), 'hits', gen.n(i, 163, 300, 2))
            ELSE jsonb_build_object('product_id', gen.n(i, 164, {products}, 2), 'ms', gen.n(i, 165, 900, 3)) END,
       gen.at(i::double precision / {events})
FROM generate_series(1, {events}) AS i,
     LATERAL (SELECT gen.pick(i, 160, '{view,view,view,view,view,search,search,add_to_cart,checkout,purchase}', 1.2) AS kind,
                     greatest(1, least({sessions}, (i::double precision * {sessions} / {events})::bigint - gen.n(i, 161, 20, 2))) AS session) AS made;

DROP FUNCTION gen.uuid, gen.code, gen.at, gen.pick, gen.n, gen.u;
DROP SCHEMA gen;

-- New rows continue where the made ones end.
SELECT setval(pg_get_serial_sequence(t, 'id'), n)
FROM (VALUES ('customers', (SELECT max(id) FROM customers)), ('addresses', (SELECT max(id) FROM addresses)),
             ('categories', (SELECT max(id) FROM categories)), ('products', (SELECT max(id) FROM products)),
             ('orders', (SELECT max(id) FROM orders)), ('payments', (SELECT max(id) FROM payments)),
             ('carts', (SELECT max(id) FROM carts))) AS s (t, n);
