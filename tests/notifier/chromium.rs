//! A real browser for the tests: headless Chromium, driven over its DevTools protocol.
//!
//! The protocol is JSON over a WebSocket: a command has an `id`, its answer has the same one, and
//! what comes without an `id` is an event. Events are kept, so that a test can ask at its end what
//! the page has requested, and what went wrong.
//!
//! Nothing here sleeps: the page itself tells when a condition holds, see [`Chromium::until`].

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

use crate::support::{BOUND, receive};

/// A quiet browser: no window, no traffic of its own, nothing outside of its profile. Processes in
/// containers often may neither make a sandbox nor use much of `/dev/shm`.
const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-port=0",
];

/// Which browsers can be driven, best first.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// What precedes the address of the protocol in what the browser says at its start.
const LISTENING: &str = "DevTools listening on ";

/// A running browser with one page, ended with the value.
pub struct Chromium {
    process: Child,
    /// What the browser says, until its last process is gone.
    said: Receiver<String>,
    socket: WebSocket<TcpStream>,
    last_id: u64,
    /// The protocol's name for the page; empty while there is none.
    session: String,
    events: Vec<Value>,
    /// Removed after the browser has ended.
    _profile: TempDir,
}

impl Chromium {
    /// Starts a browser, or says why this test is skipped.
    pub fn start() -> Option<Self> {
        let Some(program) = installed() else {
            say(&format!("SKIPPED: none of {NAMES:?} is installed"));
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let mut process = Command::new(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let (sender, said) = mpsc::channel();
        thread::spawn(move || {
            let lines = stderr.lines().map_while(Result::ok);
            lines.for_each(|line| drop(sender.send(line)));
        });
        let address = loop {
            let line = said.recv_timeout(BOUND).expect("the browser offers its protocol");
            if let Some(address) = line.strip_prefix(LISTENING) {
                break address.trim().to_owned();
            }
        };
        let host = address.strip_prefix("ws://").unwrap().split('/').next().unwrap();
        let stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        let socket = tungstenite::client(address.as_str(), stream).unwrap().0;
        let mut browser = Self {
            process,
            said,
            socket,
            last_id: 0,
            session: String::new(),
            events: Vec::new(),
            _profile: profile,
        };
        browser.attach();
        Some(browser)
    }

    /// Makes the page and asks for its events.
    fn attach(&mut self) {
        let target = self.command("Target.createTarget", json!({"url": "about:blank"}));
        let attached = self.command(
            "Target.attachToTarget",
            json!({"targetId": target["targetId"], "flatten": true}),
        );
        self.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Accessibility", "Log", "Network", "Page", "Runtime"] {
            self.command(&format!("{domain}.enable"), json!({}));
        }
    }

    /// Runs a script in every page that is opened from now on, before its own.
    pub fn prepare(&mut self, script: &str) {
        self.command("Page.addScriptToEvaluateOnNewDocument", json!({"source": script}));
    }

    /// Opens an address and waits until it is loaded.
    pub fn open(&mut self, address: &str) {
        self.load("Page.navigate", json!({"url": address}));
    }

    /// Loads the page again, as its user would.
    pub fn reload(&mut self) {
        self.load("Page.reload", json!({}));
    }

    fn load(&mut self, command: &str, params: Value) {
        let before = self.events.len();
        let answer = self.command(command, params);
        assert!(answer["errorText"].is_null(), "{answer}");
        while !self.events[before..].iter().any(|event| event["method"] == "Page.loadEventFired") {
            let message = self.read();
            self.events.push(message);
        }
    }

    /// The value of an expression in the page; of the result, if it is a promise.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let mut answer = self.command(
            "Runtime.evaluate",
            json!({
                "expression": expression, "awaitPromise": true, "returnByValue": true,
                "userGesture": true
            }),
        );
        let exception = &answer["exceptionDetails"];
        assert!(exception.is_null(), "{expression}: {exception:#}");
        answer["result"]["value"].take()
    }

    /// Waits until an expression is true. The page looks again whenever its document changes.
    pub fn until(&mut self, condition: &str) {
        let bound = BOUND.as_millis() / 2;
        let holds = self.evaluate(&format!(
            "new Promise((resolve) => {{
                const end = (holds) => {{ watcher.disconnect(); clearTimeout(bound); resolve(holds); }};
                const look = () => {{ if ({condition}) end(true); }};
                const watcher = new MutationObserver(look);
                const bound = setTimeout(end, {bound}, false);
                watcher.observe(document, {{ subtree: true, childList: true, characterData: true, attributes: true }});
                look();
            }})"
        ));
        if holds != true {
            let page = self.evaluate("document.title + '\\n' + document.body.innerText");
            panic!("not within {bound} ms: {condition}\n{}", page.as_str().unwrap_or_default());
        }
    }

    /// Makes the window as large as a screen of so many CSS pixels, in a light or a dark scheme.
    pub fn look(&mut self, (width, height): (u32, u32), scheme: &str) {
        self.command(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}),
        );
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.command("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Keeps a picture of the whole page, and says where.
    pub fn screenshot(&mut self, name: &str) -> PathBuf {
        let answer = self.command("Page.captureScreenshot", json!({"captureBeyondViewport": true}));
        let text = answer["data"].as_str().unwrap();
        let mut png = vec![0; text.len()];
        let len = STANDARD.decode_slice(text, &mut png).unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}.png"));
        fs::write(&path, &png[..len]).unwrap();
        say(&format!("screenshot: {}", path.display()));
        path
    }

    /// The page as a screen reader has it: role, name and description of each node that it is told.
    pub fn accessibility_tree(&mut self) -> Vec<Value> {
        let mut answer = self.command("Accessibility.getFullAXTree", json!({}));
        let Value::Array(mut nodes) = answer["nodes"].take() else { panic!("no tree: {answer}") };
        nodes.retain(|node| node["ignored"] == false);
        nodes
    }

    /// Takes the network away from the page, as its browser tells it.
    pub fn go_offline(&mut self) {
        self.network(json!({"offline": true}));
    }

    /// Gives the network back.
    pub fn go_online(&mut self) {
        self.network(json!({"offline": false}));
    }

    fn network(&mut self, mut conditions: Value) {
        conditions["latency"] = json!(0);
        conditions["downloadThroughput"] = json!(-1);
        conditions["uploadThroughput"] = json!(-1);
        self.command("Network.emulateNetworkConditions", conditions);
    }

    /// Presses the Tab key, which goes to the next thing that can be used.
    pub fn press_tab(&mut self) {
        for kind in ["rawKeyDown", "keyUp"] {
            let key = json!({"type": kind, "key": "Tab", "windowsVirtualKeyCode": 9});
            self.command("Input.dispatchKeyEvent", key);
        }
    }

    /// The addresses that the page has asked for, WebSockets among them.
    pub fn requests(&mut self) -> Vec<String> {
        self.events_until_now().iter().filter_map(requested).map(str::to_owned).collect()
    }

    /// Exceptions, errors and warnings of the console, and what the security policy has refused.
    pub fn complaints(&mut self) -> Vec<Value> {
        self.events_until_now().iter().filter(|event| is_complaint(event)).cloned().collect()
    }

    /// Events come in order, so with the answer to a command all those before it are here.
    fn events_until_now(&mut self) -> &[Value] {
        self.evaluate("0");
        &self.events
    }

    /// Sends a command of the protocol and waits for its answer.
    fn command(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let mut command = json!({"id": self.last_id, "method": method, "params": params});
        if !self.session.is_empty() && !method.starts_with("Browser.") {
            command["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(command.to_string())).unwrap();
        loop {
            let mut message = self.read();
            if message["id"] == self.last_id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].take();
            }
            self.events.push(message);
        }
    }

    fn read(&mut self) -> Value {
        loop {
            if let Message::Text(text) = receive(&mut self.socket).expect("the browser answers") {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }
}

impl Drop for Chromium {
    /// Ends the browser and waits for the end of all its processes, which use the profile.
    fn drop(&mut self) {
        let close = json!({"id": 0, "method": "Browser.close"});
        let asked = self.socket.send(Message::text(close.to_string())).is_ok();
        while asked && receive(&mut self.socket).is_ok() {}
        let _ = self.process.kill();
        let _ = self.process.wait();
        while self.said.recv_timeout(BOUND).is_ok() {}
    }
}

/// Past the test harness, which keeps to itself what tests print that do not fail.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn installed() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).chain(["/usr/bin".into()]).collect();
    let find = |name| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
    NAMES.into_iter().find_map(find)
}

/// The address that an event says is asked for.
fn requested(event: &Value) -> Option<&str> {
    match event["method"].as_str()? {
        "Network.requestWillBeSent" => event["params"]["request"]["url"].as_str(),
        "Network.webSocketCreated" => event["params"]["url"].as_str(),
        _ => None,
    }
}

fn is_complaint(event: &Value) -> bool {
    let params = &event["params"];
    match event["method"].as_str() {
        Some("Runtime.exceptionThrown") => true,
        Some("Runtime.consoleAPICalled") => params["type"] != "log",
        Some("Log.entryAdded") => params["entry"]["level"] != "info",
        _ => false,
    }
}
