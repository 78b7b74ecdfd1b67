//! What the peers share that see a request as the types of the `http` crate, and the server of those
//! that leave the opening handshake to hyper.

use std::cell::Cell;
use std::future::{self, Future};

use bytes::Bytes;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderMap, HeaderValue, Request as Head, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::contender::Failure;
use crate::job::PROTOCOL;
use crate::stream::{Request, Sink, Stream, drive};

/// Answers with the subprotocol of the server if the client has offered it.
pub fn select_protocol(request: &HeaderMap, response: &mut HeaderMap) {
    let lists = request.get_all(SEC_WEBSOCKET_PROTOCOL).iter().flat_map(|list| list.to_str());
    let mut offered = lists.flat_map(|list| list.split(',')).map(str::trim);
    if offered.any(|one| one == PROTOCOL) {
        response.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
}

/// A builder of connections that leaves out what the other contenders do not write either.
pub fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.auto_date_header(false);
    builder
}

/// Lets hyper read the request and write the answer of `upgrade`, and waits for the upgraded connection.
pub fn accept<U, E>(
    builder: &Builder,
    sink: Sink,
    upgrade: impl Fn(&mut Head<Incoming>) -> Result<(Response<Empty<Bytes>>, U), E>,
) -> Result<U::Output, Failure>
where
    U: Future,
    E: std::error::Error + Send + Sync + 'static,
{
    let upgraded = Cell::new(None);
    let service = service_fn(|mut request| {
        let answer = upgrade(&mut request).map(|(mut response, future)| {
            select_protocol(request.headers(), response.headers_mut());
            upgraded.set(Some(future));
            response
        });
        future::ready(answer)
    });
    let io = TokioIo::new(Stream::new(Request::default(), sink));
    let connection = builder.serve_connection(io, service).with_upgrades();
    drive(connection)?.map_err(Failure::of)?;
    match upgraded.take() {
        Some(future) => drive(future),
        None => Err(Failure::new("hyper did not ask for the answer")),
    }
}
