//! What always holds, whatever the input: one body for each law.
//!
//! The tests try a law with values that proptest makes, and the fuzzers of `fuzz/` with bytes that
//! libFuzzer makes ([`TARGETS`]). A body panics if its law is broken.

pub mod close;
#[cfg(feature = "std")]
pub mod conversation;
#[cfg(feature = "deflate")]
pub mod deflate;
pub mod grammar;
pub mod handshake;
#[cfg(feature = "std")]
pub mod outboxes;
pub mod peer;
pub mod streams;

use arbitrary::Unstructured;

/// A body that reads its case out of any bytes.
pub type Target = fn(&[u8]);

/// What is fuzzed, each by the name of its binary and of its folder of seeds.
#[cfg(feature = "std")]
pub const TARGETS: &[(&str, Target)] = &[
    ("client", streams::client),
    ("client_handshake", handshake::client::target),
    ("close", close::target),
    ("conversation", conversation::target),
    ("decoder", streams::decoder),
    #[cfg(feature = "deflate")]
    ("deflate_round_trip", deflate::round_trip::target),
    ("differential", peer::target),
    ("grammar", grammar::target),
    #[cfg(feature = "deflate")]
    ("inflate", deflate::inflating::target),
    #[cfg(feature = "deflate")]
    ("negotiation", deflate::negotiation::target),
    ("outbox", outboxes::target),
    ("server", streams::server),
    ("server_handshake", handshake::server::target),
];

/// The sizes of up to seven reads, which are taken in turn; never only empty ones.
pub fn portions(u: &mut Unstructured<'_>) -> arbitrary::Result<Vec<usize>> {
    let count = u.int_in_range(0..=6)?;
    let mut portions = Vec::with_capacity(count + 1);
    for _ in 0..count {
        portions.push(usize::from(u.arbitrary::<u8>()?));
    }
    portions.push(1 + usize::from(u.arbitrary::<u8>()?));
    Ok(portions)
}
