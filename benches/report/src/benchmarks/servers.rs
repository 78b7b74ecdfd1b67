//! The tables of servers over loopback.

use crate::figures::{decimal, tenths, times};
use crate::losses::loads;
use crate::markdown::{Table, picture};
use crate::plots::Plot;
use crate::results::load::{Case, Load, Quantity};
use crate::results::{DORMOUSE, Part, Results};

/// The name of a quantity, the heading of its column, how its figures are written.
type Column = (&'static str, &'static str, fn(f64) -> String);

/// What there can be, in the order of the columns.
const COLUMNS: [Column; 17] = [
    ("user_bytes_per_connection", "user, B", tenths),
    ("kernel_bytes_per_connection", "kernel, B", whole),
    ("upgrades_per_second", "upgrades/s", whole),
    ("asked_messages_per_second", "asked for, /s", whole),
    ("messages_per_second", "messages/s", whole),
    ("deliveries_per_second", "deliveries/s", whole),
    ("p50_us", "p50, us", tenths),
    ("p90_us", "p90, us", tenths),
    ("p99_us", "p99, us", tenths),
    ("p99_9_us", "p99.9, us", tenths),
    ("max_us", "max, us", tenths),
    ("server_cpu_us_each", "processor time, us each", thousandths),
    ("server_user_cpu_us_each", "of it user", thousandths),
    ("server_system_cpu_us_each", "system", thousandths),
    ("server_user_percent", "user, %", tenths),
    ("server_busy_percent", "server busy, %", whole),
    ("load_busy_percent", "load busy, %", whole),
];

fn whole(value: f64) -> String {
    decimal(value, 0)
}

fn thousandths(value: f64) -> String {
    decimal(value, 3)
}

/// All measurements.
pub fn section(results: &Results) -> String {
    let mut text = String::from(HEAD);
    for (part, load) in loads(results) {
        text += &format!("\n### {}\n\n{}\n", title(part), circumstances(part, load));
        if let Some(plot) = Plot::of_part(part) {
            text += &format!("\n{}", picture(plot.name(), plot.title()));
        }
        for case in &load.results {
            text += &format!("\n#### {}\n\n{}", case.title, table(load, case));
        }
    }
    text
}

const HEAD: &str = "\
## As a server

One process for the server, on a core of its own, and one for the load, on another. `dormouse` is
`examples/echo_mio`, in broadcasts `room_mio` of `benches/load`. The *floor* is a bare loop over epoll that
knows next to nothing of WebSocket and makes the same system calls: what is above it is the library, and
the rest is the kernel. The other libraries run in servers of `benches/peers`, on one thread of tokio.

A cell has the median of the rounds, in brackets the middle one of the ratios to the floor *within the same
round*, and below the best round. What is not good or bad in itself has a mean only. The processor time is
the figure to trust: a rate also depends on the core of the load.
";

fn title(part: Part) -> &'static str {
    match part {
        Part::Idle => "Memory of connections that sleep",
        Part::Bare => "Beside the bare loop",
        Part::Broadcast => "Broadcasts",
        Part::Peers | Part::Load | Part::Notifier => "Upgrades, echoes, latencies",
    }
}

fn circumstances(part: Part, load: &Load) -> String {
    let settings = &load.settings;
    let rounds = match settings.rounds {
        1 => "One round".to_owned(),
        rounds => format!("{rounds} rounds"),
    };
    if part == Part::Idle {
        let [low, high] = settings.idle.map(|count| decimal(count as f64, 0));
        let origin = &settings.kernel_bytes_from;
        return format!(
            "What one more connection costs, as a slope between {low} and {high}. *user* is private \
             resident memory of the process, *kernel* what the kernel keeps for the server's end (from \
             {origin}). {rounds}."
        );
    }
    let cores = settings.cores.as_ref().map_or_else(String::new, |cores| {
        format!(", the server on core {}, the load on core {}", cores.server, cores.load)
    });
    let again = match part {
        Part::Bare => {
            " The floor is there twice: what lies between the two is chance. The aims are judged by \
             these rounds, of which there are many."
        }
        _ => "",
    };
    format!("{rounds} of {} s{cores}.{again}", times(settings.seconds))
}

fn table(load: &Load, case: &Case) -> String {
    let is_known =
        |name: &str| load.servers.iter().any(|server| case.quantity(&server.name, name).is_some());
    let columns: Vec<_> = COLUMNS.into_iter().filter(|(name, ..)| is_known(name)).collect();
    let headings = columns.iter().map(|(_, heading, _)| *heading);
    let mut table = Table::new([""].into_iter().chain(headings));
    let mut remarks = String::new();
    for server in &load.servers {
        let Some(outcome) = case.of(&server.name) else { continue };
        if let Some(remark) = &outcome.remark {
            remarks += &format!("\n- {}: {remark}\n", server.name);
        }
        let cells: Vec<_> = columns
            .iter()
            .map(|(name, _, written)| cell(outcome.quantity(name), *written))
            .collect();
        if cells.iter().any(|cell| cell != NOTHING) {
            let name = [server.name.clone()];
            table.row_with(server.name == DORMOUSE, name.into_iter().chain(cells));
        }
    }
    table.to_string() + &remarks
}

const NOTHING: &str = "-";

fn cell(quantity: Option<&Quantity>, written: fn(f64) -> String) -> String {
    let Some(quantity) = quantity else { return NOTHING.into() };
    let Some(typical) = quantity.typical() else { return NOTHING.into() };
    let mut cell = written(typical);
    if quantity.better.is_none() {
        return cell;
    }
    if let Some(ratio) = quantity.ratio_to_first {
        cell += &format!(" ({})", if ratio < 10.0 { format!("{ratio:.3}") } else { times(ratio) });
    }
    match quantity.best {
        Some(best) if quantity.rounds.len() > 1 => format!("{cell}<br>{}", written(best)),
        _ => cell,
    }
}
