//! The mapping rules: from a SIP URI to a MUC, and from a caller to the XMPP account that he acts under.

mod account;
mod factory;
mod reverse;
mod room;

pub use account::{AccountError, AccountRule, AccountRules, may_collide};
pub use factory::TOKEN;
pub use room::{RoomMatch, RoomRule, RoomRules};
