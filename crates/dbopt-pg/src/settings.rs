//! Connection settings, resolved from everything that may give them.
//!
//! The order is libpq's: what the user typed, then the service file, then environment variables, then defaults
//! (PostgreSQL docs, "libpq-connect"; conninfo_add_defaults in fe-connect.c). tokio-postgres knows none of it, and
//! refuses parameters it does not know, so that everything is read here and handed to it piece by piece.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::choice::{
    ChannelBinding, Choice, LoadBalanceHosts, SslCertMode, SslMode, SslNegotiation, TargetSessionAttrs, TlsVersion,
};
use crate::environment::Environment;
use crate::keyword::{self, Keyword, Support};
use crate::passfile::{self, Account};
use crate::secret::Password;
use crate::settings_error::SettingsError;
use crate::target::Target;
use crate::{keyvalue, service, uri};

/// What the user said on the command line.
#[derive(Clone, Copy, Default)]
pub struct ConnectArgs<'a> {
    /// What `-d` gives: a database name, a URI, or a `key=value` string. What it says wins over the other options, as
    /// in psql.
    pub database: Option<&'a str>,
    /// What `-h` gives.
    pub host: Option<&'a str>,
    /// What `-p` gives.
    pub port: Option<&'a str>,
    /// What `-U` gives.
    pub user: Option<&'a str>,
    /// What the user typed when asked.
    pub password: Option<&'a str>,
}

/// Everything needed to open a session. Neither `Debug` nor `Display` shows a password.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) targets: Vec<Target>,
    /// One for each target, in its order.
    pub(crate) passwords: Vec<Option<Password>>,
    pub(crate) user: String,
    pub(crate) dbname: String,
    pub(crate) options: Option<String>,
    pub(crate) application_name: String,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) keepalives: Keepalives,
    pub(crate) tls: TlsSettings,
    pub(crate) channel_binding: ChannelBinding,
    pub(crate) target_session_attrs: TargetSessionAttrs,
    pub(crate) load_balance_hosts: LoadBalanceHosts,
    notices: Vec<Notice>,
}

impl Settings {
    /// The same settings for a session that must not wait for ever when the network is cut: where they say nothing else,
    /// TCP asks a silent server every few seconds whether it is there, and gives up what was not confirmed within `limit`
    /// (`keepalives_idle`, `keepalives_interval`, `keepalives_count`, `tcp_user_timeout`). Sockets have no need of it.
    #[must_use]
    pub fn noticing_cuts(mut self, limit: Duration) -> Self {
        let keepalives = &mut self.keepalives;
        keepalives.idle.get_or_insert(limit / 3);
        keepalives.interval.get_or_insert(limit / 6);
        keepalives.count.get_or_insert(3);
        keepalives.user_timeout.get_or_insert(limit);
        self
    }
}

/// The settings of the TCP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keepalives {
    pub(crate) enabled: bool,
    pub(crate) idle: Option<Duration>,
    pub(crate) interval: Option<Duration>,
    pub(crate) count: Option<u32>,
    pub(crate) user_timeout: Option<Duration>,
}

/// The settings of TLS. The files are looked at when a session is opened.
#[derive(Clone, Debug)]
pub(crate) struct TlsSettings {
    pub(crate) mode: SslMode,
    pub(crate) negotiation: SslNegotiation,
    pub(crate) root: RootCertificates,
    pub(crate) crl: Option<FileSetting>,
    pub(crate) certificate: Option<FileSetting>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) send_host_name: bool,
    pub(crate) min_version: TlsVersion,
    pub(crate) max_version: TlsVersion,
}

/// Where trust begins.
#[derive(Clone, Debug)]
pub(crate) enum RootCertificates {
    /// The certificates of the operating system.
    System,
    /// A file, when it exists; none when there is no home folder to look in.
    File(Option<PathBuf>),
}

/// A file to use.
#[derive(Clone, Debug)]
pub(crate) struct FileSetting {
    pub(crate) path: PathBuf,
    /// Whether the user named it, so that it must exist.
    pub(crate) named: bool,
}

/// Something the user should know that does not stop the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What was found: a lowercase fragment.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Settings {
    /// Works out the settings.
    ///
    /// # Errors
    /// When a string cannot be read, a parameter is unknown, asks for something dbopt cannot do, or has an invalid
    /// value, or when the service is not defined.
    pub fn resolve(args: &ConnectArgs<'_>, environment: &Environment) -> Result<Self, SettingsError> {
        let mut values = Values::default();
        values.add_args(args)?;
        values.add_service(environment)?;
        values.add_environment(environment);
        values.check_support()?;
        values.settings(environment)
    }

    /// The user to connect as.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database to connect to.
    #[must_use]
    pub fn dbname(&self) -> &str {
        &self.dbname
    }

    /// What the user should be told.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }
}

/// `database as user on host:port, host:port`.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets: Vec<String> = self.targets.iter().map(ToString::to_string).collect();
        write!(f, "database `{}` as `{}` on {}", self.dbname, self.user, targets.join(", "))
    }
}

/// Parameters as text, with where they came from.
#[derive(Default)]
struct Values(BTreeMap<&'static str, (String, String)>);

impl Values {
    /// The value of a parameter. An empty one means the default, as in libpq.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(value, _)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn set(&mut self, keyword: &'static Keyword, value: &str, origin: &str) {
        self.0.insert(keyword.name, (value.to_owned(), origin.to_owned()));
    }

    fn add_args(&mut self, args: &ConnectArgs<'_>) -> Result<(), SettingsError> {
        let options = [("host", args.host), ("port", args.port), ("user", args.user), ("password", args.password)];
        for (name, value) in options {
            if let (Some(value), Some(keyword)) = (value, keyword::find(name)) {
                self.set(keyword, value, &format!("option --{name}"));
            }
        }
        let Some(database) = args.database else { return Ok(()) };
        let origin = "the connection string";
        let parsed = if uri::is_uri(database) {
            uri::parse(database)
        } else if database.contains('=') {
            keyvalue::parse(database)
        } else {
            Ok(keyword::find("dbname").map(|keyword| (keyword, database.to_owned())).into_iter().collect())
        };
        for (keyword, value) in parsed.map_err(|error| error.origin(origin))? {
            self.set(keyword, &value, origin);
        }
        Ok(())
    }

    /// Fills in from the service file, when a service is asked for.
    fn add_service(&mut self, environment: &Environment) -> Result<(), SettingsError> {
        let asked = |name: &str, variable: &str| self.get(name).or_else(|| environment.variable(variable));
        let Some(name) = asked("service", "PGSERVICE").filter(|name| !name.is_empty()).map(str::to_owned) else {
            return Ok(());
        };
        let user_file = match asked("servicefile", "PGSERVICEFILE").filter(|path| !path.is_empty()) {
            Some(path) => Some(PathBuf::from(path)),
            None => environment.home_file(".pg_service.conf"),
        };
        let folder = environment.variable("PGSYSCONFDIR").unwrap_or("/etc/postgresql-common");
        let files: Vec<PathBuf> = user_file.into_iter().chain([Path::new(folder).join("pg_service.conf")]).collect();
        for file in files.iter().filter(|file| file.exists()) {
            let place = format!("service file {}", file.display());
            let text = fs::read_to_string(file)
                .map_err(|error| SettingsError::new(format!("cannot read the service file: {error}")).origin(&place))?;
            let Some(found) = service::find(&text, &name).map_err(|error| error.hint(format!("see {place}")))? else {
                continue;
            };
            for (keyword, value) in found {
                if !self.0.contains_key(keyword.name) {
                    self.set(keyword, &value, &format!("service `{name}`"));
                }
            }
            return Ok(());
        }
        let looked_in: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        Err(SettingsError::new(format!("service `{name}` is not defined"))
            .hint(format!("looked in {}", looked_in.join(" and "))))
    }

    fn add_environment(&mut self, environment: &Environment) {
        for keyword in keyword::KEYWORDS {
            if !self.0.contains_key(keyword.name)
                && let Some(variable) = keyword.variable
                && let Some(value) = environment.variable(variable)
            {
                self.set(keyword, value, &format!("environment variable {variable}"));
            }
        }
        // An old way to say it, which libpq still honours.
        if environment.variable("PGREQUIRESSL").is_some_and(|value| value.starts_with('1'))
            && !self.0.contains_key("sslmode")
            && let Some(keyword) = keyword::find("sslmode")
        {
            self.set(keyword, "require", "environment variable PGREQUIRESSL");
        }
    }

    /// Refuses what would be wrong to leave out in silence.
    fn check_support(&self) -> Result<(), SettingsError> {
        for keyword in keyword::KEYWORDS {
            if let (Support::Only(accepted), Some(value)) = (keyword.support, self.get(keyword.name))
                && !accepted.contains(&value.to_ascii_lowercase().as_str())
            {
                let (name, accepted) = (keyword.name, accepted.join(", "));
                let error = if accepted.is_empty() {
                    SettingsError::new(format!("the connection parameter `{name}` is not supported"))
                } else {
                    SettingsError::new(format!("this value of the connection parameter `{name}` is not supported"))
                        .hint(format!("supported values are: {accepted}"))
                };
                return Err(self.from(name, error));
            }
        }
        Ok(())
    }

    fn settings(&self, environment: &Environment) -> Result<Settings, SettingsError> {
        let targets = Target::list(self.get("host"), self.get("hostaddr"), self.get("port"))
            .map_err(|error| self.from(if error.to_string().contains("port") { "port" } else { "host" }, error))?;
        let user = match self.get("user").or(environment.user()) {
            Some(user) => user.to_owned(),
            None => {
                return Err(SettingsError::new("no user name given, and the operating system's is unknown")
                    .hint("give one with -U"));
            }
        };
        let dbname = self.get("dbname").unwrap_or(&user).to_owned();
        let mut notices = Vec::new();
        let passwords = self.passwords(environment, &targets, &user, &dbname, &mut notices);
        let application_name = self.get("application_name").or(self.get("fallback_application_name"));
        let seconds = |name| Ok::<_, SettingsError>(self.positive(name)?.map(|n| Duration::from_secs(n.into())));
        Ok(Settings {
            targets,
            passwords,
            user,
            dbname,
            options: self.get("options").map(str::to_owned),
            application_name: application_name.unwrap_or("dbopt").to_owned(),
            connect_timeout: seconds("connect_timeout")?,
            keepalives: Keepalives {
                enabled: self.number("keepalives")? != Some(0),
                idle: seconds("keepalives_idle")?,
                interval: seconds("keepalives_interval")?,
                count: self.positive("keepalives_count")?,
                user_timeout: self.positive("tcp_user_timeout")?.map(|n| Duration::from_millis(n.into())),
            },
            tls: self.tls(environment)?,
            channel_binding: self.choice("channel_binding", ChannelBinding::Prefer)?,
            target_session_attrs: self.choice("target_session_attrs", TargetSessionAttrs::Any)?,
            load_balance_hosts: self.choice("load_balance_hosts", LoadBalanceHosts::Disable)?,
            notices,
        })
    }

    fn tls(&self, environment: &Environment) -> Result<TlsSettings, SettingsError> {
        let system = self.get("sslrootcert") == Some("system");
        let mode = self.choice("sslmode", if system { SslMode::VerifyFull } else { SslMode::Prefer })?;
        let negotiation = self.choice("sslnegotiation", SslNegotiation::Postgres)?;
        if system && mode != SslMode::VerifyFull && mode != SslMode::Disable {
            let error = SettingsError::new("this `sslmode` is too weak for `sslrootcert=system`");
            return Err(self.from("sslmode", error.hint("use sslmode=verify-full")));
        }
        if negotiation == SslNegotiation::Direct && mode < SslMode::Require {
            let error = SettingsError::new("this `sslmode` is too weak for `sslnegotiation=direct`");
            return Err(self.from("sslnegotiation", error.hint("use sslmode=require, verify-ca or verify-full")));
        }
        let min_version = self.choice("ssl_min_protocol_version", TlsVersion::V1_2)?;
        let max_version = self.choice("ssl_max_protocol_version", TlsVersion::V1_3)?;
        if min_version > max_version {
            let error = SettingsError::new("`ssl_min_protocol_version` is above `ssl_max_protocol_version`");
            return Err(self.from("ssl_min_protocol_version", error));
        }
        let file = |name: &str, default: &str| match self.get(name) {
            Some(path) => Some(FileSetting { path: PathBuf::from(path), named: true }),
            None => environment.home_file(default).map(|path| FileSetting { path, named: false }),
        };
        let shows_certificate = self.choice("sslcertmode", SslCertMode::Allow)? == SslCertMode::Allow;
        Ok(TlsSettings {
            mode,
            negotiation,
            root: if system {
                RootCertificates::System
            } else {
                RootCertificates::File(file("sslrootcert", ".postgresql/root.crt").map(|file| file.path))
            },
            crl: file("sslcrl", ".postgresql/root.crl"),
            certificate: file("sslcert", ".postgresql/postgresql.crt").filter(|_| shows_certificate),
            key: file("sslkey", ".postgresql/postgresql.key").map(|file| file.path),
            send_host_name: self.get("sslsni") != Some("0"),
            min_version,
            max_version,
        })
    }

    /// The password for each target: the one given, else from the password file.
    fn passwords(
        &self,
        environment: &Environment,
        targets: &[Target],
        user: &str,
        dbname: &str,
        notices: &mut Vec<Notice>,
    ) -> Vec<Option<Password>> {
        if let Some(given) = self.get("password") {
            return vec![Some(Password::new(given)); targets.len()];
        }
        let path = self.get("passfile").map(PathBuf::from).or_else(|| environment.home_file(".pgpass"));
        let text = path.and_then(|path| read_passfile(&path, notices)).unwrap_or_default();
        let find = |target: &Target| {
            let account = Account { host: &target.passfile_host(), port: target.port, dbname, user };
            passfile::find(&text, account).map(Password::new)
        };
        targets.iter().map(find).collect()
    }

    fn choice<T: Choice>(&self, name: &str, default: T) -> Result<T, SettingsError> {
        self.get(name).map_or(Ok(default), |value| T::read(value).map_err(|error| self.from(name, error.named(name))))
    }

    fn number(&self, name: &str) -> Result<Option<i32>, SettingsError> {
        self.get(name)
            .map(|value| {
                value
                    .trim()
                    .parse()
                    .map_err(|_| self.from(name, SettingsError::new(format!("invalid number `{value}`")).named(name)))
            })
            .transpose()
    }

    /// A number of which zero and less mean the default, as for libpq's timeouts.
    fn positive(&self, name: &str) -> Result<Option<u32>, SettingsError> {
        Ok(self.number(name)?.and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0))
    }

    /// Says where the value of a parameter came from.
    fn from(&self, name: &str, error: SettingsError) -> SettingsError {
        match self.0.get(name) {
            Some((_, origin)) => error.origin(origin),
            None => error,
        }
    }
}

/// Reads the password file, unless others could have read or written it as well.
fn read_passfile(path: &Path, notices: &mut Vec<Notice>) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    let mut ignore = |why: String, hint: Option<String>| {
        notices.push(Notice { message: format!("password file `{}` is ignored: {why}", path.display()), hint });
        None
    };
    if !metadata.is_file() {
        return ignore("it is not a plain file".to_owned(), None);
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        let hint = format!("chmod 0600 {}", path.display());
        return ignore("group or others have access to it".to_owned(), Some(hint));
    }
    match fs::read(path) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => ignore(error.to_string(), None),
    }
}

#[cfg(test)]
mod tests;
