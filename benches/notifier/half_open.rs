//! Handshakes that never end: what 15,000 of them cost those that do.
//!
//! Both rates are measured in turn, several times in the same run: healthy clients connect, shake
//! hands, wait for hello and close, one after the other.

use std::error::Error;
use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::client;
use crate::median;
use crate::report::{Report, Target, thousands};
use crate::server::Server;

const HALF_OPEN: usize = 15_000;
/// How many healthy clients there are at the same time.
const HEALTHY: usize = 2;
const PAIRS: usize = 5;
const LASTS: Duration = Duration::from_secs(2);
const MAILBOX: &str = "alice";
/// The first half of a request.
const HALF: &[u8] = b"GET /ws?token=v1.YWxpY2U HTTP/1.1\r\nHost: localhost\r\nConnection: Upg";

/// Measures and reports.
pub fn run(report: &mut Report) -> Result<(), Box<dyn Error + Send + Sync>> {
    let server = Server::start(20_000, &["--handshake-timeout", "10m", "--ping", "0"])?;
    server.publisher()?.declare(&[MAILBOX.to_owned()], 0)?;
    let target = Server::target(MAILBOX)?;
    rate(&server, &target)?;
    let (mut alone, mut beside, mut slowdowns) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let before = rate(&server, &target)?;
        let held = hold(&server)?;
        let with = rate(&server, &target)?;
        if server.metric("connections")? < HALF_OPEN as f64 {
            return Err("the server has not kept the half-open handshakes".into());
        }
        drop(held);
        server.wait_for_at_most("connections", 0.0)?;
        slowdowns.push(100.0 * (1.0 - with / before));
        alone.push(before);
        beside.push(with);
    }
    println!(
        "half_open: {:.0} healthy upgrades a second alone, {:.0} beside {HALF_OPEN} half-open ones",
        median(alone),
        median(beside)
    );
    let slowdown = median(slowdowns);
    let what = format!("healthy upgrades beside {} half-open handshakes", thousands(HALF_OPEN));
    let what = format!("{what}: slower by");
    report.tell("half_open_slowdown", &what, (slowdown, "%"), Target::AtMost(10.0));
    Ok(())
}

/// Connections that have sent half a request each.
fn hold(server: &Server) -> Result<Vec<TcpStream>, Box<dyn Error + Send + Sync>> {
    let mut held = Vec::with_capacity(HALF_OPEN);
    for index in 0..HALF_OPEN {
        let mut socket =
            client::connect(server.address, client::source(HEALTHY * 1000 + index), None)?;
        socket.write_all(HALF)?;
        held.push(socket);
    }
    // Until the server has taken and read the last of them.
    thread::sleep(Duration::from_millis(200));
    Ok(held)
}

/// Healthy upgrades in a second.
fn rate(server: &Server, target: &str) -> Result<f64, Box<dyn Error + Send + Sync>> {
    let began = Instant::now();
    let healthy = |number: usize| -> Result<usize, Box<dyn Error + Send + Sync>> {
        let mut upgrades = 0;
        while began.elapsed() < LASTS {
            let from = client::source(number * 1000);
            let socket = client::connect(server.address, from, None)?;
            let watcher = client::open(socket, target)?;
            client::close(watcher)?;
            upgrades += 1;
        }
        Ok(upgrades)
    };
    let upgrades: Result<Vec<usize>, Box<dyn Error + Send + Sync>> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..HEALTHY).map(|number| scope.spawn(move || healthy(number))).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a client panicked")?).collect()
    });
    Ok(upgrades?.iter().sum::<usize>() as f64 / began.elapsed().as_secs_f64())
}
