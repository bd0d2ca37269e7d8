//! Pure functions between the two worlds, and the one table of errors.

pub mod errors;
pub mod html;
pub mod invitation;
pub mod message;
pub mod notices;
pub mod phrases;
pub mod text;
