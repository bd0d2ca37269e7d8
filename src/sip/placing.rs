//! Calls that rooms make: INVITE through the outbound proxy, as far as its final response (RFC 3261 §13.2, §9.1, §22.3). What was
//! answered goes on as any other [`call`](super::call).
//!
//! A call goes to the proxy and nowhere else: no redirection is followed, and of several phones that answer at the same time the
//! first one counts ([`forks`](super::forks)).

use std::sync::Arc;

use rsipstack::sip::{Header, Method, Request, Response, SipMessage, Uri, Version};
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::SipConnection;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::call::{Call, EVENTS};
use super::client::{Way, address, is_gone};
use super::contact::OurEnd;
use super::dialog::{Dialog, cseq, hop};
use super::digest::{Credentials, challenging_field};
use super::dispatch::{Place, capabilities};
use super::forks::Asked;
use super::head::{long_name, parameter, uri_text};
use super::locate::Target;
use super::port::{CallCommand, Caller, Placed};
use super::reason;
use super::rewrite::{FROM, REQUEST_URI, STAND_IN_URI, TO};
use super::settings::Outbound;
use super::shared::{CallHandle, Shared, random_token};
use super::usage::Usage;
use crate::hub::mail::{CallEnd, CallMail, Mail};

/// Responses that wait for the call to look at them.
const RESPONSES: usize = 16;
/// INVITEs for one call: the first, one with credentials, one more when only the nonce was too old.
const ATTEMPTS: usize = 3;
/// What a room pays in its mailbox for mail without a body.
const MAIL_WEIGHT: usize = 256;

/// [`PHRASE`](super::rewrite::PHRASE), as fields are looked up.
const PHRASE_FIELD: &str = "mucfocus-phrase";

/// Makes the calls that come, one task each.
pub(super) async fn place_all(shared: Arc<Shared>, outbound: Arc<Outbound>, mut calls: mpsc::Receiver<Placed>) {
    while let Some(call) = calls.recv().await {
        let credentials = outbound.credentials.clone();
        let credentials = credentials.map(|(name, password)| Credentials::new(&name, password));
        let placing = Placing { shared: Arc::clone(&shared), call, credentials, bye: None };
        tokio::spawn(placing.run(Arc::clone(&outbound)));
    }
}

/// One call on its way.
struct Placing {
    shared: Arc<Shared>,
    call: Placed,
    credentials: Option<Credentials>,
    /// The room does not want it any more, for this cause.
    bye: Option<(u16, String)>,
}

/// An INVITE that was answered by a 2xx.
struct Answered {
    ok: Response,
    invite: Request,
    key: TransactionKey,
}

impl Placing {
    async fn run(mut self, outbound: Arc<Outbound>) {
        let (user, call_id) = (self.call.callee.to_string(), self.call.call_id.clone());
        match self.invite(&outbound).await {
            Ok((answered, dialog, at)) => self.hand_over(answered, dialog, at).await,
            Err(end) => {
                tracing::info!(%user, %call_id, room = %self.call.room, ?end, "a call of ours came to nothing");
                self.call.source.finish(Mail::Call(CallMail::Ended(end)));
            }
        }
    }

    /// The INVITE, and once more with credentials where they are asked for.
    async fn invite(&mut self, outbound: &Outbound) -> Result<(Answered, Dialog, (Place, SipConnection)), CallEnd> {
        let no_way = || CallEnd::Failed("the outbound proxy cannot be reached".into());
        let proxy = hop(&outbound.proxy).ok_or_else(no_way)?;
        let tag = random_token();
        let Placed { callee, room, call_id, .. } = &self.call;
        let (room, callee) = (room.to_string(), callee.to_string());
        let routes = vec![format!("<{}>", outbound.proxy)];
        let mut dialog = Dialog::calling(call_id, (&room, &tag), &callee, routes);
        // Room for what is not known yet: the Via and the Contact.
        let size =
            dialog.clone().request(Method::Invite, String::new(), self.fields(None), self.offer()).to_bytes().len();
        let at = Way::towards(&self.shared, &proxy, size.saturating_add(300)).await.ok_or_else(no_way)?;
        let mut authorized = false;
        for _ in 0..ATTEMPTS {
            let end = OurEnd::of(&at.0);
            let fields = self.fields(Some((end, &callee)));
            let invite = dialog.request(Method::Invite, end.via(&self.shared), fields, self.offer());
            let refusal = match self.transact(&dialog, invite, &at).await? {
                Ok(answered) => return Ok((answered, dialog, at)),
                Err(refusal) => refusal,
            };
            let code = refusal.status_code.code();
            if self.bye.is_some() || !self.is_worth_another_try(&refusal, authorized) {
                return Err(refused(code, &refusal));
            }
            authorized = true;
        }
        Err(CallEnd::Failed("the outbound proxy goes on asking for credentials".into()))
    }

    /// Whether this refusal asks for credentials that we have and have not tried in vain (ERR-08).
    fn is_worth_another_try(&mut self, refusal: &Response, authorized: bool) -> bool {
        let code = refusal.status_code.code();
        let Some(credentials) = self.credentials.as_mut().filter(|_| matches!(code, 401 | 407)) else { return false };
        credentials.challenged(code, values(refusal, challenging_field(code)), authorized)
    }

    fn offer(&self) -> Vec<u8> {
        self.call.offer.to_vec()
    }

    /// What an INVITE of ours has beside what any request has.
    fn fields(&self, known: Option<(OurEnd, &str)>) -> Vec<Header> {
        let mut fields = Vec::new();
        if let Some((end, callee)) = known {
            fields.push(end.contact(&self.shared, self.call.room.user()));
            let answer = self.credentials.as_ref().and_then(|credentials| credentials.answer("INVITE", callee));
            fields.extend(answer.map(|(name, value)| match name {
                "Proxy-Authorization" => Header::ProxyAuthorization(value.into()),
                _ => Header::Authorization(value.into()),
            }));
        }
        fields.extend(capabilities());
        if let Some(referrer) = &self.call.referred_by {
            fields.push(Header::Other("Referred-By".into(), format!("<{referrer}>")));
        }
        if let Some(subject) = &self.call.subject {
            let subject: String = subject.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
            fields.push(Header::Subject(subject.into()));
        }
        fields.push(Header::ContentType("application/sdp".into()));
        fields
    }

    /// One INVITE, to its final response.
    async fn transact(
        &mut self,
        dialog: &Dialog,
        invite: Request,
        (place, connection): &(Place, SipConnection),
    ) -> Result<Result<Answered, Response>, CallEnd> {
        let broken = || CallEnd::Failed("the INVITE cannot be sent".into());
        let endpoint = self.shared.endpoint().ok_or_else(broken)?;
        let key = TransactionKey::from_request(&invite, TransactionRole::Client).map_err(|_| broken())?;
        let destination = address(Target { transport: place.transport, address: place.source });
        let branch = branch_of(&invite).ok_or_else(broken)?;
        let via = invite.headers.iter().find(|h| matches!(h, Header::Via(_))).map(|via| via.value().to_owned());
        let mut tx = Transaction::new_client(key.clone(), invite.clone(), endpoint, Some(connection.clone()));
        tx.destination = Some(destination.clone());
        tx.last_ack = Some(dialog.clone().ack(&invite, via.unwrap_or_default()));
        self.shared.refused.expect(&branch);
        let asked = Asked::new(dialog, &invite, (place, connection), (&self.call.callee, &self.call.room));
        let open = self.shared.forks.expect(&self.shared, &branch, asked);
        let _expected = Expected { shared: Arc::clone(&self.shared), branch };
        tx.send().await.map_err(|_| broken())?;
        let (sender, mut responses) = mpsc::channel(RESPONSES);
        let _running = Running(tokio::spawn(listen(tx, sender)));
        let (mut is_heard, mut gives_up) = (false, None);
        let mut gone = std::pin::pin!(is_gone(place.flow.clone()));
        let shutdown = self.shared.shutdown.clone();
        loop {
            // Nobody may withdraw what nobody has (RFC 3261 §9.1).
            if gives_up.is_none()
                && is_heard
                && let Some((cause, text)) = &self.bye
            {
                gives_up = Some(Instant::now() + self.shared.timers.transaction());
                tokio::spawn(cancel(
                    Arc::clone(&self.shared),
                    cancel_of(&invite, *cause, text),
                    place.clone(),
                    connection.clone(),
                ));
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Err(CallEnd::Failed("the SIP driver shuts down".into())),
                response = responses.recv() => match response {
                    None => return Err(unanswered()),
                    Some(response) => match response.status_code.code() {
                        code @ ..200 => { is_heard = true; self.rings(code, &response).await; }
                        200..=299 => {
                            open.linger();
                            return Ok(Ok(Answered { ok: response, invite, key }));
                        }
                        _ => return Ok(Err(response)),
                    },
                },
                command = self.call.commands.recv(), if self.bye.is_none() => self.on_command(command),
                // Who has said that he has it may answer over another connection (RFC 3261 §18.2.2).
                () = gone.as_mut(), if !is_heard => return Err(broken_off()),
                () = until(gives_up) => return Err(unanswered()),
            }
        }
    }

    fn on_command(&mut self, command: Option<CallCommand>) {
        match command {
            Some(CallCommand::Bye { cause, text }) => self.bye = Some((cause, text)),
            Some(_) => {}
            None => self.bye = Some((500, "the room failed".into())),
        }
    }

    async fn rings(&self, code: u16, response: &Response) {
        if code > 100 && self.bye.is_none() {
            let ringing = CallMail::Ringing { code, phrase: phrase_of(response) };
            let _ = self.call.source.send(Mail::Call(ringing), MAIL_WEIGHT).await;
        }
    }

    /// The dialog is known before the ACK goes out, so that what the other side says next finds it.
    async fn hand_over(self, answered: Answered, dialog: Dialog, (place, connection): (Place, SipConnection)) {
        let Self { shared, call, bye, .. } = self;
        let Answered { ok, invite, key } = answered;
        let Placed { callee, room, leg, offer, commands, source, .. } = call;
        let dialog = match dialog.confirmed_by(&ok) {
            Ok(dialog) => dialog,
            Err(error) => {
                let why = format!("the 2xx to a call of ours opens no dialog: {error}");
                return source.finish(Mail::Call(CallMail::Ended(CallEnd::Failed(why))));
            }
        };
        let owner = Caller { aor: callee, display_name: None, is_anonymous: false };
        let dialog = Usage::placed(&shared, dialog, owner, room);
        dialog.belongs_to(leg);
        let (events, from_stack) = mpsc::channel(EVENTS);
        let handle = CallHandle::new(events);
        shared.calls.insert(dialog.id().clone(), handle.clone());
        Way::back(place.clone(), Some(connection.clone())).acknowledge(&shared, &dialog, &invite, key).await;
        Call::placed(shared, (place, connection), dialog, (handle, from_stack), (commands, source), (offer, ok), bye);
    }
}

/// Forgets an INVITE when its transaction is over.
struct Expected {
    shared: Arc<Shared>,
    branch: String,
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.shared.refused.forget(&self.branch);
    }
}

/// A task that ends with what waits for it.
struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Passes the responses of a transaction on, the last when the transaction is over. A task of its own, since nothing may interrupt
/// what the stack does meanwhile.
async fn listen(mut tx: Transaction, responses: mpsc::Sender<Response>) {
    while let Some(message) = tx.receive().await {
        let SipMessage::Response(response) = message else { continue };
        if response.status_code.code() >= 200 {
            drop(tx);
            let _ = responses.send(response).await;
            return;
        }
        if responses.send(response).await.is_err() {
            return;
        }
    }
}

/// Sends a CANCEL; what becomes of the INVITE says its own final response.
async fn cancel(shared: Arc<Shared>, cancel: Request, place: Place, connection: SipConnection) {
    let Some(endpoint) = shared.endpoint() else { return };
    let Ok(key) = TransactionKey::from_request(&cancel, TransactionRole::Client) else { return };
    let mut tx = Transaction::new_client(key, cancel, endpoint, Some(connection));
    tx.destination = Some(address(Target { transport: place.transport, address: place.source }));
    if tx.send().await.is_ok() {
        while tx.receive().await.is_some() {}
    }
}

/// RFC 3261 §9.1: the fields that make it the same request, and a Reason (RFC 3326).
fn cancel_of(invite: &Request, cause: u16, text: &str) -> Request {
    let is_common = |header: &&Header| match header {
        Header::Via(_) | Header::MaxForwards(_) | Header::Route(_) | Header::From(_) | Header::To(_) => true,
        Header::CallId(_) | Header::UserAgent(_) => true,
        Header::Other(name, _) => [REQUEST_URI, FROM, TO].contains(&name.as_str()),
        _ => false,
    };
    let mut headers = rsipstack::sip::Headers::default();
    headers.extend(invite.headers.iter().filter(is_common).cloned().collect::<Vec<_>>());
    headers.push(Header::CSeq(format!("{} CANCEL", cseq(invite).unwrap_or_default()).into()));
    headers.push(Header::Reason(reason::reason(cause, text).into()));
    headers.push(Header::ContentLength("0".into()));
    let uri = Uri::try_from(STAND_IN_URI).unwrap_or_default();
    Request { method: Method::Cancel, uri, version: Version::V2, headers, body: Vec::new() }
}

fn branch_of(request: &Request) -> Option<String> {
    let via = request.headers.iter().find(|h| matches!(h, Header::Via(_)))?;
    parameter(via.value(), "branch").map(str::to_owned)
}

fn values<'a>(response: &'a Response, name: &'a str) -> impl Iterator<Item = &'a str> {
    response.headers.iter().filter(move |h| long_name(h.name()) == name).map(Header::value)
}

/// The reason phrase, in the words of whoever sent it (ERR-06).
fn phrase_of(response: &Response) -> String {
    values(response, PHRASE_FIELD).next().unwrap_or_default().trim().to_owned()
}

fn refused(code: u16, response: &Response) -> CallEnd {
    let contact = values(response, "contact").next().and_then(uri_text).map(str::to_owned);
    CallEnd::Refused { code, phrase: phrase_of(response), contact }
}

/// RFC 3261 §8.1.3.1: a connection that breaks is a 503.
fn broken_off() -> CallEnd {
    CallEnd::Refused { code: 503, phrase: "Service Unavailable".into(), contact: None }
}

fn unanswered() -> CallEnd {
    CallEnd::Refused { code: 408, phrase: "Request Timeout".into(), contact: None }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
