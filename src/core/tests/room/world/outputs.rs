//! What the room wants done, and what comes of it.

use jid::BareJid;
use mucfocus_core::conference::Outcome;
use mucfocus_core::leg::LegId;
use mucfocus_core::leg::call::{CallCommand, CallEnd};
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::transmitter::Transmitter;
use mucfocus_core::room::io::{Input, MembershipId, Output};
use mucfocus_core::stanza::OutStanza;
use mucfocus_core::xmpp_stream::interest::Interest;

use super::{Mail, Source, World};
use crate::caller::Caller;

impl World {
    pub(super) fn drain(&mut self) {
        loop {
            while let Some(output) = self.room.poll() {
                self.perform(output);
            }
            let Some(input) = self.backlog.pop_front() else { break };
            self.handle(input);
        }
        // Connections write when the room has had its turn, not in the middle of it.
        for leg in self.lines.keys().copied().collect::<Vec<_>>() {
            self.write(leg);
        }
        for (account, stanza) in std::mem::take(&mut self.muc.outbox) {
            self.post(Source::Streams, Mail::Stanza(account, Box::new(stanza)));
        }
        self.check();
    }

    pub(super) fn perform(&mut self, output: Output) {
        self.tell("out", &output);
        match output {
            Output::Call(leg, command) => self.command(leg, command),
            Output::Invite(leg, offer) => self.caller(leg).invited = Some(String::from_utf8(offer.to_vec()).unwrap()),
            Output::OpenSession(leg, id, _) => self.caller(leg).session = Some(id),
            Output::Connect(leg, target) => {
                let caller = self.caller(leg);
                let address = format!("{}:{}", target.host, target.port);
                assert!(caller.path().contains(&address), "{address}");
                caller.connects += 1;
                if self.connects_sessions {
                    self.bind(leg);
                }
            }
            Output::Transmit(leg, frame) => {
                let now = self.now;
                if let Some((line, share)) = self.lines.get_mut(&leg) {
                    line.put(now, *share, frame).unwrap();
                }
            }
            Output::Send(leg, post) => {
                let now = self.now;
                let line = self.lines.get_mut(&leg);
                if line.is_some_and(|(line, share)| line.post(now, *share, post).is_err()) {
                    self.backlog.push_back(Input::SessionStalled(leg));
                }
            }
            Output::TakeBack(leg) => {
                let unsent = self.takes_back(leg);
                self.backlog.push_back(Input::Returned(leg, unsent));
            }
            Output::Credit(leg) => self.caller(leg).credited += 1,
            Output::CloseSession(leg, id) => {
                self.write(leg);
                let caller = self.caller(leg);
                assert_eq!(caller.session.take(), Some(id));
                caller.is_bound = false;
                caller.expects.clear(); // nobody answers on a session that is over (MS-REP-06)
                self.lines.remove(&leg);
                // What the connection had to say was about that session.
                self.mail.remove(&Source::Msrp(leg));
            }
            Output::Joined(member) => assert!(self.streams.contains_key(&member), "a membership that there is"),
            Output::Banned(leg) => {
                let caller = self.caller(leg);
                assert!(!caller.is_gone && !caller.is_banned, "once, and while it is known whose leg it is");
                caller.is_banned = true;
            }
            Output::Moved(instead) => self.moved.push(instead),
            Output::LegGone(leg) => {
                let caller = self.caller(leg);
                assert!(!caller.is_gone, "gone twice");
                caller.is_gone = true;
            }
            Output::OpenStream(member, account) => {
                self.streams.insert(member, account.to_string().parse().unwrap());
                self.interests.insert(member, Interest::Everything);
                if self.connects_streams {
                    self.post(Source::Streams, Mail::Ready(member));
                }
            }
            Output::Stanza(member, stanza) => self.carry(member, stanza),
            Output::Listen(member, interest) => {
                assert!(self.streams.contains_key(&member), "nobody is there to listen");
                assert_ne!(self.interests.insert(member, interest.clone()), Some(interest), "it was told before");
            }
            Output::CloseStream(member) => {
                assert!(self.streams.remove(&member).is_some(), "a stream that is not open is closed");
                self.interests.remove(&member);
                let stays = |account: &BareJid| self.streams.values().any(|other| other == account);
                let left: Vec<_> = self.suspended.keys().filter(|account| !stays(account)).cloned().collect();
                left.iter().for_each(|account| self.is_heard_at_last(account));
            }
            Output::Notify(id, notification) => {
                let watcher = self.watchers.get_mut(&id).expect("a subscription that was made");
                assert!(!watcher.is_gone && !watcher.is_in_flight, "one notification at a time (EV-18)");
                watcher.takes(notification);
                if watcher.answers {
                    self.post(Source::Watcher(id), Mail::Input(Input::Notified(id, Outcome::Delivered)));
                }
            }
            Output::SubscriptionGone(id) => self.watchers.get_mut(&id).expect("a subscription").is_gone = true,
            Output::Referral(id, answer) => self.referrals.entry(id).or_default().push(answer),
            Output::Invitation(id, result) => assert!(self.invitations.insert(id, result).is_none(), "said twice"),
            Output::Trace(leg, trace) => self.caller(leg).traces.push(trace),
        }
    }

    pub(super) fn caller(&mut self, leg: LegId) -> &mut Caller {
        self.callers.get_mut(&leg).expect("a leg that was dialled")
    }

    pub(super) fn command(&mut self, leg: LegId, command: CallCommand) {
        let is_final = matches!(command, CallCommand::Reject(_) | CallCommand::Bye { .. });
        let is_accept = matches!(command, CallCommand::Accept { .. });
        self.caller(leg).call(command);
        if is_final {
            self.post(Source::Call(leg), Mail::Input(Input::CallEnded(leg, CallEnd::ByUs)));
        }
        if is_accept && self.connects_sessions {
            let caller = &self.callers[&leg];
            let answer = caller.is_silent.then(|| Input::Answered(leg, caller.offer().into()));
            self.post(Source::Call(leg), Mail::Input(answer.unwrap_or(Input::Confirmed(leg))));
            if self.callers[&leg].setup == "active" {
                self.bind(leg);
            }
        }
    }

    /// The connection of the session comes about; the client sends its first SEND on it.
    pub fn bind(&mut self, leg: LegId) {
        // Whatever is written from now on can be read, also what the room writes in the same moment.
        let caller = self.caller(leg);
        caller.is_bound = true;
        caller.reads_anew();
        let mut line = Transmitter::new(self.now, Limits::default(), false);
        let share = line.attach();
        self.lines.insert(leg, (line, share));
        self.post(Source::Msrp(leg), Mail::Input(Input::Bound(leg)));
    }

    pub(super) fn carry(&mut self, member: MembershipId, stanza: OutStanza) {
        let account = self.streams.get(&member).expect("a stream for the stanza").clone();
        if let OutStanza::Groupchat { id, body, .. } | OutStanza::Private { id, body, .. } = &stanza
            && body.len() > self.max_body
        {
            let input = Input::Unsendable { membership: member, id: id.clone() };
            return self.post(Source::Streams, Mail::Input(input));
        }
        match self.suspended.get_mut(&account) {
            Some((_, outgoing)) => outgoing.push_back(stanza),
            None => self.muc.take(account, stanza),
        }
    }
}
