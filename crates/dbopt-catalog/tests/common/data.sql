INSERT INTO app.customers (email, name, "Mixed Case", mood, tags, payload, code, stamp, deleted_at, balance)
SELECT 'user' || i || '@example.org', 'Name ' || i % 300, CASE WHEN i % 4 = 0 THEN NULL ELSE 'M' || i % 7 END,
    CASE WHEN i % 10 < 7 THEN 'ok' ELSE 'sad' END::app.mood, ARRAY['t' || i % 3, 'all'], jsonb_build_object('k', i % 5),
    'c' || i % 7, timestamptz '2024-01-01 00:00:00+00' + i * interval '1 hour',
    CASE WHEN i % 5 = 0 THEN timestamptz '2024-06-01 00:00:00+00' END, i % 100
FROM generate_series(1, 2000) AS i;
INSERT INTO app.orders (customer_id, status, total, created_at)
SELECT 1 + i % 2000, (ARRAY['pending', 'paid', 'paid', 'sent, "not" {paid}'])[1 + i % 4], 1 + i % 50, date '2024-01-01' + i % 90
FROM generate_series(1, 5000) AS i;
INSERT INTO public.events SELECT i, timestamptz '2024-01-01 00:00:00+00' + i * interval '1 hour', 'a', 1 FROM generate_series(1, 1000) AS i;
INSERT INTO public.events SELECT i, timestamptz '2025-01-01 00:00:00+00' + i * interval '1 hour', 'b', 2 FROM generate_series(1, 500) AS i;
REFRESH MATERIALIZED VIEW app.totals;
ANALYZE;
