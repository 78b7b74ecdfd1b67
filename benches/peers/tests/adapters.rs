//! Every adapter does what it is timed for: the right messages come out, the right frames go out, the
//! answer to the key is right. Nothing here is timed.

use dormouse_peers::contenders;
use dormouse_peers::job::{BUFFERS, Group};

/// Enough to go round all buffers once, and to begin anew.
const TIMES: u32 = BUFFERS as u32 + 1;
/// From this size on, once has to do.
const LARGE: usize = 16 * 1024;

fn check(group: Group) {
    let contenders = contenders();
    let mut failures = Vec::new();
    let mut count = 0;
    for job in group.jobs() {
        let times = if job.size() < LARGE { TIMES } else { 1 };
        for contender in &contenders {
            let Some(mut work) = contender.work(&job) else { continue };
            count += 1;
            if let Err(failure) = work.verify().and_then(|_| work.run(times)) {
                failures.push(format!("{} {}: {failure}", contender.name(), job.size()));
            }
        }
    }
    assert_eq!(failures, Vec::<String>::new());
    assert!(count > 0, "somebody takes part");
}

#[test]
fn receiving_binary() {
    check(Group::ReceiveBinary);
}

#[test]
fn receiving_ascii() {
    check(Group::ReceiveAscii);
}

#[test]
fn receiving_multi_byte() {
    check(Group::ReceiveMultiByte);
}

#[test]
fn receiving_bursts() {
    check(Group::ReceiveBurst);
}

#[test]
fn receiving_bytewise() {
    check(Group::ReceiveBytewise);
}

#[test]
fn sending_binary() {
    check(Group::SendBinary);
}

#[test]
fn sending_text() {
    check(Group::SendText);
}

#[test]
fn sending_as_a_client() {
    check(Group::SendClient);
}

#[test]
fn the_opening_handshake() {
    check(Group::Handshake);
}

#[test]
fn echoing_compressed() {
    check(Group::EchoCompressed);
}

#[test]
fn each_group_has_its_floor_and_dormouse() {
    for group in Group::ALL {
        for job in group.jobs() {
            for name in [group.floor(), dormouse_peers::peers::DORMOUSE] {
                let contenders = contenders();
                let contender = contenders.iter().find(|contender| contender.name() == name);
                let work = contender.and_then(|contender| contender.work(&job));
                assert!(work.is_some(), "{name} takes part in {}", group.name());
            }
        }
    }
}

#[test]
fn every_peer_has_a_version() {
    for contender in contenders() {
        assert_eq!(contender.version().is_some(), !contender.is_floor(), "{}", contender.name());
    }
}
