//! The plots of servers over loopback.

use super::bars::{self, Bar, Who};
use super::scale::{Log, mark};
use super::scheme::{Ink, Scheme};
use super::svg::{Anchor, Stroke, Svg, Words};
use super::{HEAD, MARGIN, Plot, WIDTH};
use crate::figures::{decimal, tenths, three};
use crate::results::load::{Case, Load};
use crate::results::{DORMOUSE, Results};

const NAMES: f64 = 190.0;
const USER: &str = "user_bytes_per_connection";
const KERNEL: &str = "kernel_bytes_per_connection";
const RATE: &str = "messages_per_second";
/// The messages after which memory is looked at.
const MESSAGES: [(u64, &str); 2] = [(32, "32 B"), (16 * 1024, "16 KiB")];

/// # Errors
/// When something was not measured.
pub fn describe_idle(results: &Results) -> Result<String, String> {
    let load = &results.idle.results;
    let mut text = "Private memory of servers for each idle connection.".to_owned();
    for (bytes, after) in MESSAGES {
        let case = load.case("idle", &[("bytes", bytes)])?;
        text += &format!(" After an echo of {after}:");
        text += &of_all(load, case, USER, " B");
    }
    Ok(text)
}

/// # Errors
/// When something was not measured.
pub fn describe_echo(results: &Results) -> Result<String, String> {
    let load = &results.load.results;
    let mut text = "Echoes a second.".to_owned();
    for case in echoes(load) {
        text += &format!(" {}:", heading(case).join(", "));
        text += &of_all(load, case, RATE, "");
    }
    Ok(text)
}

fn of_all(load: &Load, case: &Case, name: &str, unit: &str) -> String {
    let figures = load.servers.iter().filter_map(|server| {
        let figure = case.quantity(&server.name, name)?.typical()?;
        Some(format!(" {} {}{unit}", server.name, three(figure)))
    });
    figures.collect::<Vec<_>>().join(",") + "."
}

/// # Errors
/// When something was not measured.
pub fn idle(results: &Results, scheme: &'static Scheme) -> Result<Svg, String> {
    const ROW: f64 = 36.0;
    const AXIS: f64 = 24.0;
    let load = &results.idle.results;
    let cases = MESSAGES.map(|(bytes, _)| load.case("idle", &[("bytes", bytes)]));
    let [small, large] = cases;
    let cases = [small?, large?];
    let mut names: Vec<&str> = load.servers.iter().map(|server| &*server.name).collect();
    let first = |name: &str| user(cases[0], name).unwrap_or(f64::INFINITY);
    names.sort_by(|one, other| first(one).total_cmp(&first(other)));

    let bottom = HEAD + AXIS + ROW * names.len() as f64;
    let subtitle = "Upper bar: after an echo of 32 B; lower one: after one of 16 KiB. Logarithmic.";
    let mut svg = Svg::new(bottom + MARGIN, Plot::IdleMemory.title(), subtitle, scheme);
    let most = names.iter().filter_map(|name| user(cases[1], name)).fold(10.0, f64::max);
    let scale = Log::between(1.0, most.max(1e5), NAMES + 10.0, WIDTH - 110.0);
    let kernel = cases[0].own(KERNEL)?.typical().ok_or("the kernel has no bytes")?;
    axis(&mut svg, &scale, kernel, bottom);
    for (number, name) in names.into_iter().enumerate() {
        let top = HEAD + AXIS + ROW * number as f64 + 3.0;
        let who = who(load, name);
        bars::name(&mut svg, NAMES, top + 15.0, who, name);
        for (line, case) in cases.into_iter().enumerate() {
            let Some(bytes) = user(case, name) else { continue };
            let (x, height) = (scale.place(1.0), 12.0);
            let (width, top) = (scale.place(bytes) - x, top + line as f64 * 15.0);
            bars::draw(&mut svg, &Bar { x, top, width, height, who, figure: &tenths(bytes) });
        }
    }
    Ok(svg)
}

fn axis(svg: &mut Svg, scale: &Log, kernel: f64, bottom: f64) {
    let top = HEAD + 18.0;
    for tick in scale.ticks() {
        let x = scale.place(tick);
        svg.line(&[(x, top), (x, bottom)], Stroke { ink: Ink::Grid, width: 1.0, is_dashed: false });
        svg.words(x, HEAD + 12.0, Words::small(Anchor::Middle), &mark(tick));
    }
    let x = scale.place(kernel);
    svg.line(&[(x, top), (x, bottom)], Stroke { ink: Ink::Muted, width: 1.2, is_dashed: true });
    let words = format!("the kernel keeps {} more", decimal(kernel, 0));
    svg.words(x - 6.0, top + 16.0, Words::small(Anchor::End), &words);
}

fn user(case: &Case, name: &str) -> Option<f64> {
    case.quantity(name, USER)?.typical()
}

/// # Errors
/// When no echoes were measured.
pub fn echo(results: &Results, scheme: &'static Scheme) -> Result<Svg, String> {
    const ROW: f64 = 26.0;
    const HEADINGS: f64 = 38.0;
    /// For the figure at the end of a bar.
    const FIGURE: f64 = 62.0;
    let load = &results.load.results;
    let cases: Vec<&Case> = echoes(load).collect();
    if cases.is_empty() {
        return Err("no echoes were measured".into());
    }
    let column = (WIDTH - NAMES - 10.0 - MARGIN) / cases.len() as f64;
    let height = HEAD + HEADINGS + ROW * load.servers.len() as f64 + MARGIN;
    let subtitle = "Medians. Each column has a scale of its own.";
    let mut svg = Svg::new(height, Plot::Echo.title(), subtitle, scheme);
    for (number, server) in load.servers.iter().enumerate() {
        let middle = HEAD + HEADINGS + ROW * (number as f64 + 0.5);
        bars::name(&mut svg, NAMES, middle, who(load, &server.name), &server.name);
    }
    for (at, case) in cases.into_iter().enumerate() {
        let x = NAMES + 10.0 + column * at as f64;
        for (line, words) in heading(case).iter().enumerate() {
            let style = Words::small(Anchor::Start).bold_if(line == 0);
            svg.words(x, HEAD + 12.0 + 16.0 * line as f64, style, words);
        }
        let rate = |name: &str| case.quantity(name, RATE)?.typical();
        let most = load.servers.iter().filter_map(|server| rate(&server.name)).fold(1.0, f64::max);
        for (number, server) in load.servers.iter().enumerate() {
            let Some(figure) = rate(&server.name) else { continue };
            let top = HEAD + HEADINGS + ROW * number as f64 + 5.0;
            let width = figure / most * (column - FIGURE);
            let (who, figure) = (who(load, &server.name), thousands(figure));
            bars::draw(&mut svg, &Bar { x, top, width, height: 16.0, who, figure: &figure });
        }
    }
    Ok(svg)
}

fn echoes(load: &Load) -> impl Iterator<Item = &Case> {
    load.results.iter().filter(|case| case.measurement == "echo")
}

/// The two lines above a column.
fn heading(case: &Case) -> [String; 2] {
    let setting = |name: &str| case.case.get(name).copied().unwrap_or_default();
    let size = crate::figures::size(setting("bytes") as usize);
    [format!("{size} messages"), format!("{} on their way", setting("depth"))]
}

fn thousands(figure: f64) -> String {
    if figure < 1e6 {
        format!("{} k", three(figure / 1e3))
    } else {
        format!("{} M", decimal(figure / 1e6, 2))
    }
}

fn who(load: &Load, name: &str) -> Who {
    if name == DORMOUSE {
        Who::Dormouse
    } else if name == load.first() {
        Who::Floor
    } else {
        Who::Other
    }
}
