//! `dormouse` beside its peers: the same bytes, in memory, round by round in one process.
//!
//! What is measured, how to read it and what cannot be compared stands in the `README.md` of this
//! crate. Nothing here opens a socket or starts a runtime.
//!
//! | module | what it holds |
//! |---|---|
//! | [`job`] | the groups, their sizes, payloads and frames: the same for everybody |
//! | [`contender`] | `Contender`, what a peer implements once, and `Work`, which is verified and timed |
//! | [`stream`] | what stands in for a socket: bytes that arrive, and a sink that takes everything |
//! | [`works`] | the loops around each kind of job, which know what has to come out |
//! | [`floors`] | the work that nobody can leave out |
//! | [`peers`] | one file for each peer |
//! | [`harness`] | calibration, rounds, minimum and median, allocations |
//! | [`report`] | tables for people, JSON for scripts |
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod arguments;
pub mod contender;
pub mod floors;
pub mod harness;
pub mod heap;
pub mod job;
pub mod peers;
pub mod report;
pub mod stream;
pub mod works;

pub use contender::{Contender, Failure, Work};

/// Everybody who takes part, floors first.
pub fn contenders() -> Vec<Box<dyn Contender>> {
    let mut all = floors::all();
    all.extend(peers::all());
    all
}
