//! What the page makes of what it is told: its list, its words, its looks, and how it is for those
//! who do not see it.

use serde_json::json;

use crate::browser::{IS_CONNECTED, SUBJECTS, deliver, page_of, text, until_list, watching};
use crate::chromium::Chromium;
use crate::support::Fixture;

const WIDE: (u32, u32) = (700, 900);
const NARROW: (u32, u32) = (320, 640);

#[test]
fn mails_are_merged_by_their_numbers() {
    let fixture = Fixture::new();
    let Some(mut browser) = watching(&fixture.server, "alice") else { return };
    deliver(&fixture, &["one", "two"]);
    until_list(&mut browser, &["two", "one"]);
    // As a server does for a page that was slow to read.
    let snapshot = "receive({ type: 'snapshot', mailbox: 'alice', seq: 6, unseen: 5, mails: [
        { seq: 2, from: 'Bob', subject: 'two' },
        { seq: 5, from: 'Bob', subject: 'five' },
        { seq: 6, from: 'Bob', subject: 'six' },
    ] })";
    for _ in 0..2 {
        browser.evaluate(snapshot);
        assert_eq!(browser.evaluate(SUBJECTS), json!(["six", "five", "two", "one"]));
    }
    assert_eq!(browser.evaluate("document.title"), "(5) Mail for alice");
    let gaps = "[...document.querySelectorAll('#mails .gap:not([hidden])')].map((gap) => \
                gap.textContent)";
    assert_eq!(browser.evaluate(gaps), json!(["2 mails before this one cannot be had any more"]));

    let more = "for (let seq = 7; seq < 40; seq += 1) \
                receive({ type: 'mail', mailbox: 'alice', seq, unseen: seq, from: '', subject: `${seq}` })";
    browser.evaluate(more);
    assert_eq!(browser.evaluate(&format!("{SUBJECTS}.length")), 20);
    assert_eq!(browser.evaluate(&format!("{SUBJECTS}.at(-1)")), "20");

    // A server that restarted and found the mails again, one more among them.
    let mails = browser.evaluate(&format!(
        "receive({{ type: 'hello', mailbox: 'alice', seq: 3, unseen: 40, epoch: 'other' }});
         receive({{ type: 'snapshot', mailbox: 'alice', seq: 3, unseen: 40, mails: [
             {{ seq: 1, from: '', subject: '38' }},
             {{ seq: 2, from: '', subject: '39' }},
             {{ seq: 3, from: '', subject: 'new' }},
         ] }});
         {SUBJECTS}.slice(0, 4)"
    ));
    assert_eq!(mails, json!(["new", "39", "38", "37"]));
    let reason = text(&mut browser, "reason");
    assert!(reason.starts_with("Recovered 1 mail after reconnect"), "{reason}");
}

#[test]
fn every_end_has_its_reason_and_its_wait() {
    let fixture = Fixture::new();
    let Some(mut browser) = watching(&fixture.server, "alice") else { return };
    browser.evaluate("Math.random = () => 0.5");
    for (code, failures, reason, wait) in [
        (1001, 0, "going away", "1 s"),
        (1006, 0, "broke off", "1 s"),
        (1008, 3, "too slow to read", "4 s"),
        (1011, 4, "closed the connection", "8 s"),
        (1012, 0, "restarting", "8 s"),
        (1013, 0, "too busy", "6 s"),
        (1001, 99, "going away", "30 s"),
    ] {
        let said = browser.evaluate(&format!(
            "openSince = performance.now(); failures = {failures}; lost({code});
             ['reason', 'countdown'].map((id) => document.getElementById(id).textContent)"
        ));
        let said_reason = said[0].as_str().unwrap();
        assert!(said_reason.contains(reason), "{code}: {said}");
        assert!(said_reason.contains(&format!("code {code}")), "{code}: {said}");
        assert_eq!(said[1], format!("Next try in {wait}"), "{code}");
    }
}

#[test]
fn it_fits_a_narrow_screen_and_both_schemes() {
    let fixture = Fixture::new();
    let Some(mut browser) = watching(&fixture.server, "alice") else { return };
    let long = "neverending".repeat(15);
    deliver(&fixture, &["Dinner at seven?", &long, "Grüße aus Köln"]);
    browser.until("document.title === '(3) Mail for alice'");
    browser.evaluate("document.getElementById('figures').open = true");
    browser.until("document.querySelectorAll('#figures-list dd').length > 5");

    let mut grounds = Vec::new();
    for (size, width, scheme) in [
        (WIDE, "wide", "light"),
        (WIDE, "wide", "dark"),
        (NARROW, "narrow", "light"),
        (NARROW, "narrow", "dark"),
    ] {
        browser.look(size, scheme);
        let fits = "document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(browser.evaluate(fits), true, "{width} {scheme}");
        assert_eq!(browser.evaluate("innerWidth"), size.0);
        grounds.push(browser.evaluate("getComputedStyle(document.body).backgroundColor"));
        browser.screenshot(&format!("{width}-{scheme}"));
    }
    assert_ne!(grounds[0], grounds[1]);

    // With the connection gone there is more to show.
    browser.evaluate("failures = 10; Math.random = () => 0.9; lost(1006)");
    assert_eq!(browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), true);
    browser.screenshot("narrow-disconnected");
}

#[test]
fn a_screen_reader_finds_its_way() {
    let fixture = Fixture::new();
    let Some(mut browser) = watching(&fixture.server, "alice") else { return };
    deliver(&fixture, &["one"]);
    until_list(&mut browser, &["one"]);
    browser.evaluate("failures = 10; Math.random = () => 0.9; lost(1006)");
    let tree = browser.accessibility_tree();
    let has = |role: &str, name: &str| {
        tree.iter().any(|node| node["role"]["value"] == role && node["name"]["value"] == name)
    };
    for (role, name) in [
        ("heading", "Mail for alice"),
        ("heading", "Latest mail"),
        ("region", "Connection"),
        ("button", "Connect now"),
        ("button", "Desktop notifications"),
        ("button", "Watch"),
        ("textbox", "Watch another mailbox"),
        ("list", "Latest mail"),
        ("log", "New mail"),
    ] {
        assert!(has(role, name), "no {role} {name:?}: {tree:#?}");
    }
    let live = |role: &str| {
        let node = tree.iter().find(|node| node["role"]["value"] == role).expect(role);
        let properties = node["properties"].as_array().unwrap();
        let live = properties.iter().find(|property| property["name"] == "live");
        live.map_or("off", |property| property["value"]["value"].as_str().unwrap()).to_owned()
    };
    // What changes every second is read out to nobody.
    assert_eq!([live("status"), live("log"), live("timer")], ["polite", "polite", "off"]);

    // All that can be used can be reached with the Tab key, and nothing is in the way.
    let focused = "document.activeElement.id || document.activeElement.textContent.trim()";
    browser.evaluate("document.body.focus()");
    let mut stops = Vec::new();
    for _ in 0..5 {
        browser.press_tab();
        stops.push(browser.evaluate(focused));
    }
    assert_eq!(stops, ["connect", "Server figures", "notify", "other", "Watch"]);
}

#[test]
fn desktop_notifications_only_when_wanted() {
    let fixture = Fixture::new();
    let Some(mut browser) = Chromium::start() else { return };
    // In the place of the browser's own, which nobody could read back.
    browser.prepare(
        "globalThis.shown = [];
         globalThis.asked = 0;
         globalThis.Notification = class {
             static permission = 'default';
             static async requestPermission() { asked += 1; this.permission = 'granted'; }
             constructor(title, { body, tag }) { shown.push([title, body, tag]); }
             close() { shown.push('closed'); }
         };
         Object.defineProperty(document, 'hidden', { value: true, writable: true });",
    );
    browser.open(&page_of(&fixture.server, "alice"));
    browser.until(IS_CONNECTED);
    deliver(&fixture, &["unasked"]);
    until_list(&mut browser, &["unasked"]);
    assert_eq!(browser.evaluate("[asked, shown.length]"), json!([0, 0]));

    browser.evaluate("document.getElementById('notify').click()");
    browser.until("document.getElementById('notify').getAttribute('aria-pressed') === 'true'");
    deliver(&fixture, &["one", "two"]);
    until_list(&mut browser, &["two", "one", "unasked"]);
    let bob = "Bob <bob@example.org>";
    assert_eq!(
        browser.evaluate("shown"),
        json!([
            ["New mail for alice", format!("{bob}: one"), "mail for alice"],
            ["2 new mails for alice", format!("{bob}: one\n{bob}: two"), "mail for alice"],
        ])
    );

    // Who looks at the page needs none.
    browser
        .evaluate("document.hidden = false; document.dispatchEvent(new Event('visibilitychange'))");
    deliver(&fixture, &["three"]);
    until_list(&mut browser, &["three", "two", "one", "unasked"]);
    assert_eq!(browser.evaluate("shown.slice(2)"), json!(["closed"]));
}
