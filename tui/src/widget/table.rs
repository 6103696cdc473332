//! The one table.

/// What a table remembers between two drawings.
#[derive(Clone, Debug, Default)]
pub struct TableState {}
