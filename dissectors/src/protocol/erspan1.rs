//! ERSPAN Type I: one mirrored Ethernet frame in GRE (0x88BE, no sequence number), without a header.
//!
//! Specification: draft-foschiano-erspan-03, Type I.

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// The mirrored frame: Type I has no header of its own.
#[derive(Clone, Copy, Debug)]
pub struct Erspan1<'a> {
    payload: &'a [u8],
}

impl<'a> Erspan1<'a> {
    /// Takes a GRE payload as the mirrored frame, whatever it is.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Reason> {
        Ok(Self { payload })
    }

    /// The mirrored Ethernet frame.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for Erspan1<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        Next::Frame(LinkType::Ethernet, self.payload)
    }

    fn opened(&self, key: Option<u32>) -> Option<Opened<'a>> {
        Some(Opened::new(
            Encapsulation::Erspan1,
            key.map(u64::from),
            self.payload,
        ))
    }
}
