//! The mirror header of NVIDIA (Mellanox) switches: 22 bytes in front of a frame, in GRE (0x8949).
//!
//! There is no public specification: the length is that which the tests of `SONiC` skip, and what the
//! bytes mean is unknown. So the frame is taken for one only if it looks like one.

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::protocol::Encapsulation;
use crate::protocol::ethernet::{Plausibility, plausibility};
use crate::reason::Reason;

/// Protocol type in GRE.
pub(crate) const GRE_TYPE: u16 = 0x8949;

/// Length of the header.
const HEADER_LEN: usize = 22;

/// The mirrored frame behind the header.
#[derive(Clone, Copy, Debug)]
pub struct Mlnx<'a> {
    payload: &'a [u8],
}

impl<'a> Mlnx<'a> {
    /// Skips the header at the start of a GRE payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let payload = bytes.get(HEADER_LEN..).ok_or(Reason::Truncated)?;
        Ok(Self { payload })
    }

    /// What follows the header.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for Mlnx<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        match plausibility(self.payload) {
            Plausibility::No => Next::Opaque(Reason::UnsupportedType),
            _ => Next::Frame(LinkType::Ethernet, self.payload),
        }
    }

    fn opened(&self, key: Option<u32>) -> Option<Opened<'a>> {
        let id = key.map(u64::from);
        Some(Opened::new(Encapsulation::Mlnx, id, self.payload))
    }
}

/// Writes a header of which nothing is known but the length.
pub(crate) fn write(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0; HEADER_LEN]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_header_is_told() {
        let bytes: [u8; 24] = std::array::from_fn(|at| at as u8);
        assert_eq!(Mlnx::parse(&bytes).unwrap().payload(), [22, 23]);
        for len in 0..22 {
            assert_eq!(Mlnx::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
    }
}
