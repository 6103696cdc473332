//! Agreement with other tools.
