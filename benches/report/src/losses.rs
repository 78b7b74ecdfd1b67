//! Where somebody else is better than `dormouse`, found in the results: nobody chooses what is told.

use crate::results::load::{Better, Case as LoadCase, Load, Quantity};
use crate::results::peers::{Case, Entry, Group, Peers};
use crate::results::{DORMOUSE, Part, Results};

/// What is compared of servers, with what it is called.
const COMPARED: [(&str, &str); 11] = [
    ("user_bytes_per_connection", "user memory, B"),
    ("kernel_bytes_per_connection", "kernel memory, B"),
    ("upgrades_per_second", "upgrades/s"),
    ("messages_per_second", "messages/s"),
    ("deliveries_per_second", "deliveries/s"),
    ("server_cpu_us_each", "processor time, us"),
    ("p50_us", "p50, us"),
    ("p90_us", "p90, us"),
    ("p99_us", "p99, us"),
    ("p99_9_us", "p99.9, us"),
    ("max_us", "max, us"),
];

/// One size of one group in memory, at which a full peer takes less time than a row of `dormouse`.
pub struct MemoryLoss<'a> {
    /// Of the work.
    pub group: &'a Group,
    /// And of the size.
    pub case: &'a Case,
    /// The figures of `dormouse`.
    pub own: &'a Entry,
    /// The fastest full peer.
    pub peer: &'a Entry,
    /// How many times as long as the fastest full peer `dormouse` takes.
    pub times: f64,
    /// The same for the medians, whose best need not be the same peer's.
    pub times_by_median: f64,
    /// The same as `times`, for the other rows of `dormouse`.
    pub variants: Vec<(&'a str, f64)>,
}

impl<'a> MemoryLoss<'a> {
    /// All of them.
    pub fn all(peers: &'a Peers) -> Vec<Self> {
        let cases =
            peers.groups.iter().flat_map(|group| group.cases.iter().map(move |case| (group, case)));
        let compared = cases.filter_map(|(group, case)| Self::of(peers, group, case));
        compared
            .filter(|one| {
                one.is_of_main_row() || one.variants.iter().any(|(_, times)| *times > 1.0)
            })
            .collect()
    }

    /// The comparison, lost or not. None if there is no full peer.
    fn of(peers: &'a Peers, group: &'a Group, case: &'a Case) -> Option<Self> {
        let (own, peer) = (case.of(DORMOUSE)?, peers.fastest_full(group, case)?);
        let medians = peers.full(group, case).map(|entry| entry.median_ns);
        let variants = peers.variants(case).map(|one| (&*one.contender, one.times(peer)));
        Some(Self {
            group,
            case,
            own,
            peer,
            times: own.times(peer),
            times_by_median: own.median_ns / medians.min_by(f64::total_cmp)?,
            variants: variants.collect(),
        })
    }

    /// Whether it is `dormouse` as it is meant to be used that takes more time.
    pub fn is_of_main_row(&self) -> bool {
        self.times > 1.0 || self.times_by_median > 1.0
    }
}

/// A quantity in which a server of others is better than the one with `dormouse`.
pub struct ServerLoss<'a> {
    /// What was measured.
    pub case: &'a LoadCase,
    /// What the quantity is called.
    pub what: &'static str,
    /// That of `dormouse`.
    pub own: &'a Quantity,
    /// Who is better, and most of all.
    pub peer: &'a str,
    /// That of the peer.
    pub its: &'a Quantity,
    /// How many times that of the peer `dormouse` has, within the same rounds.
    pub times: f64,
}

impl<'a> ServerLoss<'a> {
    /// All of them.
    pub fn all(results: &'a Results) -> Vec<Self> {
        loads(results).into_iter().flat_map(|(_, load)| Self::of(load)).collect()
    }

    fn of(load: &'a Load) -> Vec<Self> {
        let comparisons =
            load.results.iter().flat_map(|case| compared(case).map(move |one| (case, one)));
        comparisons.filter_map(|(case, (name, what))| Self::worst(load, case, name, what)).collect()
    }

    fn worst(load: &'a Load, case: &'a LoadCase, name: &str, what: &'static str) -> Option<Self> {
        let own = case.quantity(DORMOUSE, name)?;
        let peers = load.peers().filter_map(|peer| {
            let its = case.quantity(&peer.name, name)?;
            Some(Self { case, what, own, peer: &peer.name, its, times: own.times(its)? })
        });
        let lost = peers.filter(|one| one.by() > 1.0);
        lost.max_by(|one, other| one.by().total_cmp(&other.by()))
    }

    /// How much better the other is; more than 1 if it is.
    fn by(&self) -> f64 {
        match self.own.better {
            Some(Better::More) => 1.0 / self.times,
            Some(Better::Less) => self.times,
            None => 0.0,
        }
    }
}

/// How many comparisons with servers of others there are, lost or not.
pub fn server_comparisons(results: &Results) -> usize {
    let has_peer = |load: &Load, case: &LoadCase, name: &str| {
        load.peers().any(|peer| case.quantity(&peer.name, name).is_some())
    };
    let cases = loads(results)
        .into_iter()
        .flat_map(|(_, load)| load.results.iter().map(move |case| (load, case)));
    cases
        .map(|(load, case)| compared(case).filter(|(name, _)| has_peer(load, case, name)).count())
        .sum()
}

/// The parts that are about servers.
pub fn loads(results: &Results) -> [(Part, &Load); 4] {
    [
        (Part::Idle, &results.idle.results),
        (Part::Load, &results.load.results),
        (Part::Bare, &results.bare.results),
        (Part::Broadcast, &results.broadcast.results),
    ]
}

/// The quantities of a case that are good or bad. The rate at which latencies are measured is given.
fn compared(case: &LoadCase) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
    COMPARED.into_iter().filter(|(name, _)| {
        let is_given = case.measurement == "latency" && *name == "messages_per_second";
        !is_given && case.quantity(DORMOUSE, name).is_some_and(|own| own.better.is_some())
    })
}
