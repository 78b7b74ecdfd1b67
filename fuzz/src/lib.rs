//! The laws of the crate, tried with bytes that libFuzzer makes. `CONTRIBUTING.md` says how to run it.
//!
//! The bodies are those of `tests/support/laws`, so that a law is written once, and so that
//! `cargo test` tries every seed and every finding without a fuzzer.

#[path = "../../tests/support/mod.rs"]
mod support;

pub use support::laws;
