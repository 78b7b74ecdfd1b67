//! The example `mail_notifier` from outside: a process, its page and its WebSockets, spoken to by a
//! client of another make, a browser, and real delivery agents.
#![cfg(all(feature = "std", unix))]

mod access;
mod bad_hour;
mod browser;
mod chromium;
mod command_line;
#[cfg(feature = "deflate")]
mod compression;
mod delivery;
#[path = "../support/example.rs"]
mod example;
mod http;
mod mail_root;
mod notices;
mod page;
mod publish;
mod recovery;
mod support;
