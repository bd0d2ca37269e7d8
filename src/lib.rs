//! mucfocus: a SIP conference focus and MSRP switch whose rooms mirror XMPP MUC rooms.
//!
//! # Architecture
//!
//! ```text
//!              SIP            MSRP                        XMPP
//!               │              │                            │
//!    drivers  sip          msrp_net                       xmpp            sockets, TLS, timers
//!               │  typed events │  frames                   │ stanzas
//!               ▼              ▼                            ▼
//!    hub      one task per room: inputs in, outputs out, bounded mailboxes
//!               │
//!    core     mucfocus_core::room: memberships, legs, switch (no I/O, no clock, no randomness)
//! ```
//!
//! [`hub`] owns the rooms; the drivers [`sip`], [`msrp_net`] and [`xmpp`] translate and decide nothing about a room;
//! [`config`], [`control`], [`observe`] and [`cli`] are what an operator touches. What decides is in `mucfocus_core`.
//!
//! `docs/` says what is met of which requirement (`conformance.md`), what an error is called on each side (`errors.md`,
//! [`mucfocus_core::translate::errors`]) and what is counted (`metrics.md`, [`observe::metrics`]).

pub mod bell;
pub mod cli;
pub mod config;
pub mod control;
pub mod dns;
pub mod hub;
pub mod msrp_net;
pub mod observe;
pub mod sip;
pub mod sockets;
pub mod tls;
pub mod ws;
pub mod xmpp;
