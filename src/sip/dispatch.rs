//! Requests that passed the door: who calls, what for, and which call or room they belong to. One task per transaction.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::translate::phrases;
use mucfocus_core::wire::sip_body::{Description, session_description};
use rsipstack::sip::{Header, Method, Request, Response};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::{SipAddr, SipConnection};
use tokio::sync::mpsc;

use super::accept::admits;
use super::call::{self, Call, timer};
use super::caller;
use super::contact::{OurEnd, user_of};
use super::dialog::Dialog;
use super::flow::Flow;
use super::gate::{ALLOW, ALLOW_EVENTS, SUPPORTED};
use super::guards::dialog_id;
use super::head::uri_text;
use super::invite::finish;
use super::port::{COMMANDS, Caller, Dial, Readiness, Refusal};
use super::referral::refer;
use super::replaces::{self, replaced};
use super::reply::{self, About, field, fields};
use super::settings::{Transport, Untrusted};
use super::setup::{NoSetup, Ongoing, Origin, PendingPlace};
use super::shared::{CallHandle, DIALOGS, RETRY_AFTER, Shared, local_towards};
use super::subscription::subscribe;
use super::usage::Usage;
use super::within;

/// The one format of offers and answers.
const SDP: &str = "application/sdp";
/// What a body may be (RFC 5621 §4.2).
const ACCEPT: &str = "application/sdp, multipart/mixed, multipart/alternative";

/// Where a request came in.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) source: SocketAddr,
    /// Our own end, as the source sees it.
    pub(super) local: SocketAddr,
    pub(super) transport: Transport,
    /// The stream, if it is one.
    pub(super) flow: Option<Arc<Flow>>,
}

/// A refusal with its label for metrics and with fields of its own.
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    pub(super) label: &'static str,
    pub(super) fields: Vec<Header>,
}

impl Refused {
    pub(super) fn new(code: u16, label: &'static str, text: impl Into<String>) -> Self {
        Self { refusal: Refusal::new(code, text), label, fields: Vec::new() }
    }

    pub(super) fn with(mut self, field: Header) -> Self {
        self.fields.push(field);
        self
    }

    pub(super) fn retry_after(mut self, seconds: u32) -> Self {
        self.refusal.retry_after = Some(seconds);
        self
    }

    /// The response that says so.
    pub(super) fn response(self, shared: &Shared, request: &Request, place: &Place, caller: Option<&str>) -> Response {
        let about = About { source: place.source, caller, label: self.label };
        reply::refusal(shared, request, &self.refusal, about, self.fields)
    }
}

/// Handles one transaction from its request to its end.
pub(super) async fn handle(shared: Arc<Shared>, mut tx: Transaction) {
    let Some(place) = place_of(&shared, &tx) else { return };
    shared.observer.received(&tx.original.method.to_string());
    tx.destination = match &tx.connection {
        Some(SipConnection::Udp(udp)) => udp.get_remote_addr().cloned(),
        _ => None,
    };
    if let Some(id) = dialog_id(&tx.original) {
        return within::handle(shared, tx, place, id).await;
    }
    reply::tag_request(&mut tx.original);
    if asks_for_the_node(&tx.original) {
        return match options(&shared, &tx.original, &place) {
            Ok(response) => finish(&shared, tx, response).await,
            Err(refused) => respond(&shared, tx, &place, None, refused).await,
        };
    }
    let caller = match caller_of(&shared, &tx.original) {
        Ok(caller) => caller,
        Err(_) if matches!(shared.current.now().untrusted, Untrusted::Drop) => {
            shared.observer.refused("no_identity");
            return;
        }
        Err(refused) => return respond(&shared, tx, &place, None, refused).await,
    };
    let name = caller.aor.to_string();
    let result = match check(&shared, &tx.original) {
        Ok(Wanted::Options) => options(&shared, &tx.original, &place),
        Ok(Wanted::Call(room)) => match check_accept(&tx.original).and_then(|()| offer(&tx.original)) {
            Ok(offer) => return invite(shared, tx, place, caller, room, offer).await,
            Err(refused) => Err(refused),
        },
        // Boxed, so that every request does not take the room of the longest way.
        Ok(Wanted::Subscription(room)) => return Box::pin(subscribe(shared, tx, place, caller, room)).await,
        Ok(Wanted::Referral(room)) => return Box::pin(refer(shared, tx, place, caller, room)).await,
        Err(refused) => Err(refused),
    };
    match result {
        Ok(response) => finish(&shared, tx, response).await,
        Err(refused) => respond(&shared, tx, &place, Some(&name), refused).await,
    }
}

/// Where the request of a transaction came in.
fn place_of(shared: &Shared, tx: &Transaction) -> Option<Place> {
    match tx.connection.as_ref()? {
        SipConnection::Udp(udp) => {
            let source = udp.get_remote_addr()?.get_socketaddr().ok()?;
            let listen = udp.get_addr().get_socketaddr().ok()?;
            // The stack names an address of its choice for a socket that listens on all.
            let mut listens = shared.settings.listen.iter().map(|l| l.address);
            let any = listens.find(|a| a.ip().is_unspecified() && a.is_ipv4() == source.is_ipv4());
            let listen = any.map_or(listen, |any| SocketAddr::new(any.ip(), listen.port()));
            Some(Place { source, local: local_towards(listen, source), transport: Transport::Udp, flow: None })
        }
        SipConnection::Channel(channel) => {
            let (transport, source) = far_end(channel.get_addr())?;
            let flow = Arc::clone(&*shared.flows.get(&(transport, source))?);
            Some(Place { source, local: flow.local, transport, flow: Some(flow) })
        }
        _ => None,
    }
}

/// What a connection of ours is called in the stack.
pub(super) fn far_end(address: &SipAddr) -> Option<(Transport, SocketAddr)> {
    let transport = Transport::ALL.into_iter().find(|transport| Some(transport.of_stack()) == address.r#type)?;
    Some((transport, address.get_socketaddr().ok()?))
}

/// The keep-alive of a proxy in front of us: nobody calls, so nobody has to be named. Its source is trusted already.
fn asks_for_the_node(request: &Request) -> bool {
    request.method == Method::Options
        && SipUri::parse(reply::request_uri(request)).is_ok_and(|uri| uri.user().is_none())
        && check_require(request).is_ok()
}

pub(super) fn caller_of(shared: &Shared, request: &Request) -> Result<Caller, Refused> {
    caller::of(shared, request)
}

/// What an out-of-dialog request wants of us.
enum Wanted {
    /// A call to that room.
    Call(SipUri),
    /// To be told about that room.
    Subscription(SipUri),
    /// That somebody is invited to that room.
    Referral(SipUri),
    /// What we can do in a room that is mapped.
    Options,
}

/// The checks that need neither a room nor a body, in the order of RFC 3261 §8.2, with the scheme first.
fn check(shared: &Shared, request: &Request) -> Result<Wanted, Refused> {
    let uri = SipUri::parse(reply::request_uri(request)).map_err(|error| {
        let label = if error.sip_code() == 416 { "scheme" } else { "request_uri" };
        Refused::new(error.sip_code(), label, error.to_string())
    })?;
    // RFC 3261 §19.1.1 allows none here. They say nothing about which room it is, and what they ask for is not done (ADDR-04).
    let uri = uri.without_headers();
    check_require(request)?;
    check_method(request.method)?;
    replaces::check(request)?;
    check_security(request, &uri)?;
    let room = room_uri(shared, &uri)
        .filter(|room| shared.focus.maps(room))
        .ok_or_else(|| Refused::new(404, "no_room", "no room has this address"))?;
    Ok(match request.method {
        Method::Options => Wanted::Options,
        Method::Subscribe => Wanted::Subscription(room),
        Method::Refer => Wanted::Referral(room),
        _ => Wanted::Call(room),
    })
}

/// RFC 3261 §8.2.2.3. Whether there is a subscription is a question that only a REFER raises (RFC 4488, RFC 7614).
pub(super) fn check_require(request: &Request) -> Result<(), Refused> {
    let is_supported = |option: &str| {
        SUPPORTED.iter().any(|supported| supported.eq_ignore_ascii_case(option))
            && (request.method == Method::Refer
                || matches!(&*option.to_ascii_lowercase(), "tdialog" | "timer")
                || (request.method == Method::Invite && option.eq_ignore_ascii_case("replaces")))
    };
    let unsupported: Vec<_> = fields(request, "require")
        .flat_map(|v| v.split(','))
        .map(str::trim)
        .filter(|v| !v.is_empty() && !is_supported(v))
        .collect();
    if unsupported.is_empty() {
        return Ok(());
    }
    let refused = Refused::new(420, "require", "a required extension is not supported");
    Err(refused.with(Header::Unsupported(unsupported.join(", ").into())))
}

/// RFC 3261 §8.2.1.
pub(super) fn check_method(method: Method) -> Result<(), Refused> {
    match method {
        Method::Invite | Method::Options | Method::Subscribe | Method::Refer => Ok(()),
        Method::Bye | Method::Update | Method::PRack | Method::Notify => {
            Err(Refused::new(481, "no_dialog", "there is no such dialog"))
        }
        _ => Err(Refused::new(405, "method", "the method is not allowed here").with(Header::Allow(ALLOW.into()))),
    }
}

/// What is to be secure on every hop cannot be beyond us, where XMPP begins (ADDR-08, RFC 7247 §8).
fn check_security(request: &Request, uri: &SipUri) -> Result<(), Refused> {
    let to = field(request, "to").and_then(uri_text).and_then(|to| SipUri::parse(to).ok());
    if uri.secure() || to.is_some_and(|to| to.secure()) {
        return Err(Refused::new(403, "sips", "sips cannot be honoured end to end, use sip"));
    }
    Ok(())
}

/// The Request-URI as the address of a room: one of the domains, or this very node, whose Contact callers may have kept.
fn room_uri(shared: &Shared, uri: &SipUri) -> Option<SipUri> {
    let (settings, current) = (&shared.settings, shared.current.now());
    let is_domain = |host: &str| current.domains.iter().any(|d| d.eq_ignore_ascii_case(host));
    if is_domain(uri.host()) {
        return Some(uri.clone());
    }
    let is_ours = match &settings.advertise {
        Some((host, _)) => host.eq_ignore_ascii_case(uri.host()),
        None => settings.listen.iter().any(|l| l.address.ip().to_string() == uri.host().trim_matches(['[', ']'])),
    };
    let domain = current.domains.first().filter(|_| is_ours)?;
    SipUri::new(Some(&*uri.user_decoded()?), domain).ok()
}

/// Whether the peer takes SDP, which is all that an INVITE or UPDATE is answered with (RFC 3261 §13.2.1, §20.1).
pub(super) fn check_accept(request: &Request) -> Result<(), Refused> {
    if admits(fields(request, "accept"), SDP) {
        return Ok(());
    }
    Err(Refused::new(406, "accept", format!("answers come as {SDP} only")))
}

/// The SDP offer of an INVITE or UPDATE; empty when it has none, or nothing but what may be left out (RFC 3261 §8.2.3, RFC 5621).
pub(super) fn offer(request: &Request) -> Result<Bytes, Refused> {
    if request.body.is_empty() {
        return Ok(Bytes::new());
    }
    let description = Description {
        content_type: field(request, "content-type"),
        content_disposition: field(request, "content-disposition"),
        content_encoding: field(request, "content-encoding"),
    };
    let found = session_description(description, &Bytes::copy_from_slice(&request.body));
    found.map(Option::unwrap_or_default).map_err(|error| match error.sip_code() {
        415 => Refused::new(415, "content_type", phrases::quoted(&error.to_string()))
            .with(Header::Accept(ACCEPT.into()))
            .with(Header::AcceptEncoding("identity".into())),
        code => Refused::new(code, "body", phrases::quoted(&error.to_string())),
    })
}

/// Says what we can do, and whether new calls are welcome: proxies ask this to know whether we live.
fn options(shared: &Shared, request: &Request, place: &Place) -> Result<Response, Refused> {
    check_ready(shared)?;
    let fields = capabilities_at(OurEnd::of(place).contact(shared, user_of(reply::request_uri(request))));
    Ok(reply::response(request, 200, fields, Vec::new()))
}

/// The same, and where this focus is: its Contact says that it is one (RFC 4579 §4.2).
pub(super) fn capabilities_at(contact: Header) -> Vec<Header> {
    let mut fields = vec![contact];
    fields.extend(capabilities());
    fields
}

/// RFC 3261 §11.2, RFC 4579 §5.13.
pub(super) fn capabilities() -> Vec<Header> {
    vec![
        Header::Allow(ALLOW.into()),
        Header::Other("Allow-Events".into(), ALLOW_EVENTS.into()),
        Header::Supported(SUPPORTED.join(", ").into()),
        Header::Accept(ACCEPT.into()),
        Header::AcceptEncoding("identity".into()),
        Header::AcceptLanguage("en".into()),
    ]
}

fn check_ready(shared: &Shared) -> Result<(), Refused> {
    match shared.focus.readiness() {
        Readiness::Ready => Ok(()),
        Readiness::Draining => Err(Refused::new(503, "draining", "this node is going down").retry_after(RETRY_AFTER)),
        Readiness::Overloaded => Err(Refused::new(503, "overloaded", "no more calls fit").retry_after(RETRY_AFTER)),
        Readiness::Busy => Err(Refused::new(503, "busy", "too busy").retry_after(after_a_while())),
    }
}

/// Subscriptions and referrals need no leg, so they are taken while there is none left.
pub(super) fn check_ready_for_more(shared: &Shared) -> Result<(), Refused> {
    match shared.focus.readiness() {
        Readiness::Draining | Readiness::Busy => check_ready(shared),
        _ if shared.dialogs.len() >= DIALOGS => {
            Err(Refused::new(503, "dialogs", "no more subscriptions fit").retry_after(RETRY_AFTER))
        }
        _ => Ok(()),
    }
}

/// `Retry-After` of a node that is too busy: not the same for all, lest they come back together.
fn after_a_while() -> u32 {
    rand::random_range(RETRY_AFTER..=6 * RETRY_AFTER)
}

/// The places that a call needs, and its dialog.
fn prepare(shared: &Shared, invite: &Request, caller: &str) -> Result<((PendingPlace, Ongoing), Dialog), Refused> {
    timer::check(invite, shared.settings.min_session)?;
    check_ready(shared)?;
    let dialog = Dialog::opened_by(invite).map_err(|error| Refused::new(400, "invite", error.to_string()))?;
    let origin = Origin::of(invite).ok_or_else(|| Refused::new(400, "invite", "the INVITE cannot be identified"))?;
    let setup = shared.setups.begin(origin, caller).map_err(|why| match why {
        NoSetup::Merged => Refused::new(482, "merged", "this INVITE came another way already"),
        NoSetup::Full => {
            Refused::new(503, "pending_invites", "too many calls are being set up").retry_after(RETRY_AFTER)
        }
        // Not 503, by which a proxy in front would take the node for overloaded, for everybody.
        NoSetup::FullOfOneCaller => {
            Refused::new(486, "pending_invites_of_caller", "too many calls of this caller are being set up")
                .retry_after(RETRY_AFTER)
        }
    })?;
    Ok((setup, dialog))
}

/// Opens a call.
async fn invite(shared: Arc<Shared>, mut tx: Transaction, place: Place, caller: Caller, room: SipUri, offer: Bytes) {
    let name = caller.aor.to_string();
    let made = match shared.focus.fresh(&room, &caller) {
        Ok(made) => made,
        Err(refusal) => {
            let refused = Refused { refusal, label: "focus", fields: Vec::new() };
            return respond(&shared, tx, &place, Some(&name), refused).await;
        }
    };
    let (is_fresh, room) = (made.is_some(), made.unwrap_or(room));
    let (commands, from_room) = mpsc::channel(COMMANDS);
    let prepared = prepare(&shared, &tx.original, &name)
        .and_then(|prepared| Ok((prepared, replaced(&shared, &tx.original, &caller, &room)?)));
    let ((setup, dialog), replaces) = match prepared {
        Ok(prepared) => prepared,
        Err(refused) => return respond(&shared, tx, &place, Some(&name), refused).await,
    };
    if tx.respond(reply::response(&tx.original, 100, Vec::new(), Vec::new())).await.is_err() {
        return;
    }
    // Known before the room hears of it, so that what the caller says next finds it.
    let (events, from_stack) = mpsc::channel(call::EVENTS);
    let handle = CallHandle::new(events);
    let dialog = Usage::call(&shared, dialog, caller.clone(), (room.clone(), is_fresh), &tx.original);
    shared.calls.insert(dialog.id().clone(), handle.clone());
    let dial = Dial {
        request_uri: room,
        caller,
        call_id: dialog.id().call_id.clone(),
        offer,
        commands,
        is_fresh,
        replaces: replaces.is_some(),
        local: place.local.ip(),
    };
    match shared.focus.dial(dial) {
        Ok(dialled) => {
            dialog.belongs_to(dialled.leg);
            let handle = (handle, from_stack, replaces);
            Call::begin(shared, tx, setup, place, name, dialog, handle, from_room, dialled.source);
        }
        Err(refusal) => {
            shared.calls.remove(dialog.id());
            // The places of a call that is not set up are free, although its refusal may still wait for its ACK.
            drop((setup, dialog, replaces));
            let refused = Refused { refusal, label: "focus", fields: Vec::new() };
            respond(&shared, tx, &place, Some(&name), refused).await;
        }
    }
}

/// Refuses a request and sees its transaction to its end.
pub(super) async fn respond(shared: &Shared, tx: Transaction, place: &Place, caller: Option<&str>, refused: Refused) {
    let response = refused.response(shared, &tx.original, place, caller);
    finish(shared, tx, response).await;
}
