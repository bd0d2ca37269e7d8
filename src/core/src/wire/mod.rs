//! Bytes to typed values and back, with zero policy: what is refused here is refused by a grammar, never by a rule of a room.

pub mod conference_info;
pub mod cpim;
pub mod imdn;
pub mod is_composing;
pub mod media_type;
pub mod mime;
pub mod msrp;
pub mod multipart;
pub mod sdp;
pub mod sip_body;
pub mod xml;
