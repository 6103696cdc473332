//! What a user may change: ports that mean a tunnel, and how deep to look.

use arrayvec::ArrayVec;

/// What a user may change about decapsulation.
#[derive(Clone, Debug)]
pub struct Options {
    /// UDP ports of tunnels.
    pub ports: Ports,
    /// Encapsulations that are opened in one frame, 8 unless changed.
    pub max_encapsulations: usize,
}

/// Destination ports that tell which tunnel a UDP datagram belongs to.
#[derive(Clone, Debug)]
pub struct Ports {
    /// VXLAN: 4789, and 8472 as Linux has it, unless changed.
    pub vxlan: ArrayVec<u16, 8>,
    /// Geneve: 6081 unless changed.
    pub geneve: ArrayVec<u16, 8>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ports: Ports::default(),
            max_encapsulations: 8,
        }
    }
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            vxlan: [4789, 8472].into_iter().collect(),
            geneve: [6081].into_iter().collect(),
        }
    }
}
