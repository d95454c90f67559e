//! A PostgreSQL server in a temporary folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::account::Account;
use crate::binaries::Binaries;
use crate::builder::Builder;
use crate::client::{self, Rows};
use crate::database::Database;
use crate::error::Error;
use crate::free_port::free_port;
use crate::supervisor::{self, Supervisor};

/// A throw-away server. It stops, and its folder vanishes, when this value is dropped or the process ends, in
/// whatever way it ends.
#[derive(Debug)]
pub struct Cluster {
    binaries: Binaries,
    account: Option<Account>,
    folder: PathBuf,
    port: u16,
    version_num: u32,
    databases: AtomicU32,
    /// The postmaster, while it runs.
    server: Mutex<Option<Child>>,
    /// Last, so that it clears up after everything else here.
    supervisor: Option<Supervisor>,
}

impl Cluster {
    /// The cluster that the tests of this process share, started at the first call.
    ///
    /// # Panics
    /// When no server can be started; the message says what to do about it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::builder().start().unwrap_or_else(|error| panic!("{error}")))
    }

    /// A cluster with choices of its own.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Creates an empty database under a new name.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn database(&self) -> Database<'_> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.execute("postgres", &format!("CREATE DATABASE {name}"));
        Database::new(self, name)
    }

    /// How to connect to a database as the superuser `postgres`, in the key=value form that libpq and tokio-postgres
    /// both read.
    #[must_use]
    pub fn conn_string(&self, database: &str) -> String {
        format!("host={} port={} user=postgres dbname={database}", self.folder.display(), self.port)
    }

    /// The folder of the server's socket; it is the `host` to connect to.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        &self.folder
    }

    /// The port, of the socket's name and of 127.0.0.1 if the cluster listens there.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The data folder.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The file that takes the server's standard error: its log, unless the settings move that elsewhere.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The programs the cluster runs on.
    #[must_use]
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// The server's version as in `server_version_num`, such as 150008.
    #[must_use]
    pub fn server_version_num(&self) -> u32 {
        self.version_num
    }

    /// Whether an extension could be created here. HypoPG, for one, is missing from the packages of other majors.
    ///
    /// # Panics
    /// When the server does not answer.
    #[must_use]
    pub fn has_extension(&self, name: &str) -> bool {
        let sql = format!("SELECT count(*) FROM pg_available_extensions WHERE name = '{}'", name.replace('\'', "''"));
        self.value("postgres", &sql) == "1"
    }

    /// Runs statements by the simple query protocol, in one implicit transaction as psql's `-c` does.
    ///
    /// # Panics
    /// When a statement fails.
    pub fn execute(&self, database: &str, sql: &str) {
        let _ = self.query(database, sql);
    }

    /// Runs statements and returns the rows of all of them as text.
    ///
    /// # Panics
    /// When a statement fails.
    #[must_use]
    pub fn query(&self, database: &str, sql: &str) -> Rows {
        client::run(&self.conn_string(database), sql).unwrap_or_else(|error| {
            let detail = error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string);
            panic!("{detail}\nin {database}: {sql}")
        })
    }

    /// Runs a statement and returns the one value of its one row, NULL as the empty text.
    ///
    /// # Panics
    /// When the statement fails or does not return exactly one value.
    #[must_use]
    pub fn value(&self, database: &str, sql: &str) -> String {
        match self.query(database, sql).as_mut_slice() {
            [row] if row.len() == 1 => row[0].take().unwrap_or_default(),
            rows => panic!("expected one value, got {} rows of: {sql}", rows.len()),
        }
    }

    /// Stops the server in order: sessions are ended, everything is written.
    ///
    /// # Panics
    /// When the server is not running.
    pub fn stop(&self) {
        self.end("INT");
    }

    /// Stops the server as a crash would: nothing is written, and the next start recovers.
    ///
    /// # Panics
    /// When the server is not running.
    pub fn crash(&self) {
        self.end("QUIT");
    }

    /// Starts the server again, stopping it first when it runs.
    ///
    /// # Errors
    /// When the server does not come up; the error holds the end of its log.
    pub fn restart(&self) -> Result<(), Error> {
        if self.server().is_some() {
            self.stop();
        }
        self.launch()
    }

    pub(crate) fn start_with(builder: &Builder) -> Result<Self, Error> {
        let mut cluster = Self::in_new_folder(if builder.loopback { free_port()? } else { 5432 })?;
        cluster.initialise(builder)?;
        cluster.launch()?;
        let version = cluster.value("postgres", "SHOW server_version_num");
        cluster.version_num = version.parse().expect("server_version_num is a number");
        Ok(cluster)
    }

    /// An empty folder under supervision.
    fn in_new_folder(port: u16) -> Result<Self, Error> {
        let binaries = Binaries::find()?;
        let account = Account::for_server()?;
        let folder = supervisor::new_folder(account)?;
        let supervisor = Some(Supervisor::start(&folder, account, supervisor::POSTGRESQL)?);
        Ok(Self {
            binaries,
            account,
            folder,
            port,
            version_num: 0,
            databases: AtomicU32::new(0),
            server: Mutex::new(None),
            supervisor,
        })
    }

    /// Runs `initdb`, or copies the primary, and writes the configuration.
    fn initialise(&self, builder: &Builder) -> Result<(), Error> {
        let data = self.data_dir();
        let name = if builder.primary.is_some() { "pg_basebackup" } else { "initdb" };
        let mut program = self.command(name);
        program.arg("-D").arg(&data).arg("--no-sync");
        match &builder.primary {
            Some(primary) => program.arg("-d").arg(primary).args(["-X", "stream", "-c", "fast"]),
            None => program.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]),
        };
        let output = program.stdin(Stdio::null()).output().map_err(Error::io(format!("run {name}")))?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            let output = String::from_utf8_lossy(&said).into_owned();
            return Err(Error::Failed { program: name.to_owned(), output });
        }
        let path = data.join("postgresql.conf");
        let mut configuration = fs::read_to_string(&path).map_err(Error::io("read postgresql.conf"))?;
        configuration.push_str(&builder.configuration(&self.folder.display().to_string(), self.port));
        self.write(&path, configuration.as_bytes())?;
        self.write(&data.join("pg_hba.conf"), builder.host_based_access().as_bytes())?;
        for (name, contents) in &builder.files {
            self.write(&data.join(name), contents)?;
        }
        if builder.standby {
            self.write(&data.join("standby.signal"), b"")?;
        }
        Ok(())
    }

    /// Starts the postmaster and waits until it answers.
    fn launch(&self) -> Result<(), Error> {
        const SECONDS: u64 = 60;
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_path());
        let log = log.map_err(Error::io("open the server's log"))?;
        let errors = log.try_clone().map_err(Error::io("open the server's log"))?;
        let mut postgres = self.command("postgres");
        // Its own process group: Ctrl-C on the tests is the supervisor's business.
        postgres.arg("-D").arg(self.data_dir()).process_group(0);
        let child = postgres.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
        *self.server() = Some(child.map_err(Error::io("start postgres"))?);
        let deadline = Instant::now() + Duration::from_secs(SECONDS);
        while client::run(&self.conn_string("postgres"), "").is_err() {
            let mut server = self.server();
            if let Some(child) = server.as_mut()
                && child.try_wait().map_err(Error::io("ask after postgres"))?.is_some()
            {
                *server = None;
                return Err(Error::Failed { program: "postgres".to_owned(), output: self.end_of_log() });
            }
            drop(server);
            if Instant::now() > deadline {
                return Err(Error::NotReady { seconds: SECONDS, log: self.end_of_log() });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Sends the postmaster a signal and waits for its end.
    fn end(&self, signal: &str) {
        let mut server = self.server().take().expect("the server is running");
        supervisor::signal(signal, server.id());
        server.wait().expect("the server can be waited for");
    }

    /// A command of the server's programs, under its account, in its folder.
    fn command(&self, program: &str) -> Command {
        let mut command = self.binaries.command(program);
        // What the caller's environment says about its own servers must not reach this one.
        for name in ["PGDATA", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGOPTIONS", "PGTZ"] {
            command.env_remove(name);
        }
        command.current_dir(&self.folder).env("LC_ALL", "C");
        if let Some(account) = self.account {
            account.apply(&mut command);
        }
        command
    }

    /// Writes a file that the server owns and nobody else may read.
    fn write(&self, path: &Path, contents: &[u8]) -> Result<(), Error> {
        let action = || format!("write {}", path.display());
        fs::write(path, contents).map_err(Error::io(action()))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(Error::io(action()))?;
        self.account.map_or(Ok(()), |account| account.own(path))
    }

    fn end_of_log(&self) -> String {
        let log = fs::read(self.log_path()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn server(&self) -> MutexGuard<'_, Option<Child>> {
        // The option is whole at any moment, so a panic elsewhere does not spoil it.
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.supervisor.take());
        if let Some(mut server) = self.server().take() {
            // Only to collect the child; the supervisor has ended it.
            let _ = server.wait();
        }
    }
}
