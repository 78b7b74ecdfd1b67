//! `soketto`: futures' traits, a sender and a receiver that share the stream.

use futures::io::{AsyncRead, AsyncWrite};
use soketto::connection::{Builder, Mode};
use soketto::handshake::Server;
use soketto::handshake::server::Response;
use soketto::{Data, Incoming, Receiver, Sender};

use crate::contender::{Contender, Failure, Work};
use crate::job::{Group, Job, Kind, PROTOCOL, Receive, Send, Side};
use crate::stream::{Feed, Nothing, Request, Sink, Stream, drive, repeat};
use crate::works::{Accepts, FromStream, Seen, Sends, accepting, from_stream, sending};

pub struct Soketto;

impl Contender for Soketto {
    fn name(&self) -> &'static str {
        "soketto"
    }

    fn notes(&self) -> &'static [&'static str] {
        &[
            "asynchronous: polled by hand",
            "receives into one vector that is reused",
            "reads each header, and then the payload, with reads of their own, and writes both with \
             writes of their own: on a socket that is more system calls, unless it is buffered",
            "compresses only with the feature c-zlib of this program, because its feature deflate \
             selects zlib in C for everybody",
        ]
    }

    fn lacks(&self, group: Group) -> &'static [&'static str] {
        match group {
            Group::ReceiveAscii | Group::ReceiveMultiByte | Group::EchoCompressed => {
                &["does not check that text is UTF-8"]
            }
            _ => &[],
        }
    }

    fn remarks(&self, group: Group) -> &'static [&'static str] {
        match group {
            Group::SendBinary | Group::SendText => {
                &["writes the payload where it is: nothing is copied"]
            }
            Group::SendClient => &["masks the payload where it is: its user's buffer is changed"],
            Group::Handshake => {
                &["answers with a fixed subprotocol: it does not know lists of them"]
            }
            Group::EchoCompressed => &["makes its codecs anew for each message"],
            _ => &[],
        }
    }

    fn work(&self, job: &Job) -> Option<Box<dyn Work>> {
        match job {
            Job::Receive(job) => Some(from_stream::<Reader>(job)),
            Job::Send(job) => Some(sending::<Writer>(job)),
            Job::Accept => Some(accepting::<Acceptor>()),
            #[cfg(feature = "c-zlib")]
            Job::Echo(job) => Some(crate::works::echoing::<compressed::Echoer>(job)),
            #[cfg(not(feature = "c-zlib"))]
            Job::Echo(_) => None,
        }
    }
}

fn server<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> (Sender<S>, Receiver<S>) {
    Builder::new(stream, Mode::Server).finish()
}

struct Reader {
    /// Both halves share the stream.
    _sender: Sender<Stream<Feed>>,
    receiver: Receiver<Stream<Feed>>,
    message: Vec<u8>,
}

impl FromStream for Reader {
    fn new(job: &Receive, stream: Stream<Feed>) -> Result<Self, Failure> {
        let (sender, receiver) = server(stream);
        let message = Vec::with_capacity(job.payload.len());
        Ok(Self { _sender: sender, receiver, message })
    }

    fn receive(&mut self, messages: usize, seen: &mut Seen<'_>) -> Result<(), Failure> {
        repeat(messages, async || {
            self.message.clear();
            match self.receiver.receive(&mut self.message).await.map_err(Failure::of)? {
                Incoming::Data(Data::Text(_)) => seen.text(&self.message),
                Incoming::Data(Data::Binary(_)) => seen.binary(&self.message),
                other => return Err(Failure::of(other)),
            }
            Ok(())
        })
    }
}

struct Writer {
    sender: Sender<Stream<Nothing>>,
    /// Both halves share the stream.
    _receiver: Receiver<Stream<Nothing>>,
    kind: Kind,
    side: Side,
    payload: &'static [u8],
    text: &'static str,
    /// A client masks its payload where it is.
    own: Vec<u8>,
}

impl Sends for Writer {
    fn new(job: &Send, sink: Sink) -> Result<Self, Failure> {
        let mode = match job.side {
            Side::Server => Mode::Server,
            Side::Client => Mode::Client,
        };
        let (sender, receiver) = Builder::new(Stream::new(Nothing, sink), mode).finish();
        Ok(Self {
            sender,
            _receiver: receiver,
            kind: job.kind,
            side: job.side,
            payload: job.payload,
            text: job.text(),
            own: job.payload.to_vec(),
        })
    }

    fn send(&mut self, times: u32) -> Result<(), Failure> {
        repeat(times as usize, async || {
            match (self.kind, self.side) {
                (Kind::Binary, Side::Server) => self.sender.send_binary(self.payload).await,
                (Kind::Binary, Side::Client) => self.sender.send_binary_mut(&mut self.own).await,
                (Kind::Ascii | Kind::MultiByte, _) => self.sender.send_text(self.text).await,
            }
            .map_err(Failure::of)?;
            self.sender.flush().await.map_err(Failure::of)
        })
    }

    fn restore(&mut self) {
        self.own.copy_from_slice(self.payload);
    }
}

struct Acceptor;

impl Accepts for Acceptor {
    fn new() -> Self {
        Self
    }

    #[inline]
    fn accept(&mut self, sink: Sink) -> Result<(), Failure> {
        let mut server = Server::new(Stream::new(Request::default(), sink));
        drive(async {
            let key = server.receive_request().await?.key();
            server.send_response(&Response::Accept { key, protocol: Some(PROTOCOL) }).await
        })?
        .map_err(Failure::of)?;
        std::hint::black_box(server.into_builder().finish());
        Ok(())
    }
}

#[cfg(feature = "c-zlib")]
mod compressed {
    use soketto::extension::deflate::Deflate;
    use soketto::extension::{Extension, Param};
    use soketto::{Data, Incoming, Receiver, Sender};

    use super::{Builder, Feed, Mode, Sink, Stream, repeat};
    use crate::contender::Failure;
    use crate::job::Echo;
    use crate::works::Echoes;

    pub struct Echoer {
        sender: Sender<Stream<Feed>>,
        receiver: Receiver<Stream<Feed>>,
        message: Vec<u8>,
    }

    impl Echoes for Echoer {
        fn new(job: &Echo, sink: Sink) -> Result<Self, Failure> {
            let mut deflate = Deflate::new(Mode::Server);
            let agreed = ["server_no_context_takeover", "client_no_context_takeover"];
            deflate.configure(&agreed.map(Param::new)).map_err(Failure::of)?;
            let mut builder = Builder::new(Stream::new(job.feed(), sink), Mode::Server);
            builder.add_extensions([Box::new(deflate) as Box<dyn Extension + Send>]);
            let (sender, receiver) = builder.finish();
            Ok(Self { sender, receiver, message: Vec::new() })
        }

        fn echo(&mut self, times: u32) -> Result<(), Failure> {
            repeat(times as usize, async || {
                self.message.clear();
                match self.receiver.receive(&mut self.message).await.map_err(Failure::of)? {
                    Incoming::Data(Data::Text(_)) => {}
                    other => return Err(Failure::of(other)),
                }
                let text = std::str::from_utf8(&self.message).map_err(Failure::of)?;
                self.sender.send_text(text).await.map_err(Failure::of)?;
                self.sender.flush().await.map_err(Failure::of)
            })
        }
    }
}
