//! `dbopt audit`

use std::{
    fs::OpenOptions,
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use dbopt_audit::{Anchor, Entry, Error, FileStore, PostgresStore, Range, Record, Store, Verifier, actor, to_line};
use dbopt_finding::Finding;
use dbopt_pg::SessionProfile;

use super::{Context, connect, migrate, read};
use crate::{
    cli::{Audit, AuditAnchor, AuditExport, AuditSource, AuditVerify, Connection},
    document,
    exit::Exit,
    failure::Failure,
    file::NewFile,
    output,
    view::audit::VerifyView,
};

/// The migration that makes the table of records.
const MIGRATION: u32 = 2;

/// Runs a command on the audit record.
pub(crate) fn run(context: &Context, command: &Audit) -> Result<Exit, Failure> {
    match command {
        Audit::Verify(args) => verify(context, args),
        Audit::Anchor(args) => anchor(context, args),
        Audit::Export(args) => export(context, args),
        Audit::Repair { file, actor } => repair(file, actor),
    }
}

fn verify(context: &Context, args: &AuditVerify) -> Result<Exit, Failure> {
    let anchors = args.anchor.as_deref().map(anchors).transpose()?.unwrap_or_default();
    let mut verifier = Verifier::new(args.first, &anchors);
    pass(context, &args.source, Range::ALL, &mut |record| match record {
        Some(record) => verifier.record(record),
        None => verifier.unreadable(),
    })?;
    let report = verifier.finish();
    let view = VerifyView::new(&report);
    output::report(&context.global, args.format, None, &view, document::audit::document)?;
    Ok(if view.intact { Exit::Done } else { Exit::Findings })
}

/// Appends a record to a file, or else to a database, in the name of who runs dbopt there, and makes it durable; its number.
///
/// # Errors
/// When it could not be recorded.
pub(super) async fn record(
    context: &Context,
    file: Option<&Path>,
    connection: &Connection,
    entry: impl Fn(&str) -> Result<Entry, Error>,
) -> Result<u64, Failure> {
    if let Some(file) = file {
        let user = format!("uid:{}", rustix::process::getuid().as_raw());
        let entry = entry(&user).map_err(failure)?;
        return Ok(FileStore::new(file).append(&entry).await.map_err(failure)?.sequence);
    }
    let profile = SessionProfile { read_only: false, search_path: Some(Vec::new()), ..SessionProfile::reading() };
    let session = connect::open_as(context, connection, &profile).await?;
    if session.in_recovery() {
        let message = "the server is a standby, where nothing can be recorded, and nothing was done";
        return Err(Failure::usage(message).hint("connect to the primary"));
    }
    migrate::require(&session, MIGRATION, connection).await?;
    let rows = session.query("SELECT current_user::text", &[]).await.map_err(connect::failure)?;
    let role: String = rows.first().map(|row| row.get(0)).unwrap_or_default();
    let entry = entry(&actor(&role)).map_err(failure)?;
    Ok(PostgresStore::new(session).append(&entry).await.map_err(failure)?.sequence)
}

/// The anchors of a file, one a line.
fn anchors(file: &str) -> Result<Vec<Anchor>, Failure> {
    let anchors = parsed(&read::bytes(file)?, file)?;
    if anchors.is_empty() {
        return Err(Failure::usage(format!("`{file}` holds no anchor")));
    }
    Ok(anchors)
}

/// The anchors of a file's bytes.
fn parsed(bytes: &[u8], file: &str) -> Result<Vec<Anchor>, Failure> {
    let text = String::from_utf8_lossy(bytes);
    let anchor = |(at, line)| {
        Anchor::parse_line(line).ok_or_else(|| {
            let failure = Failure::usage(format!("line {} of `{file}` is not an anchor", at + 1));
            failure.hint("a file of anchors holds the lines that `dbopt audit anchor` printed, and nothing else")
        })
    };
    text.lines().enumerate().map(anchor).collect()
}

/// The anchors that a file already has, to which another is to be added.
fn earlier(file: &str) -> Result<Vec<Anchor>, Failure> {
    match std::fs::metadata(file) {
        Ok(metadata) if metadata.is_file() => {}
        // What cannot be looked at says why when it is written to; a device or pipe keeps nothing.
        _ => return Ok(Vec::new()),
    }
    match std::fs::read(file) {
        // A place may be meant for writing only.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Vec::new()),
        Err(error) => Err(Failure::file("read", file, &error)),
        Ok(bytes) => parsed(&bytes, file),
    }
}

/// Refuses a head that shows by itself that the chain is not what was anchored. `verify` looks at all of it.
fn continues(head: Option<&Record>, earlier: &[Anchor]) -> Result<(), Failure> {
    let Some(last) = earlier.iter().max_by_key(|anchor| anchor.sequence) else { return Ok(()) };
    let at = head.map_or(0, |head| head.sequence);
    let fault = if at < last.sequence {
        format!("the record ends at {at}, but {} was anchored", last.sequence)
    } else if head.is_some_and(|head| head.sequence == last.sequence && head.hash != last.hash) {
        format!("record {at} is not the anchored one")
    } else {
        return Ok(());
    };
    let hint = "no anchor was left; `dbopt audit verify --anchor FILE` says what was changed";
    Err(Failure::new(Exit::Findings, fault).hint(hint))
}

fn anchor(context: &Context, args: &AuditAnchor) -> Result<Exit, Failure> {
    let head = connect::block_on(async {
        match open(context, &args.source).await? {
            Opened::File(mut store) => store.head().await.map_err(failure),
            Opened::Database(mut store) => connect::or_interrupted(context, store.head()).await?.map_err(failure),
        }
    })?;
    let earlier = args.to.as_deref().map(earlier).transpose()?.unwrap_or_default();
    continues(head.as_ref(), &earlier)?;
    let head = head.ok_or_else(|| Failure::usage("there is no record yet, so there is nothing to anchor"))?;
    let anchor = Anchor::of(&head);
    let line = format!("{}\n", anchor.to_line());
    let left = match (&args.to, &args.command) {
        _ if earlier.contains(&anchor) => Ok(()),
        (Some(file), _) => append(file, &line).map_err(|error| Failure::file("write", file, &error).message),
        (None, Some(command)) => give(command, &line).map_err(|error| error.to_string()),
        (None, None) => Ok(()),
    };
    left.map_err(|why| Failure::new(Exit::Partial, format!("the anchor could not be left: {why}")))?;
    output::data(None, &line)?;
    Ok(Exit::Done)
}

/// Appends durably.
fn append(file: &str, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()
}

/// Gives a line to a shell command, which must end well.
fn give(command: &str, line: &str) -> io::Result<()> {
    // Its output must not be mixed with the data on standard output.
    let mut child = Command::new("sh").arg("-c").arg(command).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(line.as_bytes()));
    let status = child.wait()?;
    if !status.success() {
        return Err(io::Error::other(format!("the command ended with {status}")));
    }
    written
}

fn export(context: &Context, args: &AuditExport) -> Result<Exit, Failure> {
    let name = args.output.as_deref().filter(|name| *name != "-");
    let failed = |error: io::Error| Failure::file("write", name.unwrap_or("<stdout>"), &error);
    let mut file = name.map(|name| NewFile::create(name, 0o600)).transpose().map_err(failed)?;
    let mut stdout = BufWriter::new(io::stdout().lock());
    let to: &mut dyn Write = match &mut file {
        Some(file) => file,
        None => &mut stdout,
    };
    let range = Range {
        first: args.first.unwrap_or(Range::ALL.first),
        last: args.last.unwrap_or(Range::ALL.last),
        since: args.since.map_or(Range::ALL.since, |time| time.as_microsecond()),
        until: args.until.map_or(Range::ALL.until, |time| time.as_microsecond()),
    };
    let (mut records, mut unreadable, mut written) = (0_usize, 0_usize, Ok(()));
    pass(context, &args.source, range, &mut |record| match record {
        Some(record) if written.is_ok() => {
            records += 1;
            written = writeln!(to, "{}", to_line(record));
        }
        Some(_) => {}
        None => unreadable += 1,
    })?;
    if records == 0 && unreadable == 0 {
        let failure = Failure::usage(if range == Range::ALL {
            "there is no record to export"
        } else {
            "no record is within the range that was asked for"
        });
        return Err(failure.hint("`dbopt audit verify` says how many there are"));
    }
    match written.and_then(|()| to.flush()).and_then(|()| file.map_or(Ok(()), NewFile::finish)) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => return Err(failed(error)),
        Ok(()) => {}
    }
    if unreadable == 0 {
        return Ok(Exit::Done);
    }
    let finding =
        Finding::error("audit-unreadable", format!("{unreadable} of what was read is no record and was left out"));
    context.stderr.findings(&[finding.help("Find out where by `dbopt audit verify`.")]);
    Ok(Exit::Partial)
}

fn repair(file: &str, actor: &str) -> Result<Exit, Failure> {
    // Opening for append creates; repairing what is not there would leave an empty file.
    std::fs::metadata(file).map_err(|error| Failure::file("read", file, &error))?;
    let text = match FileStore::new(file).repair(actor).map_err(failure)? {
        None => format!("`{file}` has no torn line; nothing was done\n"),
        Some(repair) => {
            let done = match &repair.kept_in {
                Some(kept_in) => format!("put {} bytes into `{}`", repair.bytes, kept_in.display()),
                None => "ended the last line, which is a whole record,".to_owned(),
            };
            format!("{done} and recorded that as record {}\n", repair.record.sequence)
        }
    };
    output::data(None, &text)?;
    Ok(Exit::Done)
}

/// A store that was opened.
enum Opened {
    File(FileStore),
    Database(Box<PostgresStore>),
}

async fn open(context: &Context, source: &AuditSource) -> Result<Opened, Failure> {
    if let Some(file) = &source.file {
        return Ok(Opened::File(FileStore::new(file)));
    }
    // Reading a long record takes its time.
    let profile = SessionProfile {
        statement_timeout: Some(Duration::ZERO),
        search_path: Some(Vec::new()),
        ..SessionProfile::reading()
    };
    let session = connect::open_as(context, &source.connection, &profile).await?;
    connect::or_interrupted(context, migrate::require(&session, MIGRATION, &source.connection)).await??;
    Ok(Opened::Database(Box::new(PostgresStore::new(session))))
}

/// Passes the records of a source.
fn pass(
    context: &Context,
    source: &AuditSource,
    range: Range,
    each: &mut dyn FnMut(Option<&Record>),
) -> Result<(), Failure> {
    connect::block_on(async {
        let result = match open(context, source).await? {
            Opened::File(mut store) => store.read(range, each).await,
            Opened::Database(mut store) => connect::or_interrupted(context, store.read(range, each)).await?,
        };
        result.map_err(failure)
    })
}

/// The failure of a store.
pub(crate) fn failure(error: Error) -> Failure {
    if let Error::Io { action, path, source } = &error {
        return Failure::file(action, path, source);
    }
    let exit = match &error {
        Error::Session(dbopt_pg::Error::PermissionDenied { .. }) => Exit::Usage,
        Error::Session(_) | Error::Statement(_) => Exit::Connection,
        _ => Exit::Usage,
    };
    let failure = Failure::new(exit, error.to_string());
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
