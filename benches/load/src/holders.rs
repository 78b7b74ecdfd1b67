//! Processes of their own that hold connections: the side that asks them, and the side that holds.
//!
//! They have no poller, so that what a poller takes in the kernel is the server's alone. There are as
//! many as the limit of files asks for.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use dormouse::wire::Opcode;

use crate::Result;
use crate::arguments::Plan;
use crate::client::{self, Opening};
use crate::frames::Frames;
use crate::measure::SMALL;
use crate::roles::Role;
use crate::server::Server;

/// The processes that hold the connections. They end with the value.
pub struct Holders(Vec<Holder>);

struct Holder {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Holders {
    /// So many processes, in turn for one server after the other. Each connection that they open has a
    /// message of 32 bytes echoed, and one of `size` bytes if that is another size.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub fn start(plan: &Plan, servers: &[Server], count: usize, size: usize) -> Result<Self> {
        let mut holders = Self(Vec::new());
        for (index, server) in servers.iter().cycle().take(count).enumerate() {
            // Each has addresses of its own.
            let first = index * plan.idle[1].div_ceil(count).next_multiple_of(1_000);
            let mut process = Command::new(env::current_exe()?)
                .args([Role::Holder.word(), &server.address.to_string(), &plan.path])
                .args([first.to_string(), plan.is_text.to_string(), size.to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let (input, output) = (process.stdin.take(), process.stdout.take());
            let (Some(input), Some(output)) = (input, output) else { return Err("no pipe".into()) };
            holders.0.push(Holder { process, input, output: BufReader::new(output) });
        }
        Ok(holders)
    }

    /// Has them hold `total` connections together.
    ///
    /// # Errors
    /// When one of them cannot open its share.
    pub fn open(&mut self, total: usize) -> Result<()> {
        let count = self.0.len();
        for (index, holder) in self.0.iter_mut().enumerate() {
            let share = (total + index) / count;
            writeln!(holder.input, "{share}")?;
            let mut line = String::new();
            holder.output.read_line(&mut line)?;
            if line.trim() != share.to_string() {
                return Err(match line.trim() {
                    "" => "a process that holds connections has ended".into(),
                    wrong => wrong.into(),
                });
            }
        }
        Ok(())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Already ended is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The other side of [`Holders`]: each line of the input says how many connections to hold. The
/// answer is the same number, or why it is not.
///
/// # Errors
/// When the words are none of this program's.
pub fn hold(words: &[&str]) -> Result<()> {
    let &[address, path, first, is_text, size] = words else { return Err("five words".into()) };
    let opcode = if is_text.parse()? { Opcode::Text } else { Opcode::Binary };
    let small = Frames::new(opcode, SMALL, 1);
    let size: usize = size.parse()?;
    let mut holding = Holding {
        address: address.parse()?,
        opening: Opening::new(address.parse()?, path)?,
        first: first.parse()?,
        large: (size != SMALL).then(|| Frames::new(opcode, size, 1)),
        small,
        sockets: Vec::new(),
    };
    for line in io::stdin().lines() {
        let count = line?.parse()?;
        match holding.open(count) {
            Ok(()) => println!("{count}"),
            Err(error) => println!("connection {}: {error}", holding.sockets.len()),
        }
    }
    Ok(())
}

struct Holding {
    address: SocketAddrV4,
    opening: Opening,
    first: usize,
    small: Frames,
    large: Option<Frames>,
    sockets: Vec<TcpStream>,
}

impl Holding {
    fn open(&mut self, count: usize) -> Result<()> {
        while self.sockets.len() < count {
            let index = self.first + self.sockets.len();
            let mut socket = self.opening.open(self.address, index)?;
            for frames in [Some(&self.small), self.large.as_ref()].into_iter().flatten() {
                echo(&mut socket, frames)?;
            }
            self.sockets.push(socket);
        }
        Ok(())
    }
}

fn echo(socket: &mut TcpStream, frames: &Frames) -> Result<()> {
    let (message, expected) = frames.first();
    socket.write_all(message)?;
    let mut came = vec![0; expected.len()];
    let mut len = 0;
    while len < came.len() {
        len += client::read_some(socket, &mut came[len..])?;
    }
    if came == expected { Ok(()) } else { Err("not the echo".into()) }
}
