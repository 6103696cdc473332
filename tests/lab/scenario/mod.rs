//! The scenarios: each a file, or a few that belong together.

mod asymmetric;
mod conflict;
mod datagrams;
mod gateway;
mod healthy;
mod ipv6;
mod migration;
mod mirrors;
mod mtu;
mod nat;
mod servers;
mod tenants;
mod trombone;

pub use asymmetric::*;
pub use conflict::*;
pub use datagrams::*;
pub use gateway::*;
pub use healthy::*;
pub use ipv6::*;
pub use migration::*;
pub use mirrors::*;
pub use mtu::*;
pub use nat::*;
pub use servers::*;
pub use tenants::*;
pub use trombone::*;
