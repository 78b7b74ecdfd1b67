//! A stream of frames means the same however it is cut (RFC 6455 §5), and it means what the book says.

use arbitrary::Unstructured;
use dormouse::wire::{FrameHeader, HeaderError, MAX_HEADER_LEN, mask};
use dormouse::{Client, Server};

use super::super::driver::{decode, run, run_by_the_byte};
use super::super::oracle::{self, Reader};
use super::portions;

/// All in one read.
pub const WHOLE: &[usize] = &[usize::MAX];

/// Streams up to this length are looked at after every byte.
const SHORT: usize = 64;

/// A connection gives the same events, replies and violation in `portions`, byte by byte and at once,
/// and those are the oracle's.
pub fn any_partition(reader: Reader, limit: usize, bytes: &[u8], portions: &[usize]) {
    let by_the_book = oracle::read(bytes, reader, limit);
    for portions in [WHOLE, portions, &[1]] {
        assert_eq!(run(bytes, reader, limit, portions), by_the_book, "in {portions:?}");
    }
}

/// Nothing is told too late or too early: after each byte, the events and the violation are those
/// that these bytes alone give.
pub fn each_byte(reader: Reader, limit: usize, bytes: &[u8]) {
    let mut seen = 0;
    run_by_the_byte(bytes, reader, limit, |story| {
        seen += 1;
        assert_eq!(*story, oracle::read(&bytes[..seen], reader, limit), "after {seen} bytes");
    });
}

/// A bare decoder gives the same frames in `portions`, byte by byte and at once.
pub fn any_partition_of_frames(reader: Reader, bytes: &[u8], portions: &[usize]) {
    let decode = match reader {
        Reader::Server => decode::<Server>,
        Reader::Client => decode::<Client>,
    };
    let by_the_book = oracle::frames(bytes, reader);
    for portions in [WHOLE, portions, &[1]] {
        assert_eq!(decode(bytes, portions), by_the_book, "in {portions:?}");
    }
}

/// A header that is read is written with the same bytes, and no prefix of it says anything else.
pub fn header_is_its_bytes(bytes: &[u8]) {
    let parsed = FrameHeader::parse(bytes);
    if let Ok(Some((header, len))) = parsed {
        assert_eq!(header.encode(&mut [0; MAX_HEADER_LEN]), &bytes[..len]);
        assert_eq!(header.encoded_len(), len);
    }
    let told = |prefix: Result<Option<_>, HeaderError>| prefix != Ok(None);
    let mut prefixes = (0..bytes.len()).map(|end| FrameHeader::parse(&bytes[..end]));
    assert!(prefixes.all(|prefix| !told(prefix) || prefix == parsed), "{bytes:x?}");
}

/// Masking in two pieces is masking at once (§5.3), and masking twice is none.
pub fn masking_is_its_own_inverse(key: [u8; 4], bytes: &[u8], cut: usize) {
    let expected: Vec<u8> = bytes.iter().zip(key.iter().cycle()).map(|(a, b)| a ^ b).collect();
    let mut masked = bytes.to_vec();
    let (head, tail) = masked.split_at_mut(cut.min(bytes.len()));
    mask::apply(head, key);
    mask::apply(tail, mask::advance(key, head.len()));
    assert_eq!(masked, expected);
    mask::apply(&mut masked, key);
    assert_eq!(masked, bytes);
}

pub fn server(bytes: &[u8]) {
    connection(Reader::Server, bytes);
}

pub fn client(bytes: &[u8]) {
    connection(Reader::Client, bytes);
}

fn connection(reader: Reader, bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    let limit = *u.choose(&[1 << 20, 0, 5, 125, 126, 1000]).unwrap_or(&0);
    let Ok(portions) = portions(&mut u) else { return };
    let stream = u.take_rest();
    any_partition(reader, limit, stream, &portions);
    if stream.len() <= SHORT {
        each_byte(reader, limit, stream);
    }
}

pub fn decoder(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    let reader = *u.choose(&[Reader::Server, Reader::Client]).unwrap_or(&Reader::Server);
    let (Ok(portions), Ok(key)) = (portions(&mut u), u.arbitrary()) else { return };
    let stream = u.take_rest();
    any_partition_of_frames(reader, stream, &portions);
    header_is_its_bytes(&stream[..stream.len().min(MAX_HEADER_LEN + 1)]);
    masking_is_its_own_inverse(key, stream, portions[0]);
}
