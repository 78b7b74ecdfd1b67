//! Echoes: on every connection so many messages are always on their way.

use std::time::{Duration, Instant};

use crate::Result;
use crate::arguments::Plan;
use crate::client::PATIENCE;
use crate::crowd::{Crowd, First};
use crate::figures::{Figure, MESSAGES, Stopwatch};
use crate::frames::Frames;
use crate::server::Server;

/// # Errors
/// When the server echoes something else, or nothing.
pub fn run(plan: &Plan, server: &Server, depth: usize, size: usize) -> Result<Vec<Figure>> {
    let frames = Frames::new(plan.opcode(), size, depth);
    let mut crowd = Crowd::open(server.address, &plan.path, plan.connections, First::Own, frames)?;
    for index in 0..plan.connections {
        crowd.ask(index, depth)?;
    }
    // What the first messages find cold does not count.
    echo_for(&mut crowd, plan.time / 5)?;
    let watch = Stopwatch::start(server.process)?;
    let echoes = echo_for(&mut crowd, plan.time)?;
    watch.stop(&MESSAGES, echoes)
}

/// Answers each echo with the next message. Says how many came.
fn echo_for(crowd: &mut Crowd, time: Duration) -> Result<u64> {
    let mut echoes = 0;
    let mut now = Instant::now();
    let (end, mut last) = (now + time, now);
    while now < end {
        let before = echoes;
        crowd.turn(PATIENCE.min(end - now), |_, came| {
            echoes += came as u64;
            came
        })?;
        now = Instant::now();
        if echoes > before {
            last = now;
        } else if now - last > PATIENCE {
            return Err(format!("no echo within {} s", PATIENCE.as_secs()).into());
        }
    }
    if echoes == 0 { Err("no echo in all the time".into()) } else { Ok(echoes) }
}
