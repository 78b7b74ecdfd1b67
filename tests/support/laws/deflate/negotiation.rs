//! What two sides agree on (RFC 7692 §5, §7.1): no answer that may not be given, none taken that may
//! not be taken.

use arbitrary::{Arbitrary, Unstructured};
use dormouse::client::Connect;
use dormouse::deflate::{Agreed, BadAnswer, Policy};
use dormouse::http::{EMPTY_HEADER, Request, Response};
use dormouse::server::Upgrade;
use dormouse::{Limits, Outbox};

use super::super::super::waiting;

/// The nonce of the sample handshake of RFC 6455 §1.3.
const NONCE: [u8; 16] = *b"the sample nonce";

/// What a policy can be, and what it cannot.
#[derive(Arbitrary, Debug)]
struct Wish {
    send_takeover: bool,
    receive_takeover: bool,
    #[arbitrary(with = |u: &mut Unstructured<'_>| u.int_in_range(9..=15))]
    send_window_bits: u8,
    #[arbitrary(with = |u: &mut Unstructured<'_>| u.int_in_range(9..=15))]
    receive_window_bits: u8,
}

impl Wish {
    fn policy(&self) -> Policy {
        let &Self { send_takeover, receive_takeover, send_window_bits, receive_window_bits } = self;
        Policy { send_takeover, receive_takeover, send_window_bits, receive_window_bits }
    }
}

pub fn target(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    let (Ok(server), Ok(client)) = (u.arbitrary::<Wish>(), u.arbitrary::<Wish>()) else { return };
    let value = u.take_rest();
    if value.contains(&b'\r') || value.contains(&b'\n') {
        return;
    }
    let value: String = value.iter().copied().map(char::from).collect();
    an_answer_is_allowed(server.policy(), &value);
    an_answer_that_is_taken_is_allowed(client.policy(), &value);
    both_sides_agree(server.policy(), client.policy());
}

/// What a server with `policy` answers to a client that sends these lines of
/// `Sec-WebSocket-Extensions`, with its `Agreed`. `Err` if they do not follow the grammar.
pub fn accept(policy: Policy, lines: &str) -> Result<Option<(Agreed, String)>, ()> {
    let head = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    );
    // A field can have any byte.
    let head: Vec<u8> = head.chars().map(|character| character as u32 as u8).collect();
    let mut headers = [EMPTY_HEADER; 16];
    let request = Request::parse(&head, &mut headers).map_err(|_| ())?;
    let upgrade = Upgrade::read(&request).map_err(|_| ())?;
    let Some(agreed) = policy.accept(&upgrade) else { return Ok(None) };
    let answer = agreed.answer();
    let mut out = Outbox::new(&Limits::default());
    upgrade.accept().extensions(Some(&answer)).write(&mut out).expect("an answer that was offered");
    let written = String::from_utf8(waiting(&out)).expect("ASCII");
    assert!(written.contains(&format!("\r\nSec-WebSocket-Extensions: {answer}\r\n")), "{written}");
    Ok(Some((agreed, answer)))
}

/// What a client with `policy` makes of these lines of a server's answer. `Err(None)` if the handshake
/// itself fails.
pub fn confirm(policy: Policy, lines: &str) -> Result<Option<Agreed>, Option<BadAnswer>> {
    let mut out = Outbox::new(&Limits::default());
    let offer = policy.offer();
    let connect = Connect::new("a", "/").extensions(Some(&offer));
    let handshake = connect.write(NONCE, &mut out).expect("a request");
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{lines}\r\n"
    );
    let head: Vec<u8> = head.chars().map(|character| character as u32 as u8).collect();
    let mut headers = [EMPTY_HEADER; 16];
    let response = Response::parse(&head, &mut headers).map_err(|_| None)?;
    let accepted = handshake.verify(&response).map_err(|_| None)?;
    policy.confirm(&accepted).map_err(Some)
}

/// One element of a list as a naive reader sees it, its name first.
type Element = Vec<(String, Option<String>)>;

/// The elements called permessage-deflate, in their order.
fn elements(value: &str) -> Vec<Element> {
    let unquoted = |value: &str| value.trim().replace(['"', '\\'], "");
    let param = |param: &str| match param.split_once('=') {
        Some((name, value)) => (name.trim().to_owned(), Some(unquoted(value))),
        None => (param.trim().to_owned(), None),
    };
    let elements = value.split(',').map(|element| element.split(';').map(param).collect());
    elements.filter(|element: &Element| element[0].0 == "permessage-deflate").collect()
}

/// The four parameters of an element, if it has no others, none twice, and none malformed.
#[derive(Debug, Default, PartialEq)]
struct Params {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    /// 0 stands for no value.
    client_bits: Option<u8>,
}

fn params(element: &Element) -> Option<Params> {
    let mut params = Params::default();
    let mut seen = Vec::new();
    for (name, value) in &element[1..] {
        if seen.contains(&name) {
            return None;
        }
        seen.push(name);
        let bits = || {
            let value = value.as_deref()?;
            let is_plain =
                value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
            value.parse().ok().filter(|bits| is_plain && (8..=15).contains(bits))
        };
        match name.as_str() {
            "server_no_context_takeover" if value.is_none() => params.server_no_takeover = true,
            "client_no_context_takeover" if value.is_none() => params.client_no_takeover = true,
            "server_max_window_bits" => params.server_bits = Some(bits()?),
            "client_max_window_bits" if value.is_none() => params.client_bits = Some(0),
            "client_max_window_bits" => params.client_bits = Some(bits()?),
            _ => return None,
        }
    }
    Some(params)
}

/// Whatever is offered, the answer is to the first offer that can be met, and fits it.
fn an_answer_is_allowed(policy: Policy, value: &str) {
    let lines = format!("Sec-WebSocket-Extensions: {value}\r\n");
    let Ok(answered) = accept(policy, &lines) else { return };
    // The codec has no window of 8 bits to compress with.
    let offers = elements(value);
    let mut offers = offers.iter().filter_map(params).filter(|offer| offer.server_bits != Some(8));
    let (offer, agreed, answer) = match (offers.next(), answered) {
        (Some(offer), Some((agreed, answer))) => (offer, agreed, answer),
        (offer, answered) => {
            assert!(offer.is_none() && answered.is_none(), "{offer:?} gets {answered:?}");
            return;
        }
    };
    let answers = elements(&answer);
    let [answer] = &answers[..] else { panic!("{answers:?}") };
    let answer = params(answer).expect("an answer in order");
    assert!(answer.server_no_takeover || !offer.server_no_takeover && policy.send_takeover);
    assert_eq!(answer.client_no_takeover, !policy.receive_takeover || offer.client_no_takeover);
    assert_eq!(answer.server_bits.is_some(), offer.server_bits.is_some());
    assert!(answer.server_bits <= offer.server_bits);
    assert!(answer.client_bits.is_none() || offer.client_bits.is_some(), "§7.1.2.2");
    assert_ne!(answer.client_bits, Some(0), "§7.1.2.2: in an answer it has a value");
    let most = offer.client_bits.filter(|&bits| bits > 0).unwrap_or(15);
    assert!(
        answer.client_bits.is_none_or(|bits| bits <= most && bits <= policy.receive_window_bits)
    );
    assert!(
        offer.client_bits.is_none()
            || policy.receive_window_bits.min(most) == 15
            || answer.client_bits.is_some()
    );
    let window = agreed.send_window_bits();
    assert!((9..=policy.send_window_bits).contains(&window));
    assert!(window <= answer.server_bits.unwrap_or(15));
    assert_eq!(agreed.send_takeover(), !answer.server_no_takeover);
    assert_eq!(agreed.receive_takeover(), !answer.client_no_takeover);
}

/// Whatever is answered, what a client agrees to is one answer that fits its offer.
fn an_answer_that_is_taken_is_allowed(policy: Policy, value: &str) {
    let lines = format!("Sec-WebSocket-Extensions: {value}\r\n");
    let confirmed = match confirm(policy, &lines) {
        Ok(confirmed) => Ok(confirmed),
        Err(Some(bad)) => Err(bad),
        Err(None) => return,
    };
    let answers = elements(value);
    let fits = |answer: &Params| {
        let is_server_bound = answer.server_no_takeover || policy.receive_takeover;
        let server_bits = answer.server_bits.unwrap_or(15);
        let client_bits = answer.client_bits.unwrap_or(policy.send_window_bits);
        is_server_bound
            && server_bits <= policy.receive_window_bits
            && client_bits <= policy.send_window_bits
            && client_bits > 0
    };
    match &answers[..] {
        [] => assert_eq!(confirmed, Ok(None)),
        [answer] => match params(answer).filter(fits) {
            None => assert_eq!(confirmed, Err(BadAnswer)),
            Some(answer) => {
                let agreed = confirmed.expect("an answer that fits").expect("an answer");
                let may = policy.send_takeover && !answer.client_no_takeover;
                assert_eq!(agreed.send_takeover(), may);
                assert_eq!(agreed.receive_takeover(), !answer.server_no_takeover);
                let bits = answer.client_bits.unwrap_or(policy.send_window_bits);
                assert_eq!(agreed.send_window_bits(), bits);
            }
        },
        _ => assert_eq!(confirmed, Err(BadAnswer)),
    }
}

/// Whatever a server and a client want, they come to terms, and each has the other's view of them.
/// Returns the server's and the client's.
pub fn both_sides_agree(server: Policy, client: Policy) -> (Agreed, Agreed) {
    let lines = format!("Sec-WebSocket-Extensions: {}\r\n", client.offer());
    let (at_server, answer) =
        accept(server, &lines).expect("an offer in order").expect("one that can be met");
    let lines = format!("Sec-WebSocket-Extensions: {answer}\r\n");
    let at_client = confirm(client, &lines).expect("an answer that fits").expect("an answer");
    // A side may keep less than it is allowed to, never more.
    assert!(at_server.send_takeover() == at_client.receive_takeover());
    assert!(at_client.send_takeover() <= at_server.receive_takeover());
    assert_eq!(at_server.send_takeover(), server.send_takeover && client.receive_takeover);
    assert_eq!(at_client.send_takeover(), client.send_takeover && server.receive_takeover);
    let bits = server.send_window_bits.min(client.receive_window_bits);
    assert_eq!(at_server.send_window_bits(), bits);
    let bits = client.send_window_bits.min(server.receive_window_bits);
    assert_eq!(at_client.send_window_bits(), bits);
    (at_server, at_client)
}
