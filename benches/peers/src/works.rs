//! The loops around each kind of job. They know what has to come out; an adapter only does it.

mod answer;
mod receive;
mod send;

pub use answer::{Accepts, Echoes, accepting, echoing};
pub use receive::{FromStream, InPlace, Seen, copied, from_stream, in_place};
pub use send::{Sends, sending};
