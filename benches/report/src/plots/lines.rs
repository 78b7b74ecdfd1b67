//! Lines over sizes, with the name of each at its end.

use super::scale::{Log, mark, spread};
use super::scheme::Ink;
use super::svg::{Anchor, Stroke, Svg, Words};
use super::{MARGIN, WIDTH};

/// Where a chart is.
#[derive(Clone, Copy)]
pub struct Place {
    /// Its upper end.
    pub top: f64,
    /// How high it is, with the words below it.
    pub height: f64,
}

/// What a chart shows.
pub struct Chart {
    /// Below it, from left to right.
    pub sizes: Vec<String>,
    /// Those drawn last are in front.
    pub lines: Vec<Line>,
    /// What is at 1, if everything is a multiple of it.
    pub unit: Option<String>,
    /// How the figures of the main line are written.
    pub written: fn(f64) -> String,
}

/// One line.
pub struct Line {
    /// At its end.
    pub name: String,
    /// One for each size.
    pub values: Vec<Option<f64>>,
    /// Its colour.
    pub ink: Ink,
    /// How much it matters.
    pub weight: Weight,
}

/// How much a line matters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The line that the plot is about; its figures are written.
    Main,
    /// The same library used in another way.
    Variant,
    /// A line to compare with.
    Usual,
    /// A line that cannot be compared.
    Aside,
}

const LEFT: f64 = MARGIN + 38.0;
const RIGHT: f64 = WIDTH - 172.0;
/// For the sizes below.
const FOOT: f64 = 26.0;
/// Between two names.
const GAP: f64 = 16.0;

/// Draws a chart.
pub fn draw(svg: &mut Svg, place: Place, chart: &Chart) {
    let (top, bottom) = (place.top + 8.0, place.top + place.height - FOOT);
    let values = chart.lines.iter().flat_map(|line| line.values.iter().copied().flatten());
    let scale = Log::around(values.chain(chart.unit.as_ref().map(|_| 1.0)), bottom, top);
    grid(svg, chart, &scale, bottom);
    let mut lines: Vec<&Line> = chart.lines.iter().collect();
    lines.sort_by_key(|line| line.weight == Weight::Main);
    for line in &lines {
        draw_line(svg, chart, line, &scale);
    }
    for line in lines.iter().filter(|line| line.weight == Weight::Main) {
        figures(svg, chart, line, &scale);
    }
    names(svg, chart, &scale, (top, bottom));
}

fn x(chart: &Chart, index: usize) -> f64 {
    let (first, last) = (LEFT + 18.0, RIGHT - 12.0);
    first + (last - first) * index as f64 / (chart.sizes.len().max(2) - 1) as f64
}

fn grid(svg: &mut Svg, chart: &Chart, scale: &Log, bottom: f64) {
    for tick in scale.ticks() {
        let y = scale.place(tick);
        svg.line(&[(LEFT, y), (RIGHT, y)], Stroke { ink: Ink::Grid, width: 1.0, is_dashed: false });
        svg.words(LEFT - 6.0, y + 4.0, Words::small(Anchor::End), &mark(tick));
    }
    for (index, size) in chart.sizes.iter().enumerate() {
        svg.words(x(chart, index), bottom + 20.0, Words::small(Anchor::Middle), size);
    }
    if chart.unit.is_some() {
        let y = scale.place(1.0);
        svg.line(
            &[(LEFT, y), (RIGHT, y)],
            Stroke { ink: Ink::Floor, width: 2.0, is_dashed: false },
        );
    }
}

fn points(chart: &Chart, line: &Line, scale: &Log) -> Vec<(f64, f64)> {
    let values = line.values.iter().enumerate();
    values.filter_map(|(at, value)| Some((x(chart, at), scale.place((*value)?)))).collect()
}

fn draw_line(svg: &mut Svg, chart: &Chart, line: &Line, scale: &Log) {
    let points = points(chart, line, scale);
    let (width, radius) = match line.weight {
        Weight::Main => (3.0, 4.0),
        Weight::Variant => (1.6, 3.0),
        Weight::Usual | Weight::Aside => (1.6, 2.2),
    };
    let is_dashed = line.weight == Weight::Aside;
    svg.line(&points, Stroke { ink: line.ink, width, is_dashed });
    for &(x, y) in &points {
        svg.dot(x, y, radius, line.ink, line.weight != Weight::Variant);
    }
}

/// The figures of a line, each above its point or below it, where fewer others are.
fn figures(svg: &mut Svg, chart: &Chart, line: &Line, scale: &Log) {
    let words = Words { size: 12.0, ..Words::new(line.ink, Anchor::Middle).bold() };
    for (index, value) in line.values.iter().enumerate() {
        let Some(value) = *value else { continue };
        let (x, y) = (x(chart, index), scale.place(value));
        let others = chart.lines.iter().filter(|other| !std::ptr::eq(*other, line));
        let others = others.filter_map(|other| Some(scale.place(other.values[index]?)));
        let near = |from: f64, to: f64| {
            others.clone().filter(|place| (from..to).contains(&(place - y))).count()
        };
        let is_below = near(-24.0, 0.0) > near(0.0, 24.0);
        svg.words(x, if is_below { y + 18.0 } else { y - 9.0 }, words, &(chart.written)(value));
    }
}

/// The names at the right, each joined to the end of its line.
fn names(svg: &mut Svg, chart: &Chart, scale: &Log, (top, bottom): (f64, f64)) {
    let mut ends: Vec<(&str, Ink, bool, (f64, f64))> = Vec::new();
    for line in &chart.lines {
        if let Some(end) = points(chart, line, scale).last() {
            ends.push((&line.name, line.ink, line.weight == Weight::Main, *end));
        }
    }
    if let Some(unit) = &chart.unit {
        ends.push((unit, Ink::Floor, false, (RIGHT, scale.place(1.0))));
    }
    let places: Vec<f64> = ends.iter().map(|(.., (_, y))| *y).collect();
    let places = spread(&places, GAP, top, bottom);
    for ((name, ink, is_main, (x, y)), to) in ends.into_iter().zip(places) {
        let joint = [(x + 5.0, y), (RIGHT + 2.0, y), (RIGHT + 14.0, to), (RIGHT + 20.0, to)];
        svg.line(&joint, Stroke { ink, width: 0.8, is_dashed: false });
        svg.words(RIGHT + 23.0, to + 4.0, Words::new(ink, Anchor::Start).bold_if(is_main), name);
    }
}
