//! The binary, run as a user runs it.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod customers;
pub(crate) mod keys;

use std::{
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

/// What a run of the binary gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is there")
}

/// A file of the shop example.
pub(crate) fn shop(file: &str) -> String {
    root().join("examples/shop").join(file).display().to_string()
}

/// The binary, with no connection settings of the environment.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dbopt"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env("HOME", "/nonexistent").current_dir(root());
    command
}

/// Runs the binary.
pub(crate) fn dbopt(args: &[&str]) -> Ran {
    ran(command().args(args).output().expect("the binary starts"))
}

/// Starts a command whose input, output and messages are pipes.
pub(crate) fn piped(command: &mut Command) -> Child {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary starts")
}

/// What an ended process gave.
pub(crate) fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("messages are UTF-8"),
    }
}

impl Ran {
    /// The output as JSON, of a run that went well.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).expect("output is JSON")
    }

    /// Asserts an end with an exit code, a message, and nothing on standard output.
    pub(crate) fn fails(&self, code: i32, message: &str) {
        assert_eq!(self.code, code, "{}", self.stderr);
        assert!(self.stderr.contains(message), "`{message}` is not in:\n{}", self.stderr);
        assert!(self.stdout.is_empty(), "{}", self.stdout);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}
