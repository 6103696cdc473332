//! Zstandard streams: several frames behind one another, unpacked as they come.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The end of any frame: an empty last block, and four bytes that stand for a checksum.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// Unpacks a stream.
///
/// The decoder keeps the last window (up to 8 MiB as `zstd` writes it by default, 128 MiB at most) until the frame
/// ends, so packets of a live zstd stream appear late.
pub(crate) struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    /// What ended the stream early; told after the last bytes were given out.
    fault: Option<io::Error>,
    ended: bool,
}

impl<R: BufRead> Zstd<R> {
    pub fn new(source: R) -> Self {
        Self {
            source,
            decoder: FrameDecoder::new(),
            fault: None,
            ended: false,
        }
    }

    pub fn get_ref(&self) -> &R {
        &self.source
    }

    /// Unpacks one block, or begins the next frame.
    fn advance(&mut self) -> io::Result<()> {
        if !self.decoder.is_finished() {
            let one = BlockDecodingStrategy::UptoBlocks(1);
            self.decoder
                .decode_blocks(&mut self.source, one)
                .map_err(io::Error::other)?;
            return Ok(());
        }
        self.verify()?;
        if self.source.fill_buf()?.is_empty() {
            self.ended = true;
            return Ok(());
        }
        match self.decoder.init(&mut self.source) {
            Ok(()) => Ok(()),
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let length = u64::from(length);
                let skipped = io::copy(&mut self.source.by_ref().take(length), &mut io::sink())?;
                if skipped == length {
                    Ok(())
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                }
            }
            Err(fault) => Err(io::Error::other(fault)),
        }
    }

    /// Compares the checksum of the frame that was just unpacked, if it has one (RFC 8878 §3.1.1).
    fn verify(&self) -> io::Result<()> {
        let stored = self.decoder.get_checksum_from_data();
        if stored.is_some() && stored != self.decoder.get_calculated_checksum() {
            return Err(io::Error::other("checksum does not match"));
        }
        Ok(())
    }

    /// Ends a frame that cannot be read on, so that the decoder gives out what it held back.
    fn give_up(&mut self, fault: io::Error) {
        self.ended = true;
        self.fault = Some(fault);
        if !self.decoder.is_finished() {
            // If even that fails there is nothing more to be had.
            let _ = self
                .decoder
                .decode_blocks(&LAST_BLOCK[..], BlockDecodingStrategy::UptoBlocks(1));
        }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.decoder.can_collect() == 0 {
            if self.ended {
                return self.fault.take().map_or(Ok(0), Err);
            }
            if let Err(fault) = self.advance() {
                self.give_up(fault);
            }
        }
        self.decoder.read(buffer)
    }
}
