//! Every body that `fuzz/` runs, without a fuzzer: on the seeds, among them what fuzzing has found,
//! and on random bytes.

#![cfg(feature = "std")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use support::laws::TARGETS;
use support::streams::config;

/// The folder of the fuzzing crate.
fn fuzz() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz"))
}

#[test]
fn every_seed_obeys_its_law() {
    for (name, target) in TARGETS {
        let mut seeds = 0;
        for seed in fs::read_dir(fuzz().join("seeds").join(name)).expect(name) {
            let path = seed.expect("a seed").path();
            println!("{}", path.display());
            target(&fs::read(path).expect("a seed"));
            seeds += 1;
        }
        assert!(seeds >= 5, "{name} has {seeds} seeds");
    }
}

/// The bodies that only a build with the feature `deflate` has.
const OF_DEFLATE: [&str; 3] = ["deflate_round_trip", "inflate", "negotiation"];

#[test]
fn every_body_has_a_binary_and_every_binary_a_body() {
    let mut bodies: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let has_deflate = OF_DEFLATE.map(|name| bodies.contains(name));
    assert_eq!(has_deflate, [cfg!(feature = "deflate"); 3]);
    bodies.extend(OF_DEFLATE.map(str::to_owned));
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("a manifest");
    let binaries = manifest.lines().filter_map(|line| line.strip_prefix("path = \"targets/"));
    let binaries: BTreeSet<String> =
        binaries.filter_map(|path| path.strip_suffix(".rs\"")).map(str::to_owned).collect();
    assert_eq!(binaries, bodies);
    let files = fs::read_dir(fuzz().join("targets")).expect("binaries");
    let files = files.map(|file| file.expect("a file").path());
    let files = files.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned());
    assert_eq!(files.collect::<BTreeSet<_>>(), bodies);
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn any_bytes_obey_every_law(bytes in vec(any::<u8>(), 0..200)) {
        TARGETS.iter().for_each(|(_, target)| target(&bytes));
    }
}
