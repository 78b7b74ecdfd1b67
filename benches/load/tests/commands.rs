//! The program from outside: every measurement, small, with a real server, and what it refuses.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before a test fails.
const BOUND: Duration = Duration::from_secs(60);
/// So little of everything that it takes a moment.
const SMALL: [&str; 14] = [
    "--seconds",
    "0.4",
    "--connections",
    "4",
    "--idle",
    "20,60",
    "--receivers",
    "8",
    "--sizes",
    "1,60000",
    "--depths",
    "1,16",
    "--rate",
    "2000",
];

#[test]
fn everything_is_measured_of_two_servers_in_turn() {
    let mut command = load();
    command.args(["all", "--rounds", "2"]).args(SMALL).args(["--server", &echo_mio("first")]);
    let (output, results) = with_json(command.args(["--server", &echo_mio("second@1.2")]));
    assert!(output.status.success(), "{output:?}");

    assert_eq!(results["servers"][1]["name"], "second");
    assert_eq!(results["servers"][1]["version"], "1.2");
    assert_eq!(results["settings"]["rounds"], 2);
    let names: Vec<_> = cases(&results).map(|case| case["measurement"].as_str().unwrap()).collect();
    let echoes = ["echo"; 4];
    assert_eq!(names[..3], ["idle", "idle", "upgrade"]);
    assert_eq!(names[3..7], echoes);
    assert_eq!(names[7..], ["broadcast", "latency"]);

    for case in cases(&results).filter(|case| case["measurement"] != "broadcast") {
        for server in ["first", "second"] {
            let figures = case["servers"][server].as_object().unwrap();
            assert!(!figures.is_empty(), "{case}");
            for (name, figure) in figures {
                assert_eq!(figure["rounds"].as_array().unwrap().len(), 2, "{name} of {case}");
            }
        }
        let one_of = ["user_bytes_per_connection", "server_cpu_us_each"];
        let figure = one_of.iter().find_map(|name| case["servers"]["second"].get(name)).unwrap();
        assert!(figure["best"].as_f64() <= figure["median"].as_f64(), "{case}");
    }
    let broadcast = cases(&results).find(|case| case["measurement"] == "broadcast").unwrap();
    assert!(broadcast["servers"]["first"]["unavailable"].is_string(), "{broadcast}");
}

#[test]
fn the_table_has_what_was_measured() {
    let output = run(load().args(["upgrade", "echo"]).args(SMALL).args([
        "--server",
        &echo_mio("ours"),
        "--text",
    ]));
    let table = String::from_utf8(output.stdout).unwrap();
    for expected in ["upgrade: 4 at a time", "echo: 4 connections, 16 deep, 1 B", "CPU us each"] {
        assert!(table.contains(expected), "{expected}: {table}");
    }
    assert_eq!(table.lines().filter(|line| line.starts_with("  ours  ")).count(), 5, "{table}");
}

#[test]
fn a_connection_that_sleeps_has_its_price() {
    let mut command = load();
    command.args(["idle", "--idle", "50,1050", "--server", &echo_mio("ours")]);
    let (_, results) = with_json(&mut command);
    let figure = |name: &str| results["results"][0]["servers"]["ours"][name]["median"].as_f64();
    // The kernel counts pages, so a slope over few connections is rough. It is 72 over many.
    let user = figure("user_bytes_per_connection").unwrap();
    assert!((30.0..500.0).contains(&user), "{user}");
    if results["settings"]["kernel_bytes_from"] == "slabinfo" {
        let kernel = figure("kernel_bytes_per_connection").unwrap();
        assert!((2_000.0..8_000.0).contains(&kernel), "{kernel}");
    }
}

#[test]
fn beyond_the_limit_of_files_there_are_more_processes() {
    // 28 connections for each process, so it takes three servers.
    let script = "ulimit -n 64; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_load"), "idle", "--idle", "20,80"]);
    let (output, results) = with_json(command.args(["--server", &echo_mio("ours")]));
    assert!(output.status.success(), "{output:?}");
    let figures = &results["results"][0]["servers"]["ours"];
    assert!(figures["user_bytes_per_connection"]["median"].is_number(), "{results}");
}

#[test]
fn a_room_is_heard_by_all() {
    let room = format!("room={} {{addr}}", env!("CARGO_BIN_EXE_room_mio"));
    let mut command = load();
    command.arg("broadcast").args(SMALL).args(["--server", &room]);
    let (output, results) = with_json(&mut command);
    assert!(output.status.success(), "{output:?}");
    let figures = &results["results"][0]["servers"]["room"];
    assert!(figures["deliveries_per_second"]["median"].as_f64().unwrap() > 0.0, "{results}");
}

#[test]
fn percentiles_go_up() {
    let mut command = load();
    command.args(["latency"]).args(SMALL).args(["--server", &echo_mio("ours")]);
    let (_, results) = with_json(&mut command);
    let figures = &results["results"][0]["servers"]["ours"];
    let at = |name: &str| figures[name]["median"].as_f64().unwrap();
    let percentiles = ["p50_us", "p90_us", "p99_us", "p99_9_us", "max_us"].map(at);
    assert!(percentiles.is_sorted() && percentiles[0] > 0.0, "{percentiles:?}");
}

#[test]
fn without_a_rate_it_is_half_of_what_is_echoed() {
    let mut command = load();
    command.args(["latency", "--seconds", "0.05", "--server", &echo_mio("ours")]);
    let (output, results) = with_json(&mut command);
    assert!(output.status.success(), "{output:?}");
    assert!(results["results"][0]["case"]["messages_per_second"].as_u64().unwrap() > 0);
}

#[test]
fn a_running_server_is_left_running() {
    let server = Running::start();
    let (address, pid) = (server.address.to_string(), server.process.id().to_string());
    let mut command = load();
    command.args(["idle", "echo", &address, "--pid", &pid]).args(SMALL);
    let (output, results) = with_json(&mut command);
    assert!(output.status.success(), "{output:?}");
    let figures = &results["results"][2]["servers"][&address];
    assert!(figures["server_cpu_us_each"]["median"].as_f64().unwrap() > 0.0, "{results}");

    let mut command = load();
    let (output, results) = with_json(command.args(["idle", "echo", &address]).args(SMALL));
    assert!(output.status.success(), "{output:?}");
    assert!(results["results"][0]["servers"][&address]["unavailable"].is_string(), "{results}");
    let figures = &results["results"][2]["servers"][&address];
    assert!(figures["messages_per_second"]["median"].as_f64().unwrap() > 0.0, "{results}");
    assert!(figures.get("server_cpu_us_each").is_none(), "{results}");
    assert!(TcpStream::connect(server.address).is_ok());
}

#[test]
fn what_fails_is_told_and_the_rest_goes_on() {
    let room = format!("room={} {{addr}}", env!("CARGO_BIN_EXE_room_mio"));
    let mut command = load();
    command.args(["upgrade"]).args(SMALL).args(["--server", &room, "--server", &echo_mio("ours")]);
    let (output, results) = with_json(&mut command);
    assert_eq!(output.status.code(), Some(1));
    let servers = &results["results"][0]["servers"];
    assert!(servers["room"]["failed"].as_str().unwrap().contains("404"), "{results}");
    assert!(servers["ours"]["upgrades_per_second"]["median"].is_number(), "{results}");
}

#[test]
fn a_server_that_ends_is_not_waited_for() {
    let began = Instant::now();
    let output = run(load().args(["echo", "--server", "false {addr}"]));
    assert_eq!(output.status.code(), Some(1));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("the server has ended instead of listening"), "{table}");
    assert!(began.elapsed() < BOUND / 2);
}

#[test]
fn a_server_ends_with_the_load_however_that_ends() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // The shell takes the address that the load has chosen for a comment, so it waits in vain.
    let server = format!("{} {address} # {{addr}}", program());
    let mut load = load().args(["echo", "--server", &server]).spawn().unwrap();
    let deadline = Instant::now() + BOUND;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "the server does not start");
        thread::yield_now();
    }
    load.kill().unwrap();
    load.wait().unwrap();
    while TcpStream::connect(address).is_ok() {
        assert!(Instant::now() < deadline, "the server is still there");
        thread::yield_now();
    }
}

#[test]
fn help_is_no_mistake() {
    let output = run(load().arg("--help"));
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for word in ["idle", "upgrade", "echo", "broadcast", "latency", "--server", "{addr}", "--json"]
    {
        assert!(text.contains(word), "{word}");
    }
}

#[test]
fn mistakes_are_told_in_a_line() {
    let server = ["--server", "echo {addr}"];
    let mistakes: [&[&str]; 17] = [
        &[],
        &["echo"],
        &["127.0.0.1:9001"],
        &["walk", "127.0.0.1:9001"],
        &["echo", "127.0.0.1"],
        &["echo", "192.0.2.1:9001"],
        &["echo", "0.0.0.0:9001"],
        &["echo", "127.0.0.1:0"],
        &["echo", "127.0.0.1:9001", "127.0.0.1:9002"],
        &["echo", "--server", "echo 9001"],
        &["echo", "--frequency", "3"],
        &["echo", "--pid", "1", server[0], server[1]],
        &["echo", "127.0.0.1:9001", server[0], server[1]],
        &["echo", server[0], server[1], server[0], server[1]],
        &["echo", server[0], server[1], "--rounds", "0"],
        &["echo", server[0], server[1], "--idle", "7,5"],
        &["echo", server[0], server[1], "--cores", "0,5000"],
    ];
    for words in mistakes {
        let output = run(load().args(words));
        assert_eq!(output.status.code(), Some(2), "{words:?}: {output:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told.lines().count(), 1, "{words:?}: {told}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn every_option_wants_a_value_that_makes_sense() {
    for option in
        ["rounds", "seconds", "connections", "depths", "sizes", "idle", "receivers", "rate", "path"]
    {
        for value in ["", "x", "-1", "1e99"] {
            let words = ["echo", "127.0.0.1:9001", &format!("--{option}={value}")];
            assert_eq!(run(load().args(words)).status.code(), Some(2), "{words:?}");
        }
    }
}

fn load() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_load"));
    command.stdin(Stdio::null());
    command
}

fn echo_mio(name: &str) -> String {
    format!("{name}={} {{addr}}", program())
}

/// The example, built once by cargo, which is asked where it is, in the profile of this test.
fn program() -> &'static str {
    static BUILT: OnceLock<String> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
        build.args(["build", "--quiet", "--example", "echo_mio", "--message-format=json"]);
        build.arg("--manifest-path").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"));
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let output = build.stderr(Stdio::inherit()).output().expect("cargo runs");
        let messages = output.stdout.lines().map_while(Result::ok);
        let messages = messages.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        let mut programs =
            messages.filter_map(|message| Some(message["executable"].as_str()?.to_owned()));
        programs.next().expect("cargo builds echo_mio")
    })
}

/// The example, running, ended with the value.
struct Running {
    process: Child,
    address: SocketAddr,
}

impl Running {
    fn start() -> Self {
        let mut command = Command::new(program());
        let mut process = command.arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on ").expect("the first line").trim();
        Self { process, address: address.parse().unwrap() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs to the end, which has to come in time.
fn run(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    receiver.recv_timeout(BOUND).expect("it ends in time").unwrap()
}

/// Runs with `--json`, and gives what that says too.
fn with_json(command: &mut Command) -> (Output, Value) {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    let mut path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    path.push(format!("{}-{number}.json", std::process::id()));
    let output = run(command.arg("--json").arg(&path));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let _ = fs::remove_file(&path);
    (output, serde_json::from_str(&text).unwrap())
}

fn cases(results: &Value) -> impl Iterator<Item = &Value> {
    results["results"].as_array().unwrap().iter()
}
