//! The page in a real browser, fed by a real server.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::chromium::Chromium;
use crate::support::{Fixture, Server, make_mailbox, next_json, program, run};

/// What the page says of its connection.
pub const IS_CONNECTED: &str = "document.getElementById('state').textContent === 'Connected'";
pub const IS_LOST: &str = "document.getElementById('connection').dataset.state === 'lost'";

/// The subjects in the list, from the newest to the oldest.
pub const SUBJECTS: &str =
    "[...document.querySelectorAll('#mails .subject')].map((subject) => subject.textContent)";

pub fn page_of(server: &Server, mailbox: &str) -> String {
    format!("http://{}/?mailbox={mailbox}", server.address)
}

/// A browser whose page is connected; none if there is no browser.
pub fn watching(server: &Server, mailbox: &str) -> Option<Chromium> {
    let mut browser = Chromium::start()?;
    browser.look((700, 900), "light");
    browser.open(&page_of(server, mailbox));
    browser.until(IS_CONNECTED);
    Some(browser)
}

pub fn text(browser: &mut Chromium, id: &str) -> String {
    let text = browser.evaluate(&format!("document.getElementById('{id}').textContent"));
    text.as_str().unwrap().to_owned()
}

pub fn deliver(fixture: &Fixture, subjects: &[&str]) {
    for subject in subjects {
        fixture.deliver("alice", &["--from", "Bob <bob@example.org>", "--subject", subject]);
    }
}

/// Waits for a list of exactly these mails.
pub fn until_list(browser: &mut Chromium, subjects: &[&str]) {
    let expected = serde_json::to_string(subjects).unwrap();
    browser.until(&format!("JSON.stringify({SUBJECTS}) === {expected:?}"));
}

#[test]
fn mail_arrives_while_the_page_is_open() {
    let fixture = Fixture::new();
    let Some(mut browser) = watching(&fixture.server, "alice") else { return };
    assert_eq!(browser.evaluate("document.title"), "Mail for alice");
    assert_eq!(text(&mut browser, "unseen"), "0");

    let hostile = "<img src=x onerror=alert(1)>";
    deliver(&fixture, &["Grüße aus Köln", hostile]);
    until_list(&mut browser, &[hostile, "Grüße aus Köln"]);
    browser.until("document.title === '(2) Mail for alice'");
    assert_eq!(text(&mut browser, "unseen"), "2");
    assert_eq!(
        browser.evaluate("document.querySelector('#mails .from').textContent"),
        "Bob <bob@example.org>"
    );
    assert_eq!(browser.evaluate("document.images.length"), 0);
    // One sentence for both, if they came within a second.
    browser.until(&format!("document.getElementById('told').textContent.endsWith({hostile:?})"));

    // Who opens the page later sees what arrived before.
    browser.open(&page_of(&fixture.server, "alice"));
    until_list(&mut browser, &[hostile, "Grüße aus Köln"]);
    assert_eq!(browser.complaints(), [Value::Null; 0]);
}

#[test]
fn nothing_but_the_page_its_socket_and_the_figures_is_asked_for() {
    let fixture = Fixture::new();
    let Some(mut browser) = watching(&fixture.server, "alice") else { return };
    browser.evaluate("document.getElementById('figures').open = true");
    browser.until("document.querySelectorAll('#figures-list dd').length > 5");
    deliver(&fixture, &["one"]);
    until_list(&mut browser, &["one"]);

    let host = fixture.server.address.to_string();
    let requests = browser.requests();
    assert!(requests.iter().any(|request| request.starts_with(&format!("ws://{host}/ws?"))));
    for request in &requests {
        let address = request.split_once("://").unwrap().1;
        assert_eq!(address.split('/').next(), Some(host.as_str()), "{requests:?}");
    }
    assert_eq!(browser.complaints(), [Value::Null; 0]);

    // The complaints above would have been heard: the policy refuses what is not from here.
    browser.evaluate("fetch('http://127.0.0.2:1/').catch(() => 0)");
    browser.evaluate("document.body.setAttribute('style', 'color: red')");
    let complaints = browser.complaints();
    let refused = |directive: &str| {
        complaints.iter().any(|complaint| complaint.to_string().contains(directive))
    };
    assert!(refused("connect-src") && refused("style-src"), "{complaints:#?}");
}

#[test]
fn mail_that_came_meanwhile_is_recovered_once() {
    let fixture = Fixture::new();
    let Some(mut browser) = watching(&fixture.server, "alice") else { return };
    deliver(&fixture, &["before"]);
    until_list(&mut browser, &["before"]);

    // The page loses its connection, at the end of a row of failures: the wait is long.
    browser.evaluate("failures = 10; Math.random = () => 0.9; socket.close(4000)");
    browser.until(IS_LOST);
    assert!(text(&mut browser, "reason").contains("code 4000"));
    let countdown = text(&mut browser, "countdown");
    assert!(["Next try in 54 s", "Next try in 53 s"].contains(&countdown.as_str()), "{countdown}");
    browser.until(&format!("document.getElementById('countdown').textContent < '{countdown}'"));

    let mut witness = fixture.server.watch("alice");
    deliver(&fixture, &["first", "second"]);
    while next_json(&mut witness)["seq"] != 3 {}
    assert_eq!(browser.evaluate("document.title"), "(1) Mail for alice");
    let status = text(&mut browser, "state");
    assert_eq!(status, "Disconnected");

    browser.evaluate("document.getElementById('connect').click()");
    until_list(&mut browser, &["second", "first", "before"]);
    browser.until(IS_CONNECTED);
    let reason = text(&mut browser, "reason");
    assert!(reason.starts_with("Recovered 2 mails after reconnect"), "{reason}");
    assert_eq!(browser.evaluate("document.title"), "(3) Mail for alice");
    assert_eq!(browser.evaluate("document.getElementById('retry').hidden"), true);
    // It asked for what it lacked, and for nothing else.
    let asked = browser.requests().pop().unwrap();
    assert!(asked.contains("?mailbox=alice&since=1&epoch="), "{asked}");
}

#[test]
fn a_restart_of_the_server_on_the_same_port() {
    let fixture = Fixture::new();
    let Some(mut browser) = watching(&fixture.server, "alice") else { return };
    deliver(&fixture, &["one", "two"]);
    until_list(&mut browser, &["two", "one"]);

    // Its visitors come back spread over some seconds.
    browser.evaluate("Math.random = () => 0.9");
    fixture.server.signal("TERM");
    browser.until(IS_LOST);
    assert_eq!(text(&mut browser, "reason"), "The server is restarting (code 1012).");
    let countdown = text(&mut browser, "countdown");
    assert!(["Next try in 14 s", "Next try in 13 s"].contains(&countdown.as_str()), "{countdown}");

    deliver(&fixture, &["while it was away"]);
    let Fixture { server, root } = fixture;
    let address = server.address.to_string();
    drop(server);
    let mut command = Command::new(program());
    command.args([&address, "--demo", "--mail"]).arg(root.path());
    let fixture = Fixture { server: Server::start(&mut command), root };
    browser.evaluate("document.getElementById('connect').click()");
    browser.until(IS_CONNECTED);
    browser.until("document.getElementById('reason').textContent.includes('had restarted')");
    let reason = text(&mut browser, "reason");
    assert!(reason.starts_with("Recovered 1 mail after reconnect"), "{reason}");

    // The new server counts anew; what the page has already is not there twice.
    deliver(&fixture, &["three"]);
    until_list(&mut browser, &["three", "while it was away", "two", "one"]);
    assert_eq!(browser.evaluate("document.title"), "(4) Mail for alice");
}

#[test]
fn a_mail_read_elsewhere_changes_the_counter_and_the_title() {
    let fixture = Fixture::new();
    let Some(mut browser) = watching(&fixture.server, "alice") else { return };
    deliver(&fixture, &["one", "two"]);
    browser.until("document.title === '(2) Mail for alice'");

    let alice = fixture.root.path().join("alice");
    let read = || {
        let mail = alice.join("new").read_dir().unwrap().next().unwrap().unwrap();
        let name = format!("{}:2,S", mail.file_name().to_str().unwrap());
        fs::rename(mail.path(), alice.join("cur").join(name)).unwrap();
    };
    read();
    browser.until("document.title === '(1) Mail for alice'");
    assert_eq!(text(&mut browser, "unseen"), "1");
    assert_eq!(text(&mut browser, "unseen-label"), "unseen mail");
    read();
    browser.until("document.title === 'Mail for alice'");
    until_list(&mut browser, &["two", "one"]);
}

#[test]
fn the_figures_come_while_somebody_looks() {
    let fixture = Fixture::new();
    let Some(mut browser) = watching(&fixture.server, "alice") else { return };
    let asked = |browser: &mut Chromium| {
        browser.requests().iter().filter(|request| request.ends_with("/stats")).count()
    };
    assert_eq!(asked(&mut browser), 0);
    browser.evaluate("document.querySelector('#figures summary').click()");
    let figure = |name: &str| {
        format!(
            "[...document.querySelectorAll('#figures-list div')]\
             .find((pair) => pair.querySelector('dt').textContent === '{name}')\
             ?.querySelector('dd').textContent"
        )
    };
    browser.until(&format!("{} === '1'", figure("watching")));
    deliver(&fixture, &["one"]);
    // They are asked for again without being told to.
    browser.until(&format!("{} === '1'", figure("mails")));
    assert!(asked(&mut browser) >= 2);

    let Fixture { server, root: _root } = fixture;
    drop(server);
    browser.until(
        "document.getElementById('figures-failure').textContent.includes('cannot be reached')",
    );

    browser.evaluate("document.querySelector('#figures summary').click()");
    let before = asked(&mut browser);
    browser.evaluate("refreshFigures()");
    assert_eq!(asked(&mut browser), before);
}

#[test]
fn without_a_network_the_page_says_so_and_comes_back_with_it() {
    let fixture = Fixture::new();
    let Some(mut browser) = watching(&fixture.server, "alice") else { return };
    browser.go_offline();
    browser.until("document.getElementById('state').textContent === 'Offline'");
    assert!(text(&mut browser, "reason").contains("no network"));
    browser.go_online();
    browser.until(IS_CONNECTED);
    browser.until("document.getElementById('reason').textContent.startsWith('Reconnected')");
}

#[test]
fn an_unknown_mailbox_is_not_explained_falsely() {
    let fixture = Fixture::new();
    let Some(mut browser) = Chromium::start() else { return };
    browser.open(&page_of(&fixture.server, "nobody"));
    browser.until(IS_LOST);
    let reason = text(&mut browser, "reason");
    for part in ["does not tell a page why", "may be down", "“nobody”", "allowed"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
}

#[test]
fn a_token_in_the_address_is_passed_on_and_out_of_sight() {
    let root = tempfile::tempdir().unwrap();
    make_mailbox(root.path(), "alice");
    let key = tempfile::NamedTempFile::new().unwrap();
    fs::write(key.path(), "k".repeat(32)).unwrap();
    let key = key.path().to_str().unwrap();
    let mut command = Command::new(program());
    command.args(["127.0.0.1:0", "--token-key", key, "--mail"]).arg(root.path());
    let server = Server::start(&mut command);
    let token = String::from_utf8(run(&["token", "alice", "--token-key", key]).stdout).unwrap();

    let Some(mut browser) = Chromium::start() else { return };
    // The token says which mailbox it is for, and the server says it to the page.
    browser.open(&format!("http://{}/?token={}", server.address, token.trim()));
    browser.until(IS_CONNECTED);
    assert_eq!(browser.evaluate("document.title"), "Mail for alice");
    assert_eq!(browser.evaluate("location.search"), "");
    let requests = browser.requests();
    let addresses = requests.iter().filter(|address| address.starts_with("ws:"));
    assert!(addresses.clone().all(|address| !address.contains("token")), "{requests:?}");
    browser.reload();
    browser.until(IS_CONNECTED);
    assert_eq!(browser.complaints(), [Value::Null; 0]);

    // Who comes without one is not let in, and may try another mailbox.
    browser.open(&format!("http://{}/", server.address));
    browser.until(IS_LOST);
    let reason = text(&mut browser, "reason");
    assert!(reason.contains("which mailbox you want to watch, and that you may"), "{reason}");
}
