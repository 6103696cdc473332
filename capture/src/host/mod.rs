//! Facts about this machine as a collector of mirrored traffic.

pub mod capability;
pub mod link;
pub mod port;
