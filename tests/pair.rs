//! A server and a client joined by byte queues: whatever the network does to the portions, both see
//! the same conversation and both end it (RFC 6455 §5, §7).

#![cfg(feature = "std")]

mod support;

use dormouse::{CloseCode, Event, Prepared};
use proptest::collection::vec;
use proptest::prelude::*;
use support::laws::conversation::{
    Conversation, Message, Step, both_see_the_same, endpoints, settle,
};
use support::streams::config;
use support::{binary, text};

fn message() -> impl Strategy<Value = Message> {
    let words = || vec(prop_oneof![Just('a'), Just('é'), Just('€'), Just('🐭')], 0..20);
    let words = move || words().prop_map(String::from_iter);
    prop_oneof![
        4 => words().prop_map(Message::Text),
        1 => (60_000..70_000usize).prop_map(Message::Long),
        3 => vec(any::<u8>(), 0..300).prop_map(Message::Binary),
        3 => vec(words(), 1..5).prop_map(Message::Fragments),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let portion = || prop_oneof![Just(1u16), 1..10u16, 1..500u16, Just(u16::MAX)];
    prop_oneof![
        6 => message().prop_map(Step::Say),
        2 => vec(any::<u8>(), 0..126).prop_map(Step::Ping),
        8 => portion().prop_map(Step::Write),
        8 => portion().prop_map(Step::Read),
        1 => Just(Step::Close),
    ]
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn any_network_carries_the_conversation(
        steps in vec((any::<bool>(), step()), 1..80),
        portion in prop_oneof![Just(1u16), 2..20u16, Just(5000)],
        server_closes in any::<bool>(),
    ) {
        both_see_the_same(Conversation { steps, portion, server_closes });
    }
}

#[test]
fn s7_1_2_either_side_may_close_first() {
    for portion in [1, 2, 3, 1000] {
        let (mut server, mut client) = endpoints();
        server.say(&Message::Text("last words".into()));
        server.close();
        settle(&mut server, &mut client, portion);
        assert_eq!(client.seen[0], text("last words"));
        assert_eq!((server.seen_close(), client.seen_close()), (Some(1001), Some(1001)));

        let (mut server, mut client) = endpoints();
        client.say(&Message::Text("last words".into()));
        client.close();
        settle(&mut server, &mut client, portion);
        assert_eq!(server.seen[0], text("last words"));
        assert_eq!((server.seen_close(), client.seen_close()), (Some(1001), Some(1001)));
    }
}

#[test]
fn s7_1_3_closes_that_cross() {
    for portion in [1, 2, 3, 1000] {
        let (mut server, mut client) = endpoints();
        server.ws.close(CloseCode::GOING_AWAY, "down", &mut server.out);
        client.ws.close(CloseCode::NORMAL, "done", &mut client.out);
        settle(&mut server, &mut client, portion);
        assert!(server.ws.is_closed() && client.ws.is_closed());
        assert_eq!((server.seen_close(), client.seen_close()), (Some(1000), Some(1001)));
        assert_eq!((server.seen.len(), client.seen.len()), (1, 1), "one Close each, no echo");
    }
}

#[test]
fn s5_5_2_every_ping_is_answered_when_nothing_blocks() {
    let (mut server, mut client) = endpoints();
    for number in 0..20u8 {
        client.ping(&vec![number; usize::from(number)]);
        settle(&mut server, &mut client, 1000);
        let ping = client.pings.last().unwrap().clone();
        assert_eq!(client.seen.last(), Some(&Event::Pong(ping.into())));
    }
    assert_eq!((client.seen.len(), server.seen.len()), (20, 20));
}

#[test]
fn s5_6_messages_of_every_length_form_both_ways() {
    for len in [0, 1, 125, 126, 65_535, 65_536, (1 << 20)] {
        let (mut server, mut client) = endpoints();
        let message = Message::Binary((0..len).map(|at| at as u8).collect());
        server.say(&message);
        client.say(&message);
        settle(&mut server, &mut client, 4099);
        assert_eq!((server.seen.clone(), client.seen.clone()), (client.sent, server.sent));
    }
}

#[test]
fn s5_4_empty_fragments_in_the_middle_are_not_sent() {
    let (mut server, mut client) = endpoints();
    for _ in 0..1000 {
        client.ws.binary_fragment(b"", &mut client.out).unwrap();
    }
    client.ws.binary_fragment(b"a", &mut client.out).unwrap();
    client.ws.finish_message(&mut client.out).unwrap();
    settle(&mut server, &mut client, 1000);
    assert_eq!(server.seen, [binary(b"a")]);
}

#[test]
fn a_broadcast_reaches_clients_at_every_pace() {
    let shared = Prepared::text("three new mails");
    for portion in 1..20 {
        let (mut server, mut client) = endpoints();
        server.ws.send(&shared, &mut server.out).unwrap();
        server.ws.send(&shared, &mut server.out).unwrap();
        settle(&mut server, &mut client, portion);
        assert_eq!(client.seen, [text("three new mails"), text("three new mails")]);
    }
}
