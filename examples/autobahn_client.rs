//! The client side of the Autobahn test suite: echoes whatever `wstest -m fuzzingserver` sends.
//!
//! ```text
//! autobahn_client [--deflate] [URL]
//! ```
//!
//! It runs every case of the server at URL, ws://127.0.0.1:9001 by default, and with `--deflate` compressed
//! if the case wants that, with a context that both sides keep.
//!
//! `scripts/autobahn.sh` starts both and judges the reports.

#[path = "client/connect.rs"]
mod connect;

use std::env;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

use dormouse::client::Connect;
use dormouse::deflate::{Agreed, Deflater, Inflater, Policy};
use dormouse::{Client, CloseCode, Event, Input, Limits, Outbox, SendError, WebSocket};

const USAGE: &str = "usage: autobahn_client [--deflate] [URL]   (default ws://127.0.0.1:9001)";
/// The name in the reports.
const AGENT: &str = "dormouse";
const SCRATCH: usize = 64 * 1024;
/// The largest message of the suite has 16 MiB. One read can complete it and bring `SCRATCH` bytes
/// of further ones, each of which grows by a mask key on its way back.
const LIMITS: Limits = Limits {
    message: 16 * 1024 * 1024,
    outbox: 16 * 1024 * 1024 + 4 * SCRATCH as u32,
    head: 8 * 1024,
};
/// A server that is silent for so long hangs.
const SILENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1).peekable();
    let policy = arguments.next_if(|first| first == "--deflate").map(|_| Policy {
        send_takeover: true,
        receive_takeover: true,
        ..Policy::default()
    });
    let url = arguments.next().unwrap_or_else(|| "ws://127.0.0.1:9001".into());
    let (Some(url), None) = (url.to_str(), arguments.next()) else {
        eprintln!("autobahn_client: not one URL: {url:?}; {USAGE}");
        return ExitCode::from(2);
    };
    match run_cases(url.trim_end_matches('/'), policy) {
        Ok(count) => {
            let _ = writeln!(io::stdout(), "{count} cases run");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("autobahn_client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_cases(server: &str, policy: Option<Policy>) -> Result<u32, String> {
    let answer = talk(&format!("{server}/getCaseCount"), None)?;
    let count = answer.trim().parse().map_err(|_| format!("not a number of cases: {answer}"))?;
    for case in 1..=count {
        talk(&format!("{server}/runCase?case={case}&agent={AGENT}"), policy)?;
    }
    talk(&format!("{server}/updateReports?agent={AGENT}"), None)?;
    Ok(count)
}

/// Echoes until the connection is over, and returns the last text. How a case ends is for the server
/// to judge, so only a connection that cannot be made, or that hangs, is a failure.
fn talk(url: &str, policy: Option<Policy>) -> Result<String, String> {
    let uri = connect::parse(url)?;
    let offer = policy.map(|policy| policy.offer());
    let request = Connect::to(&uri).extensions(offer.as_deref());
    let mut opened = connect::open(&uri, &request, |accepted| {
        let agreed = policy.map(|policy| policy.confirm(accepted)).transpose();
        agreed.map(Option::flatten).map_err(|error| error.to_string())
    })?;
    let mut socket = opened.socket;
    socket.set_read_timeout(Some(SILENCE)).map_err(|error| error.to_string())?;
    socket.set_write_timeout(Some(SILENCE)).map_err(|error| error.to_string())?;

    let mut echo = Echo::new(opened.found);
    let outcome = echo
        .answer(&mut Input::new(&mut opened.early), &mut socket)
        .and_then(|()| echo.read_on(&mut socket));
    match outcome {
        Err(error) if is_timeout(&error) => Err("the server hangs".to_owned()),
        Ok(()) | Err(_) => Ok(echo.last_text),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Both sides may keep their context, so what compresses belongs to the connection. Where nothing is
/// agreed, both let pass what they are given.
struct Echo {
    ws: WebSocket<Client>,
    out: Outbox,
    inflater: Inflater,
    inflated: Vec<u8>,
    deflater: Deflater,
    deflated: Vec<u8>,
    last_text: String,
}

impl Echo {
    fn new(agreed: Option<Agreed>) -> Self {
        let mut ws = WebSocket::client(&LIMITS, rand::random);
        if agreed.is_some() {
            ws.allow_compressed();
        }
        let inflater = agreed.map_or_else(|| Inflater::new(false), |agreed| agreed.inflater());
        let deflater = agreed.map_or_else(|| Deflater::new(false, 15), |agreed| agreed.deflater());
        Self {
            ws,
            out: Outbox::new(&LIMITS),
            inflater,
            inflated: Vec::new(),
            deflater,
            deflated: Vec::new(),
            last_text: String::new(),
        }
    }

    /// §7.1.1: the server closes the connection first, so the client reads on after the Close.
    fn read_on(&mut self, socket: &mut TcpStream) -> io::Result<()> {
        let mut scratch = vec![0; SCRATCH];
        loop {
            match socket.read(&mut scratch) {
                Ok(0) => return Ok(()),
                Ok(len) => {
                    let mut input = Input::new(scratch.get_mut(..len).unwrap_or_default());
                    self.answer(&mut input, socket)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends back every message in `input`. Pings have their answers in the outbox already.
    fn answer(&mut self, input: &mut Input<'_>, socket: &mut TcpStream) -> io::Result<()> {
        while let Ok(Some(event)) = self.ws.next(input, &mut self.out) {
            if self.echo(event).is_err() {
                self.ws.close(CloseCode::INTERNAL_ERROR, "", &mut self.out);
            }
        }
        self.flush(socket)
    }

    /// Sends a message back, compressed if that makes it smaller. One that does not inflate fails the
    /// connection.
    fn echo(&mut self, event: Event<'_>) -> Result<(), SendError> {
        let Self { ws, out, inflater, inflated, deflater, deflated, last_text } = self;
        match inflater.inflate(event, inflated) {
            Ok(Event::Text(text)) => {
                last_text.clear();
                last_text.push_str(&text);
                deflater.text(ws, &text, deflated, out)
            }
            Ok(Event::Binary(bytes)) => deflater.binary(ws, &bytes, deflated, out),
            // `Compressed` has become one of the others.
            Ok(Event::Compressed(_) | Event::Ping(_) | Event::Pong(_) | Event::Close(_)) => Ok(()),
            Err(error) => {
                ws.fail(error.close_code(), out);
                Ok(())
            }
        }
    }

    fn flush(&mut self, socket: &mut TcpStream) -> io::Result<()> {
        self.out.write_to(socket)?;
        if self.out.is_empty() { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }
}
