//! The one loop of the client: waits for the first thing to happen and does what follows from it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::wire::msrp::collect::Incoming;
use mucfocus_core::wire::msrp::uri::MsrpUri;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Plan;
use super::agent::Agent;
use super::call::{Event, Parties};
use super::keyboard;
use super::message::Message;
use super::msrp::{Line, Lost};
use super::probe::Probe;
use super::roster::Roster;
use super::screen::{Screen, Way};
use super::setup;
use super::wire::Wire;
use crate::hub::clock::{now, to_tokio};
use crate::sip::digest::Credentials;

/// Calls, talks, hangs up. Whether all went as it was wanted; if not, why has been said.
pub(super) async fn talk(plan: Plan) -> bool {
    let (screen, probe) = (plan.screen, plan.probe.clone());
    match Talk::begin(plan).await {
        Ok(mut talk) => {
            talk.run().await;
            talk.went_well()
        }
        Err(why) => {
            screen.tell(&why);
            tell_missing(screen, probe.as_ref());
            false
        }
    }
}

fn tell_missing(screen: Screen, probe: Option<&Probe>) {
    for missing in probe.map(Probe::missing).unwrap_or_default() {
        screen.tell(&missing);
    }
}

mod people;
mod reactions;

use self::people::Naming;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not in the room yet.
    Joining,
    /// In the room.
    Inside,
    /// About to hang up: what was said last is still to be acknowledged, or the reason of a lost connection to be told.
    Settling,
    /// Hanging up.
    Leaving,
    /// Nothing more to do.
    Gone,
}

/// What can happen.
enum Input {
    Sip(std::io::Result<(Bytes, SocketAddr)>),
    Msrp(Box<Result<Incoming, Lost>>),
    Typed(Option<keyboard::Line>),
    Timer,
    Deadline,
    Interrupt,
}

struct Talk {
    screen: Screen,
    room: SipUri,
    from: SipUri,
    own: MsrpUri,
    timeout: Duration,
    probe: Option<Probe>,
    keyboard: Option<mpsc::Receiver<keyboard::Line>>,
    signals: [Signal; 2],
    wire: Wire,
    agent: Agent,
    events: Vec<Event>,
    line: Option<Line>,
    /// Octets of the largest message that the room takes.
    limit: Option<u64>,
    roster: Roster,
    naming: Naming,
    /// Until when what is typed waits, for our name and for who is here; `None` when it waits no more.
    ready_by: Option<mucfocus_core::time::Instant>,
    /// Why there is no more of the roster, and when that is told.
    unsaid: Option<(mucfocus_core::time::Instant, String)>,
    phase: Phase,
    /// When the phase has to be over.
    deadline: Option<Instant>,
    failed: bool,
}

impl Talk {
    /// Dials.
    async fn begin(plan: Plan) -> Result<Self, String> {
        let Plan { room, from, display, nickname, password, proxy, probe, timeout, screen } = plan;
        let deadline = Instant::now() + timeout;
        screen.tell(&format!("connecting to {room} by way of {proxy}"));
        let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
        let [Ok(interrupt), Ok(terminate)] = signals else { return Err("cannot listen to signals".to_owned()) };
        let (wire, local, peer) = setup::open(&proxy, deadline).await?;
        let own = setup::own_uri(local)?;
        let offer = setup::offer(&own);
        let parties = Parties {
            from: from.clone(),
            display: display.clone(),
            room: room.clone(),
            transport: proxy.transport,
            local,
            peer,
        };
        let user = from.user_decoded().unwrap_or_default();
        let credentials = password.map(|password| Credentials::new(&user, password));
        let roster = Roster::new(nickname.as_deref().unwrap_or(&display));
        let naming = Naming::new(nickname, display);
        let mut events = Vec::new();
        let agent = Agent::call(parties, credentials, &offer, now(), &mut events);
        Ok(Self {
            screen,
            room,
            from,
            own,
            timeout,
            probe,
            keyboard: None,
            signals: [interrupt, terminate],
            wire,
            agent,
            events,
            line: None,
            limit: None,
            roster,
            naming,
            ready_by: None,
            unsaid: None,
            phase: Phase::Joining,
            deadline: Some(deadline),
            failed: false,
        })
    }

    async fn run(&mut self) {
        loop {
            self.proceed();
            self.follow_events().await;
            // After the documents among the events: else nothing wakes us until the time is over.
            if self.ready_by.is_some_and(|by| by <= now() || self.knows_the_room()) {
                self.ready_by = None;
            }
            if self.phase == Phase::Gone || self.agent.is_over() {
                return;
            }
            match self.wait().await {
                Input::Sip(Ok((octets, source))) => {
                    self.screen.sip(Way::Received, &octets);
                    if let Some(message) = Message::parse(&octets) {
                        self.agent.receive(&message, source, now(), &mut self.events);
                    }
                }
                Input::Sip(Err(error)) => self.cut_off(&error),
                Input::Msrp(incoming) => match *incoming {
                    Ok(incoming) => {
                        let news = self.line.as_mut().map(|line| line.take(incoming)).unwrap_or_default();
                        self.hear(news);
                    }
                    Err(lost) => self.lost(&lost),
                },
                Input::Typed(line) => self.typed(line),
                Input::Timer => {
                    if self.naming.is_due(now()) {
                        self.announce();
                    }
                    self.tell_unsaid();
                    self.agent.handle_timeout(now(), &mut self.events);
                    let news = self.line.as_mut().map(|line| line.handle_timeout(now())).unwrap_or_default();
                    self.hear(news);
                }
                Input::Deadline => self.too_late(),
                Input::Interrupt => self.interrupted(),
            }
        }
    }

    /// The result, once nothing more happens.
    fn went_well(&self) -> bool {
        tell_missing(self.screen, self.probe.as_ref());
        !self.failed && self.probe.as_ref().is_none_or(Probe::is_done)
    }

    async fn wait(&mut self) -> Input {
        let line = self.line.as_ref().and_then(Line::next_timeout);
        let timers = [
            self.agent.next_timeout(),
            line,
            self.naming.announce_by,
            self.ready_by,
            self.unsaid.as_ref().map(|(at, _)| *at),
        ];
        let timer = timers.into_iter().flatten().min().map(to_tokio);
        let [interrupt, terminate] = &mut self.signals;
        let is_ready = self.phase == Phase::Inside && self.ready_by.is_none();
        let listens = is_ready && self.line.as_ref().is_some_and(Line::has_room);
        tokio::select! {
            message = self.wire.receive() => Input::Sip(message),
            incoming = receive(self.line.as_mut()) => Input::Msrp(Box::new(incoming)),
            line = read(self.keyboard.as_mut()), if listens => Input::Typed(line),
            () = until(timer) => Input::Timer,
            () = until(self.deadline) => Input::Deadline,
            _ = interrupt.recv() => Input::Interrupt,
            _ = terminate.recv() => Input::Interrupt,
        }
    }

    /// Does what nobody has to be waited for.
    fn proceed(&mut self) {
        match (self.phase, &mut self.probe) {
            (Phase::Inside, Some(probe)) if !self.naming.asking => {
                let next = probe.next();
                let is_done = probe.is_done();
                if let Some(text) = next {
                    self.say(&text);
                } else if is_done {
                    self.leave();
                }
            }
            (Phase::Settling, _) if self.line.as_ref().is_some_and(Line::is_settled) => self.leave(),
            _ => {}
        }
    }

    async fn follow_events(&mut self) {
        while !self.events.is_empty() {
            for event in std::mem::take(&mut self.events) {
                self.follow(event).await;
            }
        }
    }

    async fn follow(&mut self, event: Event) {
        match event {
            Event::Send(octets, to) => {
                self.screen.sip(Way::Sent, &octets);
                if let Err(error) = self.wire.send(&octets, to).await {
                    self.cut_off(&error);
                }
            }
            Event::Progress(what) => self.screen.tell(&what),
            Event::Answered(answer) => {
                if let Err(why) = self.connect(&answer).await {
                    self.fail(&why);
                }
            }
            Event::Refused(_) | Event::NoAnswer if self.phase == Phase::Leaving => {}
            Event::Refused(refusal) => self.fail(&format!("the call was refused: {refusal}")),
            Event::NoAnswer => self.fail("nobody answers"),
            Event::Ended(explanations) => {
                let unsaid = self.unsaid.take().map_or_else(|| "no reason given".to_owned(), |(_, why)| why);
                let why = if explanations.is_empty() { unsaid } else { explanations.join("; ") };
                self.screen.tell(&format!("the room ended the call: {why}"));
                self.failed |= !matches!(self.phase, Phase::Settling | Phase::Leaving);
                self.leave();
            }
            Event::Left => {}
            Event::Subscribing => self.roster.restart(),
            Event::Document(document) => self.roster_came(&document),
            Event::Unsubscribed(why) => self.roster_is_lost(&why),
            Event::Invitation { whom, outcome, is_last } => self.invitation(&whom, &outcome, is_last),
        }
    }

    /// Makes the MSRP connection that the answer asks for.
    async fn connect(&mut self, answer: &Bytes) -> Result<(), String> {
        let deadline = self.deadline.unwrap_or_else(Instant::now);
        let (stream, answer) = setup::connect(answer, deadline).await?;
        self.limit = answer.max_size();
        self.naming.is_possible = answer.takes_nicknames();
        self.line = Some(Line::begin(stream, self.own.clone(), answer.path().clone(), self.screen));
        Ok(())
    }
}

async fn receive(line: Option<&mut Line>) -> Result<Incoming, Lost> {
    match line {
        Some(line) => line.receive().await,
        None => std::future::pending().await,
    }
}

async fn read(keyboard: Option<&mut mpsc::Receiver<keyboard::Line>>) -> Option<keyboard::Line> {
    match keyboard {
        Some(keyboard) => keyboard.recv().await,
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
