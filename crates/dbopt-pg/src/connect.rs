//! Choosing a server and opening a connection to it, in libpq's order of attempts.
//!
//! Source: PostgreSQL docs, "libpq-connect" (34.1.1.3, multiple hosts; `target_session_attrs`; `connect_timeout`) and
//! "libpq-ssl"; PQconnectPoll in fe-connect.c. tokio-postgres has loops of its own for some of it, but they know neither
//! `allow` nor the way back to plain text of `prefer`, nor standbys, nor which failures end the search; so each
//! attempt here is one host, one address and one way to use TLS.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use tokio::task::JoinHandle;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage, Socket};

use crate::choice::{ChannelBinding, LoadBalanceHosts, SslMode, SslNegotiation, TargetSessionAttrs};
use crate::error::{self, Error};
use crate::secret::Password;
use crate::settings::Settings;
use crate::target::{Endpoint, Target};
use crate::tls::Connector;

/// An open connection and what is known about it.
pub(crate) struct Opened {
    pub(crate) client: Client,
    pub(crate) connection: JoinHandle<()>,
    pub(crate) end: Arc<OnceLock<String>>,
    /// To reach the same server again, for a cancel request.
    pub(crate) connector: Option<Connector>,
    pub(crate) target: String,
    pub(crate) encrypted: bool,
    pub(crate) facts: Facts,
}

/// What the server says about itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) server_version_num: u32,
    pub(crate) in_recovery: bool,
    read_only: bool,
}

/// Opens a connection to the first server that will do.
pub(crate) async fn open(settings: &Settings) -> Result<Opened, Error> {
    let mut order: Vec<usize> = (0..settings.targets.len()).collect();
    if settings.load_balance_hosts == LoadBalanceHosts::Random {
        shuffle(&mut order);
    }
    let wanted = settings.target_session_attrs;
    let first_pass = if wanted == TargetSessionAttrs::PreferStandby { TargetSessionAttrs::Standby } else { wanted };
    let mut errors = match pass(settings, &order, first_pass).await {
        Ok(opened) => return Ok(opened),
        Err(errors) => errors,
    };
    // No standby was found; now any server will do.
    if wanted == TargetSessionAttrs::PreferStandby {
        errors = match pass(settings, &order, TargetSessionAttrs::Any).await {
            Ok(opened) => return Ok(opened),
            Err(errors) => errors,
        };
    }
    Err(if errors.len() == 1 { errors.remove(0) } else { Error::NoServer(errors) })
}

/// Tries all servers once.
async fn pass(settings: &Settings, order: &[usize], wanted: TargetSessionAttrs) -> Result<Opened, Vec<Error>> {
    let mut errors = Vec::new();
    for &at in order {
        let target = &settings.targets[at];
        let addresses = match addresses(settings, target).await {
            Ok(addresses) => addresses,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        for address in addresses {
            let server = Server { target, address, password: settings.passwords[at].as_ref() };
            match server.try_open(settings, wanted).await {
                Ok(opened) => return Ok(opened),
                Err(error) => {
                    let go_on = error.is_worth_another_server();
                    errors.push(error);
                    if !go_on {
                        return Err(errors);
                    }
                }
            }
        }
    }
    Err(errors)
}

/// The addresses of a target, none meaning its socket.
async fn addresses(settings: &Settings, target: &Target) -> Result<Vec<Option<IpAddr>>, Error> {
    let name = match &target.endpoint {
        Endpoint::Socket(_) => return Ok(vec![None]),
        Endpoint::Tcp { address: Some(address), .. } => return Ok(vec![Some(*address)]),
        Endpoint::Tcp { name, address: None } => name.as_deref().unwrap_or_default(),
    };
    let found = tokio::net::lookup_host((name, target.port)).await;
    let found = found.map_err(|source| Error::Unreachable { target: target.to_string(), source })?;
    let mut addresses = Vec::new();
    for address in found.map(|address| Some(address.ip())) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if settings.load_balance_hosts == LoadBalanceHosts::Random {
        shuffle(&mut addresses);
    }
    Ok(addresses)
}

/// One server at one address.
struct Server<'a> {
    target: &'a Target,
    address: Option<IpAddr>,
    password: Option<&'a Password>,
}

/// One way to use TLS with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    TlsIfOffered,
    Tls,
}

impl Server<'_> {
    /// Tries the ways that the `sslmode` allows, and looks whether the server is of the wanted kind.
    async fn try_open(&self, settings: &Settings, wanted: TargetSessionAttrs) -> Result<Opened, Error> {
        let is_socket = self.address.is_none();
        let (first, second) = match settings.tls.mode {
            // libpq does not use TLS on sockets, whatever the mode says.
            _ if is_socket => (Way::Plain, None),
            SslMode::Disable => (Way::Plain, None),
            SslMode::Allow => (Way::Plain, Some(Way::Tls)),
            SslMode::Prefer => (Way::TlsIfOffered, Some(Way::Plain)),
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => (Way::Tls, None),
        };
        let opened = match (self.within_time(settings, first).await, second) {
            // A server may accept a user with TLS and not without it, or the other way round.
            (
                Err(Failure { error: error @ (Error::Authentication { .. } | Error::Tls { .. }), encrypted }),
                Some(second),
            ) if encrypted == (first != Way::Plain) => {
                match (self.within_time(settings, second).await, second) {
                    (Ok(opened), _) => Ok(opened),
                    // The error that tells more is the one of the connection with TLS.
                    (Err(failure), Way::Tls) => Err(failure.error),
                    (Err(_), _) => Err(error),
                }
            }
            (result, _) => result.map_err(|failure| failure.error),
        }?;
        if opened.facts.suit(wanted) {
            return Ok(opened);
        }
        Err(Error::NotSuitable { target: opened.target, wanted: wanted.word() })
    }

    async fn within_time(&self, settings: &Settings, way: Way) -> Result<Opened, Failure> {
        let Some(limit) = settings.connect_timeout else { return self.open(settings, way).await };
        match tokio::time::timeout(limit, self.open(settings, way)).await {
            Ok(result) => result,
            Err(_) => {
                let error = Error::ConnectTimeout { target: self.target.to_string(), seconds: limit.as_secs() };
                Err(Failure { error, encrypted: false })
            }
        }
    }

    async fn open(&self, settings: &Settings, way: Way) -> Result<Opened, Failure> {
        let target = self.target.to_string();
        let config = self.config(settings, way);
        if way == Way::Plain {
            let opened = start(&config, NoTls).await;
            return opened
                .map(|(client, connection, end, facts)| Opened {
                    client,
                    connection,
                    end,
                    connector: None,
                    target: target.clone(),
                    encrypted: false,
                    facts,
                })
                .map_err(|error| Failure { error: Error::opening(&target, &settings.user, error), encrypted: false });
        }
        let connector =
            Connector::new(&settings.tls, self.target).map_err(|error| Failure { error, encrypted: true })?;
        let opened = start(&config, connector.clone()).await;
        let encrypted = connector.was_used();
        match opened {
            Ok((client, connection, end, facts)) => {
                Ok(Opened { client, connection, end, connector: Some(connector), target, encrypted, facts })
            }
            Err(error) => Err(Failure { error: Error::opening(&target, &settings.user, error), encrypted }),
        }
    }

    /// The settings of one attempt, as tokio-postgres takes them.
    fn config(&self, settings: &Settings, way: Way) -> Config {
        use tokio_postgres::config;
        let mut config = Config::new();
        config.user(&settings.user).dbname(&settings.dbname).application_name(&settings.application_name);
        config.port(self.target.port);
        match (&self.target.endpoint, self.address) {
            (Endpoint::Socket(folder), _) => {
                config.host_path(folder);
            }
            (Endpoint::Tcp { name, .. }, address) => {
                // The name is for TLS. Where there is none, the address stands in for it.
                let address = address.map(|address| address.to_string());
                config.host(name.clone().or(address).unwrap_or_default());
                if let Some(address) = self.address {
                    config.hostaddr(address);
                }
            }
        }
        if let Some(password) = self.password {
            config.password(password.reveal());
        }
        if let Some(options) = &settings.options {
            config.options(options);
        }
        config.ssl_mode(match way {
            Way::Plain => config::SslMode::Disable,
            Way::TlsIfOffered => config::SslMode::Prefer,
            Way::Tls => config::SslMode::Require,
        });
        config.ssl_negotiation(match settings.tls.negotiation {
            SslNegotiation::Postgres => config::SslNegotiation::Postgres,
            SslNegotiation::Direct => config::SslNegotiation::Direct,
        });
        config.channel_binding(match settings.channel_binding {
            ChannelBinding::Disable => config::ChannelBinding::Disable,
            ChannelBinding::Prefer => config::ChannelBinding::Prefer,
            ChannelBinding::Require => config::ChannelBinding::Require,
        });
        let keepalives = &settings.keepalives;
        config.keepalives(keepalives.enabled);
        if let Some(idle) = keepalives.idle {
            config.keepalives_idle(idle);
        }
        if let Some(interval) = keepalives.interval {
            config.keepalives_interval(interval);
        }
        if let Some(count) = keepalives.count {
            config.keepalives_retries(count);
        }
        if let Some(timeout) = keepalives.user_timeout {
            config.tcp_user_timeout(timeout);
        }
        config
    }
}

/// A failed attempt, and whether it came as far as TLS.
struct Failure {
    error: Error,
    encrypted: bool,
}

/// Connects, keeps the connection going in a task of its own, and asks what the server is.
async fn start<T>(
    config: &Config,
    tls: T,
) -> Result<(Client, JoinHandle<()>, Arc<OnceLock<String>>, Facts), tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, mut connection) = config.connect(tls).await?;
    let end = Arc::new(OnceLock::new());
    let noted = Arc::clone(&end);
    let task = tokio::spawn(async move {
        let result = (&mut connection).await;
        // Before the connection is dropped, which is when waiting statements learn of it.
        let _ = noted.set(error::end_of_connection(result));
    });
    let facts = Facts::ask(&client).await?;
    Ok((client, task, end, facts))
}

impl Facts {
    async fn ask(client: &Client) -> Result<Self, tokio_postgres::Error> {
        let sql = "SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.pg_is_in_recovery(), \
                   pg_catalog.current_setting('transaction_read_only')";
        let messages = client.simple_query(sql).await?;
        let row = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let value = |at| row.and_then(|row| row.get(at)).unwrap_or_default();
        Ok(Self {
            server_version_num: value(0).parse().unwrap_or_default(),
            in_recovery: value(1) == "t",
            read_only: value(2) == "on",
        })
    }

    fn suit(self, wanted: TargetSessionAttrs) -> bool {
        let writes = !self.in_recovery && !self.read_only;
        match wanted {
            TargetSessionAttrs::Any | TargetSessionAttrs::PreferStandby => true,
            TargetSessionAttrs::ReadWrite => writes,
            TargetSessionAttrs::ReadOnly => !writes,
            TargetSessionAttrs::Primary => !self.in_recovery,
            TargetSessionAttrs::Standby => self.in_recovery,
        }
    }
}

/// Fisher-Yates with the randomness that the standard library gives its hash maps; enough to spread load.
fn shuffle<T>(items: &mut [T]) {
    let random = RandomState::new();
    for at in (1..items.len()).rev() {
        let other = usize::try_from(random.hash_one(at) % (at as u64 + 1)).unwrap_or(0);
        items.swap(at, other);
    }
}
