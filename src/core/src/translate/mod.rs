//! Pure functions between the two worlds, and the one table of errors.

pub mod errors;
pub mod message;
pub mod phrases;
pub mod text;
