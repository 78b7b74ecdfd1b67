//! What a server and a client agree on (RFC 7692 §5, §7.1): a matrix of offers and answers as text, and
//! every policy with every other.

#![cfg(feature = "deflate")]

mod support;

use dormouse::deflate::{Agreed, Policy};
use dormouse::{Event, Input, Limits, Outbox, Role, WebSocket};
use support::cases::{Case, Format, parse};
use support::inflate::Naive;
use support::laws::deflate::negotiation::{accept, both_sides_agree, confirm};
use support::{ZERO_KEY, text, waiting};

const CASES: &str = include_str!("data/handshakes/deflate.txt");

const FORMAT: Format = Format {
    keys: &["policy", "answer", "sends", "receives"],
    spelled: &[],
    lists: &[],
    verdicts: &["answered", "declined", "rejected", "agreed", "plain", "failed"],
};

const OF_SERVERS: [&str; 3] = ["answered", "declined", "rejected"];

fn policy(case: &Case) -> Policy {
    let mut policy = Policy::default();
    for word in case.one("policy").unwrap_or_default().split(' ') {
        match word.split_once('=') {
            Some(("send", bits)) => policy.send_window_bits = bits.parse().expect("a window"),
            Some(("receive", bits)) => policy.receive_window_bits = bits.parse().expect("a window"),
            None if word == "send" => policy.send_takeover = true,
            None if word == "receive" => policy.receive_takeover = true,
            _ => assert!(word.is_empty(), "`{word}` is no policy"),
        }
    }
    policy
}

fn word(takeover: bool) -> &'static str {
    if takeover { "takeover" } else { "anew" }
}

/// What came of a case: its verdict, and what is sent and agreed.
fn outcome(case: &Case) -> Vec<(&'static str, String)> {
    let agreed = |agreed: &Agreed| {
        let sends = format!("{} {}", word(agreed.send_takeover()), agreed.send_window_bits());
        [("sends", sends), ("receives", word(agreed.receive_takeover()).to_owned())]
    };
    let verdict = |verdict: &str| vec![("expect", verdict.to_owned())];
    let lines = String::from_utf8(case.bytes.clone()).expect("a case in ASCII");
    if OF_SERVERS.contains(&case.expected()) {
        match accept(policy(case), &lines) {
            Ok(Some((view, answer))) => {
                [verdict("answered"), agreed(&view).to_vec(), vec![("answer", answer)]].concat()
            }
            Ok(None) => verdict("declined"),
            Err(()) => verdict("rejected"),
        }
    } else {
        match confirm(policy(case), &lines) {
            Ok(Some(view)) => [verdict("agreed"), agreed(&view).to_vec()].concat(),
            Ok(None) => verdict("plain"),
            Err(_) => verdict("failed"),
        }
    }
}

#[test]
fn s7_1_every_offer_and_every_answer() {
    let cases = parse(CASES, &FORMAT).unwrap();
    let servers = cases.iter().filter(|case| OF_SERVERS.contains(&case.expected())).count();
    assert!(servers >= 60 && cases.len() - servers >= 30, "{servers} of {}", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        for (key, value) in outcome(case) {
            if case.one(key) != Some(&value) {
                wrong.push(format!("{}: {key}: {value} instead of {:?}", case.name, case.one(key)));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Every policy with those windows.
fn policies(windows: &[u8]) -> Vec<Policy> {
    let mut policies = Vec::new();
    for takeovers in 0..4 {
        for &send_window_bits in windows {
            for &receive_window_bits in windows {
                let (send_takeover, receive_takeover) = (takeovers & 1 > 0, takeovers & 2 > 0);
                policies.push(Policy {
                    send_takeover,
                    receive_takeover,
                    send_window_bits,
                    receive_window_bits,
                });
            }
        }
    }
    policies
}

#[test]
fn s7_1_every_server_and_every_client_come_to_terms() {
    for server in policies(&[9, 10, 12, 14, 15]) {
        for client in policies(&[9, 11, 13, 15]) {
            both_sides_agree(server, client);
        }
    }
}

/// Three messages from one side to the other, each like the one before.
fn messages_pass<A: Role, B: Role>(
    (from, sender): (&mut WebSocket<A>, Agreed),
    (to, receiver): (&mut WebSocket<B>, Agreed),
) {
    let (mut deflater, mut inflater) = (sender.deflater(), receiver.inflater());
    let mut naive = Naive::new(sender.send_takeover());
    let (mut out, mut room) = (Outbox::new(&Limits::default()), Vec::new());
    let message: String = (0..600).map(|number| format!("{:04}", number * 61 % 997)).collect();
    for number in 0..3 {
        let message = format!("{number} {message}");
        deflater.text(from, &message, &mut room, &mut out).unwrap();
        let mut bytes = waiting(&out);
        assert!(bytes.len() < message.len());
        out.clear();
        let event = to.next(&mut Input::new(&mut bytes), &mut out).unwrap().expect("a message");
        let Event::Compressed(compressed) = &event else { panic!("{event:?}") };
        assert_eq!(naive.message(&compressed.payload, 1 << 20).as_deref(), Ok(message.as_bytes()));
        assert_eq!(inflater.inflate(event, &mut room), Ok(text(&message)));
    }
    assert!(naive.reach <= 1 << sender.send_window_bits(), "{} with {sender:?}", naive.reach);
}

#[test]
fn s7_1_what_was_agreed_works() {
    let limits = Limits::default();
    for server in policies(&[9, 15]) {
        for client in policies(&[9, 15]) {
            let (at_server, at_client) = both_sides_agree(server, client);
            let mut ws = WebSocket::server(&limits);
            let mut peer = WebSocket::client(&limits, || ZERO_KEY);
            ws.allow_compressed();
            peer.allow_compressed();
            messages_pass((&mut ws, at_server), (&mut peer, at_client));
            messages_pass((&mut peer, at_client), (&mut ws, at_server));
        }
    }
}
