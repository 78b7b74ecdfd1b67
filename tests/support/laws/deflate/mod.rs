//! permessage-deflate (RFC 7692): what is negotiated, inflated and sent.

pub mod inflating;
pub mod negotiation;
pub mod round_trip;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// What an implementation of other makers (miniz_oxide) compresses `bytes` to, as §7.2.1 has it, with a
/// window that `compress` may have kept.
pub fn squeeze(compress: &mut Compress, bytes: &[u8], flush: FlushCompress) -> Vec<u8> {
    let mut squeezed = Vec::new();
    let start = compress.total_in();
    loop {
        squeezed.reserve(bytes.len() + 64);
        let read = (compress.total_in() - start) as usize;
        compress.compress_vec(&bytes[read..], &mut squeezed, flush).expect("compresses");
        let is_read = compress.total_in() - start == bytes.len() as u64;
        if is_read && squeezed.len() < squeezed.capacity() {
            return squeezed;
        }
    }
}

/// A compressor of other makers that begins with an empty window.
pub fn squeezer(level: u8) -> Compress {
    Compress::new(Compression::new(u32::from(level % 10)), false)
}

/// What miniz_oxide makes of a compressed message that is in order and has no BFINAL.
pub fn stretch(decompress: &mut Decompress, payload: &[u8], limit: usize) -> Vec<u8> {
    let bytes = [payload, &[0x00, 0x00, 0xff, 0xff]].concat();
    let mut inflated = Vec::with_capacity(limit + 64);
    decompress.decompress_vec(&bytes, &mut inflated, FlushDecompress::Sync).expect("inflates");
    inflated
}
