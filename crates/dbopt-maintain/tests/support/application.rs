//! An application that goes on while maintenance is done and ended beside it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio_postgres::NoTls;

/// An application that changes rows which are not expired. It notes what goes wrong while the server is up.
pub(crate) struct Application {
    stop: Arc<AtomicBool>,
    faults: Arc<Mutex<Vec<String>>>,
    thread: JoinHandle<()>,
}

impl Application {
    pub(crate) fn start(conn_string: String) -> Self {
        let (stop, faults) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (stopped, noted) = (Arc::clone(&stop), Arc::clone(&faults));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                while !stopped.load(Ordering::Relaxed) {
                    match work(&conn_string, &stopped).await {
                        // What a crash of the server does to it, and to nobody's blame.
                        Err(error)
                            if error.code().is_none_or(|code| ["57P01", "57P02", "57P03"].contains(&code.code())) => {}
                        Err(error) => noted.lock().expect("nobody panics").push(format!("{error:?}")),
                        Ok(()) => {}
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        });
        Self { stop, faults, thread }
    }

    /// Ends it; what went wrong.
    pub(crate) fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it does not panic");
        self.faults.lock().expect("nobody panics").clone()
    }
}

/// Writes until asked to stop or something goes wrong.
async fn work(conn_string: &str, stop: &AtomicBool) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(conn_string, NoTls).await?;
    let connection = tokio::spawn(connection);
    // Nobody may make it wait for long.
    client.batch_execute("SET lock_timeout = '3s'").await?;
    let sql = "BEGIN; UPDATE t SET note = note WHERE id % 5000 = 4999 AND id > 20000; \
               UPDATE e SET a = a WHERE at = '1970-01-20Z'; SELECT count(*) FROM f WHERE at > '1970-01-20Z'";
    while !stop.load(Ordering::Relaxed) {
        client.batch_execute(sql).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        client.batch_execute("COMMIT").await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(client);
    let _ = connection.await;
    Ok(())
}
