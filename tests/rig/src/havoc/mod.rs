//! People who go on talking whatever breaks around them, and what is right all the same.
//!
//! [`actor`] is somebody who comes back whenever he is cut off, on either side; [`ledger`] keeps what was said, what was
//! acknowledged and who heard it, and says what was lost, shown twice or left behind.

pub mod actor;
pub mod ledger;
