//! What a program uses: processor time and memory, as the kernel counted them (proc(5)).

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// What one run of a program used and wrote.
#[derive(Debug)]
pub(crate) struct Used {
    pub(crate) status: ExitStatus,
    /// User and system time of all its threads and of the children it waited for.
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
    /// The most memory that was resident at once, in bytes, looked up every two milliseconds.
    pub(crate) peak: u64,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Used {
    /// Fails with the program's own words unless it ended well.
    pub(crate) fn success(self) -> Result<Self> {
        anyhow::ensure!(self.status.success(), "{}: {}", self.status, self.stderr.trim());
        Ok(self)
    }
}

/// Runs a program to its end. Nothing else may be started and waited for meanwhile, or its time is counted too.
pub(crate) fn run(command: &mut Command) -> Result<Used> {
    // Into files: a pipe that nobody empties would stop the program.
    let (mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
    let (before, start) = (children_time()?, Instant::now());
    let mut child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let memory = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let status = loop {
        // The counter is gone when the program is, so the last look before the end counts.
        peak = peak.max(resident_peak(&memory).unwrap_or(0));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let (wall, cpu) = (start.elapsed(), children_time()?.saturating_sub(before));
    let stderr = String::from_utf8_lossy(&contents(&mut stderr)?).into_owned();
    Ok(Used { status, cpu, wall, peak, stdout: contents(&mut stdout)?, stderr })
}

fn contents(file: &mut File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Processor time of all children that ended: `cutime` and `cstime`, in the 100ths of a second that Linux shows.
fn children_time() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").context("the benches need Linux's /proc")?;
    children_ticks(&stat).map(|ticks| Duration::from_millis(10 * ticks)).context("/proc/self/stat is of another form")
}

fn children_ticks(stat: &str) -> Option<u64> {
    // The name in parentheses may hold anything; after it, field 3 comes first.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    Some(fields.get(13)?.parse::<u64>().ok()? + fields.get(14)?.parse::<u64>().ok()?)
}

fn resident_peak(path: &str) -> Option<u64> {
    let status = fs::read_to_string(path).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_children_are_fields_16_and_17() {
        let stat = "12 (a ) b) S 1 2 3 4 5 6 7 8 9 10 11 12 130 170 20 0 1";
        assert_eq!(children_ticks(stat), Some(300));
    }

    #[test]
    fn a_program_is_run_to_its_end() {
        let used = run(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"])).expect("sh can be run");
        assert_eq!((used.stdout.as_slice(), used.stderr.as_str()), (b"out\n".as_slice(), "err\n"));
        assert_eq!(used.status.code(), Some(3));
    }
}
