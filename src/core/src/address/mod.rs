//! Names of people and rooms in both worlds, and the rules that turn one into the other (RFC 7247, RFC 8266, XEP-0106).
//!
//! Nothing here knows a room, a call or a stream: addresses in, addresses out.

pub mod domain;
pub mod escape;
pub mod mapping;
pub mod name_addr;
pub mod nickname;
pub mod pattern;
pub mod sip_uri;
pub mod template;
