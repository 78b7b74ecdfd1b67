//! What was measured, for people and for scripts.

pub mod json;
pub mod table;

use crate::contender::Contender;
use crate::harness::{Figures, Results};
use crate::peers::DORMOUSE;

impl Results {
    /// The figures of the contender of that name.
    fn of(&self, name: &str, contenders: &[Box<dyn Contender>]) -> Option<&Figures> {
        self.figures.iter().find(|figures| contenders[figures.contender].name() == name)
    }

    fn floor(&self, contenders: &[Box<dyn Contender>]) -> Option<&Figures> {
        self.of(self.group.floor(), contenders)
    }

    fn dormouse(&self, contenders: &[Box<dyn Contender>]) -> Option<&Figures> {
        self.of(DORMOUSE, contenders)
    }

    /// The fastest of the peers that leave no work to their users.
    fn best_peer(&self, contenders: &[Box<dyn Contender>]) -> Option<&Figures> {
        let full = self.figures.iter().filter(|figures| {
            let contender = &contenders[figures.contender];
            let is_peer = !contender.is_floor() && contender.package() != Some(DORMOUSE);
            is_peer && contender.lacks(self.group).is_empty()
        });
        full.min_by(|one, other| one.fastest.total_cmp(&other.fastest))
    }

    /// Payload bytes in a nanosecond, which are gigabytes in a second, in the fastest turn.
    fn gigabytes(&self, figures: &Figures) -> f64 {
        self.size as f64 / figures.fastest
    }
}

/// Which zlib the peers that go through flate2 have in this build.
fn zlib() -> &'static str {
    if cfg!(feature = "c-zlib") { "zlib in C" } else { "zlib-rs" }
}

/// The name of the processor, if the system tells.
fn processor() -> Option<String> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = cpus.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
