//! Facts about this machine as a collector of mirrored traffic.
//!
//! All of them are of the network namespace of the calling thread, as far as the kernel keeps them apart.

pub mod capability;
pub mod clock;
pub mod ethtool;
pub mod firewall;
pub mod interface;
pub mod limit;
pub mod link;
pub mod port;
mod system;
