//! Example programs as processes: built once by cargo, which is asked where they are, because tests
//! and benches do not always come with the examples.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The program of the example `name`, in the same profile as the caller, and with compression if the
/// caller has it.
pub fn program(name: &str) -> &'static Path {
    static BUILT: OnceLock<Vec<PathBuf>> = OnceLock::new();
    let programs = BUILT.get_or_init(build);
    let is_it = |path: &&PathBuf| path.file_name().is_some_and(|file| file == name);
    programs.iter().find(is_it).unwrap_or_else(|| panic!("cargo builds no example {name}"))
}

fn build() -> Vec<PathBuf> {
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    build.args(["build", "--quiet", "--examples", "--message-format=json"]);
    if cfg!(feature = "deflate") {
        build.args(["--features", "deflate"]);
    }
    build.arg("--manifest-path").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let output = build.stderr(Stdio::inherit()).output().expect("cargo runs");
    let messages = output.stdout.lines().map_while(Result::ok);
    let messages = messages.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    messages.filter_map(|message| Some(message["executable"].as_str()?.into())).collect()
}
