//! The Internet checksum (RFC 1071).

use etherparse::checksum::Sum16BitWords;

/// Checksum of `bytes`, ready to be written in network byte order.
///
/// Over bytes that hold their own right checksum it is 0.
pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    Sum16BitWords::new()
        .add_slice(bytes)
        .ones_complement()
        .to_be()
}

/// Checksum of an upper layer packet over IPv6 (RFC 8200 §8.1), its own field being 0.
pub(crate) fn with_ipv6_pseudo_header(
    source: [u8; 16],
    destination: [u8; 16],
    protocol: u8,
    packet: &[u8],
) -> u16 {
    Sum16BitWords::new()
        .add_16bytes(source)
        .add_16bytes(destination)
        .add_4bytes((packet.len() as u32).to_be_bytes())
        .add_2bytes([0, protocol])
        .add_slice(packet)
        .ones_complement()
        .to_be()
}

/// Checksum of an upper layer packet over IPv4 (RFC 9293 §3.1), its own field being 0.
pub(crate) fn with_ipv4_pseudo_header(
    source: [u8; 4],
    destination: [u8; 4],
    protocol: u8,
    packet: &[u8],
) -> u16 {
    Sum16BitWords::new()
        .add_4bytes(source)
        .add_4bytes(destination)
        .add_2bytes([0, protocol])
        .add_2bytes((packet.len() as u16).to_be_bytes())
        .add_slice(packet)
        .ones_complement()
        .to_be()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn a_header_with_its_checksum_sums_to_zero() {
        let header = hex!("450000280a0a400040064474c000020ac6336414");
        assert_eq!(checksum(&header), 0);
        let mut cleared = header;
        cleared[10..12].fill(0);
        assert_eq!(checksum(&cleared), 0x4474);
    }
}
