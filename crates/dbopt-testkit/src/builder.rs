//! How a cluster is to be started.

use crate::cluster::Cluster;
use crate::error::Error;

/// The choices for a [`Cluster`], from [`Cluster::builder`].
#[derive(Clone, Debug, Default)]
pub struct Builder {
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) hba: Vec<String>,
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) loopback: bool,
    pub(crate) standby: bool,
    /// How to connect to the server to copy and follow.
    pub(crate) primary: Option<String>,
}

impl Builder {
    /// Sets a server setting, as a line of `postgresql.conf` would; a later one wins over an earlier one and over
    /// the defaults (no fsync, no autovacuum, small buffers, UTC, English messages).
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a line to `pg_hba.conf` in place of the default, which trusts everybody. The superuser `postgres` is
    /// always trusted on the socket, because the cluster's own helpers connect so.
    #[must_use]
    pub fn hba(mut self, line: &str) -> Self {
        self.hba.push(line.to_owned());
        self
    }

    /// Puts a file into the data folder, readable by the server alone; meant for certificates and keys.
    #[must_use]
    pub fn file(mut self, name: &str, contents: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), contents.into()));
        self
    }

    /// Also listens on a free port of 127.0.0.1.
    #[must_use]
    pub fn listen_on_loopback(mut self) -> Self {
        self.loopback = true;
        self
    }

    /// Starts as a hot standby without a primary: read-only, in recovery for good.
    #[must_use]
    pub fn standby(mut self) -> Self {
        self.standby = true;
        self
    }

    /// Starts as a streaming replica of another cluster, which has to let `postgres` replicate: a line such as
    /// `local replication postgres trust` by [`Builder::hba`]. Settings of the other cluster hold unless set here.
    #[must_use]
    pub fn replica_of(mut self, primary: &Cluster) -> Self {
        self.standby = true;
        self.primary = Some(format!("host={} port={} user=postgres", primary.socket_dir().display(), primary.port()));
        self
    }

    /// Makes and starts the cluster, and waits until it answers.
    ///
    /// # Errors
    /// When no server programs are found or one of them fails; the error holds what they said.
    pub fn start(self) -> Result<Cluster, Error> {
        Cluster::start_with(&self)
    }

    /// The text to append to `postgresql.conf`.
    pub(crate) fn configuration(&self, socket_folder: &str, port: u16) -> String {
        let port = port.to_string();
        let fixed = [
            ("listen_addresses", if self.loopback { "127.0.0.1" } else { "" }),
            ("port", port.as_str()),
            ("unix_socket_directories", socket_folder),
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("synchronous_commit", "off"),
            ("autovacuum", "off"),
            ("shared_buffers", "16MB"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
            ("lc_messages", "C"),
        ];
        let primary = self.primary.iter().map(|primary| ("primary_conninfo", primary.as_str()));
        let given = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        fixed
            .into_iter()
            .chain(primary)
            .chain(given)
            .map(|(name, value)| format!("{name} = {}\n", quote(value)))
            .collect()
    }

    /// The whole of `pg_hba.conf`.
    pub(crate) fn host_based_access(&self) -> String {
        let mut text = "local all postgres trust\n".to_owned();
        if self.hba.is_empty() {
            text.push_str("local all all trust\nhost all all 127.0.0.1/32 trust\n");
        }
        for line in &self.hba {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

/// Quotes a value of a configuration file (PostgreSQL docs, "config-setting").
fn quote(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_later_settings_come_last() {
        let text = Builder::default().setting("log_line_prefix", r"%m 'x\y' ").configuration("/tmp/x", 5432);
        assert!(text.contains("port = '5432'\n"));
        assert!(text.ends_with("log_line_prefix = '%m ''x\\\\y'' '\n"), "{text}");
    }

    #[test]
    fn own_access_lines_replace_the_trust_in_everybody() {
        assert!(Builder::default().host_based_access().contains("local all all trust"));
        let own = Builder::default().hba("host all all 127.0.0.1/32 scram-sha-256").host_based_access();
        assert_eq!(own, "local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n");
    }
}
