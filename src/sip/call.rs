//! One call, from the room's first word on it to its end: a dialog (RFC 3261 §12 to §15) on top of the transactions
//! of the stack. Decides nothing about the room; what the caller does becomes mail, what the room says becomes responses.

mod ending;
mod refresh;
mod reinvite;
pub(super) mod timer;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use mucfocus_core::wire::sip_body::{Description, session_description};
use rsipstack::sip::{Header, Method, Request, Response};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::SipConnection;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::contact::OurEnd;
use super::dialog::bad_contact;
use super::dispatch::{self, Place, Refused, check_require, offer, respond};
use super::flow::{Flow, FlowUse};
use super::head::long_name;
use super::invite::{Invite, Pending, finish};
use super::port::CallCommand;
use super::replaces::{self, Succession};
use super::reply;
use super::setup::{Ongoing, PendingPlace};
use super::shared::{CallHandle, Shared};
use super::usage::Usage;
use super::within;
use crate::hub::mail::{CallEnd, CallMail, Mail};
use crate::hub::mailbox::Source;

/// Events that wait for one call; more in-dialog requests get 503.
pub(super) const EVENTS: usize = 16;
/// What a room pays in its mailbox for mail without a body.
const MAIL_WEIGHT: usize = 256;
/// What the transactions of a call tell it.
pub(super) enum Event {
    /// A new request within the dialog.
    Request(Box<Transaction>, Box<Place>),
    /// The INVITE of that number was cancelled; the CANCEL has its 200.
    Cancelled(u32),
    /// The 2xx of the INVITE of that number has its ACK.
    Acknowledged(u32),
    /// The transaction of that INVITE is over.
    Over(u32),
    /// Another call of his has taken its place (RFC 3891).
    Replaced,
    /// Our BYE was answered, or never will be.
    ByeDone,
    /// So was our refresh of the session; without an answer when there will be none.
    Refreshed(Option<Box<Response>>),
}

enum Phase {
    /// The INVITE has no final response.
    Ringing { invite: Invite, _place: PendingPlace },
    /// It has a 2xx.
    Talking,
    /// Our BYE is on its way.
    Leaving(CallEnd),
}

/// One call.
pub(super) struct Call {
    shared: Arc<Shared>,
    place: Place,
    caller: String,
    connection: Option<SipConnection>,
    dialog: Usage,
    handle: CallHandle,
    /// The call that this one takes the place of, until it has its ACK.
    replaces: Option<Succession>,
    events: mpsc::Receiver<Event>,
    commands: mpsc::Receiver<CallCommand>,
    /// `None` once the room has been told of the end.
    source: Option<Source>,
    phase: Phase,
    pending: Option<Pending>,
    /// Offers that the room has and has not answered; an answer to any but the last one comes too late.
    unanswered: u32,
    /// Until when the ACK has to come.
    ack_deadline: Option<Instant>,
    /// What ends the call as soon as the ACK has come (RFC 3261 §15: not before).
    wanted_bye: Option<(u16, String, CallEnd)>,
    /// The INVITE whose 2xx has no ACK yet, and is repeated.
    repeating: Option<Invite>,
    keeping: refresh::Keeping,
    _ongoing: Option<Ongoing>,
    _flow: Option<FlowUse>,
}

impl Call {
    /// Takes over an INVITE that has got its 100, and runs until the call is over.
    #[expect(clippy::too_many_arguments, reason = "called once, with everything a call consists of")]
    pub(super) fn begin(
        shared: Arc<Shared>,
        tx: Transaction,
        (pending_place, ongoing): (PendingPlace, Ongoing),
        place: Place,
        caller: String,
        dialog: Usage,
        (handle, events, replaces): (CallHandle, mpsc::Receiver<Event>, Option<Succession>),
        commands: mpsc::Receiver<CallCommand>,
        source: Source,
    ) {
        let connection = tx.connection.clone();
        let invite = Invite::run(tx, handle.events.clone());
        let call = Box::new(Self {
            _ongoing: Some(ongoing),
            _flow: place.flow.clone().map(FlowUse::new),
            shared,
            place,
            caller,
            connection,
            dialog,
            handle,
            replaces,
            events,
            commands,
            source: Some(source),
            phase: Phase::Ringing { invite, _place: pending_place },
            pending: None,
            unanswered: 0,
            ack_deadline: None,
            wanted_bye: None,
            repeating: None,
            keeping: refresh::Keeping::default(),
        });
        tokio::spawn(call.run());
    }

    /// Goes on with a call of ours, whose INVITE got this 2xx and the 2xx its ACK. What was wanted meanwhile ends it.
    pub(super) fn placed(
        shared: Arc<Shared>,
        (place, connection): (Place, SipConnection),
        dialog: Usage,
        (handle, events): (CallHandle, mpsc::Receiver<Event>),
        (commands, source): (mpsc::Receiver<CallCommand>, Source),
        (offer, ok): (Bytes, Response),
        bye: Option<(u16, String)>,
    ) {
        let answer = sdp_of(&ok);
        let mut call = Box::new(Self {
            _ongoing: None,
            _flow: place.flow.clone().map(FlowUse::new),
            caller: dialog.owner.aor.to_string(),
            shared,
            place,
            connection: Some(connection),
            dialog,
            handle,
            replaces: None,
            events,
            commands,
            source: Some(source),
            phase: Phase::Talking,
            pending: None,
            unanswered: 0,
            ack_deadline: None,
            wanted_bye: None,
            repeating: None,
            keeping: refresh::Keeping::begun_by(&ok, offer),
        });
        call.handle.is_talking.store(true, Ordering::Release);
        tokio::spawn(async move {
            match bye {
                Some((cause, text)) => call.leave(cause, &text, CallEnd::ByUs),
                None if answer.is_empty() => call.tell(CallMail::Confirmed, 0).await,
                None => {
                    let weight = answer.len();
                    call.tell(CallMail::Answered { answer }, weight).await;
                }
            }
            call.run().await;
        });
    }

    /// In a box, as is what it does now and then: a task is as large as the largest moment of its life, for all of it.
    async fn run(mut self: Box<Self>) {
        let mut room_listens = true;
        let end = loop {
            let ended = tokio::select! {
                // What the caller has said already counts before what the room says: a CANCEL before a 200.
                biased;
                Some(event) = self.events.recv() => Box::pin(self.on_event(event)).await,
                () = closed(self.place.flow.as_deref()), if self.is_ringing() => self.on_flow_closed(),
                command = self.commands.recv(), if room_listens => match command {
                    Some(command) => Box::pin(self.on_command(command)).await,
                    None => {
                        room_listens = false;
                        self.on_room_gone().await
                    }
                },
                () = until(self.ack_deadline) => self.on_no_ack(),
                () = until(self.keeping.next()) => self.on_session_timer(),
                () = self.shared.shutdown.cancelled() => Some(CallEnd::Failed("the SIP driver shuts down".into())),
            };
            if let Some(end) = ended {
                break end;
            }
        };
        self.shared.calls.remove(self.dialog.id());
        self.dialog.call_ends();
        if let Some(invite) = self.repeating.take() {
            invite.terminate();
        }
        tracing::debug!(call_id = %self.dialog.id().call_id, user = %self.caller, ?end, "call ended");
        // Requests that came too late still want an answer.
        self.events.close();
        while let Ok(event) = self.events.try_recv() {
            if let Event::Request(tx, _) = event {
                let refused = Refused::new(481, "no_dialog", "the dialog has ended");
                tokio::spawn(answer_late(Arc::clone(&self.shared), tx, self.place.clone(), refused));
            }
        }
        self.tell_end(end);
    }

    // --- what the room says ---

    async fn on_command(&mut self, command: CallCommand) -> Option<CallEnd> {
        match command {
            CallCommand::Progress => {
                if let Phase::Ringing { invite, .. } = &self.phase {
                    invite.respond(reply::response(&invite.request, 183, vec![self.contact()], Vec::new()));
                }
                None
            }
            CallCommand::Accept { answer } => {
                if self.is_ringing()
                    && let Phase::Ringing { invite, .. } = std::mem::replace(&mut self.phase, Phase::Talking)
                {
                    let response = self.ok(&invite.request, &answer);
                    self.accept(invite, response);
                }
                None
            }
            CallCommand::Reject(refusal) => {
                let Phase::Ringing { invite, .. } = &self.phase else { return None };
                let refused = Refused { refusal, label: "room", fields: Vec::new() };
                invite.finish(self.refusal(refused, &invite.request), &self.shared);
                Some(CallEnd::ByUs)
            }
            CallCommand::AnswerReinvite(answer) => {
                self.unanswered = self.unanswered.saturating_sub(1);
                if self.unanswered == 0 {
                    self.answer_reinvite(answer).await;
                }
                None
            }
            CallCommand::Bye { cause, text } => self.on_bye_wanted(cause, text),
        }
    }

    /// Notes that a 2xx goes out, and sends it: in this order, for the ACK may be quick.
    fn accept(&mut self, invite: Invite, response: Response) {
        self.handle.take_acknowledgement();
        self.handle.is_talking.store(true, Ordering::Release);
        self.handle.unacknowledged.store(invite.number, Ordering::Release);
        self.ack_deadline = Some(self.ack_time());
        invite.finish(response, &self.shared);
        self.repeating = Some(invite);
    }

    // --- what the caller does ---

    async fn on_event(&mut self, event: Event) -> Option<CallEnd> {
        match event {
            Event::Request(tx, place) => self.on_request(*tx, &place).await,
            Event::Cancelled(number) => self.on_cancelled(number).await,
            Event::Acknowledged(number) => self.on_acknowledged(number).await,
            Event::Over(number) if self.repeats(number) => self.on_no_ack(),
            Event::Over(_) => None,
            Event::Replaced => self.on_replaced(),
            Event::ByeDone => match std::mem::replace(&mut self.phase, Phase::Talking) {
                Phase::Leaving(end) => Some(end),
                _ => Some(CallEnd::ByUs),
            },
            Event::Refreshed(answer) => {
                self.on_refreshed(answer);
                None
            }
        }
    }

    async fn on_acknowledged(&mut self, number: u32) -> Option<CallEnd> {
        if !self.repeats(number) {
            return None;
        }
        self.repeating = None;
        self.ack_deadline = None;
        self.handle.unacknowledged.store(0, Ordering::Release);
        let answer = self.handle.take_acknowledgement();
        match answer.len() {
            0 => self.tell(CallMail::Confirmed, 0).await,
            weight => self.tell(CallMail::Answered { answer }, weight).await,
        }
        self.take_its_place();
        let (cause, text, end) = self.wanted_bye.take()?;
        self.hang_up(cause, text, end)
    }

    /// Takes note of an ACK that came before what is handled now but takes the longer way through its transaction.
    async fn catch_up(&mut self) {
        if let Some(number) = self.repeating.as_ref().map(|invite| invite.number)
            && !self.is_unacknowledged()
        {
            let _ = self.on_acknowledged(number).await;
        }
    }

    fn repeats(&self, number: u32) -> bool {
        self.repeating.as_ref().is_some_and(|invite| invite.number == number)
    }

    async fn on_request(&mut self, tx: Transaction, place: &Place) -> Option<CallEnd> {
        if matches!(self.phase, Phase::Leaving(_)) && tx.original.method != Method::Bye {
            self.refuse(tx, Refused::new(481, "no_dialog", "the dialog has ended"));
            return None;
        }
        if within::is_somebody_elses(&self.shared, &tx.original, &self.dialog) {
            self.refuse(tx, Refused::new(403, "not_owner", "this dialog is another caller's"));
            return None;
        }
        if !self.dialog.accepts_cseq(&tx.original) {
            self.refuse(tx, Refused::new(500, "cseq", "CSeq is not above that of the last request"));
            return None;
        }
        if let Err(refused) = check_require(&tx.original).and_then(|()| replaces::check_within(&tx.original)) {
            self.refuse(tx, refused);
            return None;
        }
        if let Some(why) = bad_contact(&tx.original) {
            self.refuse(tx, Refused::new(400, "contact", why.to_string()));
            return None;
        }
        self.dialog.heard_from(place, tx.connection.as_ref());
        match tx.original.method {
            Method::Bye => return self.on_bye(tx).await,
            Method::Invite | Method::Update => match self.check_offer(&tx.original) {
                Ok(offer) => self.on_reinvite(tx, offer).await,
                Err(refused) => self.refuse(tx, refused),
            },
            Method::Options => {
                let fields = dispatch::capabilities_at(self.contact());
                let response = reply::response(&tx.original, 200, fields, Vec::new());
                self.answer(tx, response);
            }
            method => {
                let refused = dispatch::check_method(method).err();
                self.refuse(tx, refused.unwrap_or_else(|| Refused::new(405, "method", "not allowed here")));
            }
        }
        None
    }

    fn check_offer(&self, request: &Request) -> Result<Bytes, Refused> {
        timer::check(request, self.shared.settings.min_session)?;
        let offer = offer(request)?;
        // An UPDATE that only refreshes the call is answered without SDP.
        if request.method == Method::Invite || !offer.is_empty() {
            dispatch::check_accept(request)?;
        }
        Ok(offer)
    }

    // --- what is common ---

    async fn tell(&self, mail: CallMail, octets: usize) {
        if let Some(source) = &self.source {
            // A room that is gone is noticed when its commands end.
            let _ = source.send(Mail::Call(mail), MAIL_WEIGHT + octets).await;
        }
    }

    /// The last word to the room, once.
    fn tell_end(&mut self, end: CallEnd) {
        if let Some(source) = self.source.take() {
            source.finish(Mail::Call(CallMail::Ended(end)));
        }
    }

    /// Sends a final response without waiting for a stream to take it.
    fn answer(&self, tx: Transaction, response: Response) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move { finish(&shared, tx, response).await });
    }

    fn refuse(&self, tx: Transaction, refused: Refused) {
        tokio::spawn(answer_late(Arc::clone(&self.shared), Box::new(tx), self.place.clone(), refused));
    }

    fn refusal(&self, refused: Refused, request: &Request) -> Response {
        refused.response(&self.shared, request, &self.place, Some(&self.caller))
    }

    fn ok(&mut self, request: &Request, answer: &Bytes) -> Response {
        let mut fields = dispatch::capabilities_at(self.contact());
        fields.extend(self.keep_session(request, Some(answer)));
        if !answer.is_empty() {
            fields.push(Header::ContentType("application/sdp".into()));
        }
        reply::response(request, 200, fields, answer.to_vec())
    }

    /// This node, over the transport of the dialog.
    fn contact(&self) -> Header {
        self.dialog.contact(&self.shared, OurEnd::of(&self.place))
    }

    fn is_ringing(&self) -> bool {
        matches!(self.phase, Phase::Ringing { .. })
    }

    fn is_unacknowledged(&self) -> bool {
        self.handle.unacknowledged.load(Ordering::Acquire) != 0
    }

    fn ack_time(&self) -> Instant {
        Instant::now() + self.shared.timers.transaction() + Duration::from_secs(1)
    }
}

/// The SDP of a response; empty when it has none that can be read.
fn sdp_of(response: &Response) -> Bytes {
    let value = |name: &str| response.headers.iter().find(|h| long_name(h.name()) == name).map(Header::value);
    let description = Description {
        content_type: value("content-type"),
        content_disposition: value("content-disposition"),
        content_encoding: value("content-encoding"),
    };
    let found = session_description(description, &Bytes::copy_from_slice(&response.body));
    found.ok().flatten().unwrap_or_default()
}

async fn answer_late(shared: Arc<Shared>, tx: Box<Transaction>, place: Place, refused: Refused) {
    respond(&shared, *tx, &place, None, refused).await;
}

async fn closed(flow: Option<&Flow>) {
    match flow {
        Some(flow) => flow.closed.cancelled().await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
