//! What `dormouse` aims for, and whether it gets there.
//!
//! The aims are ratios within one run, and were set before the figures were known.

use crate::figures::{decimal, size, times};
use crate::results::load::Case as LoadCase;
use crate::results::peers::{Case, Group, Peers};
use crate::results::{DORMOUSE, Results};

/// One aim.
pub struct Target {
    /// What is compared with what.
    pub what: String,
    /// Where it has to be.
    pub aim: String,
    /// Where it is.
    pub is: String,
    /// Whether that is enough.
    pub is_met: bool,
}

const SHORT: usize = 125;
const KIB: usize = 1024;
const LARGE: usize = 16 * KIB;

/// All of them.
///
/// # Errors
/// When something that is aimed for was not measured.
pub fn targets(results: &Results) -> Result<Vec<Target>, String> {
    let mut targets = in_memory(&results.peers.results)?;
    let bare = &results.bare.results;
    targets.push(rate(bare.case("upgrade", &[])?, "upgrades_per_second")?);
    for case in bare.results.iter().filter(|case| case.measurement == "echo") {
        targets.push(rate(case, "messages_per_second")?);
    }
    Ok(targets)
}

fn in_memory(peers: &Peers) -> Result<Vec<Target>, String> {
    let mut targets = Vec::new();
    let binary = peers.group("receive_binary")?;
    for case in &binary.cases {
        if case.size <= SHORT {
            targets.extend(against_peers(peers, binary, case, 0.5));
        } else if case.size == KIB {
            targets.extend(against_peers(peers, binary, case, 0.7));
        } else if case.size >= LARGE {
            targets.extend(against_floor(binary, case, 1.15));
        }
    }
    for name in ["receive_ascii", "receive_multi_byte"] {
        let group = peers.group(name)?;
        let all = group.cases.iter();
        targets.extend(all.filter_map(|case| against_peers(peers, group, case, 1.0)));
    }
    let bytewise = peers.group("receive_bytewise")?;
    targets.extend(bytewise.cases.iter().filter_map(|case| for_each_byte(bytewise, case)));
    let sending = peers.group("send_binary")?;
    for case in sending.cases.iter().filter(|case| case.size == 16) {
        // Some peers write past a buffer of their own and some do not, and so does dormouse.
        let rows = [DORMOUSE, "dormouse direct"];
        targets.extend(
            rows.iter().filter_map(|row| row_against_peers(peers, sending, case, row, 0.6)),
        );
    }
    let handshake = peers.group("handshake")?;
    for case in &handshake.cases {
        targets.extend(against_floor(handshake, case, 1.15));
        targets.extend(against_peers(peers, handshake, case, 0.6));
    }
    Ok(targets)
}

fn against_peers(peers: &Peers, group: &Group, case: &Case, most: f64) -> Option<Target> {
    row_against_peers(peers, group, case, DORMOUSE, most)
}

fn row_against_peers(
    peers: &Peers,
    group: &Group,
    case: &Case,
    row: &str,
    most: f64,
) -> Option<Target> {
    let (own, best) = (case.of(row)?, peers.fastest_full(group, case)?);
    let of = format!("{row}, of the time of the fastest full peer, {}", best.contender);
    Some(at_most(group, case, own.times(best), most, &of))
}

fn against_floor(group: &Group, case: &Case, most: f64) -> Option<Target> {
    let (own, floor) = (case.of(DORMOUSE)?, case.of(&group.floor)?);
    Some(at_most(group, case, own.times(floor), most, &format!("{DORMOUSE}, of {}", group.floor)))
}

fn at_most(group: &Group, case: &Case, is: f64, most: f64, of: &str) -> Target {
    Target {
        what: format!("`{}` {}, {of}", group.name, size(case.size)),
        aim: format!("at most {}", times(most)),
        is: exactly(is),
        is_met: is <= most,
    }
}

fn for_each_byte(group: &Group, case: &Case) -> Option<Target> {
    const MOST: f64 = 8.0;
    let is = case.of(DORMOUSE)?.fastest_ns;
    Some(Target {
        what: format!("`{}` {}, {DORMOUSE}, ns for each byte", group.name, size(case.size)),
        aim: format!("at most {MOST}"),
        is: exactly(is),
        is_met: is <= MOST,
    })
}

/// A rate beside that of a server that makes the same system calls and does nothing else.
fn rate(case: &LoadCase, name: &str) -> Result<Target, String> {
    const LEAST: f64 = 0.97;
    let ratio = case.own(name)?.ratio_to_first;
    let is = ratio.ok_or_else(|| format!("{}: there is no floor", case.title))?;
    Ok(Target {
        what: format!("{}, {DORMOUSE}, of the rate of the bare loop", case.title),
        aim: format!("at least {LEAST}"),
        is: exactly(is),
        is_met: is >= LEAST,
    })
}

/// To a thousandth, so that it can be seen on which side of an aim it is.
fn exactly(is: f64) -> String {
    decimal(is, 3)
}
