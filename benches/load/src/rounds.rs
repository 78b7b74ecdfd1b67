//! Who is measured when: case by case, the servers in turn, round by round.
//!
//! A machine gets faster and slower meanwhile. Servers that are measured one right after the other
//! meet about the same machine, and each begins as often as the others.

use std::io::{self, IsTerminal};

use crate::Result;
use crate::arguments::Plan;
use crate::figures::{Figure, Quantity, Summary};
use crate::machine;
use crate::measure::{self, Case, Outcome};

/// What came of a case.
pub struct CaseResult {
    pub case: Case,
    /// In the order of the plan.
    pub servers: Vec<ServerResult>,
}

/// What came of a case for one server.
#[derive(Default)]
pub struct ServerResult {
    /// A round without figures is empty.
    pub rounds: Vec<Vec<Figure>>,
    /// Why a round is empty.
    pub remark: Option<Outcome>,
}

/// Measures everything. What fails is remarked, and the rest goes on.
///
/// # Errors
/// When the load cannot go to its core, or the first server echoes nothing to take a rate from.
pub fn measure(plan: &Plan) -> Result<Vec<CaseResult>> {
    if let Some(cores) = plan.cores {
        machine::pin(cores.load)?;
    }
    let rate = || measure::moderate_rate(plan, &plan.servers[0]);
    let cases = Case::all(plan, rate)?;
    let mut results: Vec<_> = cases.into_iter().map(|case| CaseResult::new(case, plan)).collect();
    for round in 0..plan.rounds {
        for result in &mut results {
            progress(round, result.case, plan);
            for turn in 0..plan.servers.len() {
                result.measure(plan, (round + turn) % plan.servers.len());
            }
        }
    }
    progress_ends();
    Ok(results)
}

impl ServerResult {
    pub fn is_empty(&self) -> bool {
        self.rounds.iter().all(Vec::is_empty)
    }
}

impl CaseResult {
    fn new(case: Case, plan: &Plan) -> Self {
        let servers = plan.servers.iter().map(|_| ServerResult::default()).collect();
        Self { case, servers }
    }

    fn measure(&mut self, plan: &Plan, server: usize) {
        let result = &mut self.servers[server];
        // What cannot be measured now cannot be measured later.
        if matches!(result.remark, Some(Outcome::Unavailable(_))) {
            return;
        }
        match self.case.run(plan, &plan.servers[server]) {
            Outcome::Measured(figures) => result.rounds.push(figures),
            other => {
                // The rounds of all servers stay side by side.
                result.rounds.push(Vec::new());
                result.remark = Some(other);
            }
        }
    }

    pub fn has_failed(&self) -> bool {
        self.servers.iter().any(|server| matches!(server.remark, Some(Outcome::Failed(_))))
    }

    /// The quantities that were measured, in the order of the columns.
    pub fn quantities(&self) -> Vec<&'static Quantity> {
        let all = self.servers.iter().flat_map(|server| server.rounds.iter().flatten());
        let mut quantities: Vec<&'static Quantity> = Vec::new();
        for figure in all {
            if !quantities.contains(&figure.quantity) {
                quantities.push(figure.quantity);
            }
        }
        quantities
    }

    /// What the rounds of a server come to, beside those of the first one.
    pub fn summary(&self, server: usize, quantity: &'static Quantity) -> Summary {
        let first = (server > 0).then(|| &self.servers[0].rounds[..]);
        Summary::of(quantity, &self.servers[server].rounds, first)
    }
}

/// One line that is written again and again, for those who wait at a terminal.
fn progress(round: usize, case: Case, plan: &Plan) {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[Kround {} of {}: {}", round + 1, plan.rounds, case.title(plan));
    }
}

fn progress_ends() {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}
