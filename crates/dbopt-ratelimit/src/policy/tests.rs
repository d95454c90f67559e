//! Tests of the policy.

use std::{num::NonZeroU32, time::Duration};

use super::*;
use crate::{Keyer, Limiter, MemoryConfig, MemoryStore, Missing, OnFailure, Part, Proxies, Request, Watch};

fn read(body: &str) -> Result<LimitPolicy, Vec<String>> {
    let text = format!("policy = 'ratelimit'\nversion = 1\n{body}");
    let loaded = dbopt_policy::parse::<LimitPolicy>(text, "r.toml");
    loaded.map(|loaded| loaded.policy).map_err(|refused| refused.findings.iter().map(ToString::to_string).collect())
}

fn shipped() -> LimitPolicy {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/ratelimit.toml");
    dbopt_policy::load::<LimitPolicy>(path).expect("good").policy
}

#[test]
fn each_key_has_its_effect() {
    let policy = read(
        "allow = ['user=root']\ndeny = ['198.51.100.0/24', 'claim:role=bot']\n\
         [client]\nheader = 'forwarded'\nnetworks = ['10.0.0.0/8']\nipv4_prefix = 24\nipv6_prefix = 56\n\
         [rule.ml]\nkey = ['user', 'header:X-Org']\nroutes = ['/ml/**']\nmethods = ['post']\n\
         limits = ['100/min burst 20', '1000/h']\ncost = 2\nmissing = 'refuse'\non_failure = 'closed'\nshadow = true\n\
         watch = 'login'\ndurable = true\nallow = ['tenant=us']\ndeny = ['route=/ml/old']\n\
         plan.pro.limits = ['200/min']\n\
         [[rule.ml.for]]\nwho = 'user=7'\nlimits = ['300/min']\n\
         [rule.ml.concurrent]\nmost = 3\nlongest = '1m'\n\
         [rule.ml.block]\nafter = 4\nwithin = '10m'\nfor = '1h'\n\
         [rule.calm]\nalgorithm = 'sliding'\nlimits = ['7/day']\n",
    )
    .expect("good");
    assert_eq!((policy.rules.allowed().len(), policy.rules.denied().len()), (1, 2));
    assert!(matches!(&policy.client.proxies, Proxies::Networks(networks) if networks.len() == 1));
    assert_eq!(policy.client.header, crate::ForwardHeader::Forwarded);
    let rule = policy.rules.get("ml").expect("a rule");
    assert_eq!(rule.parts, [Part::User, Part::Header("x-org".into())]);
    assert!(rule.is_for(Some("/ml/x"), Some("POST")) && !rule.is_for(Some("/ml/x"), Some("GET")));
    let limit = rule.limit.as_ref().expect("a limit");
    assert!(limit.is_durable());
    assert_eq!(limit.windows().iter().map(ToString::to_string).collect::<Vec<_>>(), ["100/60s burst 20", "1000/3600s"]);
    let most = |request: Request<'_>| rule.limit_of(&request).map(|limit| limit.most_at_once());
    assert_eq!((most(Request::new().plan("pro")), most(Request::new().user("7"))), (Some(200), Some(300)));
    assert_eq!((rule.cost.get(), rule.missing, rule.on_failure), (2, Missing::Refuse, OnFailure::Closed));
    assert_eq!((rule.shadow, rule.watch, rule.prefixes.bits()), (true, Watch::Login, (24, 56)));
    assert_eq!((rule.allow.len(), rule.deny.len()), (1, 1));
    let concurrent = rule.concurrent.expect("a bound");
    assert_eq!((concurrent.most.get(), concurrent.longest), (3, Duration::from_secs(60)));
    let block = rule.block.as_ref().expect("a block");
    assert_eq!(
        (block.after().get(), block.within(), block.period()),
        (4, Duration::from_secs(600), Duration::from_secs(3600))
    );
    let calm = policy.rules.get("calm").expect("a rule");
    assert_eq!(calm.limit.as_ref().map(|limit| limit.algorithm()), Some(crate::Algorithm::Sliding));
}

#[test]
fn a_client_has_limits_of_its_own_once() {
    let of = |one: &str, other: &str| {
        let section = |who: &str| format!("[[rule.a.for]]\nwho = '{who}'\nlimits = ['2/min']\n");
        read(&format!("[rule.a]\nlimits = ['1/min']\n{}{}", section(one), section(other))).map(|_| ())
    };
    assert_eq!(of("user=7", "user=8"), Ok(()));
    let twice = "r.toml:9:7: this client has limits of its own already";
    for (one, other) in [("user=7", "user=7"), ("10.0.0.0/8", "10.0.0.0/8")] {
        let faults = of(one, other).expect_err("twice");
        assert!(faults.len() == 1 && faults[0].contains(twice), "{faults:?}");
    }
}

#[test]
fn every_fault_is_found_and_located() {
    let faults = read(
        "deny = ['users=7', '10.0.0.1/8', 'api_key=sk_live_hush']\n\
         [client]\nproxies = 1\nnetworks = ['10/8']\nipv6_prefix = 0\n\
         [rule.a]\nkey = ['usr', 'header:a b']\nroutes = ['ml', '/a*']\nmethods = ['']\n\
         limits = ['100', '0/min', '1/s burst x', '9999999999/s', '1/9000d']\n\
         [rule.b]\nlimits = ['1/min', '2/60s']\nkey = ['user']\non_failure = 'opn'\n\
         [rule.c]\nkey = ['user']\n\
         [rule.'d e']\nlimits = ['1/min']\nalgorithm = 'sliding'\n\
         [rule.f]\nlimits = []\nblock = { after = 1, within = '0s', for = '1h' }\nconcurrent = { most = 0 }\nlimit = 7\n\
         [rule.g]\nlimits = ['1/min']\nkey = ['user', 'user']\n",
    )
    .expect_err("bad");
    let expected = [
        "r.toml:3:9: this is no client that a rule can tell",
        "r.toml:3:20: `10.0.0.1/8` has bits set after its prefix; its network is `10.0.0.0/8`",
        "r.toml:3:34: this is no reference to an API key",
        "r.toml:6:13: `10/8` is no address and no network",
        "r.toml:7:15: `client.ipv6_prefix` is not from 1 to 128",
        "r.toml:9:8: `usr` is nothing that a rule can count by",
        "r.toml:9:15: `header:a b` is nothing that a rule can count by",
        "r.toml:10:11: a route begins with `/`",
        "r.toml:10:17: `*` stands for a whole segment",
        "r.toml:11:12: this is no method",
        "r.toml:12:11: `100` is no rate",
        "r.toml:12:18: rate `0/min` allows nothing",
        "r.toml:12:27: after `burst` comes a whole number above zero",
        "r.toml:12:42: `9999999999/s` is more than 4294967295",
        "r.toml:12:58: the period of `1/9000d` is not from 1 ms to 366 days",
        "r.toml:14:10: two windows have the period 60s",
        "r.toml:16:14: `rule.b.on_failure` cannot be `opn`",
        "r.toml:17:7: rule `c` limits nothing",
        "r.toml:19:7: `d e` is no name of a rule",
        "r.toml:23:10: a limit has from 1 to 8 windows, not 0",
        "r.toml:24:31: `within` is not from 1 ms to 366 days",
        "r.toml:25:14: `rule.f.concurrent.longest` is missing",
        "r.toml:25:23: `rule.f.concurrent.most` cannot be 0",
        "r.toml:26:1: unknown key `limit` in `rule.f`",
        "r.toml:29:7: rule `g` counts by `user` twice",
    ];
    assert_eq!(faults, expected);
}

#[test]
fn the_shipped_policy_limits_what_it_says() {
    let policy = shipped();
    for (name, windows) in [
        ("ml", "100/60s 1000/3600s 10000/86400s"),
        ("sentiment", "200/60s 2000/3600s 20000/86400s"),
        ("templates", "30/60s 300/3600s 1000/86400s"),
        ("integrations", "20/60s 100/3600s 500/86400s"),
        ("admin", "10/60s 50/3600s 200/86400s"),
        ("health", "1000/3600s"),
    ] {
        let rule = policy.rules.get(name).expect(name);
        let limit = rule.limit.as_ref().expect(name);
        let found: Vec<_> = limit.windows().iter().map(ToString::to_string).collect();
        assert_eq!(found.join(" "), windows, "{name}");
    }
    for (name, part) in [("login-account", Part::User), ("login-address", Part::Address)] {
        let rule = policy.rules.get(name).expect(name);
        assert_eq!((rule.on_failure, rule.watch), (OnFailure::Closed, Watch::Login), "{name}");
        assert!(rule.block.is_some() && rule.parts.contains(&part), "{name}");
    }
    let weak = crate::review(&policy.rules, &policy.client, None);
    assert!(weak.iter().all(|weakness| weakness.kind.is_note()), "{weak:?}");
}

#[test]
fn a_login_is_limited_by_the_shipped_policy() {
    let limiter = Limiter::new(MemoryStore::new(MemoryConfig::default()), shipped().rules, Keyer::shared(&[7; 16]));
    let login = || Request::new().user("ann").route("/login").method("POST");
    let from = |host: u8| login().address([192, 0, 2, host]);
    let admitted = (0..50_u8).filter(|host| limiter.check_now(&from(*host)).is_admitted()).count();
    assert_eq!(admitted, 5, "one account from many addresses");
    let elsewhere = Request::new().user("bob").route("/login").method("POST").address([192, 0, 2, 99]);
    assert!(limiter.check_now(&elsewhere).is_admitted());
}

/// A bad file changes nothing and is told of; a good one takes effect and keeps what was counted.
#[test]
fn a_watched_policy_is_replaced_only_by_a_good_one() {
    let folder = std::env::temp_dir().join(format!("dbopt-limits-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("ratelimit.toml");
    let write = |limit: &str| {
        let text = format!("policy = 'ratelimit'\nversion = 1\nrule.ml = {{ key = ['user'], limits = ['{limit}'] }}\n");
        std::fs::write(&path, text).expect("written");
    };
    write("2/h");
    let (mut watch, _) =
        dbopt_policy::Watch::<LimitPolicy>::open(&path, dbopt_policy::Options::default()).expect("good");
    let store = MemoryStore::new(MemoryConfig::default());
    let limiter = Limiter::new(store, watch.current().rules.clone(), Keyer::shared(&[7; 16]));
    let admitted = |tries| (0..tries).filter(|_| limiter.check_now(&Request::new().user("7")).is_admitted()).count();
    assert_eq!(admitted(9), 2);

    write("many/hour");
    let mut said = Vec::new();
    watch.poll(|event| match event {
        dbopt_policy::Event::Kept { findings, .. } => said = findings,
        event => panic!("{event:?}"),
    });
    assert_eq!(said.len(), 1);
    assert!(said[0].to_string().ends_with("rate `many/hour` does not begin with a whole number"), "{}", said[0]);
    assert_eq!(admitted(9), 0);

    write("1000/h");
    watch.poll(|event| match event {
        dbopt_policy::Event::Reloaded { policy, .. } => limiter.replace(policy.rules.clone()),
        event => panic!("{event:?}"),
    });
    // Two of two an hour were a whole hour, and still are.
    let rules = limiter.rules();
    let most = rules.get("ml").and_then(|rule| rule.limit.as_ref()).map(|limit| limit.most_at_once());
    assert_eq!(most, NonZeroU32::new(1000).map(NonZeroU32::get));
    assert!(admitted(9) <= 1);
    assert!(limiter.check_now(&Request::new().user("8")).is_admitted());
    std::fs::remove_dir_all(folder).expect("removed");
}

/// A key that somebody wrote where the name of its variable belongs, whatever else is wrong there.
#[test]
fn keys_of_clients_are_never_shown() {
    let hush = "sk-live-hush=";
    for text in [
        format!("deny = ['api_kye={hush}']"),
        format!("deny = ['apikey={hush}', 'user=7']"),
        format!("deny = ['{hush}']"),
        "deny = ['sk-live-hush']".to_owned(),
        format!("deny = 'api_key={hush}'"),
        format!("deny = [['api_key={hush}']]"),
        format!("dney = ['api_key={hush}']"),
        format!("deny = ['api_key={hush}'"),
        format!("deny = ['user=7']\ndeny = ['api_key={hush}']"),
        format!("api_key={hush}"),
        format!("[deny]\napi_key = '{hush}'"),
        format!("[rule.a]\nkey = ['api_key={hush}']\nlimits = ['1/min']"),
        format!(
            "[rule.a]\nkey = ['api_key']\nlimits = ['1/min']\n[[rule.a.for]]\nwho = 'api_kay={hush}'\nlimits = ['2/min']"
        ),
        format!(
            "[rule.a]\nkey = ['api_key']\nlimits = ['1/min']\n[[rule.a.for]]\nwhoo = 'api_key={hush}'\nlimits = ['2/min']"
        ),
        format!("[rule.a]\nkey = ['api_key']\nlimits = ['1/min']\nfor = [{{ whoo = 'api_key={hush}', limits = 7 }}]"),
    ] {
        let text = format!("policy = 'ratelimit'\nversion = 1\n{text}\n");
        let refused = dbopt_policy::parse::<LimitPolicy>(&text, "r.toml").expect_err("bad");
        assert!(!format!("{:?}", refused.findings).contains("hush"), "{text}{:#?}", refused.findings);
    }
}
