//! A server and a client at the opening handshake, and what comes of the bytes that they receive.
//!
//! They do what the documentation of the library shows, with the bytes cut into any reads.

use std::mem::MaybeUninit;

use dormouse::client::{ConnectError, Handshake};
use dormouse::http::{EMPTY_HEADER, Extension, HeadReader, Request, Response};
use dormouse::server::{Refusal, Upgrade};
use dormouse::{Input, Limits, Outbox};

use super::waiting;

/// The limits that both files are written for; they are the default ones.
pub const HEAD: usize = 8192;
const FIELDS: usize = 64;

/// The nonce of §1.3; its key is `dGhlIHNhbXBsZSBub25jZQ==`.
pub const NONCE: [u8; 16] = *b"the sample nonce";

/// What comes of the bytes of a case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// As `expect:` has it.
    pub verdict: String,
    /// What the server sends.
    pub answer: Vec<u8>,
    /// What stays for the WebSocket, or for whoever reads the body.
    pub leftover: Vec<u8>,
    /// What the library says about the head, as keys and values.
    pub view: Vec<(&'static str, String)>,
}

/// A server that speaks `chat` and `mail.v1`, takes no extension, and lets everybody in.
pub fn serve(bytes: &[u8], cuts: &[usize]) -> Outcome {
    let mut reader = HeadReader::new(&Limits { head: HEAD as u32, ..Limits::default() });
    for (mut read, after) in reads(bytes, cuts) {
        let mut input = Input::new(&mut read);
        match reader.next(&mut input) {
            Ok(None) => assert!(input.is_empty(), "every byte is consumed"),
            Ok(Some(head)) => return judge(&head, &[input.peek(), after].concat()),
            Err(error) => return refuse(error.into()),
        }
    }
    Outcome { verdict: "more".into(), ..Outcome::default() }
}

/// What the server does about a whole head.
fn judge(head: &[u8], leftover: &[u8]) -> Outcome {
    let mut headers = [EMPTY_HEADER; FIELDS];
    let parsed = Request::parse(head, &mut headers);
    let parts = |request: Request<'_, '_>| {
        (request.method().to_owned(), request.version(), request.fields().lines().len())
    };
    let mut places = [const { MaybeUninit::uninit() }; FIELDS];
    let again = Request::parse_uninit(head, &mut places);
    assert_eq!(again.map(parts), parsed.map(parts), "both ways to parse agree");
    let request = match parsed {
        Ok(request) => request,
        Err(error) => return refuse(error.into()),
    };
    let upgrade = match Upgrade::read(&request) {
        Ok(upgrade) => upgrade,
        Err(refusal) => {
            assert!(refusal != Refusal::NotAnUpgrade || !request.is_upgrade());
            return refuse(refusal);
        }
    };
    assert!(request.is_upgrade());
    let mut out = Outbox::new(&Limits::default());
    let protocol = upgrade.select_protocol(&["chat", "mail.v1"]);
    upgrade.accept().protocol(protocol).write(&mut out).expect("an answer to what was offered");
    let host = request.host().map(|host| host.escape_ascii().to_string());
    let view = vec![
        ("target", request.target().to_owned()),
        ("path", upgrade.path().to_owned()),
        ("query", upgrade.query().unwrap_or("none").to_owned()),
        ("host", host.unwrap_or_else(none)),
        ("origin", upgrade.origin().unwrap_or("none").to_owned()),
        ("offers", listed(upgrade.protocols().map(str::to_owned))),
        ("extensions", written(upgrade.extensions())),
    ];
    let (answer, leftover) = (waiting(&out), leftover.to_vec());
    Outcome { verdict: "accepted".into(), answer, leftover, view }
}

fn refuse(refusal: Refusal) -> Outcome {
    let mut out = Outbox::new(&Limits::default());
    refusal.write(&mut out).expect("room for one answer");
    let verdict = match refusal {
        Refusal::NotAnUpgrade => "other".to_owned(),
        refusal => format!("refused {refusal:?}"),
    };
    Outcome { verdict, answer: waiting(&out), ..Outcome::default() }
}

/// A client that has sent its request, and reads on after an interim answer, as the documentation of
/// [`ConnectError::Status`] says.
pub fn verify(handshake: &Handshake<'_>, bytes: &[u8], cuts: &[usize]) -> Outcome {
    let mut reader = HeadReader::new(&Limits { head: HEAD as u32, ..Limits::default() });
    let mut interim = Vec::new();
    for (mut read, after) in reads(bytes, cuts) {
        let mut input = Input::new(&mut read);
        loop {
            let mut outcome = match reader.next(&mut input) {
                Ok(None) => break,
                Ok(Some(head)) => {
                    match judge_answer(handshake, &head, &[input.peek(), after].concat()) {
                        Err(status) => {
                            interim.push(status.to_string());
                            continue;
                        }
                        Ok(outcome) => outcome,
                    }
                }
                Err(error) => refused(&ConnectError::from(error)),
            };
            outcome.view.push(("interim", listed(interim.into_iter())));
            return outcome;
        }
        assert!(input.is_empty(), "every byte is consumed");
    }
    let view = vec![("interim", listed(interim.into_iter()))];
    Outcome { verdict: "more".into(), view, ..Outcome::default() }
}

/// What the client makes of a whole head; the status if that is an interim one.
fn judge_answer(handshake: &Handshake<'_>, head: &[u8], leftover: &[u8]) -> Result<Outcome, u16> {
    let mut headers = [EMPTY_HEADER; FIELDS];
    let response = match Response::parse(head, &mut headers) {
        Ok(response) => response,
        Err(error) => return Ok(refused(&ConnectError::from(error))),
    };
    match handshake.verify(&response) {
        Err(ConnectError::Status(status @ 100..=199)) => Err(status),
        Err(error @ ConnectError::Status(_)) => {
            let body = match response.content_length() {
                Ok(Some(length)) => length.to_string(),
                Ok(None) => "until the end".to_owned(),
                Err(error) => format!("{error:?}"),
            };
            let fields = response.fields().lines().iter();
            let fields = fields
                .map(|line| format!("{}: {}", line.name, String::from_utf8_lossy(line.value)));
            let reason = match response.reason() {
                "" => none(),
                reason => reason.to_owned(),
            };
            let mut view = vec![("body", body), ("reason", reason)];
            view.extend(fields.map(|field| ("field", field)));
            Ok(Outcome { leftover: leftover.to_vec(), view, ..refused(&error) })
        }
        Err(error) => Ok(refused(&error)),
        Ok(accepted) => {
            let protocol = accepted.protocol().unwrap_or("none").to_owned();
            let extensions = written(accepted.extensions());
            let view = vec![("protocol", protocol), ("extensions", extensions)];
            let leftover = leftover.to_vec();
            Ok(Outcome { verdict: "accepted".into(), leftover, view, ..Outcome::default() })
        }
    }
}

fn refused(error: &ConnectError) -> Outcome {
    Outcome { verdict: format!("refused {error:?}"), ..Outcome::default() }
}

/// The reads of `bytes` when they are cut at `cuts`, each with what comes after it.
fn reads<'a>(bytes: &'a [u8], cuts: &'a [usize]) -> impl Iterator<Item = (Vec<u8>, &'a [u8])> {
    let starts = [0].into_iter().chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([bytes.len()]);
    starts.zip(ends).map(|(start, end)| (bytes[start..end].to_vec(), &bytes[end..]))
}

/// Extensions in the one way to write them that the files use.
fn written<'b>(extensions: impl Iterator<Item = Extension<'b>>) -> String {
    let one = |extension: Extension<'b>| {
        let params = extension.params().map(|(name, value)| match value {
            Some(value) => format!("; {name}={value}"),
            None => format!("; {name}"),
        });
        extension.name().to_owned() + &params.collect::<String>()
    };
    listed(extensions.map(one))
}

fn listed(names: impl Iterator<Item = String>) -> String {
    let list = names.collect::<Vec<_>>().join(", ");
    if list.is_empty() { none() } else { list }
}

/// How the files write that there is nothing.
fn none() -> String {
    "none".to_owned()
}
