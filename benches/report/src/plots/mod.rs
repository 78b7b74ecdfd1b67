//! The plots, as SVG: each for a light page and for a dark one.
//!
//! They are written here rather than by a library of plots, because what matters is what those leave
//! out: names beside the lines, a title and a description for who does not see them, the same bytes
//! for the same figures.
//!
//! | file | what it holds |
//! |---|---|
//! | `svg`, `scheme` | shapes and words; colours |
//! | `scale` | from a figure to a place |
//! | `lines`, `bars` | the two kinds of plots |
//! | `memory`, `servers` | which figures are in which plot |

mod bars;
mod lines;
mod memory;
mod scale;
mod scheme;
mod servers;
mod svg;

use crate::results::{Part, Results};
pub use scheme::Scheme;

/// How wide a plot is: as wide as a page on which it is read.
const WIDTH: f64 = 800.0;
/// From the border to what is drawn.
const MARGIN: f64 = 16.0;
/// Where title and subtitle end.
const HEAD: f64 = 64.0;

/// One of the plots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plot {
    /// Receiving binary messages.
    ReceiveBinary,
    /// Receiving text, ASCII and not.
    ReceiveText,
    /// Sending.
    Send,
    /// The opening handshake.
    Handshake,
    /// Memory of connections that sleep.
    IdleMemory,
    /// Echoes of servers.
    Echo,
}

impl Plot {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::ReceiveBinary,
        Self::ReceiveText,
        Self::Send,
        Self::Handshake,
        Self::IdleMemory,
        Self::Echo,
    ];

    /// The begin of the names of its files.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReceiveBinary => "receive-binary",
            Self::ReceiveText => "receive-text",
            Self::Send => "send",
            Self::Handshake => "handshake",
            Self::IdleMemory => "idle-memory",
            Self::Echo => "echo",
        }
    }

    /// What it shows, in a line.
    pub fn title(self) -> &'static str {
        match self {
            Self::ReceiveBinary => {
                "Receiving a binary message: how many times the work that nobody can leave out"
            }
            Self::ReceiveText => {
                "Receiving a text: how many times the work that nobody can leave out"
            }
            Self::Send => "Sending a binary message as a server, with its flush: nanoseconds",
            Self::Handshake => "The opening handshake as a server: nanoseconds",
            Self::IdleMemory => "What an idle connection costs a server: bytes of private memory",
            Self::Echo => "Echoes a second, one core for the server",
        }
    }

    /// The plot of a group of the comparison in memory.
    pub fn of_group(group: &str) -> Option<Self> {
        match group {
            "receive_binary" => Some(Self::ReceiveBinary),
            "receive_ascii" => Some(Self::ReceiveText),
            "send_binary" => Some(Self::Send),
            "handshake" => Some(Self::Handshake),
            _ => None,
        }
    }

    /// The plot of a part about servers.
    pub fn of_part(part: Part) -> Option<Self> {
        match part {
            Part::Idle => Some(Self::IdleMemory),
            Part::Load => Some(Self::Echo),
            Part::Peers | Part::Bare | Part::Broadcast | Part::Notifier => None,
        }
    }

    /// What it shows, in words, with the figures of `dormouse`.
    ///
    /// # Errors
    /// When something was not measured.
    pub fn description(self, results: &Results) -> Result<String, String> {
        match self {
            Self::ReceiveBinary => memory::describe(results, "receive_binary"),
            Self::ReceiveText => memory::describe(results, "receive_ascii"),
            Self::Send => memory::describe(results, "send_binary"),
            Self::Handshake => memory::describe(results, "handshake"),
            Self::IdleMemory => servers::describe_idle(results),
            Self::Echo => servers::describe_echo(results),
        }
    }

    /// The file.
    ///
    /// # Errors
    /// When something was not measured.
    pub fn draw(self, results: &Results, scheme: &'static Scheme) -> Result<String, String> {
        let description = self.description(results)?;
        let svg = match self {
            Self::ReceiveBinary => memory::receive_binary(results, scheme),
            Self::ReceiveText => memory::receive_text(results, scheme),
            Self::Send => memory::send(results, scheme),
            Self::Handshake => memory::handshake(results, scheme),
            Self::IdleMemory => servers::idle(results, scheme),
            Self::Echo => servers::echo(results, scheme),
        };
        Ok(svg?.finish(&description))
    }
}
