//! Tells browsers about new mail: WebSockets in front of a Maildir tree.
//!
//! ```text
//! cargo run --release --example mail_notifier
//! ```
//! makes a demo mail root with the user `alice` and prints the address of a page and the command
//! that delivers a mail; the page shows it at once. `--help` tells the rest.
//!
//! Storage → Bus → WebSocket server → browser, each in its own file:
//!
//! | file | what lives there |
//! |---|---|
//! | `mail_source` | storage: watches `ROOT/USER/new` and publishes what changes |
//! | `watch` | where the file system may have changed |
//! | `mail`, `maildir` | one mail: reading its headers, delivering it |
//! | `bus` | hands updates from the source's thread to the event loop |
//! | `event_loop`, `listener`, `deadlines` | one thread that serves all connections |
//! | `connection` | one connection, from request to Close |
//! | `site` | which answer a request gets: the page, a WebSocket, a refusal |
//! | `mailboxes` | the latest state of each mailbox, and who watches it |
//! | `notice` | the messages to the page |
//! | `page/` | the page |
//! | `arguments`, `failure` | the command line, and why the program ends |

mod arguments;
mod bus;
mod connection;
mod deadlines;
mod event_loop;
mod failure;
mod listener;
mod mail;
mod mail_source;
mod mailboxes;
mod maildir;
mod notice;
mod site;
mod watch;

use std::env;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use arguments::{Command, HELP};
use event_loop::EventLoop;
use failure::{Context, Failure};
use mail_source::MailSource;
use maildir::Letter;

/// The user of the demo root.
const DEMO_USER: &str = "alice";

fn main() -> ExitCode {
    let outcome = arguments::parse(env::args_os().skip(1)).and_then(|command| match command {
        Command::Help => print(HELP),
        Command::Serve { address, mail } => serve(address, mail),
        Command::Deliver { root, user, letter } => deliver(&root, &user, &letter),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("mail_notifier: {failure}");
            failure.exit_code()
        }
    }
}

/// Serves until the process is ended.
fn serve(address: SocketAddr, mail: Option<PathBuf>) -> Result<(), Failure> {
    let is_demo = mail.is_none();
    let mut server = EventLoop::bind(address).context(|| format!("cannot listen on {address}"))?;
    let root = mail.map_or_else(demo_root, Ok)?;
    let source = MailSource::open(&root)?;
    source.updates().for_each(|update| server.publish(update));
    let cannot_start = || "cannot start".to_owned();
    let (publisher, subscriber) = bus::bus(server.waker().context(cannot_start)?);
    let watching = move || {
        source.run(&publisher);
        eprintln!("mail_notifier: no longer watching for mail");
    };
    thread::Builder::new().name("mail source".to_owned()).spawn(watching).context(cannot_start)?;
    let address = server.local_addr().context(cannot_start)?;
    print(&format!("listening on {address}\n"))?;
    if is_demo {
        print(&introduction(address, &root))?;
    }
    match server.run(&subscriber) {
        Ok(never) => match never {},
        Err(error) => Err(error).context(|| "the poller failed".to_owned()),
    }
}

/// Delivers one mail and prints the file it became.
fn deliver(root: &Path, user: &str, letter: &Letter) -> Result<(), Failure> {
    let mailbox = root.join(user);
    let cannot_deliver = || format!("cannot deliver to {}", mailbox.display());
    if !root.is_dir() {
        return Err(Failure::new(format!("there is no mail root {}", root.display())));
    }
    maildir::create(&mailbox).context(cannot_deliver)?;
    let file = maildir::deliver(&mailbox, user, letter).context(cannot_deliver)?;
    print(&format!("delivered {}\n", file.display()))
}

/// Makes a mail root with one user in a folder of its own, which is left behind.
fn demo_root() -> Result<PathBuf, Failure> {
    let cannot_make = || "cannot make a demo mail root".to_owned();
    let root = tempfile::Builder::new().prefix("mail_notifier-").tempdir().context(cannot_make)?;
    maildir::create(&root.path().join(DEMO_USER)).context(cannot_make)?;
    Ok(root.keep())
}

/// What to do with the demo root.
fn introduction(address: SocketAddr, root: &Path) -> String {
    let program = env::current_exe().unwrap_or_else(|_| "mail_notifier".into());
    let (program, root) = (quote(&program), quote(root));
    format!(
        "\nThe page:\n  http://{address}/?mailbox={DEMO_USER}\n\n\
         Deliver a mail from another terminal:\n  \
         {program} deliver {root} {DEMO_USER} --subject 'Dinner at seven?'\n\n\
         The demo mail root stays where it is when the server ends.\n"
    )
}

/// A path the way a shell takes it as one word.
fn quote(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = path.chars().all(|char| char.is_alphanumeric() || "/._-+".contains(char));
    if is_plain { path } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

/// Prints to standard output, which may be a pipe that is closed.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let printed = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    printed.context(|| "cannot print".to_owned())
}
