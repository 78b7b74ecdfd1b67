//! Stands in for `codec` in a program that is built without the feature `deflate`: there is none.

use std::num::NonZeroU8;

use dormouse::server::Upgrade;
use dormouse::{Event, Outbox, SendError, Server, WebSocket};

pub enum Codec {}

impl Codec {
    pub fn new() -> Option<Self> {
        None
    }

    pub fn accept(&self, _: &Upgrade<'_, '_>) -> Option<(String, NonZeroU8)> {
        match *self {}
    }

    pub fn echo(
        &mut self,
        _: Event<'_>,
        _: NonZeroU8,
        _: &mut WebSocket<Server>,
        _: &mut Outbox,
    ) -> Result<(), SendError> {
        match *self {}
    }
}
