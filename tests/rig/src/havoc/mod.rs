//! People who go on talking whatever breaks around them, and what is right all the same.
//!
//! [`sip`] and [`xmpp`] are somebody who comes back whenever he is cut off, on either side; [`roads`] is what a SIP user's packets
//! pass, and what breaks there. [`ledger`] keeps what was said, what was acknowledged and who heard it, and says what was lost or
//! shown twice. [`event`] is what can happen, and [`stage`] has it happen to all of them and waits until everything is as it was.

pub mod diary;
pub mod event;
pub mod ledger;
pub mod roads;
pub mod sip;
pub mod stage;
pub mod xmpp;
