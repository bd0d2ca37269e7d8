//! What the door does with those whom nobody vouches for: limits and bans, challenges, and who needs none.

use std::net::SocketAddr;
use std::time::Instant;

use mucfocus_core::address::sip_uri::SipUri;
use rsipstack::sip::SipMessage;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};

use super::auth::{Authenticator, Denied, Holder, Presented};
use super::caller;
use super::door::{Admission, Door, Reply, dialog_of, understood};
use super::gate::{Verdict, Violation};
use super::head::Head;
use super::identity::{self, Claims};
use super::settings::{Transport, Untrusted};
use super::sources::{Ban, Excess};

/// With what right a stranger's request goes on.
enum Right {
    /// He has said who he is.
    Proved(SipUri),
    /// He is a party to something that goes on.
    Party,
}

impl Door {
    /// Judges one message of somebody who is not trusted.
    pub(super) fn admit_stranger(&self, source: SocketAddr, transport: Transport, octets: &[u8]) -> Admission {
        if transport == Transport::Udp {
            return self.admit_datagram(source, octets);
        }
        if self.shared.sources.ban_of(source.ip(), transport, Instant::now()).is_some() {
            self.count("banned");
            return Admission::Close;
        }
        // Responses to what we ask are no requests; they are counted when nobody waits for them.
        let is_response = octets.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"));
        if !is_response && !self.may(Excess::Requests, source) {
            return Admission::Close;
        }
        match self.judge(transport, octets) {
            Verdict::Drop(violation) => {
                self.count(violation.label());
                self.unasked(source, Excess::Requests)
            }
            Verdict::Refuse { violation, head } => self.unfit(violation, &head, source),
            Verdict::Pass { message, head } if head.is_response() => {
                match self.pass(message, head, source, transport, None) {
                    Admission::Pass { message, .. } if !self.is_awaited(&message) => {
                        self.unasked(source, Excess::Requests)
                    }
                    other => other,
                }
            }
            Verdict::Pass { message, head } => {
                let right = self.right(&message, &head, source, transport);
                self.by_right(right, message, head, source, transport)
            }
        }
    }

    /// The same of a datagram, whose source may be forged: what shows that it is not passes a ban that others can cause, and is
    /// counted apart from what shows nothing.
    fn admit_datagram(&self, source: SocketAddr, octets: &[u8]) -> Admission {
        let transport = Transport::Udp;
        let now = Instant::now();
        let ban = self.shared.sources.ban_of(source.ip(), transport, now);
        let verdict = self.judge(transport, octets);
        let (message, head) = match verdict {
            Verdict::Pass { message, head } => (message, head),
            _ if ban.is_some() => return self.banned(),
            Verdict::Drop(violation) => {
                self.count(violation.label());
                return self.unasked(source, Excess::Datagrams);
            }
            Verdict::Refuse { .. } if !self.may(Excess::Datagrams, source) => return Admission::Nothing,
            Verdict::Refuse { violation, head } => return self.unfit(violation, &head, source),
        };
        if head.is_response() {
            return match self.pass(message, head, source, transport, None) {
                Admission::Pass { message, .. } if !self.is_awaited(&message) => match ban {
                    Some(_) => self.banned(),
                    None => self.unasked(source, Excess::Datagrams),
                },
                other => other,
            };
        }
        let bears = || {
            let bears = self.shared.sources.bears(source.ip(), now);
            if !bears {
                self.count(Excess::Datagrams.label());
            }
            bears
        };
        let may_begin = match ban {
            _ if self.is_party(&message, &head, source, transport) => {
                return match bears() {
                    true => self.by_right(Ok(Right::Party), message, head, source, transport),
                    false => Admission::Nothing,
                };
            }
            Some(Ban::Proved) => return self.banned(),
            Some(Ban::Datagrams) => false,
            None => self.may(Excess::Datagrams, source),
        };
        match self.proof(&head, source) {
            Ok(user) if may_begin || bears() => {
                self.by_right(Ok(Right::Proved(user)), message, head, source, transport)
            }
            Ok(_) => Admission::Nothing,
            Err(why) if may_begin => self.turn_away(&head, source, why),
            Err(why) => {
                // He who guesses guesses no longer for being silent.
                if why.is_failed_login() {
                    self.may(Excess::FailedLogins, source);
                }
                self.banned()
            }
        }
    }

    fn banned(&self) -> Admission {
        self.count("banned");
        Admission::Nothing
    }

    fn by_right(
        &self,
        right: Result<Right, Denied>,
        message: Vec<u8>,
        head: Head,
        source: SocketAddr,
        transport: Transport,
    ) -> Admission {
        match right {
            Ok(Right::Proved(user)) => self.let_in(message, head, source, transport, &user),
            Ok(Right::Party) => {
                let home = caller::home_of(source, transport);
                self.pass(message, head, source, transport, Some(&home))
            }
            Err(why) => self.turn_away(&head, source, why),
        }
    }

    pub(super) fn may(&self, what: Excess, source: SocketAddr) -> bool {
        let is_borne = self.shared.sources.count(what, source.ip(), Instant::now()).is_ok();
        if !is_borne {
            self.count(what.label());
        }
        is_borne
    }

    /// A response that nobody waits for.
    fn unasked(&self, source: SocketAddr, what: Excess) -> Admission {
        if self.may(what, source) { Admission::Nothing } else { Admission::Close }
    }

    fn is_awaited(&self, message: &SipMessage) -> bool {
        let SipMessage::Response(response) = message else { return false };
        let key = TransactionKey::from_response(response, TransactionRole::Client);
        key.is_ok_and(|key| self.has_transaction(&key))
    }

    fn has_transaction(&self, key: &TransactionKey) -> bool {
        self.shared
            .endpoint()
            .is_some_and(|e| e.transactions.contains_key(key) || e.finished_transactions.contains_key(key))
    }

    fn right(&self, octets: &[u8], head: &Head, source: SocketAddr, transport: Transport) -> Result<Right, Denied> {
        if self.is_party(octets, head, source, transport) {
            return Ok(Right::Party);
        }
        self.proof(head, source).map(Right::Proved)
    }

    fn is_party(&self, octets: &[u8], head: &Head, source: SocketAddr, transport: Transport) -> bool {
        let call = dialog_of(head).and_then(|id| self.shared.dialogs.get(&id).map(|dialog| dialog.home.clone()));
        if matches!(head.method(), "ACK" | "CANCEL") {
            // Neither can be challenged (RFC 3261 §22.1); both have to fit to something.
            let is_of_a_transaction = || match understood(octets, head, source, transport) {
                Some(SipMessage::Request(request)) => TransactionKey::from_request(&request, TransactionRole::Server)
                    .is_ok_and(|key| self.has_transaction(&key)),
                _ => false,
            };
            return call.is_some() || is_of_a_transaction();
        }
        match call {
            // Who knows both tags of a call that came from a trusted peer is a party to it that sends past its proxy.
            Some(None) => true,
            Some(Some(home)) => home == caller::home_of(source, transport),
            None => false,
        }
    }

    fn proof(&self, head: &Head, source: SocketAddr) -> Result<SipUri, Denied> {
        if matches!(head.method(), "ACK" | "CANCEL") {
            return Err(Denied::Stranger);
        }
        let current = self.shared.current.now();
        let authenticator = current.authenticator.as_ref().ok_or(Denied::Stranger)?;
        verify(authenticator, head, source)
    }

    /// Lets in who has proved who he is, unless he says in From that he is somebody else.
    fn let_in(
        &self,
        message: Vec<u8>,
        head: Head,
        source: SocketAddr,
        transport: Transport,
        user: &SipUri,
    ) -> Admission {
        let claims = Claims { from: head.first("from"), privacy: head.first("privacy"), ..Claims::default() };
        if let Err(why) = identity::proved(&claims, user) {
            self.count("not_from");
            let (reason, text) = ("Forbidden", &*why.to_string());
            let reply = Reply::new(403, reason, text);
            return self.answer(&head, source, reply);
        }
        let who = format!("{} {user}", caller::home_of(source, transport));
        self.pass(message, head, source, transport, Some(&who))
    }

    /// What cannot be read: to ask for a password would help nobody, and that it is so says nothing about rooms. A method is a
    /// question to them, and who gets no challenge gets no reason either.
    pub(super) fn unfit(&self, violation: Violation, head: &Head, source: SocketAddr) -> Admission {
        let is_challenged = matches!(self.shared.current.now().untrusted, Untrusted::Challenge(_));
        if is_challenged && violation != Violation::UnknownMethod {
            return self.refuse(violation, head, source);
        }
        self.turn_away(head, source, Denied::Stranger)
    }

    /// The same for every method, every user part and every mistake in what can be read.
    pub(super) fn turn_away(&self, head: &Head, source: SocketAddr, denied: Denied) -> Admission {
        self.count(denied.label());
        if denied.is_failed_login() && !self.may(Excess::FailedLogins, source) {
            return Admission::Close;
        }
        let why = denied.to_string();
        let mut reply = Reply { why: &why, ..Reply::new(403, "Forbidden", "not allowed") };
        let current = self.shared.current.now();
        match &current.authenticator {
            _ if matches!(current.untrusted, Untrusted::Drop) => return Admission::Nothing,
            // It has no way to answer a challenge; and that it fits to nothing says nothing about anybody.
            Some(_) if head.method() == "CANCEL" => {
                (reply.code, reply.reason) = (481, "Call/Transaction Does Not Exist");
            }
            Some(authenticator) => {
                (reply.code, reply.reason, reply.text) = (401, "Unauthorized", "say who you are");
                reply.is_ordinary = denied.is_ordinary();
                if denied.is_failed_login() {
                    reply.username = authenticator.claimed(&head.all("authorization").collect::<Vec<_>>());
                }
                let holder = Holder::Stranger(source.ip());
                let challenges = authenticator.challenges(holder, denied);
                reply.fields = challenges.into_iter().map(|challenge| ("WWW-Authenticate", challenge)).collect();
            }
            None => {}
        }
        self.answer(head, source, reply)
    }
}

fn verify(authenticator: &Authenticator, head: &Head, source: SocketAddr) -> Result<SipUri, Denied> {
    let authorization: Vec<_> = head.all("authorization").collect();
    let presented = Presented {
        method: head.method(),
        request_uri: head.start.split(' ').nth(1).unwrap_or_default(),
        authorization: &authorization,
        identifying: ["via", "call-id", "cseq"].map(|name| head.first(name)),
    };
    authenticator.verify(&presented, Holder::Stranger(source.ip()))
}
