//! A pooler that changes sessions between transactions, as PgBouncer with `pool_mode=transaction` does, is refused.
//!
//! The pooler here is a small one of the same habits: a client has a server connection while a transaction lasts, and the
//! connection that was given back last is the next to be taken.

mod support;

use std::io::{Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex};

use dbopt_run::{Error, Options, Runner};
use dbopt_testkit::Cluster;

/// Server connections that nobody uses.
#[derive(Default)]
struct Pool {
    idle: Mutex<Vec<UnixStream>>,
    given_back: Condvar,
}

impl Pool {
    fn take(&self) -> UnixStream {
        let mut idle = self.idle.lock().expect("nobody panics");
        loop {
            match idle.pop() {
                Some(server) => return server,
                None => idle = self.given_back.wait(idle).expect("nobody panics"),
            }
        }
    }

    fn give_back(&self, server: UnixStream) {
        self.idle.lock().expect("nobody panics").push(server);
        self.given_back.notify_one();
    }
}

/// A message of the protocol: its type and the rest, with its length (PostgreSQL docs, "protocol-message-formats").
fn message(stream: &mut impl Read) -> Result<(u8, Vec<u8>)> {
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    Ok((kind[0], untyped(stream)?))
}

/// A message without a type, as the first of a session is.
fn untyped(stream: &mut impl Read) -> Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    stream.read_exact(&mut bytes)?;
    let length = u32::from_be_bytes(bytes[..4].try_into().expect("there are four")) as usize;
    bytes.resize(length, 0);
    stream.read_exact(&mut bytes[4..])?;
    Ok(bytes)
}

fn pass(stream: &mut impl Write, kind: u8, rest: &[u8]) -> Result<()> {
    stream.write_all(&[kind])?;
    stream.write_all(rest)
}

/// Passes what the server says until it is ready; whether it is then outside of a transaction.
fn answer(server: &mut UnixStream, client: &mut TcpStream) -> Result<bool> {
    loop {
        let (kind, rest) = message(server)?;
        pass(client, kind, &rest)?;
        if kind == b'Z' {
            return Ok(rest[4] == b'I');
        }
    }
}

fn serve(mut client: TcpStream, socket: &str, pool: &Pool, is_single: bool) -> Result<()> {
    let mut server = UnixStream::connect(socket)?;
    server.write_all(&untyped(&mut client)?)?;
    answer(&mut server, &mut client)?;
    // A pool of one connection has no room for a second.
    if !is_single || pool.idle.lock().expect("nobody panics").is_empty() {
        pool.give_back(server);
    }
    let mut held: Option<UnixStream> = None;
    loop {
        let (kind, rest) = message(&mut client)?;
        if kind == b'X' {
            return Ok(());
        }
        let mut server = held.take().unwrap_or_else(|| pool.take());
        pass(&mut server, kind, &rest)?;
        let ends = matches!(kind, b'Q' | b'S') && answer(&mut server, &mut client)?;
        if ends {
            pool.give_back(server);
        } else {
            held = Some(server);
        }
    }
}

async fn refused_with(is_single: bool, evidence: &str) {
    let cluster = Cluster::shared();
    let database = support::database(cluster).await;
    let socket = cluster.socket_dir().join(format!(".s.PGSQL.{}", cluster.port())).display().to_string();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let pool = Arc::new(Pool::default());
        for client in listener.incoming() {
            let (pool, socket) = (Arc::clone(&pool), socket.clone());
            // A client that goes away ends its thread with an error, which is nobody's concern.
            std::thread::spawn(move || serve(client.expect("a client"), &socket, &pool, is_single));
        }
    });
    let target = format!("host=127.0.0.1 port={port} user=postgres sslmode=disable dbname={}", database.name());
    let error = Runner::start(&support::settings(&target), "test", Options::default()).await.expect_err("it is pooled");
    assert!(matches!(&error, Error::Pooled { evidence: found } if found.contains(evidence)), "{error}");
    assert!(error.hint("shop").is_some_and(|hint| hint.contains("pool_mode=session")));
    assert_eq!(database.value("SELECT count(*) FROM dbopt.run"), "0");
}

#[tokio::test]
async fn sessions_that_share_a_server_process_are_refused() {
    refused_with(false, "share the server process").await;
}

#[tokio::test]
async fn sessions_that_wait_for_each_other_are_refused() {
    refused_with(true, "waits while another is in a transaction").await;
}
