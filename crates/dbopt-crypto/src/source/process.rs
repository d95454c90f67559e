//! A program that is asked for something: bounded in time and output, and heard only on its standard output.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::Zeroizing;

use super::read;

/// A program and its arguments. There is no shell in between, so that nothing is quoted or expanded.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: OsString,
    pub(crate) arguments: Vec<OsString>,
    /// How long it may take.
    pub(crate) longest: Duration,
}

/// Why a program gave nothing. What it printed is not shown: it may be the secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// It could not be started, or its pipes failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It said by its exit code that it failed.
    #[error("it ended with exit code {0}")]
    Code(i32),
    /// It was ended by a signal.
    #[error("it was ended by signal {0}")]
    Signal(i32),
    /// It took too long, and was ended.
    #[error("it took longer than {0:?}")]
    Slow(Duration),
    /// It printed more than is taken.
    #[error("it printed more than {0} bytes")]
    Long(usize),
}

impl Program {
    /// How long a program may take, when nothing else is said.
    pub(crate) const LONGEST: Duration = Duration::from_secs(10);

    /// The program of this name or path, and its arguments.
    pub(crate) fn new(name: impl Into<OsString>, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self { name: name.into(), arguments, longest: Self::LONGEST }
    }

    /// Its name in messages.
    pub(crate) fn name(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    /// Runs it with `extra` arguments and `input`, and gives at most `most` bytes that it printed.
    pub(crate) fn run(
        &self,
        extra: &[&str],
        environment: &[(&str, &str)],
        input: &[u8],
        most: usize,
    ) -> Result<Zeroizing<Vec<u8>>, ProgramError> {
        let mut child = Command::new(&self.name)
            .args(&self.arguments)
            .args(extra)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A group of its own, so that what it started ends with it.
            .process_group(0)
            .spawn()?;
        let result = self.talk(&mut child, input, most);
        if result.is_err() {
            end(&mut child);
        }
        result
    }

    fn talk(&self, child: &mut Child, input: &[u8], most: usize) -> Result<Zeroizing<Vec<u8>>, ProgramError> {
        let deadline = Instant::now() + self.longest;
        let slow = || ProgramError::Slow(self.longest);
        let (mut to, mut from) = (child.stdin.take(), child.stdout.take());
        let input = Zeroizing::new(input.to_vec());
        let (give, take) = mpsc::channel();
        // A thread, since reading has no time limit. It ends with the program, whose end closes the pipes.
        thread::Builder::new().name("key program".to_owned()).spawn(move || {
            // A program that does not read its input is told by the pipe, and may be right.
            let _ = to.as_mut().map(|to| to.write_all(&input));
            drop(to);
            let _ = give.send(from.as_mut().map_or_else(|| Ok(None), |from| read(from, most)));
        })?;
        let printed = take.recv_timeout(self.longest).map_err(|_| slow())??.ok_or(ProgramError::Long(most))?;
        let status = loop {
            match child.try_wait()? {
                Some(status) => break status,
                None if Instant::now() >= deadline => return Err(slow()),
                None => thread::sleep(Duration::from_millis(2)),
            }
        };
        ended(status)?;
        Ok(printed)
    }
}

fn ended(status: ExitStatus) -> Result<(), ProgramError> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(ProgramError::Code(code)),
        (None, signal) => Err(ProgramError::Signal(signal.unwrap_or_default())),
    }
}

/// Ends a program and what it started. One that has ended already is only waited for.
fn end(child: &mut Child) {
    if let Ok(None) = child.try_wait() {
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program { longest: Duration::from_secs(20), ..Program::new("sh", ["-c", script]) }
    }

    #[test]
    fn what_it_prints_is_given() {
        let program = shell("read line; printf '%s %s %s' \"$line\" \"$0\" \"$WHAT\"");
        let printed = program.run(&["argument"], &[("WHAT", "environment")], b"input\n", 100).expect("printed");
        assert_eq!(printed.as_slice(), b"input argument environment");
        assert!(shell("true").run(&[], &[], &[7; 100_000], 10).expect("input need not be read").is_empty());
    }

    #[test]
    fn what_goes_wrong_is_told_without_what_it_printed() {
        let fails = |program: Program| {
            let error = program.run(&[], &[], b"", 20).expect_err("it failed");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
            error
        };
        assert!(matches!(fails(shell("echo hunter2; echo hunter2 >&2; exit 3")), ProgramError::Code(3)));
        assert!(matches!(fails(shell("echo hunter2hunter2hunter2")), ProgramError::Long(20)));
        assert!(matches!(fails(shell("yes hunter2")), ProgramError::Long(20)));
        assert!(matches!(fails(shell("kill -9 $$")), ProgramError::Signal(9)));
        let missing = Program { name: "/no/such/program".into(), ..shell("") };
        assert!(matches!(fails(missing), ProgramError::Io(_)));
    }

    #[test]
    fn one_that_hangs_is_ended_with_what_it_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", path.display());
        let slow = Program { longest: Duration::from_millis(500), ..shell(&script) };
        assert!(matches!(slow.run(&[], &[], b"", 20), Err(ProgramError::Slow(_))));
        let pid = std::fs::read_to_string(path).expect("it was started").trim().to_owned();
        // Gone, or a zombie that nobody waits for.
        let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        let ended = (0..500).any(|_| {
            thread::sleep(Duration::from_millis(10));
            state().is_none_or(|stat| stat.contains(") Z "))
        });
        assert!(ended, "{:?}", state());
    }
}
