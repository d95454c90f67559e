//! Progress of reading, on a terminal and only when it takes a while.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use dbopt_workload::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Reading shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// A bar that appears once reading has taken a while.
pub(crate) struct Bar {
    shown: bool,
    since: Instant,
    bar: OnceLock<ProgressBar>,
}

impl Bar {
    /// A bar that may be shown or not.
    pub(crate) fn new(shown: bool) -> Self {
        Self { shown, since: Instant::now(), bar: OnceLock::new() }
    }

    /// Shows how far reading has come.
    pub(crate) fn show(&self, progress: Progress) {
        if !self.shown || self.since.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_init(|| match progress.total {
            Some(total) => {
                ProgressBar::new(total).with_style(style("reading [{bar:30}] {bytes} of {total_bytes}, {eta} left"))
            }
            None => ProgressBar::new_spinner().with_style(style("reading {bytes}, {bytes_per_sec}")),
        });
        bar.set_position(progress.done);
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
