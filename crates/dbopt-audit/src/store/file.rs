//! A file of JSON Lines.
//!
//! The file is locked (flock) while its end is read and a line is appended by one write and made durable. What has no line
//! end was never acknowledged: it is what a crash left, and appending refuses until [`FileStore::repair`] has moved it aside and
//! recorded that.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Range, Store};
use crate::entry::Entry;
use crate::error::Error;
use crate::line::{MOST_LINE, parse_line, parse_line_into, to_line};
use crate::record::{Hash, Record};

/// How long another process may hold the lock: a few appends, not more.
const PATIENCE: Duration = Duration::from_secs(10);

/// A file of records. It is opened anew for each operation.
#[derive(Clone, Debug)]
pub struct FileStore {
    path: PathBuf,
}

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// Where the torn bytes were put; none when they were a whole record, which lacked nothing but its line end and got that.
    pub kept_in: Option<PathBuf>,
    /// How many there were.
    pub bytes: u64,
    /// The record of the repair.
    pub record: Record,
}

impl FileStore {
    /// The file at this path; appending creates it, readable by its owner alone.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Puts a torn last line aside, into a file beside this one, and records that under the action `audit.repair`; does nothing
    /// when there is none. A line that is the next record and lacks only its end is given that instead: it may be anchored.
    ///
    /// # Errors
    /// When a file cannot be written, or the last whole record is damaged.
    pub fn repair(&self, actor: &str) -> Result<Option<Repair>, Error> {
        let mut file = self.locked()?;
        let (end, torn) = self.tail(&mut file)?;
        if torn == 0 {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(end)).and_then(|_| file.read_to_end(&mut bytes)).map_err(|e| self.io("read", e))?;
        let digest = Hash(Sha256::digest(&bytes).into());
        // The record that follows must be possible before anything is changed.
        let head = self.last(&mut file, end)?;
        let whole =
            std::str::from_utf8(&bytes).ok().and_then(parse_line).filter(|record| follows(record, head.as_ref()));
        if let Some(whole) = whole {
            let details = json!({ "completed": torn, "offset": end, "sha256": digest.to_string() });
            let entry = Entry::new(actor, "audit.repair", details.as_object().ok_or(Error::Damaged)?)?;
            file.write_all(b"\n").map_err(|e| self.io("repair", e))?;
            let record = self.write(&mut file, &entry, Some(&(whole.sequence, whole.hash)))?;
            return Ok(Some(Repair { kept_in: None, bytes: torn, record }));
        }
        let details = json!({ "bytes": torn, "offset": end, "sha256": digest.to_string() });
        let entry = Entry::new(actor, "audit.repair", details.as_object().ok_or(Error::Damaged)?)?;
        let head = head.map(|head| (head.sequence, head.hash));
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".torn-{end}"));
        let kept_in = PathBuf::from(name);
        let keep = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&kept_in);
        keep.and_then(|mut keep| keep.write_all(&bytes).and_then(|()| keep.sync_all()))
            .and_then(|()| sync_folder(&kept_in))
            .map_err(|e| self.io("keep the torn line of", e))?;
        file.set_len(end).map_err(|e| self.io("repair", e))?;
        let record = self.write(&mut file, &entry, head.as_ref())?;
        Ok(Some(Repair { kept_in: Some(kept_in), bytes: torn, record }))
    }

    /// Opens the file for appending, creating it when needed, and waits for its lock.
    fn locked(&self) -> Result<File, Error> {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path);
        let file = file.map_err(|e| self.io("open", e))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(error) => return Err(self.io("lock", error.into())),
            }
        }
    }

    /// Where the last whole line ends, and how many bytes come after it.
    fn tail(&self, file: &mut File) -> Result<(u64, u64), Error> {
        let length = file.metadata().map_err(|e| self.io("read", e))?.len();
        let end = line_begin(file, length).map_err(|e| self.io("read", e))?;
        Ok((end, length - end))
    }

    /// The record of the line that ends at `end`.
    fn last(&self, file: &mut File, end: u64) -> Result<Option<Record>, Error> {
        if end == 0 {
            return Ok(None);
        }
        let begin = line_begin(file, end - 1).map_err(|e| self.io("read", e))?;
        if end - begin > MOST_LINE as u64 {
            return Err(Error::Damaged);
        }
        let mut line = vec![0; (end - begin - 1) as usize];
        file.seek(SeekFrom::Start(begin)).and_then(|_| file.read_exact(&mut line)).map_err(|e| self.io("read", e))?;
        let record = std::str::from_utf8(&line).ok().and_then(parse_line).ok_or(Error::Damaged)?;
        if record.computed_hash() == record.hash { Ok(Some(record)) } else { Err(Error::Damaged) }
    }

    /// The last record of a file without a torn line.
    fn whole_head(&self, file: &mut File) -> Result<Option<Record>, Error> {
        let (end, torn) = self.tail(file)?;
        if torn > 0 {
            return Err(Error::Torn { path: self.path.display().to_string(), offset: end, bytes: torn });
        }
        self.last(file, end)
    }

    fn write(&self, file: &mut File, entry: &Entry, head: Option<&(u64, Hash)>) -> Result<Record, Error> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let record = entry.follow(head, i64::try_from(now.as_micros()).unwrap_or(i64::MAX));
        let mut line = to_line(&record);
        line.push('\n');
        file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).map_err(|e| self.io("append to", e))?;
        if record.sequence == 1 {
            sync_folder(&self.path).map_err(|e| self.io("append to", e))?;
        }
        Ok(record)
    }

    fn io(&self, action: &'static str, source: io::Error) -> Error {
        Error::Io { action, path: self.path.display().to_string(), source }
    }
}

impl Store for FileStore {
    async fn append(&mut self, entry: &Entry) -> Result<Record, Error> {
        let mut file = self.locked()?;
        let head = self.whole_head(&mut file)?.map(|head| (head.sequence, head.hash));
        self.write(&mut file, entry, head.as_ref())
    }

    async fn head(&mut self) -> Result<Option<Record>, Error> {
        let mut file = File::open(&self.path).map_err(|e| self.io("open", e))?;
        self.whole_head(&mut file)
    }

    /// Reads up to the end that the file has at the beginning, so that records which are appended meanwhile do no harm.
    /// A torn last line is passed as something that is no record.
    async fn read(&mut self, range: Range, each: &mut dyn FnMut(Option<&Record>)) -> Result<(), Error> {
        let file = File::open(&self.path).map_err(|e| self.io("open", e))?;
        let length = file.metadata().map_err(|e| self.io("read", e))?.len();
        let mut reader = BufReader::with_capacity(1 << 18, file.take(length));
        let (mut line, mut record) = (Vec::new(), Record::default());
        loop {
            line.clear();
            let most = MOST_LINE as u64 + 1;
            let read = reader.by_ref().take(most).read_until(b'\n', &mut line).map_err(|e| self.io("read", e))?;
            if read == 0 {
                return Ok(());
            }
            let is_ended = line.pop_if(|last| *last == b'\n').is_some();
            if !is_ended {
                reader.skip_until(b'\n').map_err(|e| self.io("read", e))?;
            }
            let line = std::str::from_utf8(&line).ok().filter(|_| is_ended);
            match line.and_then(|line| parse_line_into(line, &mut record)) {
                None => each(None),
                Some(()) if range.contains(&record) => each(Some(&record)),
                Some(()) => {}
            }
        }
    }
}

/// Whether a record is whole and the next one.
fn follows(record: &Record, head: Option<&Record>) -> bool {
    let (sequence, hash) = head.map_or((0, Hash::ZERO), |head| (head.sequence, head.hash));
    record.sequence == sequence + 1 && record.previous == hash && record.computed_hash() == record.hash
}

/// Where the line begins that `end` is in: after the last line end before it.
fn line_begin(file: &mut File, end: u64) -> io::Result<u64> {
    const BLOCK: u64 = 1 << 16;
    let mut upto = end;
    let mut block = vec![0; BLOCK as usize];
    while upto > 0 {
        let from = upto.saturating_sub(BLOCK);
        let part = &mut block[..(upto - from) as usize];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(part)?;
        if let Some(at) = part.iter().rposition(|byte| *byte == b'\n') {
            return Ok(from + at as u64 + 1);
        }
        upto = from;
    }
    Ok(0)
}

/// Makes a file's name durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
