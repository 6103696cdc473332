//! Frames onto interfaces of this host, for programs that listen there.
//!
//! A [`Port`] is an interface that frames are put on: one that is there, by a packet socket, or a tap that is made. An
//! [`Injector`] does it in a thread of its own, at a [`Pace`], so that whoever reads packets never waits for an interface.

mod injector;
mod pace;
mod port;
mod queue;
mod tap;
mod totals;

pub use injector::Injector;
pub use pace::Pace;
pub use port::Port;
pub use totals::Totals;

/// Length of an Ethernet header: nothing shorter is a frame.
pub const HEADER: usize = 14;

/// An Ethernet header for an IP packet that came without one: from nobody to nobody, as on the loopback interface. `None` if
/// it is no IP packet.
pub fn header(packet: &[u8]) -> Option<[u8; HEADER]> {
    let [high, low] = match packet.first()? >> 4 {
        4 => [0x08, 0x00],
        6 => [0x86, 0xdd],
        _ => return None,
    };
    let mut header = [0; HEADER];
    header[12] = high;
    header[13] = low;
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ip_packets_get_a_header_and_nothing_else_does() {
        let v4 = header(&[0x45, 0]).unwrap();
        assert_eq!(v4[..12], [0; 12]);
        assert_eq!(v4[12..], [0x08, 0x00]);
        assert_eq!(header(&[0x60]).unwrap()[12..], [0x86, 0xdd]);
        for none in [&[][..], &[0x00], &[0x55, 1, 2]] {
            assert_eq!(header(none), None);
        }
    }
}
