//! Broadcasts: one connection speaks, and everybody in the room hears it.
//!
//! The agreement with the server: whoever opens the path `/room` is in the room, and a message that
//! one of them sends goes to all of them, the sender too. The next message is sent when the last one
//! has been received by all.

use std::time::{Duration, Instant};

use crate::Result;
use crate::arguments::Plan;
use crate::client::PATIENCE;
use crate::crowd::{Crowd, First};
use crate::figures::{DELIVERIES, Stopwatch};
use crate::frames::Frames;
use crate::server::Server;

use super::{Outcome, SMALL};

const ROOM: &str = "/room";
/// How long to wait in a room in which perhaps nobody hears anything.
const DOUBT: Duration = Duration::from_secs(2);

/// # Errors
/// When a server that does offer a room does not serve it.
pub fn run(plan: &Plan, server: &Server) -> Result<Outcome> {
    let count = plan.receivers;
    let frames = || Frames::new(plan.opcode(), SMALL, 1);
    // Two are enough to find out whether there is a room.
    let mut pair = match Crowd::open(server.address, ROOM, 2, First::Same, frames()) {
        Ok(pair) => pair,
        Err(error) => return Ok(Outcome::Unavailable(format!("not offered: {ROOM}: {error}"))),
    };
    if broadcast(&mut pair, 2, DOUBT)? < 2 {
        let nobody = format!("not offered: in {ROOM} nobody hears the others");
        return Ok(Outcome::Unavailable(nobody));
    }
    drop(pair);
    let mut crowd = Crowd::open(server.address, ROOM, count, First::Same, frames())?;
    broadcast_for(&mut crowd, count, plan.time / 5)?;
    let watch = Stopwatch::start(server.process)?;
    let deliveries = broadcast_for(&mut crowd, count, plan.time)?;
    Ok(Outcome::Measured(watch.stop(&DELIVERIES, deliveries)?))
}

fn broadcast_for(crowd: &mut Crowd, count: usize, time: Duration) -> Result<u64> {
    let end = Instant::now() + time;
    let mut deliveries = 0;
    while Instant::now() < end {
        let came = broadcast(crowd, count, PATIENCE)?;
        if came < count {
            let late = PATIENCE.as_secs();
            return Err(format!("after {late} s only {came} of {count} have the message").into());
        }
        deliveries += came as u64;
    }
    Ok(deliveries)
}

/// One message. Says how many have received it.
fn broadcast(crowd: &mut Crowd, count: usize, patience: Duration) -> Result<usize> {
    let end = Instant::now() + patience;
    let mut received = 0;
    crowd.ask(0, 1)?;
    while received < count {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        crowd.turn(left, |_, came| {
            received += came;
            0
        })?;
    }
    Ok(received)
}
