//! Being asked to stop: by a signal, by a file, by the end of a window.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

/// What ends a run early. A step or batch that was begun is finished, and what is left is deferred.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Set by whoever listens for signals.
    pub flag: Arc<AtomicBool>,
    /// While this file exists, nothing is begun.
    pub file: Option<PathBuf>,
    /// The end of the window.
    pub until: Option<Instant>,
}

impl Stop {
    /// Why nothing more is to be begun that will take so many seconds, if so.
    #[must_use]
    pub fn reason(&self, seconds: Option<f64>) -> Option<String> {
        if self.flag.load(Ordering::Relaxed) {
            return Some("a stop was asked for".to_owned());
        }
        if let Some(file) = self.file.as_ref().filter(|file| file.exists()) {
            return Some(format!("the stop file `{}` is there", file.display()));
        }
        let left = self.until?.saturating_duration_since(Instant::now()).as_secs_f64();
        if left == 0.0 {
            return Some("the window has ended".to_owned());
        }
        let seconds = seconds.filter(|seconds| *seconds > left)?;
        Some(format!("it needs {seconds:.0} s, and the window ends in {left:.0} s"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_reason_stops() {
        let mut stop = Stop::default();
        assert_eq!(stop.reason(Some(1e9)), None);
        stop.until = Some(Instant::now() + Duration::from_secs(100));
        assert_eq!(stop.reason(Some(50.0)), None);
        assert!(stop.reason(Some(150.0)).is_some_and(|reason| reason.starts_with("it needs 150 s")));
        stop.until = Some(Instant::now());
        assert_eq!(stop.reason(None).as_deref(), Some("the window has ended"));
        stop.file = Some(std::env::current_exe().expect("this program is a file"));
        assert!(stop.reason(None).is_some_and(|reason| reason.contains("stop file")));
        stop.flag.store(true, Ordering::Relaxed);
        assert_eq!(stop.reason(None).as_deref(), Some("a stop was asked for"));
    }
}
