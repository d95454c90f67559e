//! A small shell process that outlives the test process and clears up after it.
//!
//! Destructors do not run when a process is killed or exits with a static cluster alive, and a server left behind by
//! every such run fills a machine. The supervisor reads a pipe whose other end only the test process holds; end of
//! file means that the process is gone, however it went. Then it stops the server and removes the folder.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use std::os::unix::process::CommandExt;

use crate::account::Account;
use crate::error::Error;

/// Waits for end of file, then stops the server named by the pid file and removes the folder `$1`.
///
/// The pid file is watched beside the process, because a server whose parent has not waited for it stays a zombie.
/// The removal is tried again, since a program cut off in the middle may still be writing there.
pub(crate) const POSTGRESQL: &str = r#"
trap '' INT TERM HUP
while read -r _; do :; done
if read -r pid <"$1/data/postmaster.pid"; then
    kill -QUIT "$pid"
    tries=0
    while [ -e "$1/data/postmaster.pid" ] && kill -0 "$pid"; do
        if [ "$tries" -eq 200 ]; then kill -KILL "$pid"; break; fi
        tries=$((tries + 1))
        sleep 0.05
    done
fi
for _ in 1 2 3 4 5; do
    rm -rf -- "$1" && break
    sleep 1
done
"#;

/// The same for Redis, which has nothing to write at its end.
pub(crate) const REDIS: &str = r#"
trap '' INT TERM HUP
while read -r _; do :; done
if read -r pid <"$1/pid"; then kill -KILL "$pid"; fi
for _ in 1 2 3 4 5; do
    rm -rf -- "$1" && break
    sleep 1
done
"#;

/// Makes an empty folder for a server of this account. Its path must be short: a socket's path may have 107 bytes at
/// most (unix(7)), which the temporary folders of some systems exceed.
pub(crate) fn new_folder(account: Option<Account>) -> Result<PathBuf, Error> {
    let parent = Some(std::env::temp_dir()).filter(|parent| parent.as_os_str().len() < 60);
    let parent = parent.unwrap_or_else(|| PathBuf::from("/tmp"));
    let folder = tempfile::Builder::new().prefix("dbopt-").tempdir_in(parent);
    let folder = folder.map_err(Error::io("make a temporary folder"))?;
    if let Some(account) = account {
        account.own(folder.path())?;
    }
    Ok(folder.keep())
}

/// Sends a process a signal, by the shell's own `kill`, because the program of that name is not installed everywhere.
///
/// # Panics
/// When there is no such process.
pub(crate) fn signal(name: &str, process: u32) {
    let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {process}")).status();
    assert!(status.expect("sh can be run").success(), "the server can be sent a signal");
}

/// The running supervisor of one cluster folder; dropping it clears the folder up and waits for that.
#[derive(Debug)]
pub(crate) struct Supervisor {
    child: Child,
}

impl Supervisor {
    /// Starts watching over `folder` by one of the scripts above.
    pub(crate) fn start(folder: &Path, account: Option<Account>, script: &str) -> Result<Self, Error> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg("dbopt-testkit").arg(folder);
        // Its own process group, so that Ctrl-C on the tests leaves it alive to do its work; no inherited output, so
        // that nobody who reads the tests' output waits for it.
        command.current_dir("/").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(account) = account {
            account.apply(&mut command);
        }
        Ok(Self { child: command.spawn().map_err(Error::io("start sh"))? })
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // A failure to wait has nobody to be told; the supervisor does its work either way.
        let _ = self.child.wait();
    }
}
