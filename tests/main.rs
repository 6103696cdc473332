//! End-to-end tests through the built command.
