CREATE TABLE IF NOT EXISTS public.customer (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS public.orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES public.customer,
    note text,
    placed_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS orders_customer_id ON public.orders (customer_id);

-- A message is its sender's and its recipient's.
CREATE TABLE IF NOT EXISTS public.message (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender_id bigint REFERENCES public.customer,
    recipient_id bigint REFERENCES public.customer,
    body text NOT NULL
);

CREATE INDEX IF NOT EXISTS message_sender_id ON public.message (sender_id);
CREATE INDEX IF NOT EXISTS message_recipient_id ON public.message (recipient_id);
