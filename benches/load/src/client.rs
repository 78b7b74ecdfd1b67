//! One connection: from which address, and the handshake.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

use dormouse::client::{Connect, Handshake};
use dormouse::http::{EMPTY_HEADER, HeadReader, Response};
use dormouse::{Input, Limits, Outbox};
use socket2::{Domain, Socket, Type};

use crate::Result;

/// How long a server may take for any answer.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The key is the same for every connection, so that a server may answer it without work.
const NONCE: [u8; 16] = *b"the sample nonce";
/// What a browser sends besides, but for extensions: what is compressed could not be compared.
const BROWSER: [(&str, &str); 5] = [
    ("Pragma", "no-cache"),
    ("Cache-Control", "no-cache"),
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/140.0.0.0 Safari/537.36",
    ),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-GB,en-US;q=0.9,en;q=0.8"),
];

/// How many connections in a row share an address. The ports of one address are few, and looking for a
/// free one takes long when most are taken.
const CONNECTIONS_PER_ADDRESS: usize = 500;
/// After so many addresses the first one has its turn again.
const ADDRESSES: usize = 60_000;

/// The address from which connection number `index` comes.
fn source(index: usize) -> Ipv4Addr {
    let first = u32::from(Ipv4Addr::new(127, 1, 0, 1));
    Ipv4Addr::from(first + (index / CONNECTIONS_PER_ADDRESS % ADDRESSES) as u32)
}

/// Connects connection number `index`.
///
/// # Errors
/// When the server does not accept it in time, or no port or file is free.
pub fn connect(to: SocketAddrV4, index: usize) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // This bounds connecting too.
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.bind(&SocketAddrV4::new(source(index), 0).into())?;
    socket.connect(&to.into())?;
    Ok(socket.into())
}

/// The handshake, whose request is the same for all connections.
pub struct Opening {
    request: Vec<u8>,
    handshake: Handshake<'static>,
    limits: Limits,
}

impl Opening {
    /// # Errors
    /// When the path is none.
    pub fn new(to: SocketAddrV4, path: &str) -> Result<Self> {
        let limits = Limits::default();
        let mut out = Outbox::new(&limits);
        let (host, origin) = (to.to_string(), format!("http://{to}"));
        let connect = Connect::new(&host, path).origin(Some(&origin)).headers(&BROWSER);
        let _ = connect.write(NONCE, &mut out)?;
        let request = out.slices().collect::<Vec<_>>().concat();
        out.clear();
        // What the answer is checked against depends only on the key.
        let handshake = Connect::new("localhost", "/").write(NONCE, &mut out)?;
        Ok(Self { request, handshake, limits })
    }

    /// # Errors
    /// What the socket reports.
    pub fn ask(&self, socket: &mut TcpStream) -> io::Result<()> {
        socket.write_all(&self.request)
    }

    /// Waits for the answer and checks it.
    ///
    /// # Errors
    /// When the server refuses, breaks a rule, or speaks before it is spoken to.
    pub fn check(&self, socket: &mut TcpStream) -> Result<()> {
        let mut scratch = [0; 4096];
        let mut reader = HeadReader::new(&self.limits);
        loop {
            let len = read_some(socket, &mut scratch)?;
            let mut input = Input::new(&mut scratch[..len]);
            let Some(head) = reader.next(&mut input)? else { continue };
            let mut headers = [EMPTY_HEADER; 64];
            self.handshake.verify(&Response::parse(&head, &mut headers)?)?;
            if !input.is_empty() {
                return Err("the server speaks first, which no echo server does".into());
            }
            return Ok(());
        }
    }

    /// Connects connection number `index` and shakes hands.
    ///
    /// # Errors
    /// As those of [`connect`] and [`check`](Self::check).
    pub fn open(&self, to: SocketAddrV4, index: usize) -> Result<TcpStream> {
        let mut socket = connect(to, index)?;
        socket.set_nodelay(true)?;
        self.ask(&mut socket)?;
        self.check(&mut socket)?;
        Ok(socket)
    }
}

/// Reads what is there, or waits for it.
///
/// # Errors
/// When nothing comes in time, or nothing more at all.
pub fn read_some(socket: &mut TcpStream, scratch: &mut [u8]) -> Result<usize> {
    match socket.read(scratch) {
        Ok(0) => Err("the server has closed a connection".into()),
        Ok(len) => Ok(len),
        // So the system calls that a blocking socket has waited long enough.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(format!("the server has not answered within {} s", PATIENCE.as_secs()).into())
        }
        Err(error) => Err(error.into()),
    }
}
