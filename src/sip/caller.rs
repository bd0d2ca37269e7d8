//! Whose a request is that passed the door: what the door has found out of a stranger, what a trusted peer says, or, where such a
//! peer says nothing, what credentials prove.

use std::net::SocketAddr;

use mucfocus_core::address::sip_uri::SipUri;
use rsipstack::sip::{Header, Request};

use super::auth::{Denied, Holder, Presented};
use super::dispatch::Refused;
use super::identity::{self, Claims, NoCaller};
use super::port::Caller;
use super::reply::{self, field, fields};
use super::settings::Transport;
use super::shared::Shared;

/// [`STRANGER`](super::rewrite::STRANGER), as fields are looked up.
const STRANGER: &str = "mucfocus-stranger";

/// Where a stranger's request came from, as a word; `None` for one that a peer vouches for.
pub(super) fn home(request: &Request) -> Option<String> {
    field(request, STRANGER)?.split(' ').next().map(str::to_owned)
}

/// The same word, for the door.
pub(super) fn home_of(source: SocketAddr, transport: Transport) -> String {
    format!("{transport}:{source}")
}

/// Who calls, or the refusal: the same for all whom nobody knows, whichever peer they come through.
pub(super) fn of(shared: &Shared, request: &Request) -> Result<Caller, Refused> {
    let asserted: Vec<_> = fields(request, "p-asserted-identity").collect();
    let claims = Claims { asserted: &asserted, from: field(request, "from"), privacy: field(request, "privacy") };
    if let Some(who) = field(request, STRANGER) {
        let who = who.split_once(' ').map_or("", |(_, who)| who);
        let user = SipUri::parse(who).map_err(|_| NoCaller::Absent);
        let proved = user.and_then(|user| identity::proved(&claims, &user));
        return proved.map_err(|_| Refused::new(403, "no_identity", "not allowed"));
    }
    identity::caller(&claims, &shared.current.now().identity).or_else(|why| {
        // The caller learns the class of the reason only: the text is that of every stranger.
        tracing::info!(%why, call_id = field(request, "call-id"), "a trusted peer's request names no caller");
        by_credentials(shared, request, &claims)
    })
}

fn by_credentials(shared: &Shared, request: &Request, claims: &Claims<'_>) -> Result<Caller, Refused> {
    let refused = || Refused::new(403, "no_identity", "not allowed");
    let current = shared.current.now();
    let authenticator = current.authenticator.as_ref().ok_or_else(refused)?;
    let authorization: Vec<_> = fields(request, "authorization").collect();
    let method = request.method.to_string();
    let presented = Presented {
        method: &method,
        request_uri: reply::request_uri(request),
        authorization: &authorization,
        identifying: ["via", "call-id", "cseq"].map(|name| field(request, name)),
    };
    let user = authenticator.verify(&presented, Holder::Peer).map_err(|why| {
        let label = if why == Denied::Absent { "no_identity" } else { why.label() };
        let mut refused = Refused::new(401, label, "say who you are");
        let challenges = authenticator.challenges(Holder::Peer, why);
        refused.fields.extend(challenges.into_iter().map(|challenge| Header::WwwAuthenticate(challenge.into())));
        refused
    })?;
    identity::proved(claims, &user).map_err(|why| Refused::new(403, "not_from", why.to_string()))
}
