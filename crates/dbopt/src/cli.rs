//! The command line's grammar. `-h` is the host, as in PostgreSQL's own programs; help is `-?` and `--help`.

pub(crate) mod gdpr;
pub(crate) mod keys;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Index advice, plan reading and workload reports for PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "dbopt", version, disable_help_flag = true, disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// Print help
    #[arg(short = '?', long, global = true, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// When to use colour; NO_COLOR and PG_COLOR are honoured
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// Print no warnings and no progress, only errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say which indexes to create and drop for a logged workload, and why
    Advise(Box<Advise>),
    /// Report what a log holds: queries by time, errors, events, and what could not be read
    Logs(Logs),
    /// Read EXPLAIN output: time, rows and misestimates by node, and what matters most
    Explain(Explain),
    /// Write schema, sizes, indexes and column statistics of a database to a file, without rows
    Snapshot(Snapshot),
    /// Say what this machine and a database can and cannot do for dbopt, and what to install or grant
    #[command(
        after_help = "Exit codes: 0 all that is asked for can work, 1 something is missing, 2 usage, 3 connection."
    )]
    Doctor(Doctor),
    /// Create the indexes of an advice, one at a time and without blocking anybody
    Apply(Apply),
    /// Plan and do VACUUM, ANALYZE, REINDEX and retention, by a policy
    #[command(subcommand)]
    Maintain(Maintain),
    /// Install or look at dbopt's own schema in a database
    #[command(subcommand)]
    Migrate(Migrate),
    /// Verify, anchor or export the audit record
    #[command(subcommand)]
    Audit(Audit),
    /// Make, rotate, retire and destroy the keys of encrypted columns, or say what is due
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Encrypt columns of a live table by a policy, and seal values anew that are under old keys
    ReEncrypt(keys::ReEncrypt),
    /// Say what of a database a policy about data of persons does not cover, and what erasing a person would do
    #[command(subcommand)]
    Gdpr(gdpr::Gdpr),
    /// Say what rate limits admit at worst, or replay traffic against them
    #[command(subcommand)]
    Limits(Limits),
    /// Hash and verify passwords by a policy, or find out what a hash may cost on this machine
    #[command(subcommand)]
    Password(Password),
    /// Check policies, describe them to an editor, or hold a database to one
    #[command(subcommand)]
    Policy(Policy),
    /// Issue and verify tokens by a policy, or look into one
    #[command(subcommand)]
    Token(Token),
    /// Print the JSON Schema of an output format
    Schema {
        /// Which format
        #[arg(value_enum)]
        of: SchemaOf,
    },
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write man pages
    Man {
        /// Folder to write them to
        #[arg(value_name = "FOLDER")]
        folder: String,
    },
}

impl Command {
    /// Whether literals and parameters are to be kept out of all output.
    pub(crate) fn redacts(&self) -> bool {
        match self {
            Self::Advise(args) => args.redact,
            Self::Logs(args) => args.redact,
            _ => false,
        }
    }

    /// How it tells what happens, of a command that may be run by a clock: as asked for, or as fits.
    pub(crate) fn log(&self) -> Option<Option<RunLog>> {
        match self {
            Self::Maintain(Maintain::Run(args)) => Some(args.log),
            Self::Gdpr(gdpr::Gdpr::Retain(gdpr::GdprRetain::Run(args))) => Some(args.log),
            _ => None,
        }
    }
}

/// The files of a command line.
#[derive(Debug, Default)]
pub(crate) struct Files<'a> {
    /// Those it writes.
    pub(crate) outputs: Vec<&'a str>,
    /// Those it reads.
    pub(crate) inputs: Vec<&'a str>,
}

impl Command {
    /// The files that a command with an output is given.
    pub(crate) fn files(&self) -> Files<'_> {
        fn given<'a>(options: &[&'a Option<String>]) -> Vec<&'a str> {
            options.iter().filter_map(|option| option.as_deref()).collect()
        }
        match self {
            Self::Advise(args) => {
                let lists = args.logs.iter().chain(&args.sql).chain(&args.plan);
                let mut inputs: Vec<_> = lists.map(String::as_str).collect();
                inputs.extend(args.pg_stat_statements.iter().flatten().map(String::as_str));
                inputs.extend(given(&[&args.snapshot, &args.ddl]));
                Files { outputs: given(&[&args.output, &args.rollback]), inputs }
            }
            Self::Logs(args) => {
                Files { outputs: given(&[&args.output]), inputs: args.logs.iter().map(String::as_str).collect() }
            }
            Self::Explain(args) => Files { outputs: given(&[&args.output]), inputs: vec![&args.file] },
            Self::Snapshot(args) => Files { outputs: given(&[&args.output]), inputs: given(&[&args.redact_key]) },
            Self::Audit(Audit::Export(args)) => {
                Files { outputs: given(&[&args.output]), inputs: given(&[&args.source.file]) }
            }
            Self::Audit(Audit::Anchor(args)) => {
                Files { outputs: given(&[&args.to]), inputs: given(&[&args.source.file]) }
            }
            Self::Limits(Limits::Check(args)) => {
                let mut inputs = given(&[&args.routes]);
                inputs.extend(args.policy.to_str());
                Files { outputs: given(&[&args.output]), inputs }
            }
            Self::Limits(Limits::Simulate(args)) => {
                let mut inputs = vec![args.traffic.as_str()];
                inputs.extend(args.policy.to_str());
                Files { outputs: given(&[&args.output]), inputs }
            }
            Self::Maintain(maintain) => {
                let (of, outputs, plan) = match maintain {
                    Maintain::Plan(args) => (&args.of, given(&[&args.save]), None),
                    Maintain::Run(args) => (&args.of, Vec::new(), args.plan.as_deref()),
                    Maintain::Status(args) => {
                        (&args.of, args.prometheus.iter().filter_map(|file| file.to_str()).collect(), None)
                    }
                };
                let policy = of.policy.as_ref().and_then(|file| file.to_str());
                Files { outputs, inputs: policy.into_iter().chain(plan).collect() }
            }
            Self::Gdpr(gdpr::Gdpr::Init(args)) => {
                Files { outputs: given(&[&args.output]), inputs: given(&[&args.snapshot, &args.ddl]) }
            }
            Self::Policy(
                Policy::Sql(PolicySql { policy, output }) | Policy::Drift(PolicyDrift { policy, output, .. }),
            ) => Files { outputs: given(&[output]), inputs: policy.to_str().into_iter().collect() },
            _ => Files::default(),
        }
    }
}

/// Formats that have a JSON Schema.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SchemaOf {
    Advice,
    Apply,
    Audit,
    Doctor,
    Explain,
    GdprErase,
    GdprExport,
    GdprInit,
    GdprLint,
    GdprManifest,
    GdprPlan,
    GdprRecord,
    GdprReplay,
    GdprRequest,
    GdprResidue,
    GdprStatus,
    GdprVerify,
    Keys,
    KeysDestroySubject,
    KeysStatus,
    LimitsCheck,
    LimitsSimulate,
    Logs,
    MaintainPlan,
    MaintainRun,
    MaintainStatus,
    Migrate,
    PasswordCalibrate,
    Policy,
    PolicyDrift,
    ReEncrypt,
    Snapshot,
    Token,
}

/// Where to connect, by libpq's conventions.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// Database name, connection URI or key=value string
    #[arg(short = 'd', long = "dbname", value_name = "DB")]
    pub(crate) dbname: Option<String>,
    /// Server host or socket folder
    #[arg(short = 'h', long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// Server port
    #[arg(short = 'p', long, value_name = "PORT")]
    pub(crate) port: Option<String>,
    /// User name
    #[arg(short = 'U', long, value_name = "USER")]
    pub(crate) username: Option<String>,
}

/// How to read logs.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Logs")]
pub(crate) struct LogOptions {
    /// The server's log_line_prefix; inferred when not given
    #[arg(long, value_name = "PREFIX")]
    pub(crate) log_line_prefix: Option<String>,
    /// Format of the logs; detected when not given
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// Threads to read with; as many as there are processors when not given
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<std::num::NonZeroUsize>,
}

/// Formats of server logs.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    Stderr,
    Csvlog,
    Jsonlog,
}

/// `dbopt advise`
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Exit codes: 0 done, 1 advice with --fail-on advice, 2 usage or no usable input, 3 connection, 6 one \
                  of several inputs not read or less than half of all recognised, 70 internal error, 130 interrupted (the best answer so far is printed)."
)]
pub(crate) struct Advise {
    /// Server logs (stderr, csvlog or jsonlog; plain, gz, zst, bz2, lz4 or xz); `-` is standard input
    #[arg(value_name = "LOG")]
    pub(crate) logs: Vec<String>,
    /// Files of SQL statements, each counted once
    #[arg(long, value_name = "FILE")]
    pub(crate) sql: Vec<String>,
    /// EXPLAIN output, text or JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Vec<String>,
    /// Statistics of pg_stat_statements: from a CSV file, or from the connected database when no file is named
    #[arg(long, value_name = "CSV", num_args = 0..=1, require_equals = true)]
    pub(crate) pg_stat_statements: Option<Option<String>>,
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Use a snapshot written by `dbopt snapshot` instead of a database
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dbname", "ddl"])]
    pub(crate) snapshot: Option<String>,
    /// Use DDL, such as from `pg_dump --schema-only`, instead of a database
    #[arg(long, value_name = "FILE", conflicts_with = "dbname")]
    pub(crate) ddl: Option<String>,
    #[command(flatten)]
    pub(crate) reading: LogOptions,
    /// Most storage for new indexes: bytes with a unit, or percent of all table bytes
    #[arg(long, value_name = "SIZE|PERCENT", value_parser = crate::commands::budget::parse, help_heading = "Advice")]
    pub(crate) budget: Option<dbopt_advisor::Budget>,
    /// How to count index sizes: as they are built, or as HypoPG says
    #[arg(long, value_enum, default_value_t = Sizes::Built, help_heading = "Advice")]
    pub(crate) sizes: Sizes,
    /// Who answers what a query would cost: HypoPG where the connected database has it, or the in-process model
    #[arg(long, value_enum, default_value_t = Engine::Auto, help_heading = "Advice")]
    pub(crate) engine: Engine,
    /// Show cost against storage after each index
    #[arg(long, help_heading = "Advice")]
    pub(crate) frontier: bool,
    /// Exit with 1 when there is advice
    #[arg(long, value_enum, value_name = "WHAT", help_heading = "Output")]
    pub(crate) fail_on: Option<FailOn>,
    /// Keep literals and parameters out of the output
    #[arg(long, help_heading = "Output")]
    pub(crate) redact: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = AdviseFormat::Table, help_heading = "Output")]
    pub(crate) format: AdviseFormat,
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub(crate) output: Option<String>,
    /// Write the SQL that takes the advice back to a file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) rollback: Option<String>,
}

/// How index sizes are counted.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Sizes {
    /// As PostgreSQL builds them, with deduplication
    Built,
    /// As HypoPG predicts them
    Hypopg,
}

/// Who answers what-if questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// HypoPG when it is there, or else the model
    Auto,
    /// The in-process model
    Model,
    /// HypoPG, or fail
    Hypopg,
}

/// What makes a command exit with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Any index to create or drop
    Advice,
}

/// Output formats of `dbopt advise`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AdviseFormat {
    Table,
    Json,
    Sql,
    Markdown,
}

/// Output formats of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    Table,
    Json,
    Markdown,
}

/// `dbopt logs`
#[derive(Args, Clone, Debug)]
pub(crate) struct Logs {
    /// Server logs (stderr, csvlog or jsonlog; plain, gz, zst, bz2, lz4 or xz); `-` is standard input
    #[arg(value_name = "LOG", required = true)]
    pub(crate) logs: Vec<String>,
    #[command(flatten)]
    pub(crate) reading: LogOptions,
    /// How many queries to list
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) top: usize,
    /// Keep literals and parameters out of the output
    #[arg(long)]
    pub(crate) redact: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<String>,
}

/// `dbopt explain`
#[derive(Args, Clone, Debug)]
pub(crate) struct Explain {
    /// EXPLAIN output, text or JSON; `-` is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<String>,
}

/// `dbopt snapshot`
#[derive(Args, Clone, Debug)]
pub(crate) struct Snapshot {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Tables of these schemas only
    #[arg(short = 'n', long = "schema", value_name = "SCHEMA")]
    pub(crate) schemas: Vec<String>,
    /// File to write; standard output when not given
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<String>,
    /// Replace values in statistics by keyed hashes and leave histograms out
    #[arg(long)]
    pub(crate) redact: bool,
    /// File with the key of the hashes; a random key that is thrown away when not given
    #[arg(long, value_name = "FILE", requires = "redact")]
    pub(crate) redact_key: Option<String>,
}

/// `dbopt doctor`
#[derive(Args, Clone, Debug)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Only what matters to these commands
    #[arg(long = "for", value_enum, value_name = "COMMAND", value_delimiter = ',')]
    pub(crate) commands: Vec<DoctorFor>,
    /// Exit 1 from this verdict on
    #[arg(long, value_enum, default_value_t = DoctorFailOn::Missing)]
    pub(crate) fail_on: DoctorFailOn,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
}

/// A command whose needs are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DoctorFor {
    Advise,
    Apply,
    Audit,
    Logs,
    Migrate,
    Snapshot,
}

impl DoctorFor {
    /// The command's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Advise => "advise",
            Self::Apply => "apply",
            Self::Audit => "audit",
            Self::Logs => "logs",
            Self::Migrate => "migrate",
            Self::Snapshot => "snapshot",
        }
    }
}

/// What makes `dbopt doctor` exit with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DoctorFailOn {
    /// Something without which a command cannot work
    Missing,
    /// Something that could be better
    Limited,
    /// Nothing
    Never,
}

/// `dbopt apply`
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Exit codes: 0 done, 2 usage, an advice that does not fit the database, or a schema that is not migrated, \
                  3 connection, 4 deferred (a stop was asked for, an old transaction), 5 blocked (a lock, a lagging \
                  replica), 6 some indexes failed, 75 another run is working."
)]
pub(crate) struct Apply {
    /// What `dbopt advise --format json` wrote; `-` is standard input
    #[arg(value_name = "ADVICE")]
    pub(crate) advice: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Also drop the indexes that the advice says to drop
    #[arg(long)]
    pub(crate) drop: bool,
    /// Drop the indexes that an earlier run created for this advice
    #[arg(long, conflicts_with = "drop")]
    pub(crate) rollback: bool,
    /// Print the statements, and run none
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Policy of kind `run`: windows, limits and locks; the flags below win over it
    #[arg(long, value_name = "FILE", help_heading = "Care")]
    pub(crate) policy: Option<std::path::PathBuf>,
    /// Begin no build while a transaction of the database is older than this, such as `90s` or `5min` [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Care")]
    pub(crate) old_transaction: Option<std::time::Duration>,
    /// Give a build up that has waited for others this long [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Care")]
    pub(crate) longest_wait: Option<std::time::Duration>,
    /// Wait this long for replicas, slots and autovacuum before an index counts as blocked [default: 5min]
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Care")]
    pub(crate) patience: Option<std::time::Duration>,
    /// Begin nothing while this file exists
    #[arg(long, value_name = "FILE", help_heading = "Care")]
    pub(crate) stop_file: Option<std::path::PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}

/// `dbopt maintain`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Maintain {
    /// Say what would be done, in which order, and why; nothing is changed
    #[command(after_help = "Exit codes: 0 planned, 2 usage or policy, 3 connection.")]
    Plan(MaintainPlan),
    /// Do what a plan says, one object at a time; safe to kill at any point
    #[command(
        after_help = "Exit codes: 0 done, 2 usage, policy or a plan for another database, 3 connection, 4 deferred (no \
                      window, a stop was asked for, an old transaction), 5 blocked (a lock, a lagging replica, somebody \
                      who holds the horizon), 6 some objects failed or were refused, 75 another run is working."
    )]
    Run(MaintainRun),
    /// Say what ran, what is due, how sizes go, and what is in the way; for monitoring
    #[command(
        after_help = "Exit codes: 0 in order, 1 overdue, failed or near wraparound, 2 usage or policy, 3 connection."
    )]
    Status(MaintainStatus),
}

/// What all of them need.
#[derive(Args, Clone, Debug)]
pub(crate) struct Maintained {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Policy of kind `maintenance`; without one nothing expires, and the rest has its usual measure
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<std::path::PathBuf>,
}

/// `dbopt maintain plan`
#[derive(Args, Clone, Debug)]
pub(crate) struct MaintainPlan {
    #[command(flatten)]
    pub(crate) of: Maintained,
    /// Write the plan to a file too, for `run --plan`
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) save: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}

/// `dbopt maintain run`
#[derive(Args, Clone, Debug)]
pub(crate) struct MaintainRun {
    #[command(flatten)]
    pub(crate) of: Maintained,
    /// Do just what this file says, which `plan --save` wrote; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<String>,
    /// Begin nothing while this file exists
    #[arg(long, value_name = "FILE", help_heading = "Care")]
    pub(crate) stop_file: Option<std::path::PathBuf>,
    /// Of an index that is to be rebuilt, drop the invalid `_ccnew` and `_ccold` that a broken-off rebuild of somebody else left
    #[arg(long, help_heading = "Care")]
    pub(crate) drop_leftovers: bool,
    /// What is told on standard error while it works: progress on a terminal, and else a JSON object a line, when not given
    #[arg(long, value_enum, value_name = "HOW", help_heading = "Output")]
    pub(crate) log: Option<RunLog>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}

/// What is told while a run works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RunLog {
    /// A line that changes
    Progress,
    /// A JSON object a line, for each thing that happens
    Json,
    /// Nothing
    Off,
}

/// `dbopt maintain status`
#[derive(Args, Clone, Debug)]
pub(crate) struct MaintainStatus {
    #[command(flatten)]
    pub(crate) of: Maintained,
    /// Write metrics for Prometheus' textfile collector to this file, all at once
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) prometheus: Option<std::path::PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}

/// `dbopt migrate`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Migrate {
    /// Say which migrations a database has
    #[command(after_help = "Exit codes: 0 up to date, 1 not, 2 usage or a schema that cannot be used, 3 connection.")]
    Status(MigrateArgs),
    /// Apply the migrations that a database lacks, each in a transaction of its own
    #[command(
        after_help = "Exit codes: 0 up to date, 2 usage or a schema that cannot be migrated, 3 connection, 75 another \
                            run is migrating, 130 interrupted."
    )]
    Up(MigrateArgs),
}

/// What both need.
#[derive(Args, Clone, Debug)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
}

/// `dbopt audit`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Audit {
    /// Find and place records that were changed, removed, moved or inserted
    #[command(after_help = "Exit codes: 0 intact, 1 not, 2 usage or nothing to read, 3 connection, 130 interrupted.")]
    Verify(AuditVerify),
    /// Write the head of the record to a place outside, against which `verify --anchor` proves the rest
    #[command(
        after_help = "Exit codes: 0 done, 1 the record is not the one that was anchored in FILE before, 2 usage or nothing to anchor, 3 connection, 6 the anchor could not be left."
    )]
    Anchor(AuditAnchor),
    /// Write records as JSON Lines, which `verify --file` reads
    #[command(
        after_help = "Exit codes: 0 done, 2 usage or nothing to read, 3 connection, 6 something is no record and was left out."
    )]
    Export(AuditExport),
    /// Put a torn last line of a file aside, as a crash leaves it, and record that
    #[command(after_help = "Exit codes: 0 done, 2 usage, or a file that cannot be repaired.")]
    Repair {
        /// The file
        #[arg(long, value_name = "FILE")]
        file: String,
        /// Who repairs, as the record will say
        #[arg(long, value_name = "NAME")]
        actor: String,
    },
}

/// Where the record is.
#[derive(Args, Clone, Debug)]
pub(crate) struct AuditSource {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// A file of records instead of a database
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dbname", "host", "port", "username"])]
    pub(crate) file: Option<String>,
}

/// `dbopt audit verify`
#[derive(Args, Clone, Debug)]
pub(crate) struct AuditVerify {
    #[command(flatten)]
    pub(crate) source: AuditSource,
    /// Check against the anchors in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) anchor: Option<String>,
    /// Number of the first record that must be there; for a part, as of an export
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) first: u64,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
}

/// `dbopt audit anchor`
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("place").required(true))]
pub(crate) struct AuditAnchor {
    #[command(flatten)]
    pub(crate) source: AuditSource,
    /// Append the anchor to this file, unless it is there, or the record ends before an anchor of it
    #[arg(long, value_name = "FILE", group = "place")]
    pub(crate) to: Option<String>,
    /// Give the anchor to this shell command on its standard input
    #[arg(long, value_name = "COMMAND", group = "place")]
    pub(crate) command: Option<String>,
}

/// A time with its unit as in a policy, or a number of seconds.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(std::time::Duration::from_secs(seconds.into()));
    }
    dbopt_policy::Duration::parse(text).map(dbopt_policy::Duration::get).map_err(said)
}

/// A fault of a value in words.
fn said(fault: dbopt_policy::Fault) -> String {
    [Some(fault.message), fault.help].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// A moment of RFC 3339.
fn timestamp(text: &str) -> Result<jiff::Timestamp, &'static str> {
    text.parse().map_err(|_| "write a date, a time and its zone, such as `2026-11-01T00:00:00Z`")
}

/// `dbopt audit export`
#[derive(Args, Clone, Debug)]
pub(crate) struct AuditExport {
    #[command(flatten)]
    pub(crate) source: AuditSource,
    /// First record
    #[arg(long, value_name = "N")]
    pub(crate) first: Option<u64>,
    /// Last record
    #[arg(long, value_name = "N")]
    pub(crate) last: Option<u64>,
    /// Records from this time on, such as 2026-11-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    pub(crate) since: Option<jiff::Timestamp>,
    /// Records up to this time
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    pub(crate) until: Option<jiff::Timestamp>,
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<String>,
}

/// `dbopt policy`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Policy {
    /// Find all that is wrong with policies, and where
    #[command(
        after_help = "Exit codes: 0 nothing wrong, 1 errors, or warnings with --fail-on warning, 2 usage or a file that \
                      cannot be read."
    )]
    Check(PolicyCheck),
    /// Write what an access policy asks of a database: roles, rights and row-level security, as SQL to run again and again
    #[command(
        after_help = "Exit codes: 0 done, 2 usage, or a policy that cannot be used or says nothing of a database."
    )]
    Sql(PolicySql),
    /// Compare a database with an access policy, and say what mends each difference; nothing is changed
    #[command(
        after_help = "Exit codes: 0 no difference, 1 differences, 2 usage, or a policy that cannot be used or says nothing of \
                      a database, 3 connection."
    )]
    Drift(PolicyDrift),
    /// Print the JSON Schema of a kind of policy
    Schema {
        /// Which kind
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(crate::policies::KINDS.iter().map(|kind| kind.name)))]
        kind: String,
    },
}

/// `dbopt policy check`
#[derive(Args, Clone, Debug)]
pub(crate) struct PolicyCheck {
    /// Policies; `-` is standard input, which can include no other files and whose secrets are not looked up
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<String>,
    /// Do not look up secrets, on a machine that has none
    #[arg(long)]
    pub(crate) no_secrets: bool,
    /// The least that makes the exit code 1
    #[arg(long, value_enum, default_value_t = PolicyFailOn::Error, value_name = "SEVERITY")]
    pub(crate) fail_on: PolicyFailOn,
    /// Output format
    #[arg(long, value_enum, default_value_t = PolicyFormat::Terminal)]
    pub(crate) format: PolicyFormat,
}

/// `dbopt policy sql`
#[derive(Args, Clone, Debug)]
pub(crate) struct PolicySql {
    /// Policy of kind `access`; its secrets are not looked up
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: std::path::PathBuf,
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<String>,
}

/// `dbopt policy drift`
#[derive(Args, Clone, Debug)]
pub(crate) struct PolicyDrift {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Policy of kind `access`; its secrets are not looked up
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: std::path::PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t = DriftFormat::Table)]
    pub(crate) format: DriftFormat,
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<String>,
}

/// Output formats of `dbopt policy drift`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DriftFormat {
    /// Text
    Table,
    /// dbopt's own JSON
    Json,
    /// Markdown
    Markdown,
    /// SARIF 2.1.0, without statements
    Sarif,
    /// The statements that mend it, as a script of one transaction
    Sql,
}

/// What makes `dbopt policy check` exit with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyFailOn {
    /// Errors
    Error,
    /// Errors and warnings
    Warning,
}

/// Output formats of `dbopt policy check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyFormat {
    /// Text with source lines
    Terminal,
    /// dbopt's own JSON
    Json,
    /// SARIF 2.1.0
    Sarif,
    /// Workflow commands of GitHub Actions
    Github,
    /// GitLab's code quality report
    Gitlab,
    /// file:line:column lines
    Gcc,
}

/// `dbopt limits`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Limits {
    /// Say for each rule what it admits at worst, and what is weak about it
    #[command(
        after_help = "Exit codes: 0 done, 1 weak choices with --fail-on warning, 2 usage, or a policy that cannot be used."
    )]
    Check(LimitsCheck),
    /// Replay an access log or a table of requests, and say who would have been refused when
    #[command(
        after_help = "Exit codes: 0 done, 2 usage, or a policy or a file that cannot be used, 6 less than half of the lines are requests."
    )]
    Simulate(LimitsSimulate),
}

/// `dbopt limits check`
#[derive(Args, Clone, Debug)]
pub(crate) struct LimitsCheck {
    /// Policy of kind `ratelimit`
    #[arg(value_name = "POLICY")]
    pub(crate) policy: std::path::PathBuf,
    /// File with the service's routes, one a line, with or without a method: `POST /login`
    #[arg(long, value_name = "FILE")]
    pub(crate) routes: Option<String>,
    /// Do not look up secrets, on a machine that has none
    #[arg(long)]
    pub(crate) no_secrets: bool,
    /// Exit with 1 when there are weak choices
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) fail_on: Option<LimitsFailOn>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<String>,
}

/// What makes `dbopt limits check` exit with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LimitsFailOn {
    /// Any weak choice that is a warning
    Warning,
}

/// `dbopt limits simulate`
#[derive(Args, Clone, Debug)]
pub(crate) struct LimitsSimulate {
    /// Policy of kind `ratelimit`
    #[arg(value_name = "POLICY")]
    pub(crate) policy: std::path::PathBuf,
    /// Access log (common or combined format) or CSV with a column `time` and any of user, tenant, api_key, address, route,
    /// method, plan, cost, header:NAME, claim:NAME; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) traffic: String,
    /// Format of the traffic; detected when not given
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) traffic_format: Option<TrafficFormat>,
    /// Do not look up secrets, on a machine that has none
    #[arg(long)]
    pub(crate) no_secrets: bool,
    /// How many of the refused clients, blocks and suspicions to list
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) top: usize,
    /// Output format; by the ending of the output file when not given, or else a table
    #[arg(long, value_enum)]
    pub(crate) format: Option<SimulateFormat>,
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<String>,
}

/// Formats of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TrafficFormat {
    /// Access log, common or combined
    Access,
    /// Table with a line of column names
    Csv,
}

/// Output formats of `dbopt limits simulate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SimulateFormat {
    Table,
    Json,
    Markdown,
    /// One file that loads nothing
    Html,
}

/// `dbopt password`
#[derive(Debug, Subcommand)]
pub(crate) enum Password {
    /// Measure what a hash may cost on this machine, so that it takes a given time
    #[command(after_help = "Exit codes: 0 done, 1 even the least that is enough takes longer, 2 usage.")]
    Calibrate(PasswordCalibrate),
    /// Hash a password, from the terminal or a line of standard input
    Hash(PasswordHash),
    /// Say whether a password, from the terminal or a line of standard input, is that of a hash
    #[command(after_help = "Exit codes: 0 it is, 1 it is not, 2 usage, or a policy or a hash that cannot be used.\n\
                      Quote a hash for the shell with ' because of its dollar signs.")]
    Verify(PasswordVerify),
}

/// `dbopt password calibrate`
#[derive(Args, Clone, Debug)]
pub(crate) struct PasswordCalibrate {
    /// How long a hash may take
    #[arg(long, value_name = "DURATION", default_value = "250ms", value_parser = duration)]
    pub(crate) target: std::time::Duration,
    /// The most memory of one hash; so many times that run at once
    #[arg(long, value_name = "SIZE", default_value = "64MB", value_parser = size)]
    pub(crate) memory: u64,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<String>,
}

/// `dbopt password hash`
#[derive(Args, Clone, Debug)]
pub(crate) struct PasswordHash {
    /// Policy of kind `passwords`; without one, what a policy that says nothing means
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Option<std::path::PathBuf>,
}

/// `dbopt password verify`
#[derive(Args, Clone, Debug)]
pub(crate) struct PasswordVerify {
    /// The stored hash
    #[arg(value_name = "HASH", required_unless_present = "hash_file", conflicts_with = "hash_file")]
    pub(crate) hash: Option<String>,
    /// File with the stored hash, which the list of processes does not show
    #[arg(long, value_name = "FILE")]
    pub(crate) hash_file: Option<String>,
    /// Policy of kind `passwords`; without one, what a policy that says nothing means
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Option<std::path::PathBuf>,
}

/// A size in bytes, as in a policy.
fn size(text: &str) -> Result<u64, String> {
    dbopt_policy::Bytes::parse(text).map(|bytes| bytes.0).map_err(said)
}

/// `dbopt token`
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Issue a token with the key of a policy that signs
    Issue(TokenIssue),
    /// Say whether a token, from the terminal or a line of standard input, is right, and what it allows
    #[command(
        after_help = "Exit codes: 0 it is right, 1 it is refused or the permission is denied, 2 usage, or a policy that cannot be used.\n\
                      Revocations are kept by the service that made them, and are not known here."
    )]
    Verify(TokenVerify),
    /// Show what a token says, without looking at its signature
    #[command(after_help = "Exit codes: 0 done, 1 it has not the form of a token, 2 usage.")]
    Inspect(TokenInspect),
}

/// `dbopt token issue`
#[derive(Args, Clone, Debug)]
pub(crate) struct TokenIssue {
    /// Policy of kind `access`
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: std::path::PathBuf,
    /// Whom it is for
    #[arg(long, value_name = "NAME")]
    pub(crate) subject: String,
    /// The tenant that the subject belongs to
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
    /// A role of the subject; may be given several times
    #[arg(long = "role", value_name = "NAME")]
    pub(crate) roles: Vec<String>,
}

/// `dbopt token verify`
#[derive(Args, Clone, Debug)]
pub(crate) struct TokenVerify {
    /// Policy of kind `access`
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: std::path::PathBuf,
    /// Say whether it gives this permission, and why
    #[arg(long, value_name = "NAME")]
    pub(crate) permission: Option<String>,
    /// On what belongs to this tenant
    #[arg(long, value_name = "NAME", requires = "permission")]
    pub(crate) tenant: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
}

/// `dbopt token inspect`
#[derive(Args, Clone, Debug)]
pub(crate) struct TokenInspect {
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
}
