//! Shapes and words in an SVG file that needs nothing else: no fonts, no scripts, no style sheets.

use std::fmt::{Display, Write as _};

use super::scheme::{Ink, Scheme};
use super::{MARGIN, WIDTH};

/// Whatever the reader's system has.
const FONT: &str =
    "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif";

/// A drawing that grows.
pub struct Svg {
    height: f64,
    title: String,
    scheme: &'static Scheme,
    body: String,
}

/// How words look.
#[derive(Clone, Copy)]
pub struct Words {
    /// Of the letters.
    pub size: f64,
    /// Which end stands at the place.
    pub anchor: Anchor,
    /// Whether they matter more.
    pub is_bold: bool,
    /// Their colour.
    pub ink: Ink,
}

/// Which end of some words stands at a place.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// They begin there.
    Start,
    /// Their middle is there.
    Middle,
    /// They end there.
    End,
}

impl Words {
    /// Words of the usual size.
    pub const fn new(ink: Ink, anchor: Anchor) -> Self {
        Self { size: 13.0, anchor, is_bold: false, ink }
    }

    /// Words that help to read.
    pub const fn small(anchor: Anchor) -> Self {
        Self { size: 12.0, anchor, is_bold: false, ink: Ink::Muted }
    }

    /// The same in bold.
    pub const fn bold(self) -> Self {
        Self { is_bold: true, ..self }
    }

    /// The same, in bold or not.
    pub const fn bold_if(self, is_bold: bool) -> Self {
        Self { is_bold, ..self }
    }
}

/// How a line looks.
#[derive(Clone, Copy)]
pub struct Stroke {
    /// Its colour.
    pub ink: Ink,
    /// How thick it is.
    pub width: f64,
    /// Whether it has gaps.
    pub is_dashed: bool,
}

impl Svg {
    /// A drawing with its title, and what it shows in a line below.
    pub fn new(height: f64, title: &str, subtitle: &str, scheme: &'static Scheme) -> Self {
        let mut svg = Self { height, title: title.to_owned(), scheme, body: String::new() };
        let large = Words { size: 16.0, ..Words::new(Ink::Text, Anchor::Start).bold() };
        svg.words(MARGIN, 27.0, large, title);
        svg.words(MARGIN, 47.0, Words::small(Anchor::Start), subtitle);
        svg
    }

    /// Words on their base line, with an edge that keeps lines behind them off.
    pub fn words(&mut self, x: f64, y: f64, words: Words, text: &str) {
        let Words { size, anchor, is_bold, ink } = words;
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let weight = if is_bold { " font-weight=\"600\"" } else { "" };
        let (fill, edge) = (self.scheme.color(ink), self.scheme.background);
        self.add(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\"{anchor}{weight} fill=\"{fill}\" \
             stroke=\"{edge}\" stroke-width=\"3\" stroke-linejoin=\"round\" paint-order=\"stroke\">{}</text>",
            escaped(text)
        ));
    }

    /// A line through all points.
    pub fn line(&mut self, points: &[(f64, f64)], stroke: Stroke) {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let dashes = if stroke.is_dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        self.add(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" \
             stroke-linejoin=\"round\"{dashes}/>",
            points.join(" "),
            self.scheme.color(stroke.ink),
            stroke.width
        ));
    }

    /// A filled rectangle.
    pub fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, ink: Ink) {
        let fill = self.scheme.color(ink);
        self.add(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"1.5\" \
             fill=\"{fill}\"/>"
        ));
    }

    /// A rectangle of which only the border is drawn.
    pub fn frame(&mut self, x: f64, y: f64, width: f64, height: f64, ink: Ink) {
        let stroke = self.scheme.color(ink);
        self.add(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"1.5\" \
             fill=\"none\" stroke=\"{stroke}\" stroke-width=\"1.2\"/>"
        ));
    }

    /// A dot, filled or not.
    pub fn dot(&mut self, x: f64, y: f64, radius: f64, ink: Ink, is_filled: bool) {
        let color = self.scheme.color(ink);
        let fill = if is_filled { color } else { self.scheme.background };
        self.add(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{fill}\" stroke=\"{color}\" \
             stroke-width=\"1.5\"/>"
        ));
    }

    fn add(&mut self, element: impl Display) {
        // Writing into a string does not fail.
        let _ = writeln!(self.body, "{element}");
    }

    /// The whole file. `description` tells the same in words.
    pub fn finish(self, description: &str) -> String {
        let (title, description) = (escaped(&self.title), escaped(description));
        let (height, background, body) = (self.height, self.scheme.background, self.body);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" role=\"img\" aria-labelledby=\"title description\" font-family=\"{FONT}\">\n\
             <title id=\"title\">{title}</title>\n\
             <desc id=\"description\">{description}</desc>\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"{background}\"/>\n\
             {body}</svg>\n"
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
