//! What can be wrong with a packet, named so that it can be counted and told.

use std::fmt;

use crate::protocol::Protocol;

/// An enum whose variants have a stable text and can index a counter array.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every value, in the order of [`Self::index`].
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// Number of values: the size of an array with one entry each.
            pub const COUNT: usize = Self::ALL.len();

            /// Position in an array of [`Self::COUNT`] entries.
            pub const fn index(self) -> usize {
                self as usize
            }

            /// Stable name, for counters and machine-readable output.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The value with this stable name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use named;

named! {
    /// Why a header could not be used.
    Reason {
        /// Fewer bytes than the header needs.
        Truncated = "truncated",
        /// A version other than the one that is read.
        BadVersion = "bad-version",
        /// The header's own length is below its minimum or beyond the packet.
        BadHeaderLength = "bad-header-length",
        /// A length field that contradicts the header it stands in.
        BadLength = "bad-length",
        /// A type field in the gap between 802.3 lengths and `EtherTypes`.
        BadType = "bad-type",
        /// Options that do not add up to the announced length.
        BadOptions = "bad-options",
        /// Flags that exclude each other.
        BadFlags = "bad-flags",
        /// VXLAN without a valid network identifier (I flag clear).
        NoVni = "no-vni",
        /// More tags or extension headers than are followed.
        TooManyHeaders = "too-many-headers",
        /// More encapsulations or layers than allowed.
        TooDeep = "too-deep",
        /// A payload type that is not opened.
        UnsupportedType = "unsupported-type",
        /// A control message between tunnel endpoints, not user traffic.
        ControlMessage = "control-message",
        /// Encrypted.
        Encrypted = "encrypted",
        /// Compressed.
        Compressed = "compressed",
    }
}

/// A header that could not be used, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Malformed {
    /// The protocol of the bad header.
    pub protocol: Protocol,
    /// What is wrong.
    pub reason: Reason,
    /// Bytes from the start of the captured frame to the start of the bad header.
    pub offset: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} at byte {}",
            self.protocol, self.reason, self.offset
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_index_their_array() {
        for (index, protocol) in Protocol::ALL.iter().enumerate() {
            assert_eq!(protocol.index(), index);
            assert_eq!(Protocol::from_name(protocol.as_str()), Some(*protocol));
        }
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index);
            assert_eq!(Reason::from_name(reason.as_str()), Some(*reason));
        }
        assert_eq!(Protocol::from_name("Ethernet"), None);
    }

    #[test]
    fn a_fault_reads_as_a_sentence() {
        let fault = Malformed {
            protocol: Protocol::Erspan2,
            reason: Reason::Truncated,
            offset: 38,
        };
        assert_eq!(fault.to_string(), "erspan2: truncated at byte 38");
    }
}
