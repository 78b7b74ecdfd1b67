//! Bars to the right, with the name of each at its left and its figure at its end.

use super::scheme::Ink;
use super::svg::{Anchor, Svg, Words};

/// What a row of bars is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// What nobody can leave out: drawn as a frame.
    Floor,
    /// `dormouse`.
    Dormouse,
    /// Somebody else.
    Other,
}

/// One bar, with its place.
pub struct Bar<'a> {
    /// Where it begins.
    pub x: f64,
    /// Its upper end.
    pub top: f64,
    /// How long it is.
    pub width: f64,
    /// How thick it is.
    pub height: f64,
    /// Whose it is.
    pub who: Who,
    /// At its end.
    pub figure: &'a str,
}

impl Who {
    fn ink(self) -> Ink {
        match self {
            Self::Floor => Ink::Floor,
            Self::Dormouse => Ink::Dormouse,
            Self::Other => Ink::Other,
        }
    }
}

/// Draws a bar and its figure.
pub fn draw(svg: &mut Svg, bar: &Bar<'_>) {
    let width = bar.width.max(1.0);
    if bar.who == Who::Floor {
        svg.frame(bar.x, bar.top, width, bar.height, Ink::Floor);
    } else {
        svg.bar(bar.x, bar.top, width, bar.height, bar.who.ink());
    }
    let base = bar.top + bar.height / 2.0 + 4.5;
    svg.words(bar.x + width + 6.0, base, words(bar.who, Anchor::Start), bar.figure);
}

/// Draws the name of a row, which ends at `x`.
pub fn name(svg: &mut Svg, x: f64, middle: f64, who: Who, name: &str) {
    svg.words(x, middle + 4.5, words(who, Anchor::End), name);
}

fn words(who: Who, anchor: Anchor) -> Words {
    let ink = if who == Who::Dormouse { Ink::Dormouse } else { Ink::Text };
    Words::new(ink, anchor).bold_if(who == Who::Dormouse)
}
