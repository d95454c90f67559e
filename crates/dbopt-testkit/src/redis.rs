//! A Redis or Valkey server in a temporary folder.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::account::Account;
use crate::error::Error;
use crate::free_port::free_port;
use crate::supervisor::{self, Supervisor};

/// The programs of Redis or of Valkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisBinaries {
    /// The server's program, and the name to start it by.
    server: (PathBuf, &'static str),
    client: PathBuf,
}

impl RedisBinaries {
    /// Finds the programs in `PATH`.
    ///
    /// One program is server and checker at once and goes by its name; Debian has it in `redis-tools` under the
    /// checker's, so that a server can be had without the package that also starts one on the machine.
    ///
    /// # Errors
    /// When there are none.
    pub fn find() -> Result<Self, Error> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = |name: &str| std::env::split_paths(&path).map(|f| f.join(name)).find(|file| file.is_file());
        [
            ("redis-server", "redis-server", "redis-cli"),
            ("redis-check-rdb", "redis-server", "redis-cli"),
            ("valkey-server", "valkey-server", "valkey-cli"),
            ("valkey-check-rdb", "valkey-server", "valkey-cli"),
        ]
        .into_iter()
        .find_map(|(server, name, client)| Some(Self { server: (program(server)?, name), client: program(client)? }))
        .ok_or(Error::NoRedis)
    }

    /// What the server says of its version.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn version(&self) -> Result<String, Error> {
        let output = self.server().arg("--version").output().map_err(Error::io("run redis-server --version"))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn server(&self) -> Command {
        let mut command = Command::new(&self.server.0);
        command.arg0(self.server.1);
        command
    }
}

/// A throw-away server without persistence. It ends, and its folder vanishes, when this value is dropped or the process
/// ends, in whatever way it ends.
#[derive(Debug)]
pub struct Redis {
    binaries: RedisBinaries,
    account: Option<Account>,
    folder: PathBuf,
    /// A port of 127.0.0.1, or 0 for the socket only.
    port: u16,
    settings: Vec<(String, String)>,
    server: Mutex<Option<Child>>,
    /// Last, so that it clears up after everything else here.
    supervisor: Option<Supervisor>,
}

impl Redis {
    /// The server that the tests of this process share, started at the first call.
    ///
    /// # Panics
    /// When no server can be started; the message says what to do about it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Redis> = OnceLock::new();
        SHARED.get_or_init(|| Self::start().unwrap_or_else(|error| panic!("{error}")))
    }

    /// Starts a server that listens on a socket.
    ///
    /// # Errors
    /// When no programs are found or the server does not come up; the error holds the end of its log.
    pub fn start() -> Result<Self, Error> {
        Self::start_with(0, &[])
    }

    /// Starts a server that answers a write when it is on the disk, and so has it after a [`Redis::kill`].
    ///
    /// # Errors
    /// As for [`Redis::start`].
    pub fn durable() -> Result<Self, Error> {
        Self::start_with(0, &[("appendonly", "yes"), ("appendfsync", "always")])
    }

    /// Starts a server that listens on a socket and, unless `port` is 0, on 127.0.0.1, with settings as in its
    /// configuration file.
    fn start_with(port: u16, settings: &[(&str, &str)]) -> Result<Self, Error> {
        let binaries = RedisBinaries::find()?;
        let account = Account::for_server()?;
        let folder = supervisor::new_folder(account)?;
        let redis = Self {
            binaries,
            account,
            supervisor: Some(Supervisor::start(&folder, account, supervisor::REDIS)?),
            folder,
            port,
            settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            server: Mutex::new(None),
        };
        redis.restart()?;
        Ok(redis)
    }

    /// The server's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// The address of the socket, or of the port if it listens on one.
    #[must_use]
    pub fn url(&self) -> String {
        match self.port {
            0 => format!("redis+unix://{}", self.socket().display()),
            port => format!("redis://127.0.0.1:{port}"),
        }
    }

    /// Runs a command and returns what `redis-cli` prints, trimmed.
    ///
    /// # Panics
    /// When the command cannot be run or fails.
    #[must_use]
    pub fn cli(&self, arguments: &[&str]) -> String {
        let mut client = Command::new(&self.binaries.client);
        let output = client.arg("-e").arg("-s").arg(self.socket()).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("cannot run redis-cli: {error}"));
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// Kills the server, as by power loss; everything in it is lost, unless it is a [`Redis::durable`] one.
    ///
    /// # Panics
    /// When it is not running.
    pub fn kill(&self) {
        let mut server = self.server().take().expect("the server is running");
        server.kill().expect("the server can be killed");
        server.wait().expect("the server can be waited for");
    }

    /// Stops the server's process, which then holds its connections and answers nothing, until [`Redis::resume`].
    ///
    /// # Panics
    /// When it is not running.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Ends a [`Redis::pause`].
    ///
    /// # Panics
    /// When the server is not running.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Starts the server again, empty unless it is a [`Redis::durable`] one, killing it first when it runs.
    ///
    /// # Errors
    /// When it does not come up; the error holds the end of its log.
    pub fn restart(&self) -> Result<(), Error> {
        if self.server().is_some() {
            self.kill();
        }
        let path = self.folder.join("log");
        let log = fs::OpenOptions::new().create(true).append(true).open(&path);
        let log = log.map_err(Error::io("open the server's log"))?;
        let mut command = self.binaries.server();
        command.current_dir(&self.folder).process_group(0);
        command.args(["--save", "", "--appendonly", "no", "--port", &self.port.to_string()]);
        command.args(["--bind", "127.0.0.1", "--unixsocketperm", "777"]);
        command.arg("--unixsocket").arg(self.socket()).arg("--pidfile").arg(self.folder.join("pid"));
        for (name, value) in &self.settings {
            command.arg(format!("--{name}")).arg(value);
        }
        if let Some(account) = self.account {
            account.apply(&mut command);
        }
        let errors = log.try_clone().map_err(Error::io("open the server's log"))?;
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
        *self.server() = Some(child.map_err(Error::io("start redis-server"))?);
        self.wait_until_ready(&path)
    }

    fn wait_until_ready(&self, log: &Path) -> Result<(), Error> {
        const SECONDS: u64 = 20;
        let deadline = Instant::now() + Duration::from_secs(SECONDS);
        // Connecting is enough: the server listens when it has read all.
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            let log = || String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
            let mut server = self.server();
            if let Some(child) = server.as_mut()
                && child.try_wait().map_err(Error::io("ask after redis-server"))?.is_some()
            {
                *server = None;
                return Err(Error::Failed { program: "redis-server".to_owned(), output: log() });
            }
            drop(server);
            if Instant::now() > deadline {
                return Err(Error::NotReady { seconds: SECONDS, log: log() });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn signal(&self, signal: &str) {
        let id = self.server().as_ref().expect("the server is running").id();
        supervisor::signal(signal, id);
    }

    fn server(&self) -> MutexGuard<'_, Option<Child>> {
        // The option is whole at any moment, so a panic elsewhere does not spoil it.
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.supervisor.take());
        if let Some(mut server) = self.server().take() {
            // Only to collect the child; the supervisor has ended it.
            let _ = server.wait();
        }
    }
}

/// Three servers as a cluster, each with a third of the slots.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts the cluster and waits until all of its slots are served.
    ///
    /// # Errors
    /// When a server does not come up or they do not become a cluster.
    pub fn start() -> Result<Self, Error> {
        const SECONDS: u64 = 30;
        let mut nodes = Vec::new();
        for _ in 0..3 {
            // Nodes talk to each other on a second port.
            let bus = free_port()?.to_string();
            let settings = [("cluster-enabled", "yes"), ("cluster-port", bus.as_str())];
            nodes.push(Redis::start_with(free_port()?, &settings)?);
        }
        let mut create = Command::new(&nodes[0].binaries.client);
        create.args(["--cluster", "create"]).args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)));
        let output = create.arg("--cluster-yes").output().map_err(Error::io("run redis-cli"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            return Err(Error::Failed { program: "redis-cli --cluster create".to_owned(), output: said });
        }
        let deadline = Instant::now() + Duration::from_secs(SECONDS);
        while !nodes.iter().all(|node| node.cli(&["cluster", "info"]).contains("cluster_state:ok")) {
            if Instant::now() > deadline {
                return Err(Error::NotReady { seconds: SECONDS, log: said });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { nodes })
    }

    /// The nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }
}
