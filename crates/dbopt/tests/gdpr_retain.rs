//! `dbopt gdpr retain`: what is too old goes, and what is held, to be kept or referred to stays.

mod support;

use dbopt_testkit::{Cluster, Database};
use support::{Ran, command, dbopt, ran};

/// Orders 1 to 100, of which the first 40 are older than three years.
const SCHEMA: &str = "
    CREATE SCHEMA legal;
    CREATE TABLE customer (id int PRIMARY KEY, email text);
    INSERT INTO customer SELECT n, 'c' || n FROM generate_series(1, 10) n;
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customer, placed_at timestamptz);
    INSERT INTO orders SELECT n, 1 + n % 10, now() - interval '1 day' * CASE WHEN n <= 40 THEN 2000 + n ELSE n END
        FROM generate_series(1, 100) n;
    INSERT INTO orders VALUES (101, 1, NULL);
    CREATE INDEX ON orders (customer_id); CREATE INDEX ON orders (placed_at);
    CREATE TABLE invoice (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders ON DELETE CASCADE, issued_at date, address text);
    INSERT INTO invoice VALUES (1, 1, current_date - 2001, 'a'), (2, 2, current_date - 4000, 'b'), (3, 3, NULL, 'c'), (50, 50, current_date, 'd');
    CREATE INDEX ON invoice (order_id);
    CREATE TABLE note (id int, part text, body text, photo text, at timestamp, PRIMARY KEY (id, part));
    INSERT INTO note SELECT n, 'x', 'b', CASE WHEN n = 5 THEN 'p' END, now() - interval '1 day' * n * 100 FROM generate_series(1, 20) n;
    CREATE TABLE legal.hold (table_name text, row_key text, field text, held_until timestamptz);
    INSERT INTO legal.hold VALUES
        ('public.orders', '7', NULL, NULL), ('public.ORDERS', '[\"8\"]', 'placed_at', now() + interval '1 day'),
        ('\"public\".orders', '9', NULL, now() - interval '1 day'), ('public.customer', '10', NULL, NULL),
        ('public.note', '[\"20\", \"x\"]', NULL, NULL);";

const POLICY: &str = "policy = 'gdpr'\nversion = 1\n\
    [purpose.sale]\nabout = 'To sell.'\nbasis = 'contract'\n\
    [[subject]]\nname = 'customer'\ntable = 'public.customer'\nkey = ['id']\n\
    [[table]]\nname = 'public.customer'\nclass = 'owned'\npurpose = 'sale'\nplain = ['id']\ncolumn.email.erase = 'null'\n\
    [[table]]\nname = 'public.orders'\nclass = 'owned'\npurpose = 'sale'\nplain = ['id', 'customer_id', 'placed_at']\n\
    retention = { column = 'placed_at', keep = '1095d' }\n\
    [[table]]\nname = 'public.invoice'\nclass = 'owned'\npurpose = 'sale'\nerase = 'keep'\n\
    keep = { basis = 'tax law', column = 'issued_at', for = '3653d' }\n\
    plain = ['id', 'order_id', 'issued_at']\ncolumn.address.erase = 'null'\n\
    retention = { column = 'issued_at', keep = '1095d', most_share = 1.0 }\n\
    [[table]]\nname = 'public.note'\nclass = 'owned'\npurpose = 'sale'\nplain = ['id', 'part', 'at']\n\
    column.body.erase = 'null'\ncolumn.photo = { erase = 'keep', keep = { basis = 'a claim', until = '2999-01-01' } }\n\
    retention = { column = 'at', keep = '450d', most_share = 0.9 }\n\
    [[hold]]\nname = 'litigation'\ntable = 'legal.hold'\nrelation = 'table_name'\nrow = 'row_key'\nfield = 'field'\nuntil = 'held_until'\n";

struct Shop<'a> {
    database: Database<'a>,
    target: String,
    folder: tempfile::TempDir,
}

impl<'a> Shop<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let database = cluster.database();
        database.execute(SCHEMA);
        database.execute("ANALYZE");
        let target = database.conn_string();
        let shop = Self { database, target, folder: tempfile::tempdir().expect("a folder") };
        shop.policy(POLICY);
        shop
    }

    fn policy(&self, text: &str) {
        std::fs::write(self.folder.path().join("gdpr.toml"), text).expect("written");
    }

    fn retain(&self, args: &[&str]) -> Ran {
        let policy = self.folder.path().join("gdpr.toml");
        let mut command = command();
        command.args(["gdpr", "retain"]).args(args).args(["-d", &self.target, "--policy"]).arg(policy);
        ran(command.output().expect("it starts"))
    }

    fn ids(&self, table: &str) -> String {
        self.database.value(&format!("SELECT string_agg(id::text, ' ' ORDER BY id) FROM {table} WHERE id <= 41"))
    }
}

#[test]
fn what_is_too_old_goes_and_what_is_to_stay_stays() {
    let cluster = Cluster::builder().start().expect("a cluster");
    let shop = Shop::new(&cluster);
    let unready = shop.retain(&["run"]);
    assert!(unready.code == 2 && unready.stderr.contains("dbopt migrate up"), "{unready:?}");
    let plan = shop.retain(&["plan", "--format", "json"]).json();
    let items = plan["plans"][0]["items"].as_array().expect("a list");
    let tables: Vec<_> = items.iter().map(|item| item["work"]["table"]["name"].as_str().expect("a name")).collect();
    let place = |of: &str| tables.iter().position(|name| *name == of);
    assert!(place("invoice") < place("orders"), "{tables:?}");
    assert_eq!(tables.len(), 3, "{tables:?}");
    assert!(items.iter().all(|item| item["class"] == "retention" && item["refused"].is_null()), "{items:?}");
    let table = shop.retain(&["plan"]).stdout;
    for why in [
        "`litigation` holds",
        "(tax law)",
        "`public.invoice` refers to by `order_id`",
        "have `photo` to be kept until 2999-01-01",
    ] {
        assert!(table.split_whitespace().collect::<Vec<_>>().join(" ").contains(why), "{why} is not in {table}");
    }
    assert_eq!(shop.database.value("SELECT count(*) FROM orders"), "101", "a plan changes nothing");

    assert_eq!(dbopt(&["migrate", "up", "-d", &shop.target]).code, 0);
    let ran = shop.retain(&["run", "--format", "json"]);
    assert_eq!(ran.code, 0, "{} {}", ran.stderr, ran.stdout);
    let steps = ran.json()["runs"][0]["steps"].as_array().expect("a list").clone();
    let statements = |list: &[serde_json::Value]| list.iter().map(|one| one["statements"].clone()).collect::<Vec<_>>();
    // The times differ; what is done is the same otherwise.
    let cut = |text: &serde_json::Value| text.to_string().split('\'').step_by(2).collect::<String>();
    assert_eq!(
        statements(items).iter().map(cut).collect::<Vec<_>>(),
        statements(&steps).iter().map(cut).collect::<Vec<_>>()
    );
    let rows: Vec<_> = steps.iter().map(|step| (step["object"].clone(), step["rows"].clone())).collect();
    // Invoice 2 is old enough for the law; of its order nothing is left to refer to it. Order 1 and 3 have invoices that stay.
    assert_eq!(shop.ids("invoice"), "1 3", "{rows:?}");
    assert_eq!(shop.ids("orders"), "1 3 7 8 41", "{rows:?}");
    assert_eq!(shop.database.value("SELECT count(*) FROM orders WHERE id > 40"), "61");
    assert_eq!(shop.database.value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM note"), "1 2 3 4 5 20");
    assert_eq!(shop.database.value("SELECT command || ' ' || outcome FROM dbopt.run"), "gdpr-retain done");
    assert_eq!(shop.database.value("SELECT sum(rows) FROM dbopt.history"), (1 + 36 + 14).to_string());
    assert_eq!(shop.database.value("SELECT count(*) FROM dbopt.journal WHERE closed_at IS NULL"), "0");
    assert!(shop.database.value("SELECT count(*) FROM dbopt.audit_record").parse::<u32>().expect("a number") >= 6);

    // Nothing is left to do; and what is no longer held goes.
    assert_eq!(shop.retain(&["run"]).code, 0);
    assert_eq!(shop.ids("orders"), "1 3 7 8 41");
    shop.database.execute("DELETE FROM legal.hold WHERE row_key = '7'; DELETE FROM invoice WHERE id = 1");
    assert_eq!(shop.retain(&["run"]).code, 0);
    assert_eq!(shop.ids("orders"), "3 8 41");
}

#[test]
fn what_cannot_be_respected_refuses() {
    let cluster = Cluster::builder().start().expect("a cluster");
    let shop = Shop::new(&cluster);
    assert_eq!(dbopt(&["migrate", "up", "-d", &shop.target]).code, 0);
    // A hold that the role may not see, one that nobody can read, and holds that the server cannot see.
    shop.database.execute("CREATE ROLE looker LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker");
    let (socket, port) = (cluster.socket_dir().display().to_string(), cluster.port().to_string());
    let policy = shop.folder.path().join("gdpr.toml");
    let mut looks = command();
    looks.args(["gdpr", "retain", "plan", "-d", shop.database.name(), "-h", &socket, "-p", &port, "-U", "looker"]);
    ran(looks.arg("--policy").arg(policy).output().expect("it starts")).fails(1, "hint: grant the role SELECT");
    shop.database.execute("INSERT INTO legal.hold VALUES ('orders', '5')");
    for command in ["plan", "run"] {
        shop.retain(&[command]).fails(1, "name no row of a table with a key");
    }
    shop.database.execute("DELETE FROM legal.hold WHERE table_name = 'orders'");
    let holds = shop.folder.path().join("holds.jsonl");
    let with_file = format!("{POLICY}[[hold]]\nname = 'letters'\nfile = 'holds.jsonl'\n");
    shop.policy(&with_file);
    shop.retain(&["run"]).fails(1, "cannot be read");
    std::fs::write(&holds, "{\"table\": \"public.orders\", \"row\": [\"5\"]}\n").expect("written");
    shop.retain(&["run"]).fails(1, "are held in a file");
    std::fs::write(&holds, "{\"table\": \"public.customer\", \"row\": [\"5\"]}\n").expect("written");
    assert_eq!(shop.retain(&["plan"]).code, 0, "holds on other tables are no matter here");
    shop.policy(&POLICY.replace("public.note", "public.gone"));
    shop.retain(&["run"]).fails(1, "there is no table `public.gone`");
    shop.policy(&POLICY.replace("keep = '450d', most_share = 0.9", "keep = '450d', most_share = 1.5"));
    shop.retain(&["run"]).fails(2, "cannot be used");
    assert_eq!(shop.database.value("SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM note)"), "121");

    // A trigger that is not listed, and more rows than may go, refuse their own tables only.
    shop.policy(&POLICY.replace("most_share = 0.9", "most_share = 0.1"));
    shop.database.execute(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';
         CREATE TRIGGER watch AFTER DELETE ON orders FOR EACH ROW EXECUTE FUNCTION f()",
    );
    let ran = shop.retain(&["run"]);
    assert!(ran.code == 6 && ran.stdout.contains("`watch`") && ran.stdout.contains("most_share"), "{ran:?}");
    assert_eq!(
        (shop.ids("invoice"), shop.database.value("SELECT count(*) FROM orders")),
        ("1 3".to_owned(), "101".to_owned())
    );
    shop.policy(&POLICY.replace("keep = '1095d' }", "keep = '1095d', triggers = ['watch'] }"));
    assert_eq!(shop.retain(&["run"]).code, 0);
    assert_eq!(shop.ids("orders"), "1 3 7 8 41");
}

#[test]
fn parts_of_a_table_and_rows_that_refer_to_each_other() {
    let cluster = Cluster::builder().start().expect("a cluster");
    let shop = Shop::new(&cluster);
    assert_eq!(dbopt(&["migrate", "up", "-d", &shop.target]).code, 0);
    shop.database.execute(
        "CREATE TABLE visit (id int, at timestamptz, answers int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
         CREATE TABLE visit_old PARTITION OF visit FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
         CREATE TABLE visit_new PARTITION OF visit DEFAULT;
         INSERT INTO visit SELECT n, CASE WHEN n % 2 = 0 THEN '2019-01-01'::timestamptz ELSE '2021-01-01' END FROM generate_series(1, 20) n;
         INSERT INTO visit VALUES (30, now());
         CREATE TABLE comment (id int PRIMARY KEY, parent_id int REFERENCES comment ON DELETE SET NULL, at timestamptz NOT NULL);
         CREATE INDEX ON comment (parent_id);
         INSERT INTO comment VALUES (1, NULL, '2019-01-01'), (2, 1, '2019-01-01'), (3, 2, '2019-01-01'), (4, 4, '2019-01-01'),
             (10, NULL, '2019-01-01'), (11, 10, now());
         INSERT INTO legal.hold VALUES ('public.visit_old', '[\"2\", \"2019-01-01 00:00:00+00\"]')",
    );
    shop.policy(
        "policy = 'gdpr'\nversion = 1\n[[table]]\nname = 'public.visit'\nclass = 'lookup'\nretention = { column = 'at', keep = '365d', most_share = 1.0 }\n\
         [[table]]\nname = 'public.comment'\nclass = 'lookup'\nretention = { column = 'at', keep = '365d', most_share = 1.0 }\n\
         [[hold]]\nname = 'litigation'\ntable = 'legal.hold'\nrelation = 'table_name'\nrow = 'row_key'\n",
    );
    shop.database.execute(&format!("ALTER DATABASE {} SET timezone = 'UTC'", shop.database.name()));
    let ran = shop.retain(&["run"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(shop.ids("visit"), "2 30");
    // A tree goes from its leaves; who answers oneself is no tree.
    assert_eq!(shop.ids("comment"), "1 2 10 11");
    assert_eq!(shop.database.value("SELECT parent_id FROM comment WHERE id = 11"), "10");
    assert_eq!((shop.retain(&["run"]).code, shop.ids("comment")), (0, "1 10 11".to_owned()));
    assert_eq!((shop.retain(&["run"]).code, shop.ids("comment")), (0, "10 11".to_owned()));
}
