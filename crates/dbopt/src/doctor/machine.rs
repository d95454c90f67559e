//! This machine: the program, its processors, and what libpq's conventions find here.

use std::path::{Path, PathBuf};

use dbopt_report::number::plural;

use super::{Area, Check, Verdict};

/// What was found on this machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    /// Processors that the program may use.
    processors: usize,
    /// Names of libpq's variables that are set; never their values.
    variables: Vec<String>,
    /// The password file, when there is one, and whether others may read it.
    password_file: Option<(PathBuf, bool)>,
    /// Sockets of local servers.
    sockets: Vec<String>,
}

impl Machine {
    /// Looks around.
    pub(crate) fn look() -> Self {
        let mut variables: Vec<String> = std::env::vars_os()
            .filter_map(|(name, _)| name.into_string().ok())
            .filter(|name| name.starts_with("PG") && name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
            .collect();
        variables.sort();
        let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".pgpass"));
        let password_file = std::env::var_os("PGPASSFILE").map(PathBuf::from).or_else(home);
        Self {
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            variables,
            password_file: password_file.filter(|path| path.is_file()).map(|path| {
                let shared = is_shared(&path);
                (path, shared)
            }),
            sockets: ["/var/run/postgresql", "/tmp"].iter().flat_map(|folder| sockets(Path::new(folder))).collect(),
        }
    }
}

/// Whether others than its owner may read or write a file.
#[cfg(unix)]
fn is_shared(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_shared(_: &Path) -> bool {
    false
}

/// The sockets of PostgreSQL in a folder: `.s.PGSQL.PORT`.
fn sockets(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut ports: Vec<String> = names
        .filter_map(|name| name.strip_prefix(".s.PGSQL.").map(str::to_owned))
        .filter(|port| port.parse::<u16>().is_ok())
        .map(|port| format!("{} port {port}", folder.display()))
        .collect();
    ports.sort();
    ports
}

pub(super) fn check(machine: &Machine) -> Vec<Check> {
    let new = |name, verdict, found: String| Check::new(Area::Machine, name, verdict, found);
    let program = format!(
        "dbopt {} on {} {}, {}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        plural(machine.processors, "processor", "processors")
    );
    let mut checks = vec![new("program", Verdict::Good, program)];
    if !machine.variables.is_empty() {
        checks.push(new("environment", Verdict::Good, format!("set: {}", machine.variables.join(", "))));
    }
    if let Some((path, shared)) = &machine.password_file {
        let shown = path.display();
        checks.push(if *shared {
            new("password-file", Verdict::Limited, format!("{shown} is ignored, since others may read it"))
                .fix([format!("chmod 600 '{}'", shown.to_string().replace('\'', r"'\''"))])
        } else {
            new("password-file", Verdict::Good, format!("{shown}"))
        });
    }
    if !machine.sockets.is_empty() {
        checks.push(new("local-servers", Verdict::Good, machine.sockets.join(", ")));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_file_that_others_may_read_is_of_no_use() {
        let machine =
            |shared| Machine { password_file: Some(("/home/it's/.pgpass".into(), shared)), ..Machine::default() };
        let checks = check(&machine(true));
        assert_eq!(checks[1].verdict, Verdict::Limited);
        assert_eq!(checks[1].fix, [r"chmod 600 '/home/it'\''s/.pgpass'"]);
        assert_eq!(check(&machine(false))[1].verdict, Verdict::Good);
    }

    #[test]
    fn sockets_are_found_by_their_names() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        for name in [".s.PGSQL.5433", ".s.PGSQL.5433.lock", ".s.PGSQL.x", "other"] {
            std::fs::write(folder.path().join(name), "").expect("a file can be made");
        }
        assert_eq!(sockets(folder.path()), [format!("{} port 5433", folder.path().display())]);
        assert!(sockets(Path::new("/no/such/folder")).is_empty());
    }
}
