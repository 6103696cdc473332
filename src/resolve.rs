//! Reverse DNS by a process of its own: what asks the name service may call other machines, read the host's files and wait; what reads
//! packets may not. Addresses go to it in lines, and come back with their names. It ends with its standard input.

mod ask;
mod worker;

pub use ask::Resolver;
pub use worker::run;

/// The word on the command line that makes a process such a worker.
pub const COMMAND: &str = "resolve-names";
