//! One client: a socket from an address of its own, the handshake, and the first message.

use std::error::Error;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use dormouse::client::Connect;
use dormouse::http::{EMPTY_HEADER, HeadReader, Response};
use dormouse::{Client, Event, Input, Limits, Outbox, WebSocket};
use socket2::{Domain, Socket, Type};

use crate::BOUND;

/// How many clients share an address. The ports of one address are few, and looking for a free one
/// takes long when most are taken.
const CLIENTS_PER_ADDRESS: usize = 500;

/// An open WebSocket.
pub struct Watcher {
    pub socket: TcpStream,
    pub ws: WebSocket<Client>,
}

/// The address from which client number `index` connects.
pub fn source(index: usize) -> Ipv4Addr {
    let network = u32::from(Ipv4Addr::new(127, 1, 0, 1));
    Ipv4Addr::from(network + (index / CLIENTS_PER_ADDRESS) as u32)
}

/// Connects from an address. A receive buffer that is given is set before, so that the kernel never
/// offers more.
///
/// # Errors
/// When the server does not answer, or no port is free.
pub fn connect(
    to: SocketAddr,
    from: Ipv4Addr,
    receive_buffer: Option<usize>,
) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if let Some(len) = receive_buffer {
        socket.set_recv_buffer_size(len)?;
    }
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&to.into(), BOUND)?;
    let socket = TcpStream::from(socket);
    socket.set_read_timeout(Some(BOUND))?;
    socket.set_write_timeout(Some(BOUND))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// Shakes hands on a socket and waits for the first message.
///
/// # Errors
/// When the server refuses, or says nothing.
pub fn open(mut socket: TcpStream, target: &str) -> Result<Watcher, Box<dyn Error + Send + Sync>> {
    let limits = Limits::default();
    let mut out = Outbox::new(&limits);
    let handshake = Connect::new("localhost", target).write(*b"the sample nonce", &mut out)?;
    out.write_to(&mut socket)?;

    let mut scratch = [0; 1024];
    let mut reader = HeadReader::new(&limits);
    let mut ws = None;
    loop {
        let len = socket.read(&mut scratch)?;
        if len == 0 {
            return Err("the server closed the connection instead of a hello".into());
        }
        let mut input = Input::new(&mut scratch[..len]);
        if ws.is_none() {
            let Some(head) = reader.next(&mut input)? else { continue };
            let mut headers = [EMPTY_HEADER; 16];
            handshake.verify(&Response::parse(&head, &mut headers)?)?;
        }
        let open = ws.get_or_insert_with(|| WebSocket::client(&limits, || [1, 2, 3, 4]));
        match open.next(&mut input, &mut out)? {
            Some(Event::Text(hello)) if hello.contains("\"type\":\"hello\"") => break,
            Some(other) => return Err(format!("instead of hello: {other:?}").into()),
            None => {}
        }
    }
    let ws = ws.ok_or("no handshake")?;
    Ok(Watcher { socket, ws })
}

/// Ends a WebSocket in the polite way: a Close, its answer, the end of the stream.
///
/// # Errors
/// When the server does not answer.
pub fn close(mut watcher: Watcher) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut out = Outbox::new(&Limits::default());
    watcher.ws.close_without_code(&mut out);
    out.write_to(&mut watcher.socket)?;
    let mut scratch = [0; 1024];
    while watcher.socket.read(&mut scratch)? > 0 {}
    Ok(())
}
