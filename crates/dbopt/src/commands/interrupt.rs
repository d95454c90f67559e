//! Ctrl-C and SIGTERM: the first asks the command to stop with its best answer, the second ends the process.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Notify,
};

/// Whether the command was asked to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    asked: Arc<AtomicBool>,
    notify: Arc<Notify>,
    /// Whether the command may be stuck in a read that nothing but the end of the process ends.
    waiting: Arc<AtomicBool>,
}

/// While this lives, an interrupt ends the process when the command does not stop by itself in a while.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// How long a command that reads may take to notice an interrupt.
const PATIENCE: Duration = Duration::from_secs(3);

impl Interrupt {
    /// Starts to listen for signals, on a thread of its own so that commands may be busy.
    pub(crate) fn listen() -> Self {
        let interrupt = Self::default();
        let listener = interrupt.clone();
        std::thread::spawn(move || listener.run());
        interrupt
    }

    /// Whether it was asked to stop.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// The flag itself, for libraries that look at it.
    pub(crate) fn flag(&self) -> &Arc<AtomicBool> {
        &self.asked
    }

    /// Says that the command now reads from outside, and may wait there for ever.
    pub(crate) fn waiting(&self) -> Waiting {
        self.waiting.store(true, Ordering::Relaxed);
        Waiting(Arc::clone(&self.waiting))
    }

    /// Waits until it is asked to stop.
    pub(crate) async fn wait(&self) {
        let notified = self.notify.notified();
        if !self.is_asked() {
            notified.await;
        }
    }

    fn run(&self) {
        // Without a runtime or signals, the default action of the signals is left: they end the process.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
                return;
            };
            loop {
                tokio::select! {
                    _ = int.recv() => {}
                    _ = term.recv() => {}
                }
                if self.asked.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
                self.notify.notify_waiters();
                let waiting = Arc::clone(&self.waiting);
                tokio::spawn(async move {
                    tokio::time::sleep(PATIENCE).await;
                    if waiting.load(Ordering::Relaxed) {
                        // Nobody is left to be told when stderr is closed.
                        let _ = writeln!(std::io::stderr(), "dbopt: error: interrupted while waiting for input");
                        std::process::exit(130);
                    }
                });
            }
        });
    }
}
