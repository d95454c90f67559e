//! The servers to try: the lists of hosts, addresses and ports, taken together.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::settings_error::SettingsError;

/// The port when none is given.
const DEFAULT_PORT: u16 = 5432;

/// Where builds of PostgreSQL put their socket by default: Debian's and Red Hat's, and PostgreSQL's own.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// One server to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) endpoint: Endpoint,
    pub(crate) port: u16,
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// By the socket in this folder.
    Socket(PathBuf),
    /// By TCP.
    Tcp {
        /// The name to look up and to check certificates for, when one was given.
        name: Option<String>,
        /// The address to use in place of looking the name up.
        address: Option<IpAddr>,
    },
}

impl Target {
    /// Reads the comma-separated lists of `host`, `hostaddr` and `port`, as libpq does: as many hosts as addresses, and
    /// as many ports or one for all; an empty element means the default.
    pub(crate) fn list(
        hosts: Option<&str>,
        addresses: Option<&str>,
        ports: Option<&str>,
    ) -> Result<Vec<Self>, SettingsError> {
        let split = |list: Option<&str>| -> Vec<String> {
            list.filter(|list| !list.is_empty())
                .map_or_else(Vec::new, |list| list.split(',').map(str::to_owned).collect())
        };
        let (hosts, addresses, ports) = (split(hosts), split(addresses), split(ports));
        if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
            return Err(SettingsError::new(format!(
                "{} hosts do not match {} host addresses",
                hosts.len(),
                addresses.len()
            )));
        }
        let count = hosts.len().max(addresses.len()).max(1);
        if ports.len() > 1 && ports.len() != count {
            return Err(SettingsError::new(format!("{} ports do not match {count} hosts", ports.len())));
        }
        (0..count)
            .map(|at| {
                let port = port(ports.get(if ports.len() == 1 { 0 } else { at }).map_or("", String::as_str))?;
                let host = hosts.get(at).map_or("", String::as_str);
                let address = addresses.get(at).map_or("", String::as_str);
                Ok(Self { endpoint: Endpoint::read(host, address, port)?, port })
            })
            .collect()
    }

    /// The name that a line of the password file has for this server (PostgreSQL docs, "libpq-pgpass").
    pub(crate) fn passfile_host(&self) -> String {
        match &self.endpoint {
            Endpoint::Socket(folder) if SOCKET_FOLDERS.iter().any(|default| Path::new(default) == folder) => {
                "localhost".to_owned()
            }
            Endpoint::Socket(folder) => folder.display().to_string(),
            Endpoint::Tcp { name: Some(name), .. } => name.clone(),
            Endpoint::Tcp { address, .. } => address.map(|address| address.to_string()).unwrap_or_default(),
        }
    }
}

impl Endpoint {
    fn read(host: &str, address: &str, port: u16) -> Result<Self, SettingsError> {
        if !address.is_empty() {
            let address = address.parse().map_err(|_| {
                SettingsError::new("`hostaddr` is not a numeric address").hint("give a host name as `host`")
            })?;
            return Ok(Self::Tcp {
                name: Some(host).filter(|host| !host.is_empty()).map(str::to_owned),
                address: Some(address),
            });
        }
        if host.is_empty() {
            return Ok(Self::Socket(default_socket_folder(port)));
        }
        if host.starts_with('@') {
            return Err(SettingsError::new("sockets in the abstract name space are not supported"));
        }
        if host.starts_with('/') {
            return Ok(Self::Socket(PathBuf::from(host)));
        }
        Ok(Self::Tcp { name: Some(host.to_owned()), address: None })
    }
}

/// `host:port`, or the path of the socket.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Endpoint::Socket(folder) => write!(f, "{}/.s.PGSQL.{}", folder.display(), self.port),
            Endpoint::Tcp { name: Some(name), address: Some(address) } => write!(f, "{name} ({address}):{}", self.port),
            Endpoint::Tcp { name: Some(name), address: None } if name.contains(':') => {
                write!(f, "[{name}]:{}", self.port)
            }
            Endpoint::Tcp { name: Some(name), address: None } => write!(f, "{name}:{}", self.port),
            Endpoint::Tcp { name: None, address: Some(IpAddr::V6(address)) } => write!(f, "[{address}]:{}", self.port),
            Endpoint::Tcp { name: None, address: Some(address) } => write!(f, "{address}:{}", self.port),
            Endpoint::Tcp { name: None, address: None } => write!(f, ":{}", self.port),
        }
    }
}

/// The folder that has a socket for this port, since a client cannot know how the server was built; else the first
/// that exists.
fn default_socket_folder(port: u16) -> PathBuf {
    let folders = || SOCKET_FOLDERS.iter().map(Path::new);
    folders()
        .find(|folder| folder.join(format!(".s.PGSQL.{port}")).exists())
        .or_else(|| folders().find(|folder| folder.is_dir()))
        .unwrap_or(Path::new("/tmp"))
        .to_owned()
}

/// Reads a port. The text is not repeated: in a URI with an unescaped `/` in its password it is the password's start.
fn port(text: &str) -> Result<u16, SettingsError> {
    match text.trim() {
        "" => Ok(DEFAULT_PORT),
        text => text
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| SettingsError::new("invalid port number").hint("a port is a number from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &str, addresses: &str, ports: &str, expected: &str) {
        let shown = match Target::list(Some(hosts), Some(addresses), Some(ports)) {
            Ok(targets) => targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{hosts} {addresses} {ports}");
    }

    #[test]
    fn lists_are_taken_together() {
        check("a", "", "", "a:5432");
        check("a,b", "", "1", "a:1 b:1");
        check("a,b", "", "1,", "a:1 b:5432");
        check("/run,::1", "", "", "/run/.s.PGSQL.5432 [::1]:5432");
        check("a,", "1.2.3.4,::5", "7", "a (1.2.3.4):7 [::5]:7");
        check("a,b", "1.2.3.4", "", "2 hosts do not match 1 host addresses");
        check("a,b", "", "1,2,3", "3 ports do not match 2 hosts");
        check("a", "", "65536", "invalid port number");
        check("a", "", "0", "invalid port number");
        check("a", "b", "", "`hostaddr` is not a numeric address");
        check("@a", "", "", "sockets in the abstract name space are not supported");
    }

    #[test]
    fn default_sockets_are_localhost_to_the_password_file() {
        let host = |host| Target::list(Some(host), None, None).expect("a target")[0].passfile_host();
        assert_eq!(host(""), "localhost");
        assert_eq!(host("/var/run/postgresql"), "localhost");
        assert_eq!(host("/srv/run"), "/srv/run");
        assert_eq!(host("db.example"), "db.example");
    }
}
