//! An adapter that does not do what it is timed for is found, when it is verified or while it runs.

use dormouse_peers::Failure;
use dormouse_peers::job::{Echo, Group, Job, Receive, Send};
use dormouse_peers::stream::Sink;
use dormouse_peers::works::{
    Accepts, Echoes, InPlace, Seen, Sends, accepting, echoing, in_place, sending,
};

fn receive(group: Group) -> Receive {
    match group.jobs().remove(2) {
        Job::Receive(job) => job,
        _ => panic!("{} does not receive", group.name()),
    }
}

fn send(group: Group) -> Send {
    match group.jobs().remove(2) {
        Job::Send(job) => job,
        _ => panic!("{} does not send", group.name()),
    }
}

/// Shows its payloads as they came, still masked, as many as there are.
struct StillMasked(usize);

impl InPlace for StillMasked {
    fn new(job: &Receive) -> Self {
        Self(job.payload.len())
    }

    fn parse(&mut self, read: &mut [u8], seen: &mut Seen<'_>) -> Result<(), Failure> {
        seen.binary(&read[read.len() - self.0..]);
        Ok(())
    }
}

/// Shows the right bytes as the wrong kind of message.
struct AlwaysBinary(usize);

impl InPlace for AlwaysBinary {
    fn new(job: &Receive) -> Self {
        Self(job.payload.len())
    }

    fn parse(&mut self, read: &mut [u8], seen: &mut Seen<'_>) -> Result<(), Failure> {
        seen.binary(&read[read.len() - self.0..]);
        Ok(())
    }
}

/// Shows nothing.
struct Silent;

impl InPlace for Silent {
    fn new(_: &Receive) -> Self {
        Self
    }

    fn parse(&mut self, _: &mut [u8], _: &mut Seen<'_>) -> Result<(), Failure> {
        Ok(())
    }
}

#[test]
fn messages_that_are_wrong_or_missing() {
    assert!(in_place::<StillMasked>(&receive(Group::ReceiveBinary)).verify().is_err());
    assert!(in_place::<AlwaysBinary>(&receive(Group::ReceiveAscii)).verify().is_err());
    assert!(in_place::<Silent>(&receive(Group::ReceiveBinary)).verify().is_err());
    assert!(in_place::<Silent>(&receive(Group::ReceiveBinary)).run(1).is_err());
}

/// Writes the payload without its header.
struct Headless(&'static [u8], Sink);

impl Sends for Headless {
    fn new(job: &Send, sink: Sink) -> Result<Self, Failure> {
        Ok(Self(job.payload, sink))
    }

    fn send(&mut self, times: u32) -> Result<(), Failure> {
        for _ in 0..times {
            self.1.write(self.0);
        }
        Ok(())
    }
}

#[test]
fn frames_that_are_wrong() {
    assert!(sending::<Headless>(&send(Group::SendBinary)).verify().is_err());
    assert!(sending::<Headless>(&send(Group::SendClient)).verify().is_err());
}

/// Answers without having looked at the key.
struct AnyKey;

impl Accepts for AnyKey {
    fn new() -> Self {
        Self
    }

    fn accept(&mut self, mut sink: Sink) -> Result<(), Failure> {
        sink.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
              Sec-WebSocket-Protocol: mail.v1\r\n\r\n",
        );
        Ok(())
    }
}

#[test]
fn an_answer_to_another_key() {
    assert!(accepting::<AnyKey>().verify().is_err());
}

/// Sends back what it got, neither inflated nor deflated, and masked.
struct Parrot(Vec<u8>, Sink);

impl Echoes for Parrot {
    fn new(job: &Echo, sink: Sink) -> Result<Self, Failure> {
        Ok(Self(job.frame.clone(), sink))
    }

    fn echo(&mut self, times: u32) -> Result<(), Failure> {
        for _ in 0..times {
            self.1.write(&self.0);
        }
        Ok(())
    }
}

#[test]
fn an_echo_that_is_no_answer() {
    let Job::Echo(job) = Group::EchoCompressed.jobs().remove(0) else { panic!("no echo") };
    assert!(echoing::<Parrot>(&job).verify().is_err());
}
