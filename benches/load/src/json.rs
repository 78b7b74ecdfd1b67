//! The results for programs: every figure of every round, and what it takes to measure again.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::arguments::Plan;
use crate::figures::{Better, Summary};
use crate::kernel::Origin;
use crate::machine::{self, Machine};
use crate::measure::{Case, Outcome};
use crate::rounds::CaseResult;
use crate::server::{Source, Spec};

pub fn of(plan: &Plan, results: &[CaseResult]) -> Value {
    let Machine { processor, cores, kernel } = machine::describe();
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    json!({
        "unix_time": since_1970,
        "command": env::args().collect::<Vec<_>>(),
        "machine": { "processor": processor, "cores": cores, "kernel": kernel },
        "settings": settings(plan),
        "servers": plan.servers.iter().map(server).collect::<Vec<_>>(),
        "results": results.iter().map(|result| case(plan, result)).collect::<Vec<_>>(),
    })
}

fn settings(plan: &Plan) -> Value {
    json!({
        "rounds": plan.rounds,
        "seconds": plan.time.as_secs_f64(),
        "connections": plan.connections,
        "idle": plan.idle,
        "receivers": plan.receivers,
        "path": plan.path,
        "opcode": if plan.is_text { "text" } else { "binary" },
        "kernel_bytes_from": Origin::here().name(),
        "cores": plan.cores.map(|cores| json!({ "server": cores.server, "load": cores.load })),
    })
}

fn server(spec: &Spec) -> Value {
    match &spec.source {
        Source::Command(command) => {
            json!({ "name": spec.name, "version": spec.version, "command": command })
        }
        Source::Running { address, pid } => {
            json!({ "name": spec.name, "address": address.to_string(), "pid": pid })
        }
    }
}

fn case(plan: &Plan, result: &CaseResult) -> Value {
    let servers = plan.servers.iter().enumerate();
    let servers = servers.map(|(index, spec)| (spec.name.clone(), figures(result, index)));
    json!({
        "measurement": result.case.measurement().name(),
        "title": result.case.title(plan),
        "case": details(result.case),
        "servers": servers.collect::<Map<_, _>>(),
    })
}

fn details(case: Case) -> Value {
    match case {
        Case::Idle { size } => json!({ "bytes": size }),
        Case::Echo { depth, size } => json!({ "depth": depth, "bytes": size }),
        Case::Latency { rate } => json!({ "messages_per_second": rate }),
        Case::Upgrade | Case::Broadcast => json!({}),
    }
}

fn figures(result: &CaseResult, server: usize) -> Value {
    let summaries = result.quantities().into_iter().map(|one| result.summary(server, one));
    let known = summaries.filter(|summary| summary.median().is_some());
    let mut all: Map<_, _> =
        known.map(|one| (one.quantity.name.to_owned(), summary(&one))).collect();
    match &result.servers[server].remark {
        Some(Outcome::Unavailable(why)) => drop(all.insert("unavailable".into(), json!(why))),
        Some(Outcome::Failed(why)) => drop(all.insert("failed".into(), json!(why))),
        Some(Outcome::Measured(_)) | None => {}
    }
    Value::Object(all)
}

fn summary(summary: &Summary) -> Value {
    json!({
        "better": match summary.quantity.better {
            Better::More => Some("more"),
            Better::Less => Some("less"),
            Better::Neither => None,
        },
        "rounds": summary.rounds,
        "median": summary.median(),
        "mean": summary.mean(),
        "best": summary.best(),
        "ratio_to_first": summary.ratio,
    })
}
