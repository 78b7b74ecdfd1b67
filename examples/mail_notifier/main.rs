//! Tells browsers about new mail: WebSockets in front of a Maildir tree.
//!
//! ```text
//! cargo run --release --example mail_notifier
//! ```
//! makes a demo mail root with the user `alice` and prints the address of a page and the command
//! that delivers a mail; the page shows it at once. `--help` tells the rest.
//!
//! Storage → Bus → shards (one event loop for each core) → browser, each in its own file:
//!
//! | file | what lives there |
//! |---|---|
//! | `mail_source`, `mail_root`, `mailbox`, `watch` | storage: what changes in the Maildir tree |
//! | `mail`, `mail_file`, `maildir` | one mail: its headers, its name and flags, delivering it |
//! | `internal`, `http_connection`, `publish` | the internal address: `POST /publish`, metrics, health |
//! | `bus` | numbers what happens and hands it to every shard |
//! | `server` | what all shards share |
//! | `gate` | how many connections there may be, and how fast they may come |
//! | `shard`, `listener` | one thread that serves its share of the connections |
//! | `desk`, `deadlines`, `round` | what the connections of a shard use in turn; time |
//! | `connection` | one connection, from request to Close |
//! | `site`, `page` | which answer a request gets |
//! | `access`, `origin`, `token`, `mailbox_name` | who may watch what |
//! | `mailboxes`, `notice` | the state of each mailbox, who watches it, what is said about it |
//! | `metrics`, `log` | what an operator sees |
//! | `arguments`, `flags`, `units`, `settings`, `descriptors` | the command line |
//! | `failure` | why the program ends |

#![allow(
    clippy::incompatible_msrv,
    reason = "the library keeps to an old compiler; an example follows its dependencies"
)]

mod access;
mod arguments;
mod bus;
mod compression;
mod connection;
mod deadlines;
mod descriptors;
mod desk;
mod failure;
mod flags;
mod gate;
mod http_connection;
mod internal;
mod listener;
mod log;
mod mail;
mod mail_file;
mod mail_root;
mod mail_source;
mod mailbox;
mod mailbox_name;
mod mailboxes;
mod maildir;
mod metrics;
mod notice;
mod origin;
mod page;
mod publish;
mod round;
mod server;
mod settings;
mod shard;
mod site;
mod token;
mod units;
mod watch;

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use access::{Access, Rules};
use arguments::Command;
use bus::{Bus, LocalBus};
use failure::{Context, Failure};
use internal::Service;
use mail_source::MailSource;
use maildir::Letter;
use metrics::{Counted, Metrics};
use server::Server;
use settings::Settings;
use shard::Shard;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;
use token::Key;

/// The user of the demo root.
const DEMO_USER: &str = "alice";
/// How often the log is asked whether it still owes a line about repeats.
const LOG_PATIENCE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let outcome = arguments::parse(env::args_os().skip(1)).and_then(|command| match command {
        Command::Help => print(&arguments::help()),
        Command::Serve(settings) => serve(settings),
        Command::Deliver { root, user, letter } => deliver(&root, &user, &letter),
        Command::Token { user, key, expires } => token(&user, &key, expires),
    });
    log::finish();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("mail_notifier: {failure}");
            failure.exit_code()
        }
    }
}

/// Serves until a signal ends it.
fn serve(settings: Settings) -> Result<(), Failure> {
    log::start().context(cannot_start)?;
    let access = access(&settings)?;
    let publish_key = settings.publish_key.as_deref().map(Key::read_bearer).transpose()?;
    let cannot_listen = |address| move || format!("cannot listen on {address}");
    let sockets = listener::bind(settings.address, settings.backlog, settings.shards)
        .context(cannot_listen(settings.address))?;
    let bind = |address| TcpListener::bind(address).context(cannot_listen(address));
    let internal = settings.internal.map(bind).transpose()?;
    let address = sockets[0].local_addr().context(cannot_start)?;
    // It is removed again if the start fails after all.
    let demo = (settings.demo && settings.mail.is_none()).then(demo_root).transpose()?;
    let root = demo.as_ref().map(TempDir::path);
    let (server, source) = prepare(settings, access, root)?;
    let ended = start(&server, sockets, source)?;
    let service = service(&server, publish_key);
    let internal = internal
        .map(|socket| internal::spawn(socket, service))
        .transpose()
        .context(cannot_start)?;
    announce(&server, address, internal, root)?;
    drop(demo.map(TempDir::keep));
    supervise(&server, &ended)
}

/// Who may watch: everybody, or who has a token that the key has signed.
fn access(settings: &Settings) -> Result<Access, Failure> {
    match &settings.token_key {
        None => Ok(Access::Open),
        Some(file) => Key::read(file).map(Access::Tokens),
    }
}

/// Makes the server and finds its mailboxes: those of the demo, if it is one.
fn prepare(
    settings: Settings,
    access: Access,
    demo: Option<&Path>,
) -> Result<(Arc<Server>, Option<MailSource>), Failure> {
    let rules = Rules { access, origins: settings.origins.clone() };
    let mut metrics = Metrics::new().context(cannot_start)?;
    let bus = LocalBus::new(settings.recent);
    let bus: Arc<dyn Bus> = Arc::new(Counted::new(bus, metrics.mails.clone()));
    let open = |root| MailSource::open(root, bus.clone(), settings.recent);
    let source = demo.or(settings.mail.as_deref()).map(open).transpose()?;
    metrics.end_start();
    Ok((Arc::new(Server::new(settings, rules, bus, metrics)), source))
}

/// Starts the threads: a shard for each socket, the mail source, and one that waits for signals.
fn start(
    server: &Arc<Server>,
    sockets: Vec<TcpListener>,
    source: Option<MailSource>,
) -> Result<Receiver<End>, Failure> {
    let (ends, ended) = mpsc::channel();
    for socket in sockets {
        let shard = Shard::new(socket, server.clone()).context(cannot_start)?;
        spawn("shard", &ends, move || End::Shard(shard.run()))?;
    }
    if let Some(source) = source {
        spawn("mail source", &ends, move || {
            source.run();
            End::Source
        })?;
    }
    let mut signals = Signals::new([SIGTERM, SIGINT]).context(cannot_start)?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || signals.forever().all(|_| ends.send(End::Signal).is_ok()))
        .context(cannot_start)?;
    Ok(ended)
}

/// Says where the server is, and what an operator should know about it.
fn announce(
    server: &Server,
    address: SocketAddr,
    internal: Option<SocketAddr>,
    demo: Option<&Path>,
) -> Result<(), Failure> {
    let Settings { demo: is_open, shards, mail, max_connections, .. } = &server.settings;
    let mut lines = format!("listening on {address}\n");
    if let Some(internal) = internal {
        lines += &format!("internal on {internal}\n");
    }
    if *is_open {
        lines += "OPEN: whoever reaches this address may watch every mailbox\n";
    }
    if let Some(root) = demo {
        lines += &introduction(address, root);
    }
    print(&lines)?;
    let root = mail.as_deref().or(demo).unwrap_or(Path::new("-")).display();
    log::info("started", &[("address", &address), ("shards", shards), ("root", &root)]);
    // What was not asked for has been kept within the limit.
    if let Some(limit) = descriptors::limit().filter(|limit| limit < max_connections) {
        let fields: [(&str, &dyn Display); 3] =
            [("limit", &limit), ("max_connections", max_connections), ("hint", &"ulimit -n")];
        log::warn("few_descriptors", &fields);
    }
    Ok(())
}

fn cannot_start() -> String {
    "cannot start".to_owned()
}

/// What the internal address needs of the server.
fn service(server: &Arc<Server>, publish_key: Option<Key>) -> Service {
    let Settings { publish_limit, publish_connections, publish_timeout, .. } = &server.settings;
    let (counts, state) = (server.clone(), server.clone());
    Service {
        bus: server.bus.clone(),
        publish_key,
        limit: *publish_limit,
        connections: *publish_connections,
        timeout: *publish_timeout,
        metrics: Box::new(move || counts.metrics.text()),
        is_ready: Box::new(move || !state.is_draining()),
        publishes: server.metrics.publishes.clone(),
    }
}

/// What a thread has come to.
enum End {
    Shard(io::Result<()>),
    Source,
    Signal,
    /// It broke off in the middle, by a mistake in this program.
    Panicked(String),
}

/// Starts a thread that reports its end.
fn spawn(
    name: &str,
    ends: &Sender<End>,
    work: impl FnOnce() -> End + Send + 'static,
) -> Result<(), Failure> {
    let (ends, name) = (ends.clone(), name.to_owned());
    let thread = thread::Builder::new().name(name.clone());
    let started = thread.spawn(move || {
        // What it leaves behind is not looked at any more: the program ends.
        let end = catch_unwind(AssertUnwindSafe(work)).unwrap_or(End::Panicked(name));
        // Nobody listens when the program has already decided to end.
        drop(ends.send(end));
    });
    started.map(drop).context(cannot_start)
}

/// Waits until every shard has ended, which is after the first signal. A second signal ends at once.
fn supervise(server: &Server, ended: &Receiver<End>) -> Result<(), Failure> {
    let mut shards = server.settings.shards;
    while shards > 0 {
        match ended.recv_timeout(LOG_PATIENCE) {
            Ok(End::Shard(outcome)) => {
                outcome.context(|| "an event loop failed".to_owned())?;
                shards -= 1;
            }
            Ok(End::Source) if server.is_draining() => {}
            Ok(End::Source) => {
                return Err(Failure::new("the mail root is no longer watched".to_owned()));
            }
            Ok(End::Panicked(name)) => {
                return Err(Failure::new(format!("the thread \"{name}\" panicked")));
            }
            Ok(End::Signal) if server.is_draining() => {
                return Err(Failure::new("ended at once by a second signal".to_owned()));
            }
            Ok(End::Signal) => server.drain().context(|| "cannot drain".to_owned())?,
            Err(RecvTimeoutError::Timeout) => log::flush(),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::new("a thread ended without a word".to_owned()));
            }
        }
    }
    log::info("ended", &[("connections", &server.gate.count())]);
    Ok(())
}

/// Prints a token that lets its bearer watch the mailbox of `user`.
fn token(user: &str, key: &Path, expires: Duration) -> Result<(), Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let token = Key::read(key)?.sign(user, (now + expires).as_secs());
    print(&format!("{token}\n"))
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

/// Makes a mail root with one user in a folder of its own, which goes with the value.
fn demo_root() -> Result<TempDir, Failure> {
    let cannot_make = || "cannot make a demo mail root".to_owned();
    let root = tempfile::Builder::new().prefix("mail_notifier-").tempdir().context(cannot_make)?;
    maildir::create(&root.path().join(DEMO_USER)).context(cannot_make)?;
    Ok(root)
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
