//! The plots of the comparison in memory.

use super::bars::{self, Bar, Who};
use super::lines::{self, Chart, Line, Place, Weight};
use super::scheme::{Ink, Scheme};
use super::svg::{Anchor, Svg, Words};
use super::{HEAD, MARGIN, Plot, WIDTH};
use crate::figures::{count, size, tenths, times};
use crate::results::peers::{Contender, Entry, Group, Peers};
use crate::results::{DORMOUSE, Results};

/// How high a chart of lines is.
const CHART: f64 = 330.0;
/// One row of bars.
const ROW: f64 = 26.0;

/// What `dormouse` takes in a group, in words.
///
/// # Errors
/// When the group was not measured.
pub fn describe(results: &Results, name: &str) -> Result<String, String> {
    let peers = &results.peers.results;
    let group = peers.group(name)?;
    let mut text = format!("{}.", group.title);
    for case in &group.cases {
        let (Some(own), Some(floor)) = (case.of(DORMOUSE), case.of(&group.floor)) else { continue };
        text += &format!(
            " {}: {DORMOUSE} {} ns, {} {} ns",
            size(case.size),
            tenths(own.fastest_ns),
            group.floor,
            tenths(floor.fastest_ns)
        );
        if let Some(best) = peers.fastest_full(group, case) {
            text +=
                &format!(", fastest full peer {} {} ns", best.contender, tenths(best.fastest_ns));
        }
        text.push('.');
    }
    Ok(text)
}

/// # Errors
/// When the group was not measured.
pub fn receive_binary(results: &Results, scheme: &'static Scheme) -> Result<Svg, String> {
    let peers = &results.peers.results;
    let group = peers.group("receive_binary")?;
    let subtitle = subtitle(
        group,
        "Fastest turns, in memory. The floor takes off the mask and checks nothing.",
    );
    let mut svg = Svg::new(HEAD + CHART + MARGIN, Plot::ReceiveBinary.title(), &subtitle, scheme);
    lines::draw(&mut svg, Place { top: HEAD, height: CHART }, &over_floor(peers, group));
    Ok(svg)
}

/// # Errors
/// When a group was not measured.
pub fn receive_text(results: &Results, scheme: &'static Scheme) -> Result<Svg, String> {
    const NAME: f64 = 34.0;
    let peers = &results.peers.results;
    let groups = [("ASCII", "receive_ascii"), ("Multi-byte characters", "receive_multi_byte")];
    let first = peers.group(groups[0].1)?;
    let subtitle =
        subtitle(first, "Fastest turns, in memory. The floor takes off the mask and checks UTF-8.");
    let height = HEAD + (NAME + CHART) * groups.len() as f64 + MARGIN;
    let mut svg = Svg::new(height, Plot::ReceiveText.title(), &subtitle, scheme);
    for (number, (name, group)) in groups.into_iter().enumerate() {
        let top = HEAD + (NAME + CHART) * number as f64;
        svg.words(MARGIN, top + 22.0, Words::new(Ink::Text, Anchor::Start).bold(), name);
        let place = Place { top: top + NAME, height: CHART };
        lines::draw(&mut svg, place, &over_floor(peers, peers.group(group)?));
    }
    Ok(svg)
}

/// # Errors
/// When the group was not measured.
pub fn send(results: &Results, scheme: &'static Scheme) -> Result<Svg, String> {
    let peers = &results.peers.results;
    let group = peers.group("send_binary")?;
    let words = "Fastest turns, in memory. Lines that stay low write the payload where it is, and copy nothing.";
    let mut svg =
        Svg::new(HEAD + CHART + MARGIN, Plot::Send.title(), &subtitle(group, words), scheme);
    let value = |entry: &Entry, _: &Entry| entry.fastest_ns;
    let mut chart = chart(peers, group, value, tenths);
    for contender in peers.taking_part(group).filter(|contender| contender.is_floor) {
        let name = contender.name.clone();
        chart.lines.push(line(peers, group, contender, name, value));
    }
    lines::draw(&mut svg, Place { top: HEAD, height: CHART }, &chart);
    Ok(svg)
}

fn subtitle(group: &Group, words: &str) -> String {
    let is_full = group.about.iter().all(|about| about.lacks.is_empty());
    if is_full { words.to_owned() } else { format!("{words} * not a full peer.") }
}

fn over_floor(peers: &Peers, group: &Group) -> Chart {
    let value = |entry: &Entry, floor: &Entry| entry.times(floor);
    let chart = chart(peers, group, value, times);
    Chart { unit: Some(group.floor.clone()), ..chart }
}

/// Everybody but the floors.
fn chart(
    peers: &Peers,
    group: &Group,
    value: fn(&Entry, &Entry) -> f64,
    written: fn(f64) -> String,
) -> Chart {
    let contenders = peers.taking_part(group).filter(|contender| !contender.is_floor);
    let lines = contenders.map(|contender| {
        let mark = if group.lacks_of(&contender.name).is_empty() { "" } else { " *" };
        line(peers, group, contender, format!("{}{mark}", contender.name), value)
    });
    let sizes = group.cases.iter().map(|case| size(case.size)).collect();
    Chart { sizes, lines: lines.collect(), unit: None, written }
}

fn line(
    peers: &Peers,
    group: &Group,
    contender: &Contender,
    name: String,
    value: fn(&Entry, &Entry) -> f64,
) -> Line {
    let values = group.cases.iter().map(|case| {
        let (entry, floor) = (case.of(&contender.name)?, case.of(&group.floor)?);
        Some(value(entry, floor))
    });
    let (ink, weight) = if contender.name == DORMOUSE {
        (Ink::Dormouse, Weight::Main)
    } else if contender.is_dormouse() {
        (Ink::Dormouse, Weight::Variant)
    } else if contender.is_floor {
        (Ink::Floor, Weight::Aside)
    } else if group.lacks_of(&contender.name).is_empty() {
        (Ink::Peer(number(peers, contender)), Weight::Usual)
    } else {
        (Ink::Peer(number(peers, contender)), Weight::Aside)
    };
    Line { name, values: values.collect(), ink, weight }
}

/// Which of the peers it is, so that it has its colour in all plots.
fn number(peers: &Peers, contender: &Contender) -> usize {
    let mut all = peers.contenders.iter().filter(|one| one.is_peer());
    all.position(|one| one.name == contender.name).unwrap_or_default()
}

/// # Errors
/// When the handshake was not measured.
pub fn handshake(results: &Results, scheme: &'static Scheme) -> Result<Svg, String> {
    const NAMES: f64 = 190.0;
    const FIGURES: f64 = 200.0;
    let peers = &results.peers.results;
    let group = peers.group("handshake")?;
    let case = group.cases.first().ok_or("the handshake has no case")?;
    let mut rows: Vec<(&Contender, &Entry)> = peers
        .taking_part(group)
        .filter_map(|contender| Some((contender, case.of(&contender.name)?)))
        .collect();
    rows.sort_by(|(_, one), (_, other)| one.fastest_ns.total_cmp(&other.fastest_ns));
    let longest = rows.last().map_or(1.0, |(_, entry)| entry.fastest_ns);
    let words =
        format!("Fastest turns, in memory. A request of {} bytes in, the 101 out.", case.size);
    let height = HEAD + ROW * rows.len() as f64 + MARGIN;
    let mut svg = Svg::new(height, Plot::Handshake.title(), &subtitle(group, &words), scheme);
    for (number, (contender, entry)) in rows.into_iter().enumerate() {
        let middle = HEAD + ROW * (number as f64 + 0.5);
        let mark = if group.lacks_of(&contender.name).is_empty() { "" } else { " *" };
        let who = who(contender);
        bars::name(&mut svg, NAMES, middle, who, &format!("{}{mark}", contender.name));
        let width = entry.fastest_ns / longest * (WIDTH - NAMES - FIGURES);
        let figure =
            format!("{} ns, {} allocations", tenths(entry.fastest_ns), count(entry.allocations));
        let (x, top, height) = (NAMES + 10.0, middle - 8.0, 16.0);
        bars::draw(&mut svg, &Bar { x, top, width, height, who, figure: &figure });
    }
    Ok(svg)
}

fn who(contender: &Contender) -> Who {
    if contender.is_floor {
        Who::Floor
    } else if contender.is_dormouse() {
        Who::Dormouse
    } else {
        Who::Other
    }
}
