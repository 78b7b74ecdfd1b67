//! Writes every number that the documentation shows: the tables of `BENCHMARKS.md`, the plots of
//! `docs/plots`, and the parts of `README.md` between markers, all from `benches/results/*.json`.
//!
//! Nothing is measured here, and no figure is in this code but the aims that [`targets`] compares with.
//! `scripts/numbers.sh` measures, and calls this.
//!
//! | file | what it holds |
//! |---|---|
//! | `main`, `arguments` | the program |
//! | `results/` | what was measured, read strictly: a part for each program that measures |
//! | `keep` | from what a program has written to what is checked in |
//! | `figures`, `markdown` | numbers and tables as text |
//! | `losses`, `targets` | who is better than `dormouse` and where; which aims are missed |
//! | `benchmarks/` | `BENCHMARKS.md`, a file for each kind of section |
//! | `readme` | the parts of `README.md` |
//! | `plots/` | the plots |
//! | `tree` | writing all that, or comparing it with what is there |
#![forbid(unsafe_code)]

pub mod arguments;
pub mod benchmarks;
pub mod figures;
pub mod keep;
pub mod losses;
pub mod markdown;
pub mod plots;
pub mod readme;
pub mod results;
pub mod targets;
pub mod tree;

/// What went wrong, in words for whoever has started the program.
pub type Failure = Box<dyn std::error::Error>;
/// What a step comes to.
pub type Result<T> = std::result::Result<T, Failure>;
