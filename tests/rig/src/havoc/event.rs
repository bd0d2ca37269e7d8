//! What can happen.

/// One fault. Where somebody is hit by it, dice say who.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// mucfocus is killed, and started again.
    KillMucfocus,
    /// The XMPP server is killed, and after a while started again.
    KillServer,
    /// mucfocus stops for a while.
    FreezeMucfocus,
    /// The XMPP server stops for a while.
    FreezeServer,
    /// All streams between mucfocus and the XMPP server break, and may not be made anew for a while.
    CutXmpp,
    /// One of these streams breaks in the midst of a message.
    TearXmpp,
    /// Nothing passes between them for a while: it waits, or is lost.
    StallXmpp,
    /// The MSRP connection of a SIP user breaks.
    CutMsrp,
    /// Nothing passes there for a while.
    StallMsrp,
    /// The SIP connection of a SIP user breaks, or datagrams are lost for a while.
    CutSip,
    /// Nothing passes there for a while.
    StallSip,
    /// The client of a SIP user is killed.
    SipClientDies,
    /// The client of an XMPP user is killed.
    XmppClientDies,
    /// A SIP user hangs up.
    SipUserHangsUp,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::KillMucfocus,
        Self::KillServer,
        Self::FreezeMucfocus,
        Self::FreezeServer,
        Self::CutXmpp,
        Self::TearXmpp,
        Self::StallXmpp,
        Self::CutMsrp,
        Self::StallMsrp,
        Self::CutSip,
        Self::StallSip,
        Self::SipClientDies,
        Self::XmppClientDies,
        Self::SipUserHangsUp,
    ];
}
