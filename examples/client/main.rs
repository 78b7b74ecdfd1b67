//! A client for the terminal: lines of standard input become text messages, messages are printed.
//!
//! ```text
//! client URL [--deflate] [--origin ORIGIN] [--protocol NAME]... [--header 'NAME: VALUE']...
//! ```
//!
//! At the end of standard input, and at a line that is not UTF-8, the client closes with 1000 and
//! prints what still comes. The close code and reason of the server, or that line's number, go to
//! standard error. With `--deflate`, for which it is built with `--features deflate`, messages are
//! compressed if the server agrees.
//!
//! | status | meaning |
//! |---|---|
//! | 0 | closed with 1000 or 1001, or a Close without a code answered ours |
//! | 1 | no connection, a refusal, an end without closing handshake, or a line that is not UTF-8 |
//! | 2 | arguments that make no sense |
//! | 3 | closed by the server with another code, or with none |
//!
//! | file | what it holds |
//! |---|---|
//! | `main` | arguments and status |
//! | `connect` | from a URL to an open WebSocket |
//! | `session` | the open connection, on a poller |
//! | `codec` | compressed messages; `no_codec` stands in for it in a build without them |
//! | `lines` | standard input |

#[cfg_attr(not(feature = "deflate"), path = "no_codec.rs")]
mod codec;
mod connect;
mod lines;
mod session;

use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;

use codec::Codec;
use dormouse::client::{Connect, Uri};
use dormouse::{CloseCode, Limits, Outbox};
use session::{Closed, Session};

const NO_CODEC: &str = "built without the feature deflate, which --deflate needs";
const USAGE: &str = "usage: client URL [--deflate] [--origin ORIGIN] [--protocol NAME]... [--header 'NAME: VALUE']...";

/// The command line, read.
struct Arguments<'w> {
    uri: Uri<'w>,
    /// What to offer, to compress messages.
    extensions: Option<String>,
    origin: Option<&'w str>,
    protocols: Vec<&'w str>,
    headers: Vec<(&'w str, &'w str)>,
}

fn main() -> ExitCode {
    if env::args_os().any(|argument| argument == "--help" || argument == "-h") {
        return match writeln!(io::stdout(), "{USAGE}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let words = env::args_os().skip(1).map(|word| word.into_string().map_err(|_| not_utf8()));
    let words = match words.collect::<Result<Vec<_>, _>>() {
        Ok(words) => words,
        Err(error) => return misused(&error),
    };
    let arguments = match Arguments::read(&words) {
        Ok(arguments) => arguments,
        Err(error) => return misused(&error),
    };
    match run(&arguments) {
        Ok(closed) => {
            eprintln!("client: {}", describe(&closed));
            status(&closed)
        }
        Err((status, error)) => {
            eprintln!("client: {error}");
            ExitCode::from(status)
        }
    }
}

impl<'w> Arguments<'w> {
    fn read(words: &'w [String]) -> Result<Self, String> {
        let (mut uri, mut extensions, mut origin) = (None, None, None);
        let (mut protocols, mut headers) = (Vec::new(), Vec::new());
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word {
                "--deflate" => extensions = Some(codec::offer().ok_or(NO_CODEC)?),
                "--origin" => origin = Some(value()?),
                "--protocol" => protocols.push(value()?),
                "--header" => headers.push(split_header(value()?)?),
                option if option.starts_with('-') => return Err(format!("unknown option {word}")),
                _ if uri.is_some() => return Err(format!("one argument too many: {word}")),
                text => uri = Some(connect::parse(text)?),
            }
        }
        let uri = uri.ok_or("the URL is missing")?;
        Ok(Self { uri, extensions, origin, protocols, headers })
    }
}

fn misused(error: &str) -> ExitCode {
    eprintln!("client: {error}; {USAGE}");
    ExitCode::from(2)
}

fn not_utf8() -> String {
    "an argument is not UTF-8".to_owned()
}

fn split_header(text: &str) -> Result<(&str, &str), String> {
    match text.split_once(':') {
        Some((name, value)) => Ok((name, value.trim())),
        None => Err(format!("not a header with a colon: {text}")),
    }
}

/// What ends the session, or the status to exit with and why.
fn run(arguments: &Arguments<'_>) -> Result<Closed, (u8, String)> {
    let Arguments { uri, extensions, origin, protocols, headers } = arguments;
    let request = Connect::to(uri).origin(*origin).protocols(protocols).headers(headers);
    let request = request.extensions(extensions.as_deref());
    // What can never be sent is the caller's mistake, and told before anybody is connected to.
    let mut nowhere = Outbox::new(&Limits::default());
    if let Err(error) = request.write([0; 16], &mut nowhere) {
        return Err((2, format!("{error}; {USAGE}")));
    }
    // A server that answers what was not offered has been found out before this.
    let mut opened = connect::open(uri, &request, Codec::confirm).map_err(|error| (1, error))?;
    let session = Session::new(opened.socket, opened.found);
    let session = session.map_err(|error| (1, error.to_string()))?;
    session.run(&mut opened.early).map_err(|error| (1, error))
}

/// The reason comes from a stranger: what could move the cursor is escaped.
fn describe(closed: &Closed) -> String {
    match &closed.frame {
        Some(frame) if frame.reason.is_empty() => format!("closed with {}", frame.code),
        Some(frame) => format!("closed with {}: {}", frame.code, frame.reason.escape_debug()),
        None => "closed without a code".to_owned(),
    }
}

fn status(closed: &Closed) -> ExitCode {
    let is_good = match &closed.frame {
        Some(frame) => [CloseCode::NORMAL, CloseCode::GOING_AWAY].contains(&frame.code),
        None => closed.was_answer,
    };
    if is_good { ExitCode::SUCCESS } else { ExitCode::from(3) }
}
