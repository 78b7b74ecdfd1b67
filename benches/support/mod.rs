//! What the benches share: frames to receive, and the table of ratios at the end.

use std::fs;
use std::path::{Path, PathBuf};

use criterion::Criterion;
use dormouse::wire::{FrameHeader, MAX_HEADER_LEN, Opcode, Rsv, mask};

/// The benchmark of each group that every other one is measured against.
pub const FLOOR: &str = "floor";

/// A frame as a client sends it.
#[allow(dead_code, reason = "not every bench receives")]
pub fn masked_frame(opcode: Opcode, payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    let header = FrameHeader {
        fin: true,
        rsv: Rsv::NONE,
        opcode,
        mask: Some(key),
        payload_len: payload.len() as u64,
    };
    let mut frame = header.encode(&mut [0; MAX_HEADER_LEN]).to_vec();
    let payload_at = frame.len();
    frame.extend_from_slice(payload);
    mask::apply(&mut frame[payload_at..], key);
    frame
}

/// Runs the benches, then prints each result as a multiple of the floor beside it. Absolute times
/// drift with the machine; the ratio of two figures from one run drifts less, and least that of the
/// fastest samples, which nothing else on the machine has slowed down.
pub fn main(benches: &[fn(&mut Criterion)]) {
    let mut criterion = Criterion::default().configure_from_args();
    for bench in benches {
        bench(&mut criterion);
    }
    criterion.final_summary();
    if std::env::args().any(|arg| arg == "--bench") {
        print_ratios();
    }
}

/// Reads what criterion has measured: `target/criterion/GROUP/BENCH/PARAMETER/new/sample.json`.
fn print_ratios() {
    let root = criterion_folder();
    let program = std::env::args().next().unwrap_or_default();
    let stem = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bench = stem.split('-').next().unwrap_or_default();
    println!("\n{:<44}{:>12}{:>12}{:>9}", "fastest sample", "floor ns", "ns", "ratio");
    for group in folders(&root).filter(|group| name(group).starts_with(bench)) {
        for floor in folders(&group.join(FLOOR)) {
            let Some(floor_ns) = fastest(&floor) else { continue };
            for subject in folders(&group).filter(|subject| name(subject) != FLOOR) {
                let Some(ns) = fastest(&subject.join(name(&floor))) else { continue };
                let label = format!("{} {} {}", name(&group), name(&subject), name(&floor));
                println!("{label:<44}{floor_ns:>12.2}{ns:>12.2}{:>9.2}", ns / floor_ns);
            }
        }
    }
}

fn criterion_folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    target.join("criterion")
}

fn folders(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let mut folders: Vec<PathBuf> = fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && name(path) != "report")
        .collect();
    folders.sort_by_key(|path| (name(path).parse::<u64>().unwrap_or(u64::MAX), name(path)));
    folders.into_iter()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Nanoseconds of one iteration in the fastest sample.
fn fastest(bench: &Path) -> Option<f64> {
    let json = fs::read_to_string(bench.join("new/sample.json")).ok()?;
    let sample: serde_json::Value = serde_json::from_str(&json).ok()?;
    let (iters, times) = (sample["iters"].as_array()?, sample["times"].as_array()?);
    let each =
        times.iter().zip(iters).filter_map(|(time, iter)| Some(time.as_f64()? / iter.as_f64()?));
    each.min_by(f64::total_cmp)
}
