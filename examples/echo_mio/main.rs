//! An echo server on a poller: one thread, any number of connections, most of them asleep.
//!
//! ```text
//! echo_mio [ADDR]        listens on ADDR, 127.0.0.1:9001 unless it is given; port 0 picks a port
//! ```
//!
//! A connection that sleeps costs its place in a slab, [`Connection`](connection::Connection), and
//! nothing on the heap: bytes are read into the thread's one buffer, answers are collected in the
//! thread's one outbox and written at once. Only what a socket does not take is kept for it, and a
//! peer with answers waiting is not read from until it has taken them.
//!
//! | file | what it holds |
//! |---|---|
//! | `main` | arguments, and what is printed |
//! | `server` | the event loop: whose turn it is |
//! | `connection` | one connection: handshake, echo, close |
//! | `acceptor` | new connections, also when there are no descriptors left |
//! | `deadlines` | handshakes and closings that take too long |

mod acceptor;
mod connection;
mod deadlines;
mod server;

use std::env;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use acceptor::Acceptor;
use server::Server;

const USAGE: &str = "usage: echo_mio [ADDR]   (default 127.0.0.1:9001)";

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9001".into());
    if address == "--help" || address == "-h" {
        return match writeln!(io::stdout(), "{USAGE}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    if let Some(extra) = arguments.next() {
        eprintln!("echo_mio: one argument too many: {extra:?}; {USAGE}");
        return ExitCode::from(2);
    }
    let Some(parsed) = address.to_str().and_then(|address| address.parse().ok()) else {
        eprintln!("echo_mio: not an IP address with a port: {address:?}; {USAGE}");
        return ExitCode::from(2);
    };
    match serve(parsed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_mio: {parsed}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: SocketAddr) -> io::Result<()> {
    let acceptor = Acceptor::bind(address)?;
    let address = acceptor.local_addr()?;
    let server = Server::new(acceptor)?;
    writeln!(io::stdout(), "listening on {address}")?;
    server.run()
}
