-- A schema with something of everything that a catalogue knows.
CREATE SCHEMA app;
CREATE EXTENSION pg_trgm;
CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'very happy');
CREATE DOMAIN app.email AS text COLLATE "C" CHECK (VALUE LIKE '%@%');
CREATE TYPE app.pair AS (a int, b text);

CREATE TABLE app.customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email app.email NOT NULL,
    name varchar(80) NOT NULL,
    "Mixed Case" text COLLATE "C",
    mood app.mood DEFAULT 'ok'::app.mood,
    balance numeric(12,2) DEFAULT 0 NOT NULL,
    tags text[] DEFAULT '{}',
    payload jsonb,
    code char(3),
    flags bit(8),
    stamp timestamp(3) with time zone DEFAULT now(),
    took interval,
    point app.pair,
    full_name text GENERATED ALWAYS AS (name || ' x') STORED,
    deleted_at timestamptz,
    CONSTRAINT customers_email_key UNIQUE (email),
    CONSTRAINT balance_positive CHECK (balance >= 0)
) WITH (fillfactor = 80);
CREATE INDEX customers_lower_name_idx ON app.customers (lower(name)) WHERE deleted_at IS NULL;
CREATE INDEX customers_payload_idx ON app.customers ((payload ->> 'k'), id DESC NULLS LAST);
CREATE INDEX customers_name_pattern_idx ON app.customers (name text_pattern_ops, stamp DESC) INCLUDE (balance) WITH (fillfactor = 70, deduplicate_items = off);
CREATE INDEX customers_name_collate_idx ON app.customers (name COLLATE "POSIX" NULLS FIRST);
CREATE INDEX customers_tags_idx ON app.customers USING gin (tags);
CREATE INDEX customers_trgm_idx ON app.customers USING gin (name gin_trgm_ops);
CREATE INDEX "Odd ""Name""" ON app.customers USING hash ("Mixed Case");
CREATE INDEX customers_stamp_brin ON app.customers USING brin (stamp);
CREATE UNIQUE INDEX customers_mood_code_key ON app.customers (mood, code) WHERE ((mood = 'very happy'::app.mood) AND (balance > 100));
CREATE STATISTICS app.customers_stats (ndistinct, dependencies) ON mood, code FROM app.customers;

CREATE TABLE app.orders (
    id serial,
    customer_id bigint NOT NULL REFERENCES app.customers ON DELETE CASCADE,
    status text DEFAULT 'pending; or not' NOT NULL,
    total double precision,
    created_at date DEFAULT CURRENT_DATE NOT NULL,
    CONSTRAINT orders_total_check CHECK (total > 0 OR total IS NULL)
);
ALTER TABLE app.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
CREATE INDEX orders_customer_id_idx ON app.orders (customer_id);
CREATE INDEX orders_status_idx ON app.orders (status) WHERE status = 'pending';
ALTER TABLE app.orders CLUSTER ON orders_customer_id_idx;

CREATE TABLE app.items (
    order_id int NOT NULL,
    line smallint NOT NULL,
    product uuid,
    PRIMARY KEY (order_id, line),
    FOREIGN KEY (order_id) REFERENCES app.orders (id) ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE
);

CREATE TABLE public.events (
    id bigint NOT NULL,
    at timestamptz NOT NULL,
    kind text,
    customer_id bigint REFERENCES app.customers (id)
) PARTITION BY RANGE (at);
CREATE TABLE public.events_2024 PARTITION OF public.events FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2025-01-01 00:00:00+00');
CREATE TABLE public.events_rest PARTITION OF public.events DEFAULT PARTITION BY LIST (kind);
CREATE TABLE public.events_rest_a PARTITION OF public.events_rest FOR VALUES IN ('a', 'b');
ALTER TABLE public.events ADD CONSTRAINT events_pkey PRIMARY KEY (id, at, kind);
CREATE INDEX events_kind_idx ON public.events (kind, at DESC);

CREATE TABLE public.parent (a int, b text);
CREATE TABLE public.child (c int) INHERITS (public.parent);
ALTER TABLE public.parent ADD CONSTRAINT parent_check CHECK (a > 0);

CREATE TABLE public.rooms (
    room int,
    during tsrange,
    EXCLUDE USING gist (during WITH &&)
);

CREATE VIEW app.open_orders AS SELECT id, customer_id FROM app.orders WHERE status = 'open';
CREATE MATERIALIZED VIEW app.totals AS SELECT customer_id, sum(total) AS total FROM app.orders GROUP BY customer_id;
CREATE UNIQUE INDEX totals_customer_id_idx ON app.totals (customer_id);
CREATE FUNCTION app.f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END; $$;
CREATE TRIGGER t BEFORE UPDATE ON app.orders FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
COMMENT ON TABLE app.orders IS 'orders; CREATE TABLE nothing (x int);';
