//! Several processes that share a limit.

use std::process::{Command, Stdio};

use dbopt_ratelimit::{Algorithm, Charge, Key, Limit, Store};

use super::{HOUR, limit, new_key, remaining};

const ADDRESS: &str = "DBOPT_TEST_LIMIT_STORE";
const KEY: &str = "DBOPT_TEST_LIMIT_KEY";
const ADMITTED: &str = "admitted:";

fn limits() -> [Limit; 2] {
    [limit(Algorithm::Gcra, &[(300, HOUR), (5_000, 24 * HOUR)]), limit(Algorithm::Sliding, &[(1_000, HOUR)])]
}

/// Runs a test of this binary in two processes at once, which are to charge one key at this address.
pub(crate) async fn share(test: &str, address: &str, store: impl Store) {
    let program = std::env::current_exe().expect("the test's own program");
    let key = new_key();
    let start = || {
        let mut command = Command::new(&program);
        command.args(["--exact", test, "--ignored", "--nocapture"]).stdout(Stdio::piped());
        command.env(ADDRESS, address).env(KEY, format!("{} {}", key.0[0], key.0[1]));
        command.spawn().expect("the program can be started")
    };
    let admitted = [start(), start()].map(|process| {
        let output = process.wait_with_output().expect("the process ends");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}");
        let (_, number) = said.split_once(ADMITTED).unwrap_or_else(|| panic!("{said}"));
        number.split_whitespace().next().and_then(|number| number.parse::<u32>().ok()).expect("a number")
    });
    assert_eq!(admitted.iter().sum::<u32>(), 300, "{admitted:?}");
    let [several, one] = limits();
    assert_eq!(remaining(&store, &several, key).await, [0, 4_700]);
    assert_eq!(remaining(&store, &one, key).await, [700], "what was refused was not charged here");
}

/// What each of the processes does.
#[expect(clippy::print_stdout, reason = "the other process reads it")]
pub(crate) async fn charge_until_refused<S: Store>(connect: impl AsyncFn(String) -> S) {
    let [several, one] = &limits();
    let key = std::env::var(KEY).expect("it is run by the other test");
    let (high, low) = key.split_once(' ').expect("two numbers");
    let key = Key([high.parse().expect("a number"), low.parse().expect("a number")]);
    let store = &connect(std::env::var(ADDRESS).expect("it is run by the other test")).await;
    let task = async |_| {
        let mut admitted = 0_u32;
        let charges = [Charge { limit: several, key, cost: 1 }, Charge { limit: one, key, cost: 1 }];
        while store.charge(&charges).await.expect("an answer").admitted {
            admitted += 1;
        }
        admitted
    };
    let admitted = futures_util::future::join_all((0..4).map(task)).await;
    println!("{ADMITTED} {}", admitted.iter().sum::<u32>());
}
