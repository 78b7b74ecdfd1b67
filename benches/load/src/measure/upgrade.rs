//! Opening handshakes: connect, ask, check the answer, close.
//!
//! So many connections are always on their way, the oldest of which is waited for. What the server
//! does for each is all of its life: it accepts, answers, sees the end and closes.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::Result;
use crate::arguments::Plan;
use crate::client::{self, Opening};
use crate::figures::{Figure, Stopwatch, UPGRADES};
use crate::server::Server;

/// # Errors
/// When the server refuses, or does not answer in time.
pub fn run(plan: &Plan, server: &Server) -> Result<Vec<Figure>> {
    let mut stream = Stream {
        server,
        opening: Opening::new(server.address, &plan.path)?,
        on_their_way: VecDeque::with_capacity(plan.connections),
        opened: 0,
    };
    for _ in 0..plan.connections {
        stream.begin()?;
    }
    stream.upgrade_for(plan.time / 5)?;
    let watch = Stopwatch::start(server.process)?;
    let upgrades = stream.upgrade_for(plan.time)?;
    watch.stop(&UPGRADES, upgrades)
}

struct Stream<'s> {
    server: &'s Server,
    opening: Opening,
    on_their_way: VecDeque<TcpStream>,
    opened: usize,
}

impl Stream<'_> {
    fn begin(&mut self) -> Result<()> {
        let mut socket = client::connect(self.server.address, self.opened)?;
        self.opening.ask(&mut socket)?;
        self.opened += 1;
        self.on_their_way.push_back(socket);
        Ok(())
    }

    fn upgrade_for(&mut self, time: Duration) -> Result<u64> {
        let end = Instant::now() + time;
        let mut upgrades = 0;
        while let Some(mut oldest) = self.on_their_way.pop_front() {
            self.opening.check(&mut oldest)?;
            drop(oldest);
            self.begin()?;
            upgrades += 1;
            if Instant::now() >= end {
                break;
            }
        }
        Ok(upgrades)
    }
}
