//! A secret that a person types, or a program pipes in.
//!
//! On a terminal it is not shown, and the terminal is as before afterwards, however the reading ends. No buffer of it is left
//! in memory.

use std::{
    fs::File,
    io::{IsTerminal as _, Read, Write as _},
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::{exit::Exit, failure::Failure};

/// The longest line that is read.
const MOST_BYTES: usize = 64 * 1024;

/// Whether a person is asked.
pub(crate) fn is_typed() -> bool {
    std::io::stdin().is_terminal()
}

/// Asks the person at the terminal, or else reads a line of standard input.
pub(crate) fn read(prompt: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |error: std::io::Error| Failure::file("read", "<stdin>", &error);
    if !is_typed() {
        // Byte by byte, because what stands behind the line is not ours, and a buffer would keep the secret.
        let mut input = File::from(rustix::io::dup(rustix::stdio::stdin()).map_err(|error| failed(error.into()))?);
        return line(&mut input, false).map_err(failed)?.ok_or_else(|| Failure::usage("standard input is empty"));
    }
    let failed = |error: std::io::Error| Failure::file("read", "/dev/tty", &error);
    let mut terminal = File::options().read(true).write(true).open("/dev/tty").map_err(failed)?;
    let hidden = Hidden::new(&terminal).map_err(failed)?;
    terminal.write_all(prompt.as_bytes()).map_err(failed)?;
    let typed = line(&mut terminal, true);
    drop(hidden);
    terminal.write_all(b"\n").map_err(failed)?;
    typed.map_err(failed)?.ok_or_else(|| Failure::new(Exit::Interrupted, "interrupted while waiting for a password"))
}

/// While this lives, a terminal shows nothing and hands over each byte.
struct Hidden {
    terminal: File,
    before: Termios,
}

impl Hidden {
    fn new(terminal: &File) -> std::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut hidden = before.clone();
        // Without signals of its own, so that Ctrl-C is read here and the terminal is put right.
        hidden.local_modes &= !(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        let terminal = terminal.try_clone()?;
        tcsetattr(&terminal, OptionalActions::Flush, &hidden)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Nothing is left to be done about a terminal that has gone away.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// A line without its end; none when there is not even an empty one, or it was interrupted. Keys that delete do so when it is
/// typed.
fn line(input: &mut impl Read, typed: bool) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
    const INTERRUPT: u8 = 3;
    const END: u8 = 4;
    const ERASE: [u8; 2] = [8, 127];
    const ERASE_ALL: u8 = 21;
    // All its room at once: growing would leave copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(MOST_BYTES));
    loop {
        let mut byte = Zeroizing::new([0]);
        let read = match input.read(&mut byte[..]) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        match byte[0] {
            _ if read == 0 => {
                if line.is_empty() {
                    return Ok(None);
                }
                break;
            }
            b'\n' => break,
            b'\r' | END if typed => break,
            INTERRUPT if typed => return Ok(None),
            ERASE_ALL if typed => line.clear(),
            other if typed && ERASE.contains(&other) => {
                // A letter is all bytes from its first one, which is none of 10xxxxxx.
                while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            other if line.len() < MOST_BYTES => line.push(other),
            _ => return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "the line is too long")),
        }
    }
    if !typed && line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: bool, input: &str, expected: Option<&str>) {
        let mut input = input.as_bytes();
        let read = line(&mut input, typed).expect("no error").map(|line| String::from_utf8_lossy(&line).into_owned());
        assert_eq!(read.as_deref(), expected);
    }

    #[test]
    fn a_piped_line_ends_at_its_end() {
        check(false, "secret", Some("secret"));
        check(false, "secret\nmore\n", Some("secret"));
        check(false, "secret\r\n", Some("secret"));
        check(false, " with spaces \n", Some(" with spaces "));
        check(false, "\n", Some(""));
        check(false, "", None);
        // Control characters are a part of it.
        check(false, "a\u{8}b\u{3}\n", Some("a\u{8}b\u{3}"));
    }

    #[test]
    fn a_typed_line_can_be_corrected_and_interrupted() {
        check(true, "secrex\u{7f}t\r", Some("secret"));
        check(true, "se\u{e4}\u{8}cret\r", Some("secret"));
        check(true, "wrong\u{15}secret\n", Some("secret"));
        check(true, "\u{7f}\u{7f}secret\u{4}", Some("secret"));
        check(true, "sec\u{3}", None);
    }

    #[test]
    fn too_long_a_line_is_refused() {
        let input = vec![b'x'; MOST_BYTES + 1];
        assert!(line(&mut input.as_slice(), false).is_err());
    }
}
