//! From what a program has written to what is checked in: less, rounded, and a line for each result.
//!
//! Only what is read of the results is kept. Four digits are more than any of them is worth, and
//! fewer lines change where little has changed.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Number, Value};

use crate::results::load::Load;
use crate::results::notifier::{Notifier, Raw};
use crate::results::peers::Peers;
use crate::results::run::Run;
use crate::results::{Kept, Measured, Part};
use crate::{Failure, Result};

/// How long a line may be.
const LINE: usize = 160;
const INDENT: usize = 1;

/// Reads `files`, and writes what is kept of them into `folder`.
///
/// # Errors
/// When they are not results of that part.
pub fn keep(part: Part, files: &[PathBuf], run: Run, folder: &Path) -> Result<()> {
    let kept = match part {
        Part::Peers => value(run, one::<Peers>(files)?),
        Part::Idle | Part::Load | Part::Bare | Part::Broadcast => value(run, one::<Load>(files)?),
        Part::Notifier => {
            let runs: Result<Vec<Raw>> = files.iter().map(|file| read(file)).collect();
            value(run, Notifier::of_runs(runs?)?)
        }
    }?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join(part.file()), layout(&kept, 0) + "\n")?;
    Ok(())
}

fn one<T: DeserializeOwned>(files: &[PathBuf]) -> Result<T> {
    read(files.first().ok_or("there is no file")?)
}

fn read<T: DeserializeOwned>(file: &Path) -> Result<T> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| wrong(&error))?;
    serde_json::from_str(&text).map_err(|error| wrong(&error).into())
}

fn value<T: Measured>(run: Run, mut results: T) -> Result<Value> {
    results.check().map_err(Failure::from)?;
    results.trim();
    let mut value = serde_json::to_value(Kept { run, results })?;
    round(&mut value);
    Ok(value)
}

/// Rounds what is not a whole number to four digits.
fn round(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let text = format!("{:.3e}", number.as_f64().unwrap_or_default());
            if let Some(rounded) = text.parse().ok().and_then(Number::from_f64) {
                *number = rounded;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(round),
        Value::Object(values) => values.values_mut().for_each(round),
        _ => {}
    }
}

/// What fits on a line is on one, the rest is indented.
fn layout(value: &Value, depth: usize) -> String {
    let flat = value.to_string();
    if flat.len() + depth * INDENT <= LINE {
        return flat;
    }
    let lines: Vec<String> = match value {
        Value::Array(values) => values.iter().map(|value| layout(value, depth + 1)).collect(),
        Value::Object(values) => {
            let line = |(name, value): (&String, _)| {
                format!("{}: {}", quoted(name), layout(value, depth + 1))
            };
            values.iter().map(line).collect()
        }
        _ => return flat,
    };
    let (open, close) = if value.is_array() { ('[', ']') } else { ('{', '}') };
    let (outer, inner) = (" ".repeat(depth * INDENT), " ".repeat((depth + 1) * INDENT));
    format!("{open}\n{inner}{}\n{outer}{close}", lines.join(&format!(",\n{inner}")))
}

fn quoted(name: &str) -> String {
    Value::from(name).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_fractions_are_rounded() {
        let mut value = json!({"a": [1.234_567_8, 123_456_789], "b": 0.000_123_456_7, "c": null});
        round(&mut value);
        assert_eq!(value, json!({"a": [1.235, 123_456_789], "b": 0.000_123_5, "c": null}));
    }

    #[test]
    fn what_is_laid_out_is_the_same_value() {
        let long = "x".repeat(LINE);
        let value = json!({"a\"b": [1, {"c": long}], "d": {"e": 1}});
        let text = layout(&value, 0);
        assert!(text.contains("\n \"d\": {\"e\":1}\n"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
