//! What a compressed echo cannot do without: the codec.

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush};

use crate::contender::Failure;
use crate::job::Echo;
use crate::stream::Sink;
use crate::works::Echoes;

const WINDOW_BITS: i32 = 15;
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Inflates a payload and deflates what comes out, with nothing around it.
pub struct Codec {
    payload: Vec<u8>,
    inflate: Inflate,
    deflate: Deflate,
    inflated: Vec<u8>,
    deflated: Vec<u8>,
    sink: Sink,
}

impl Echoes for Codec {
    fn new(job: &Echo, sink: Sink) -> Result<Self, Failure> {
        let level = i32::from(crate::job::LEVEL);
        let config = DeflateConfig { level, window_bits: -WINDOW_BITS, ..Default::default() };
        Ok(Self {
            payload: [job.payload(), &TAIL].concat(),
            inflate: Inflate::new(false, WINDOW_BITS as u8),
            deflate: Deflate::new_with_config(config),
            inflated: vec![0; 2 * job.text.len()],
            deflated: vec![0; 2 * job.text.len()],
            sink,
        })
    }

    fn echo(&mut self, times: u32) -> Result<(), Failure> {
        (0..times).try_for_each(|_| self.one())
    }
}

impl Codec {
    fn one(&mut self) -> Result<(), Failure> {
        self.inflate
            .decompress(&self.payload, &mut self.inflated, InflateFlush::SyncFlush)
            .map_err(Failure::of)?;
        let inflated = &self.inflated[..self.inflate.total_out() as usize];
        self.inflate.reset(false);
        self.deflate
            .compress(inflated, &mut self.deflated, DeflateFlush::SyncFlush)
            .map_err(Failure::of)?;
        let deflated = &self.deflated[..self.deflate.total_out() as usize];
        self.deflate.reset();
        let payload = deflated.strip_suffix(&TAIL).ok_or_else(|| Failure::new("no flush"))?;
        self.sink.write(&header(payload.len()));
        self.sink.write(payload);
        Ok(())
    }
}

/// The header of a compressed text from a server, of 126 to 65535 bytes.
fn header(len: usize) -> [u8; 4] {
    let [high, low] = (len as u16).to_be_bytes();
    [0xc1, 126, high, low]
}
