-- The row's key is chosen by the service, because a value is bound to it before the row is there.
CREATE SEQUENCE IF NOT EXISTS public.customer_id;

CREATE TABLE IF NOT EXISTS public.customer (
    id bigint PRIMARY KEY,
    email bytea NOT NULL,
    email_term bytea NOT NULL
);

CREATE INDEX IF NOT EXISTS customer_email_term ON public.customer (email_term);

-- Samples of sealed values are of no use to the planner.
ALTER TABLE public.customer ALTER COLUMN email SET STATISTICS 0;
