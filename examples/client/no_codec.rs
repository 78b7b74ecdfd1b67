//! Stands in for `codec` in a program that is built without the feature `deflate`: there is none.

use dormouse::client::Accepted;
use dormouse::{Client, CloseCode, Event, Outbox, SendError, WebSocket};

pub enum Codec {}

pub fn offer() -> Option<String> {
    None
}

impl Codec {
    pub fn confirm(_: &Accepted<'_, '_>) -> Result<Option<Self>, String> {
        Ok(None)
    }

    pub fn inflate<'a>(&'a mut self, _: Event<'a>) -> Result<Event<'a>, (CloseCode, String)> {
        match *self {}
    }

    pub fn text(
        &mut self,
        _: &str,
        _: &mut WebSocket<Client>,
        _: &mut Outbox,
    ) -> Result<(), SendError> {
        match *self {}
    }
}
