//! An echo server on a poller: one thread, any number of connections, most of them asleep.
//!
//! ```text
//! echo_mio [--deflate] [ADDR]
//! ```
//!
//! It listens on ADDR, 127.0.0.1:9001 unless it is given; port 0 picks a port. With `--deflate`, for which
//! it is built with `--features deflate`, messages are compressed with clients that offer that.
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
//! | `codec` | compressed messages; `no_codec` stands in for it in a build without them |
//! | `acceptor` | new connections, also when there are no descriptors left |
//! | `deadlines` | handshakes and closings that take too long |

mod acceptor;
#[cfg_attr(not(feature = "deflate"), path = "no_codec.rs")]
mod codec;
mod connection;
mod deadlines;
mod server;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use acceptor::Acceptor;
use codec::Codec;
use server::Server;

const NO_CODEC: &str = "built without the feature deflate, which --deflate needs";
const USAGE: &str = "usage: echo_mio [--deflate] [ADDR]   (default 127.0.0.1:9001)";

/// The command line, read.
struct Arguments {
    address: SocketAddr,
    codec: Option<Codec>,
}

fn main() -> ExitCode {
    if env::args_os().any(|argument| argument == "--help" || argument == "-h") {
        return match writeln!(io::stdout(), "{USAGE}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let Arguments { address, codec } = match Arguments::read(env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("echo_mio: {error}; {USAGE}");
            return ExitCode::from(2);
        }
    };
    match serve(address, codec) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_mio: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    fn read(words: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let (mut address, mut codec) = (None, None);
        for word in words {
            match word.to_str().unwrap_or_default() {
                "--deflate" => codec = Some(Codec::new().ok_or(NO_CODEC)?),
                _ if address.is_some() => return Err(format!("one argument too many: {word:?}")),
                text => {
                    let parsed = text.parse();
                    let wrong = |_| format!("not an IP address with a port: {word:?}");
                    address = Some(parsed.map_err(wrong)?);
                }
            }
        }
        let address = address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9001)));
        Ok(Self { address, codec })
    }
}

/// Serves until something fails; says what, in one line.
fn serve(address: SocketAddr, codec: Option<Codec>) -> Result<(), String> {
    let at = |error: io::Error| format!("{address}: {error}");
    let poller = |error: io::Error| format!("the poller: {error}");
    let acceptor = Acceptor::bind(address).map_err(at)?;
    let bound = acceptor.local_addr().map_err(at)?;
    let server = Server::new(acceptor, codec).map_err(poller)?;
    let announced = writeln!(io::stdout(), "listening on {bound}");
    announced.map_err(|error| format!("standard output: {error}"))?;
    server.run().map_err(poller)
}
