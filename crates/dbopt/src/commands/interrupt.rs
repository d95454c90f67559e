//! Ctrl-C and SIGTERM: the first asks the command to stop with its best answer, the second ends the process.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
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
}

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
            }
        });
    }
}
