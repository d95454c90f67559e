//! A network that a test may cut: that of a namespace of its own, in which nothing but the test, its server and its
//! clients is. With the loopback down, packets are lost on both sides and nobody is told, as by a pulled cable; the
//! server's socket goes on (<https://man7.org/linux/man-pages/man7/network_namespaces.7.html>).

use std::process::{Command, Stdio};

/// Set where the loopback may be cut.
const OWN: &str = "DBOPT_OWN_NETWORK";

/// Root may have a network of its own; others in a namespace of users of their own, as far as the system lets them.
const WAYS: [&[&str]; 2] = [&["--net"], &["--user", "--map-current-user", "--keep-caps", "--net"]];

/// Whether this process is in a network of its own.
#[must_use]
pub fn is_own() -> bool {
    std::env::var_os(OWN).is_some()
}

/// Runs one ignored test of this program in a network of its own; whether it went well. None where there cannot be one.
///
/// # Panics
/// When the test cannot be started.
#[must_use]
pub fn run_in_own(test: &str) -> Option<bool> {
    let unshare = |way: &[&str], script: &str| {
        let mut command = Command::new("unshare");
        command.args(way).args(["sh", "-c", script]).arg(std::env::current_exe().expect("this program is a file"));
        command.arg(test).env(OWN, "1");
        command
    };
    let can = |way: &&&[&str]| {
        let mut probe = unshare(way, "ip link set lo up");
        probe.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    let way = WAYS.iter().find(can)?;
    let script = r#"ip link set lo up && exec "$0" "$1" --exact --ignored --nocapture"#;
    Some(unshare(way, script).status().expect("it could be started before").success())
}

/// Cuts the network, or mends it.
///
/// # Panics
/// In a network that is not the test's own.
pub fn set(is_up: bool) {
    assert!(is_own(), "nobody else's network is cut");
    let status = Command::new("ip").args(["link", "set", "lo", if is_up { "up" } else { "down" }]).status();
    assert!(status.expect("ip starts").success(), "the loopback cannot be set");
}
