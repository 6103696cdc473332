//! The scenarios: each a file, or a few that belong together.

mod asymmetric;
mod healthy;
mod migration;
mod trombone;

pub use asymmetric::*;
pub use healthy::*;
pub use migration::*;
pub use trombone::*;
