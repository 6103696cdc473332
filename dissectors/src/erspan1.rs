//! ERSPAN Type I: one mirrored Ethernet frame in GRE (0x88BE, no sequence number), without a header.
//!
//! Specification: draft-foschiano-erspan-03, Type I.

/// The mirrored frame: Type I has no header of its own.
#[derive(Clone, Copy, Debug)]
pub struct Erspan1<'a> {
    payload: &'a [u8],
}

impl<'a> Erspan1<'a> {
    /// Takes a GRE payload as the mirrored frame.
    pub fn new(payload: &'a [u8]) -> Self {
        Self { payload }
    }

    /// The mirrored Ethernet frame.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}
