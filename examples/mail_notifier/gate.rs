//! The gate: how many connections there may be, and how fast they may come.
//!
//! One for all shards, because the limits are those of the process. It is locked once when a
//! connection is accepted and once when it ends, never while messages flow.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Who a connection comes from, for counting: an IPv4 address, or the first half of an IPv6
/// address, because a single customer has all of the second half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer(u64);

impl Peer {
    /// The peer at `address`.
    pub fn new(address: IpAddr) -> Self {
        match address.to_canonical() {
            // No IPv6 network begins like this.
            IpAddr::V4(address) => Self(0xffff_0000_0000 | u64::from(address.to_bits())),
            IpAddr::V6(address) => Self((address.to_bits() >> 64) as u64),
        }
    }
}

/// What the gate allows.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    pub connections: usize,
    pub per_peer: usize,
    /// New connections in a second.
    pub rate: u32,
    /// How many may come at once after a quiet time.
    pub burst: u32,
}

/// Why a connection is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    Connections,
    Peer,
    Rate,
}

impl Full {
    /// One word, for logs and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Peer => "address",
            Self::Rate => "rate",
        }
    }
}

/// Counts the connections of a process.
pub struct Gate {
    allowance: Allowance,
    inside: Mutex<Inside>,
}

struct Inside {
    count: usize,
    of_peer: HashMap<Peer, u32>,
    /// How many more may come right now.
    tokens: f64,
    counted: Instant,
}

impl Gate {
    /// A gate nobody has passed yet.
    pub fn new(allowance: Allowance, now: Instant) -> Self {
        let tokens = f64::from(allowance.burst);
        let inside = Inside { count: 0, of_peer: HashMap::new(), tokens, counted: now };
        Self { allowance, inside: Mutex::new(inside) }
    }

    /// Lets a connection in, which has to [`leave`](Self::leave) in the end.
    ///
    /// # Errors
    /// [`Full`]: it is not let in.
    pub fn enter(&self, peer: Peer, now: Instant) -> Result<(), Full> {
        let mut inside = self.lock();
        let Allowance { connections, per_peer, rate, burst } = self.allowance;
        let passed = now.saturating_duration_since(inside.counted).as_secs_f64();
        inside.counted = now;
        inside.tokens = (inside.tokens + passed * f64::from(rate)).min(f64::from(burst));
        if inside.tokens < 1.0 {
            return Err(Full::Rate);
        }
        if inside.count >= connections {
            return Err(Full::Connections);
        }
        let of_peer = inside.of_peer.entry(peer).or_default();
        if *of_peer as usize >= per_peer {
            return Err(Full::Peer);
        }
        *of_peer += 1;
        inside.count += 1;
        inside.tokens -= 1.0;
        Ok(())
    }

    /// Lets a connection out.
    pub fn leave(&self, peer: Peer) {
        let mut inside = self.lock();
        inside.count -= 1;
        if let Some(count) = inside.of_peer.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                inside.of_peer.remove(&peer);
            }
        }
    }

    /// How many connections there are.
    pub fn count(&self) -> usize {
        self.lock().count
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const WIDE: Allowance = Allowance { connections: 100, per_peer: 100, rate: 1, burst: 100 };

    fn peer(address: &str) -> Peer {
        Peer::new(address.parse().unwrap())
    }

    #[test]
    fn the_limit_of_all_and_of_each() {
        let now = Instant::now();
        let gate = Gate::new(Allowance { connections: 3, per_peer: 2, ..WIDE }, now);
        let (a, b) = (peer("127.0.0.1"), peer("127.0.0.2"));
        assert_eq!(gate.enter(a, now), Ok(()));
        assert_eq!(gate.enter(a, now), Ok(()));
        assert_eq!(gate.enter(a, now), Err(Full::Peer));
        assert_eq!(gate.enter(b, now), Ok(()));
        assert_eq!(gate.enter(b, now), Err(Full::Connections));
        gate.leave(a);
        assert_eq!(gate.enter(b, now), Ok(()));
        assert_eq!(gate.count(), 3);
    }

    #[test]
    fn the_rate_and_its_burst() {
        let mut now = Instant::now();
        let gate = Gate::new(Allowance { rate: 10, burst: 3, ..WIDE }, now);
        let mut let_in = |after| {
            now += after;
            (0..9).take_while(|_| gate.enter(peer("::1"), now).is_ok()).count()
        };
        assert_eq!(let_in(Duration::ZERO), 3);
        assert_eq!(let_in(Duration::from_millis(50)), 0);
        assert_eq!(let_in(Duration::from_millis(50)), 1);
        assert_eq!(let_in(Duration::from_secs(9)), 3);
    }

    #[test]
    fn peers() {
        assert_eq!(peer("127.0.0.1"), peer("::ffff:127.0.0.1"));
        assert_eq!(peer("2001:db8:1:2::1"), peer("2001:db8:1:2:ffff::"));
        let different = ["127.0.0.1", "127.0.0.2", "2001:db8:1:2::1", "2001:db8:1:3::1", "::1"];
        for (at, one) in different.iter().enumerate() {
            assert!(different[..at].iter().all(|other| peer(one) != peer(other)), "{one}");
        }
    }
}
