//! The files that are written: writing them, and comparing them with what is there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::plots::{Plot, Scheme};
use crate::results::Results;
use crate::{Result, benchmarks, readme};

const PLOTS: &str = "docs/plots";

/// Where results are.
pub fn results(root: &Path) -> PathBuf {
    root.join("benches/results")
}

/// Every file with its text, by its path from the root. `README.md` is read for what is not generated.
///
/// # Errors
/// When something was not measured, or `README.md` has not the markers it has to have.
pub fn generate(root: &Path, results: &Results) -> Result<Vec<(PathBuf, String)>> {
    let path = root.join("README.md");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut files = vec![
        (PathBuf::from("README.md"), readme::fill(&text, results, &path)?),
        (PathBuf::from("BENCHMARKS.md"), benchmarks::document(results)?),
    ];
    for plot in Plot::ALL {
        for scheme in Scheme::ALL {
            let name = format!("{PLOTS}/{}-{}.svg", plot.name(), scheme.name);
            files.push((name.into(), plot.draw(results, scheme)?));
        }
    }
    Ok(files)
}

/// Writes what is not there already. Returns the paths of what was written.
///
/// # Errors
/// When it cannot be written.
pub fn write(root: &Path, files: &[(PathBuf, String)]) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(root.join(PLOTS))?;
    let mut written = Vec::new();
    for (path, text) in files {
        let place = root.join(path);
        if fs::read_to_string(&place).is_ok_and(|there| there == *text) {
            continue;
        }
        fs::write(&place, text).map_err(|error| format!("{}: {error}", place.display()))?;
        written.push(place);
    }
    Ok(written)
}

/// Compares all files, and looks for plots that nobody writes.
///
/// # Errors
/// Which files are not what they have to be.
pub fn check(root: &Path, files: &[(PathBuf, String)]) -> Result<()> {
    let mut wrong: Vec<String> = Vec::new();
    for (path, text) in files {
        if !fs::read_to_string(root.join(path)).is_ok_and(|there| there == *text) {
            wrong.push(path.display().to_string());
        }
    }
    for entry in fs::read_dir(root.join(PLOTS)).into_iter().flatten() {
        let path = Path::new(PLOTS).join(entry?.file_name());
        if !files.iter().any(|(known, _)| *known == path) {
            wrong.push(format!("{} (nobody writes it)", path.display()));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!(
        "not what benches/results says, run `scripts/numbers.sh --report`: {}",
        wrong.join(", ")
    )
    .into())
}
