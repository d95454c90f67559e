//! The tables of a generated shop, and which of their rows are a person's.
//!
//! Some persons have nineteen hundred rows each, in 15 of the 18 tables, spread evenly over all rows as in tables that grew for
//! years. All other rows are those of customers whom hashes pick, so that the same arguments make the same rows.

/// A table.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// Rows at scale 1.
    rows: u64,
    /// Rows of each person among those for which `{owner}` is asked.
    each: u64,
    create: &'static str,
    /// Selects the rows. Row `n` is of `{owner}`, and not only of that one but of `{second}`; whether `{owner}` is one of the persons is
    /// `{mine}`. Tables in braces are how many rows they have.
    fill: &'static str,
    /// Indexes; those whose name ends in `_fk` serve foreign keys.
    pub(super) indexes: &'static [&'static str],
    /// Columns that refer, to which table, and what the server does when it loses a row.
    pub(super) keys: &'static [(&'static str, &'static str, &'static str)],
    /// Selects the ids of the rows of `{persons}`, or is empty where there are none.
    pub(super) mine: &'static str,
}

/// How large the shop is.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) scale: f64,
    /// Persons with many rows.
    pub(super) persons: u64,
}

impl Size {
    fn rows(self, table: &Table) -> u64 {
        let scaled = (table.rows as f64 * self.scale).round() as u64;
        scaled.max(2 * self.persons * table.each.max(1))
    }

    fn customers(self) -> u64 {
        TABLES.iter().find(|table| table.name == "customer").map_or(0, |table| self.rows(table))
    }

    /// The key of one of the persons.
    pub(super) fn person(self, number: u64) -> i64 {
        i64::try_from(1 + number * (self.customers() / self.persons)).unwrap_or(i64::MAX)
    }
}

impl Table {
    /// The statements that make it and fill it.
    pub(super) fn load(&self, size: Size) -> String {
        let (rows, persons) = (size.rows(self), size.persons);
        let stride = rows / (persons * self.each.max(1));
        let mine = |n: &str| format!("({n} % {stride} = 0 AND {n} / {stride} <= {})", persons * self.each);
        let (customers, step) = (size.customers(), size.customers() / persons);
        let owner = |n: &str| {
            let hash = format!("((hashint8({n}) & 2147483647) % {customers})");
            format!(
                "CASE WHEN {} THEN 1 + {n} / {stride} % {persons} * {step} WHEN {hash} % {step} = 0 THEN 2 + {hash} ELSE 1 + {hash} END",
                mine(n)
            )
        };
        let text = |least: u32, more: u32| {
            format!("substr('{TEXT}', 1 + (hashint8(n) & 127), {least} + (hashint8(n + 7) & {more}))")
        };
        let mut fill = self.fill.replace("{owner}", &owner("n")).replace("{second}", &owner("(n + 1)"));
        fill = fill.replace("{mine}", &mine("n")).replace("{short}", &text(8, 15)).replace("{long}", &text(40, 127));
        fill = fill
            .replace("{at}", &format!("timestamptz '2021-01-01Z' + n * interval '{} second'", SECONDS / rows as f64));
        for table in TABLES {
            fill = fill.replace(&format!("{{{}}}", table.name), &size.rows(table).to_string());
        }
        format!("CREATE TABLE {}; INSERT INTO {} SELECT {fill};", self.create, self.name)
    }

    /// The indexes without which the server reads the table for each row that goes.
    pub(super) fn serving(&self) -> impl Iterator<Item = &'static str> {
        let names = self.indexes.iter().filter_map(|index| index.split(' ').next());
        names.filter(|name| name.ends_with("_fk"))
    }
}

/// Five years, over which rows are spread.
const SECONDS: f64 = 157_680_000.0;

const TEXT: &str = "the order came late and one of the boxes was open so we would like to know whether the rest will be sent this week or \
    whether we should look elsewhere although the price was fair and the colours are as they were shown on your pages last summer thank \
    you for the quick answer to my question about the chairs";

const fn table(name: &'static str, rows: u64, each: u64, create: &'static str, fill: &'static str) -> Table {
    Table { name, rows, each, create, fill, indexes: &[], keys: &[], mine: "" }
}

pub(super) const TABLES: &[Table] = &[
    table("country", 250, 0, "country (id int PRIMARY KEY, title text)", "n, 'country ' || n FROM generate_series(1, {country}) n"),
    table("carrier", 20, 0, "carrier (id int PRIMARY KEY, title text)", "n, 'carrier ' || n FROM generate_series(1, {carrier}) n"),
    table(
        "product",
        20_000,
        0,
        "product (id bigint PRIMARY KEY, title text, price numeric)",
        "n, {short}, n % 900 FROM generate_series(1::bigint, {product}) n",
    ),
    Table {
        keys: &[("country_id", "country", "")],
        mine: "SELECT unnest({persons})",
        ..table(
            "customer",
            200_000,
            1,
            "customer (id bigint PRIMARY KEY, email text UNIQUE, name text, phone text, country_id int, created_at timestamptz)",
            "n, 'person' || n || '@example.org', 'Name ' || {short}, '+49 170 ' || 1000000 + n, 1 + n % {country}, {at}
             FROM generate_series(1::bigint, {customer}) n",
        )
    },
    Table {
        indexes: &["address_fk ON address (customer_id)"],
        keys: &[("customer_id", "customer", ""), ("country_id", "country", "")],
        mine: "SELECT id FROM address WHERE customer_id = ANY ({persons})",
        ..table(
            "address",
            300_000,
            3,
            "address (id bigint PRIMARY KEY, customer_id bigint NOT NULL, street text, city text, country_id int)",
            "n, {owner}, {short}, 'city ' || n % 5000, 1 + n % {country} FROM generate_series(1::bigint, {address}) n",
        )
    },
    Table {
        indexes: &["orders_fk ON orders (customer_id)"],
        keys: &[("customer_id", "customer", ""), ("carrier_id", "carrier", "")],
        mine: "SELECT id FROM orders WHERE customer_id = ANY ({persons})",
        ..table(
            "orders",
            800_000,
            170,
            "orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL, carrier_id int, placed_at timestamptz, note text)",
            "n, {owner}, 1 + n % {carrier}, {at}, {short} FROM generate_series(1::bigint, {orders}) n",
        )
    },
    Table {
        indexes: &["item_fk ON item (order_id)"],
        keys: &[("order_id", "orders", ""), ("product_id", "product", "")],
        mine: "SELECT item.id FROM item JOIN orders o ON o.id = order_id WHERE customer_id = ANY ({persons})",
        ..table(
            "item",
            2_400_000,
            510,
            "item (id bigint PRIMARY KEY, order_id bigint NOT NULL, product_id bigint, quantity int, price numeric, gift text)",
            "n, 1 + (n - 1) / 3, 1 + n % {product}, n % 7, n % 900, CASE WHEN n % 9 = 0 THEN {short} END
             FROM generate_series(1::bigint, 3 * {orders}) n",
        )
    },
    Table {
        indexes: &["invoice_fk ON invoice (order_id)"],
        keys: &[("order_id", "orders", "")],
        mine: "SELECT i.id FROM invoice i JOIN orders o ON o.id = order_id WHERE customer_id = ANY ({persons})",
        ..table(
            "invoice",
            500_000,
            106,
            "invoice (id bigint PRIMARY KEY, order_id bigint NOT NULL, number text, issued_at timestamptz, recipient text)",
            "n, n, 'R' || n, {at}, {long} FROM generate_series(1::bigint, {orders}) n WHERE hashint8(n) & 7 < 5",
        )
    },
    Table {
        indexes: &["payment_fk ON payment (invoice_id)"],
        keys: &[("invoice_id", "invoice", "")],
        mine: "SELECT p.id FROM payment p JOIN invoice i ON i.id = invoice_id JOIN orders o ON o.id = order_id
               WHERE customer_id = ANY ({persons})",
        ..table(
            "payment",
            500_000,
            106,
            "payment (id bigint PRIMARY KEY, invoice_id bigint NOT NULL, iban text, paid_at timestamptz)",
            "n, n, 'DE' || 1000000000 + n, {at} FROM generate_series(1::bigint, {orders}) n WHERE hashint8(n) & 7 < 5",
        )
    },
    Table {
        indexes: &["message_sender_fk ON message (sender_id)", "message_recipient_fk ON message (recipient_id)"],
        keys: &[("sender_id", "customer", ""), ("recipient_id", "customer", "")],
        mine: "SELECT id FROM message WHERE sender_id = ANY ({persons}) OR recipient_id = ANY ({persons})",
        ..table(
            "message",
            700_000,
            60,
            "message (id bigint PRIMARY KEY, sender_id bigint, recipient_id bigint, sent_at timestamptz, body text)",
            "n, {owner}, {second}, {at}, {long} FROM generate_series(1::bigint, {message}) n",
        )
    },
    Table {
        indexes: &["comment_author_fk ON comment (author_id)", "comment_parent_fk ON comment (parent_id)"],
        keys: &[("author_id", "customer", ""), ("parent_id", "comment", "")],
        mine: "SELECT id FROM comment WHERE author_id = ANY ({persons})",
        ..table(
            "comment",
            500_000,
            80,
            "comment (id bigint PRIMARY KEY, author_id bigint NOT NULL, parent_id bigint, written_at timestamptz, body text)",
            "n, {owner}, CASE WHEN n > 3 AND n % 3 = 0 THEN n / 3 END, {at}, {long} FROM generate_series(1::bigint, {comment}) n",
        )
    },
    Table {
        indexes: &["vote_comment_fk ON vote (comment_id)", "vote_voter_fk ON vote (voter_id)"],
        keys: &[("comment_id", "comment", "ON DELETE CASCADE"), ("voter_id", "customer", "")],
        mine: "SELECT v.id FROM vote v JOIN comment c ON c.id = comment_id
               WHERE voter_id = ANY ({persons}) OR author_id = ANY ({persons})",
        ..table(
            "vote",
            900_000,
            100,
            "vote (id bigint PRIMARY KEY, comment_id bigint NOT NULL, voter_id bigint NOT NULL, value int)",
            "n, 1 + (hashint8(n + 3) & 2147483647) % {comment}, {owner}, n % 2 FROM generate_series(1::bigint, {vote}) n",
        )
    },
    Table {
        indexes: &["event_target ON event (target_type, target_id)"],
        mine: "SELECT id FROM event WHERE target_type = 'Customer' AND target_id = ANY ({persons}) OR target_type = 'Order'
               AND target_id = ANY (ARRAY(SELECT id FROM orders WHERE customer_id = ANY ({persons})))",
        ..table(
            "event",
            900_000,
            120,
            "event (id bigint PRIMARY KEY, target_type text, target_id bigint, at timestamptz, payload jsonb)",
            "n, CASE WHEN {mine} OR n % 3 = 0 THEN 'Customer' WHEN n % 3 = 1 THEN 'Order' ELSE 'Product' END,
             CASE WHEN {mine} OR n % 3 = 0 THEN {owner} WHEN n % 3 = 1 THEN 1 + (hashint8(n + 3) & 2147483647) % {orders}
                  ELSE 1 + n % {product} END,
             {at}, jsonb_build_object('what', {short}, 'old', n % 100, 'new', n % 90) FROM generate_series(1::bigint, {event}) n",
        )
    },
    Table {
        // As dbopt asks for an identifier that is matched regardless of case and blanks.
        indexes: &["newsletter_address ON newsletter (lower(btrim(address, E' \\t\\n\\r')))"],
        mine: "SELECT n.id FROM newsletter n JOIN customer c ON lower(btrim(address, E' \\t\\n\\r')) = email WHERE c.id = ANY ({persons})",
        ..table(
            "newsletter",
            150_000,
            1,
            "newsletter (id bigint PRIMARY KEY, address text, since timestamptz)",
            "n, CASE WHEN {mine} THEN 'Person' || {owner} || '@Example.org' ELSE 'reader' || n || '@example.net' END, {at}
             FROM generate_series(1::bigint, {newsletter}) n",
        )
    },
    Table {
        indexes: &["session_fk ON session (customer_id)"],
        keys: &[("customer_id", "customer", "")],
        mine: "SELECT id FROM session WHERE customer_id = ANY ({persons})",
        ..table(
            "session",
            700_000,
            90,
            "session (id uuid PRIMARY KEY, customer_id bigint NOT NULL, ip inet, agent text, seen_at timestamptz)",
            "md5(n::text)::uuid, {owner}, inet '10.0.0.0' + n, 'Mozilla/5.0 (X11; Linux x86_64) rv:' || n % 130, {at}
             FROM generate_series(1::bigint, {session}) n",
        )
    },
    Table {
        indexes: &["log_actor ON log ((entry #>> '{actor,id}'))"],
        mine: "SELECT id FROM log WHERE entry #>> '{actor,id}' = ANY ({persons}::text[])",
        ..table(
            "log",
            500_000,
            100,
            "log (id bigint PRIMARY KEY, at timestamptz, entry jsonb)",
            "n, {at}, jsonb_build_object('actor', jsonb_build_object('id', {owner}, 'role', 'customer'), 'path', '/orders/' || n,
             'said', {short}, 'took', n % 800) FROM generate_series(1::bigint, {log}) n",
        )
    },
    Table {
        indexes: &["visit_fk ON visit (customer_id)"],
        keys: &[("customer_id", "customer", "")],
        mine: "SELECT id FROM visit WHERE customer_id = ANY ({persons})",
        ..table(
            "visit",
            800_000,
            120,
            "visit (id bigint, at timestamptz, customer_id bigint NOT NULL, page text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
             CREATE TABLE visit_2021 PARTITION OF visit FOR VALUES FROM (MINVALUE) TO ('2022-01-01Z');
             CREATE TABLE visit_2022 PARTITION OF visit FOR VALUES FROM ('2022-01-01Z') TO ('2023-01-01Z');
             CREATE TABLE visit_2023 PARTITION OF visit FOR VALUES FROM ('2023-01-01Z') TO ('2024-01-01Z');
             CREATE TABLE visit_2024 PARTITION OF visit FOR VALUES FROM ('2024-01-01Z') TO ('2025-01-01Z');
             CREATE TABLE visit_2025 PARTITION OF visit FOR VALUES FROM ('2025-01-01Z') TO (MAXVALUE)",
            "n, {at}, {owner}, '/products/' || n % {product} FROM generate_series(1::bigint, {visit}) n",
        )
    },
    Table {
        indexes: &["search_fk ON search (customer_id)"],
        keys: &[("customer_id", "customer", "")],
        // It has no key; whose a row is says its column.
        mine: "",
        ..table(
            "search",
            300_000,
            70,
            "search (customer_id bigint NOT NULL, term text, at timestamptz)",
            "{owner}, {short}, {at} FROM generate_series(1::bigint, {search}) n",
        )
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn persons_are_customers_of_their_own() {
        for scale in [0.0, 0.001, 1.0] {
            let size = Size { scale, persons: 24 };
            let keys: std::collections::BTreeSet<_> = (0..24).map(|number| size.person(number)).collect();
            assert_eq!(keys.len(), 24);
            assert!(keys.iter().all(|key| (1..=size.customers().cast_signed()).contains(key)), "{keys:?}");
        }
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        for table in TABLES {
            let sql = table.load(Size { scale: 0.01, persons: 3 });
            assert!(!sql.contains('{'), "{sql}");
        }
    }

    #[test]
    fn indexes_that_serve_references_are_known_by_their_names() {
        let names: Vec<_> = TABLES.iter().flat_map(Table::serving).collect();
        assert_eq!(names.len(), 14, "{names:?}");
        assert!(names.contains(&"item_fk") && !names.contains(&"log_actor"));
    }
}
