//! Gzip streams (RFC 1952), several members behind one another.
//!
//! Packed bytes are pushed through the decoder. One that pulls its input asks for more before it hands out what it has
//! unpacked, and on a live pipe that more may never come.

use std::io::{self, BufRead, Read, Write};

use flate2::write::MultiGzDecoder;

/// Packed bytes unpacked in one go; they become a thousand times as many at most.
const STEP: usize = 1024;

/// Unpacks a stream.
pub(crate) struct Gzip<R> {
    source: R,
    /// Holds what was unpacked last.
    decoder: MultiGzDecoder<Vec<u8>>,
    /// How much of that was given out.
    given: usize,
    /// What ended the stream early; told after the last bytes were given out.
    fault: Option<io::Error>,
    ended: bool,
}

impl<R: BufRead> Gzip<R> {
    pub fn new(source: R) -> Self {
        Self {
            source,
            decoder: MultiGzDecoder::new(Vec::new()),
            given: 0,
            fault: None,
            ended: false,
        }
    }

    pub fn get_ref(&self) -> &R {
        &self.source
    }

    /// Unpacks some bytes more.
    fn advance(&mut self) -> io::Result<()> {
        let packed = self.source.fill_buf()?;
        if packed.is_empty() {
            self.ended = true;
            return self.decoder.try_finish();
        }
        let step = &packed[..packed.len().min(STEP)];
        let used = self.decoder.write(step)?;
        self.source.consume(used);
        self.decoder.flush()?;
        if used == 0 && self.decoder.get_ref().is_empty() {
            return Err(io::Error::other("the decoder takes no more"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.decoder.get_ref().len() {
            self.decoder.get_mut().clear();
            self.given = 0;
            if self.ended {
                return self.fault.take().map_or(Ok(0), Err);
            }
            if let Err(fault) = self.advance() {
                self.ended = true;
                self.fault = Some(fault);
            }
        }
        let count = (&self.decoder.get_ref()[self.given..]).read(buffer)?;
        self.given += count;
        Ok(count)
    }
}
