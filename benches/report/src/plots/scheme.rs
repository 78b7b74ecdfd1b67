//! Colours: those of a light page and those of a dark one.

/// What a colour is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Words.
    Text,
    /// Words that matter less.
    Muted,
    /// Lines that only help to read.
    Grid,
    /// What nobody can leave out.
    Floor,
    /// `dormouse`.
    Dormouse,
    /// A bar of somebody else.
    Other,
    /// A line of somebody else, who keeps its colour in all plots.
    Peer(usize),
}

/// A set of colours.
#[derive(Debug)]
pub struct Scheme {
    /// The end of the names of files.
    pub name: &'static str,
    /// Of the page.
    pub background: &'static str,
    text: &'static str,
    muted: &'static str,
    grid: &'static str,
    floor: &'static str,
    dormouse: &'static str,
    other: &'static str,
    peers: [&'static str; 9],
}

impl Scheme {
    /// Both.
    pub const ALL: [&'static Self; 2] = [&LIGHT, &DARK];

    /// The colour for that.
    pub fn color(&self, ink: Ink) -> &'static str {
        match ink {
            Ink::Text => self.text,
            Ink::Muted => self.muted,
            Ink::Grid => self.grid,
            Ink::Floor => self.floor,
            Ink::Dormouse => self.dormouse,
            Ink::Other => self.other,
            Ink::Peer(number) => self.peers[number % self.peers.len()],
        }
    }
}

static LIGHT: Scheme = Scheme {
    name: "light",
    background: "#ffffff",
    text: "#1f2328",
    muted: "#59636e",
    grid: "#d1d9e0",
    floor: "#59636e",
    dormouse: "#0550ae",
    other: "#818b98",
    peers: [
        "#a8450a", "#8250df", "#1a7f37", "#bf3989", "#6b5900", "#0b7285", "#a40e26", "#6f4518",
        "#953800",
    ],
};

static DARK: Scheme = Scheme {
    name: "dark",
    background: "#0d1117",
    text: "#e6edf3",
    muted: "#9198a1",
    grid: "#30363d",
    floor: "#9198a1",
    dormouse: "#58a6ff",
    other: "#6e7681",
    peers: [
        "#f0883e", "#b48cf2", "#4ac26b", "#f778ba", "#d4c04a", "#39c5cf", "#ff7b72", "#c69c6d",
        "#ffa657",
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The contrast ratio of WCAG 2.
    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    fn luminance(color: &str) -> f64 {
        let part = |at: usize| {
            let part = f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    }

    #[test]
    fn words_and_shapes_stand_out() {
        for scheme in Scheme::ALL {
            let words = [Ink::Text, Ink::Muted, Ink::Floor, Ink::Dormouse];
            for ink in words.into_iter().chain((0..9).map(Ink::Peer)) {
                let contrast = contrast(scheme.color(ink), scheme.background);
                assert!(contrast >= 4.5, "{} {ink:?}: {contrast}", scheme.name);
            }
            assert!(
                contrast(scheme.color(Ink::Other), scheme.background) >= 3.0,
                "{}",
                scheme.name
            );
        }
    }
}
