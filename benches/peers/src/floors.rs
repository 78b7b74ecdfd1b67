//! The work that nobody can leave out, in the same loops and on the same bytes.
//!
//! | floor | what it does |
//! |---|---|
//! | memcpy | copies the bytes of a read once: what a read out of memory costs |
//! | XOR in place | unmasks the payload where it stands |
//! | XOR + simdutf8 | the same, and validates it |
//! | copy and write | header and payload into one buffer, which is written |
//! | write both | header and payload with one vectored write, nothing copied |
//! | copy, XOR and write | as the first of the two, masked with a random key |
//! | httparse + sha1 + base64 | the head, the key, and an answer of which two values differ each time |
//! | zlib-rs alone | inflates and deflates the same bytes with the codec of `dormouse`, reset each time |

use crate::contender::{Contender, Work};
use crate::job::{Job, Kind, Pace, Side};
use crate::works::{accepting, echoing, in_place, sending};

mod codec;
mod handshake;
mod receive;
mod send;

/// The floors of all groups.
pub fn all() -> Vec<Box<dyn Contender>> {
    vec![
        Box::new(Floor::Memcpy),
        Box::new(Floor::Xor),
        Box::new(Floor::XorUtf8),
        Box::new(Floor::CopyWrite),
        Box::new(Floor::WriteBoth),
        Box::new(Floor::CopyXorWrite),
        Box::new(Floor::Handshake),
        Box::new(Floor::Codec),
    ]
}

enum Floor {
    Memcpy,
    Xor,
    XorUtf8,
    CopyWrite,
    WriteBoth,
    CopyXorWrite,
    Handshake,
    Codec,
}

impl Contender for Floor {
    fn name(&self) -> &'static str {
        match self {
            Self::Memcpy => "memcpy",
            Self::Xor => "XOR in place",
            Self::XorUtf8 => "XOR + simdutf8",
            Self::CopyWrite => "copy and write",
            Self::WriteBoth => "write both",
            Self::CopyXorWrite => "copy, XOR and write",
            Self::Handshake => "httparse + sha1 + base64",
            Self::Codec => "zlib-rs alone",
        }
    }

    fn package(&self) -> Option<&'static str> {
        None
    }

    fn work(&self, job: &Job) -> Option<Box<dyn Work>> {
        match (self, job) {
            (Self::Memcpy, Job::Receive(job)) if job.pace == Pace::Whole => {
                Some(Box::new(receive::Memcpy::new(job)))
            }
            (Self::Xor, Job::Receive(job)) if job.pace == Pace::Bytewise => {
                Some(in_place::<receive::XorBytes>(job))
            }
            (Self::Xor, Job::Receive(job)) if job.kind == Kind::Binary => {
                Some(in_place::<receive::Xor>(job))
            }
            (Self::XorUtf8, Job::Receive(job)) if job.kind.is_text() => {
                Some(in_place::<receive::Xor>(job))
            }
            (Self::CopyWrite, Job::Send(job)) if job.side == Side::Server => {
                Some(sending::<send::CopyWrite>(job))
            }
            (Self::WriteBoth, Job::Send(job)) if job.side == Side::Server => {
                Some(sending::<send::WriteBoth>(job))
            }
            (Self::CopyXorWrite, Job::Send(job)) if job.side == Side::Client => {
                Some(sending::<send::CopyXorWrite>(job))
            }
            (Self::Handshake, Job::Accept) => Some(accepting::<handshake::Handshake>()),
            (Self::Codec, Job::Echo(job)) => Some(echoing::<codec::Codec>(job)),
            _ => None,
        }
    }
}
