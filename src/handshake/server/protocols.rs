//! The subprotocols that a client offers.
//!
//! RFC 6455 §4.1 and §4.2.2. Layer 4: knows the rules for the list, not what the names stand for.

use super::BadRequest;
use crate::http::Fields;
use crate::http::grammar::{Elements, each_token, is_same};

/// How many subprotocols a client may offer. Their names have to be compared with each other, and
/// the limit keeps that cheap.
const MAX: usize = 64;

const NAME: &[u8; 22] = b"Sec-WebSocket-Protocol";

/// A list of subprotocols that meets every rule.
#[derive(Clone, Copy)]
pub(super) struct Protocols<'h, 'b> {
    /// The lines from the first to the last that offer one.
    lines: Fields<'h, 'b>,
    /// The one that the client likes best, which is the one that is nearly always asked about.
    /// Empty if there is none.
    first: &'b [u8],
}

impl<'h, 'b> Protocols<'h, 'b> {
    // §4.1: "The elements that comprise this value MUST be non-empty strings [...] not including
    // separator characters [...] and MUST all be unique strings."
    pub(super) fn read(lines: Fields<'h, 'b>) -> Result<Self, BadRequest> {
        let mut protocols = Self { lines, first: &[] };
        let mut count = 0usize;
        // One bit for each kind of name so far: only names of one kind have to be compared.
        let (mut kinds, mut may_repeat) = (0u64, false);
        for value in values(lines) {
            let are_tokens = each_token(value, |name| {
                if count == 0 {
                    protocols.first = name;
                }
                let last = name.last().copied().unwrap_or_default();
                let kind = 1u64.rotate_left((name.len() as u32).wrapping_add(u32::from(last)));
                may_repeat |= kinds & kind != 0;
                kinds |= kind;
                count = count.saturating_add(1);
            });
            if !are_tokens {
                return Err(BadRequest::Protocol);
            }
        }
        match count {
            0 if !lines.lines().is_empty() => Err(BadRequest::Protocol),
            count if count > MAX => Err(BadRequest::TooManyProtocols),
            _ if may_repeat && protocols.has_repeated() => Err(BadRequest::DuplicateProtocol),
            _ => Ok(protocols),
        }
    }

    /// Each name, the one that the client likes best first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'b [u8]> + Clone + use<'h, 'b> {
        values(self.lines).flat_map(Elements::of)
    }

    /// Of those in `supported` the one that the client likes best.
    pub(super) fn select<'s>(&self, supported: &[&'s str]) -> Option<&'s str> {
        let find = |offer: &[u8]| supported.iter().copied().find(|name| name.as_bytes() == offer);
        match self.first {
            [] => None,
            first => find(first).or_else(|| self.iter().skip(1).find_map(find)),
        }
    }

    /// Whether `name` is among them.
    pub(super) fn contains(&self, name: &[u8]) -> bool {
        !name.is_empty() && (name == self.first || self.iter().skip(1).any(|offer| offer == name))
    }

    /// Whether one of at most [`MAX`] names comes twice.
    #[cold]
    fn has_repeated(&self) -> bool {
        let mut earlier: [&[u8]; MAX] = [&[]; MAX];
        for (count, name) in self.iter().take(MAX).enumerate() {
            if earlier.iter().take(count).any(|one| *one == name) {
                return true;
            }
            if let Some(place) = earlier.get_mut(count) {
                *place = name;
            }
        }
        false
    }
}

/// The values of those of `lines` that offer subprotocols.
#[inline]
fn values<'h, 'b>(lines: Fields<'h, 'b>) -> impl Iterator<Item = &'b [u8]> + Clone + use<'h, 'b> {
    let offers = lines.lines().iter().filter(|line| is_same(line.name.as_bytes(), NAME));
    offers.map(|line| line.value)
}
