//! What sending cannot do without.

use std::io::IoSlice;

use crate::contender::Failure;
use crate::floors::receive::xor_in_place;
use crate::job::Send;
use crate::stream::Sink;
use crate::works::Sends;

/// Builds the frame in a buffer that is reused, and writes that.
pub struct CopyWrite {
    header: Vec<u8>,
    payload: &'static [u8],
    buffer: Vec<u8>,
    sink: Sink,
}

impl Sends for CopyWrite {
    fn new(job: &Send, sink: Sink) -> Result<Self, Failure> {
        let header = header_of(job, None);
        let buffer = Vec::with_capacity(header.len() + job.payload.len());
        Ok(Self { header, payload: job.payload, buffer, sink })
    }

    fn send(&mut self, times: u32) -> Result<(), Failure> {
        for _ in 0..times {
            self.buffer.extend_from_slice(&self.header);
            self.buffer.extend_from_slice(self.payload);
            self.sink.write(&self.buffer);
            self.buffer.clear();
        }
        Ok(())
    }
}

/// Writes header and payload as they are.
pub struct WriteBoth {
    header: Vec<u8>,
    payload: &'static [u8],
    sink: Sink,
}

impl Sends for WriteBoth {
    fn new(job: &Send, sink: Sink) -> Result<Self, Failure> {
        Ok(Self { header: header_of(job, None), payload: job.payload, sink })
    }

    fn send(&mut self, times: u32) -> Result<(), Failure> {
        for _ in 0..times {
            self.sink.write_slices(&[IoSlice::new(&self.header), IoSlice::new(self.payload)]);
        }
        Ok(())
    }
}

/// Builds the frame with a new random key in a buffer that is reused, and writes that.
pub struct CopyXorWrite {
    header: Vec<u8>,
    payload: &'static [u8],
    buffer: Vec<u8>,
    sink: Sink,
}

impl Sends for CopyXorWrite {
    fn new(job: &Send, sink: Sink) -> Result<Self, Failure> {
        let mut header = header_of(job, Some([0; 4]));
        header.truncate(header.len() - 4);
        let buffer = Vec::with_capacity(header.len() + 4 + job.payload.len());
        Ok(Self { header, payload: job.payload, buffer, sink })
    }

    fn send(&mut self, times: u32) -> Result<(), Failure> {
        for _ in 0..times {
            let key: [u8; 4] = rand::random();
            self.buffer.extend_from_slice(&self.header);
            self.buffer.extend_from_slice(&key);
            let payload_at = self.buffer.len();
            self.buffer.extend_from_slice(self.payload);
            xor_in_place(&mut self.buffer[payload_at..], key);
            self.sink.write(&self.buffer);
            self.buffer.clear();
        }
        Ok(())
    }
}

fn header_of(job: &Send, key: Option<[u8; 4]>) -> Vec<u8> {
    let mut frame = job.frame(key);
    frame.truncate(frame.len() - job.payload.len());
    frame
}
