//! A SIP user with his MSRP session in a room.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::msrp::{Cpim, Frame, Listener, Message as MsrpMessage, Peer, Send, own_uri};
use crate::roster::Watch;
use crate::sip::{self, Call, Request, Transport, Ua, Who};

/// How a member joins.
#[derive(Debug, Clone)]
pub struct Joining {
    /// SIP over what.
    pub transport: Transport,
    /// `active`, `passive` or `actpass`.
    pub setup: &'static str,
    /// The display name; default: the user part with a capital.
    pub display: Option<String>,
    /// More headers of the INVITE.
    pub headers: Vec<(String, String)>,
    /// What replaces lines of the offer: each first string by the second.
    pub offers_instead: Vec<(&'static str, String)>,
    /// A relay that the MSRP connection goes through when he opens it.
    pub msrp_through: Option<SocketAddr>,
}

/// What a client that knows rooms says of itself (RFC 7701 §8).
pub const TOKENS: &str = "a=chatroom:nickname private-messages\r\n";

impl Joining {
    /// With a client that knows nicknames and private messages.
    pub fn able() -> Self {
        Self { offers_instead: vec![("a=chatroom\r\n", TOKENS.to_owned())], ..Self::default() }
    }
}

impl Default for Joining {
    fn default() -> Self {
        Self {
            transport: Transport::Udp,
            setup: "active",
            display: None,
            headers: Vec::new(),
            offers_instead: Vec::new(),
            msrp_through: None,
        }
    }
}

/// An MSRP offer. More lines may follow the last one.
pub fn offer(uri: &str, setup: &str) -> String {
    let port = uri.split(':').nth(2).and_then(|rest| rest.split('/').next()).unwrap_or("9");
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=message {port} TCP/MSRP *\r\na=path:{uri}\r\na=setup:{setup}\r\na=accept-types:message/cpim\r\n\
         a=accept-wrapped-types:text/plain\r\na=chatroom\r\n"
    )
}

/// An offer whose caller will connect, for those who never get that far.
pub fn any_offer() -> String {
    offer(&own_uri(9), "active")
}

/// A SIP user in a room.
pub struct Member {
    /// His user agent.
    pub ua: Arc<Ua>,
    /// His MSRP session.
    pub msrp: Peer,
    /// The SIP URI of the room.
    pub room: String,
    /// The offer that he made.
    pub offer: String,
    call_id: String,
    answer: sip::Message,
}

impl Member {
    /// Calls the room, sets up MSRP as offer and answer say, and binds the connection.
    pub async fn join(mut who: Who, room: &str, joining: Joining) -> Self {
        if joining.display.is_some() {
            who.display = joining.display.clone();
        }
        let ip = who.peer.ip();
        let ua = Ua::start(who).await;
        let listener = if joining.setup == "active" { None } else { Some(Listener::bind_to(ip).await) };
        let mut local = own_uri(listener.as_ref().map_or(9, Listener::port));
        let mut offer = offer(&local, joining.setup);
        if ip.is_ipv6() {
            let to_six =
                |text: &str| text.replace("IN IP4 127.0.0.1", "IN IP6 ::1").replace("//127.0.0.1:", "//[::1]:");
            (local, offer) = (to_six(&local), to_six(&offer));
        }
        for (usual, instead) in &joining.offers_instead {
            offer = offer.replace(usual, instead);
        }
        let mut request = Request::invite(room, &offer);
        for (name, value) in &joining.headers {
            request = request.header(name, value);
        }
        let call = ua.call(request).await;
        let (call_id, answer) = (call.id().to_owned(), call.answer.clone());
        drop(call);
        let remote = answer.sdp("path").unwrap_or_else(|| panic!("no path in\n{answer}"));
        let msrp = match (answer.sdp("setup").as_deref(), listener) {
            (Some("active"), Some(listener)) => listener.accept(&local, &remote).await,
            _ => {
                let peer = match joining.msrp_through {
                    Some(relay) => Peer::connect_through(relay, &local, &remote).await,
                    None => Peer::connect(&local, &remote).await,
                };
                peer.bind().await;
                peer
            }
        };
        Self { ua: Arc::new(ua), msrp, room: room.to_owned(), offer, call_id, answer }
    }

    /// The 200 that let him in.
    pub fn answer(&self) -> &sip::Message {
        &self.answer
    }

    /// His dialog.
    pub fn call(&self) -> Call<'_> {
        self.ua.resume(&self.answer)
    }

    /// His address of record.
    pub fn aor(&self) -> &str {
        self.ua.aor()
    }

    /// A message to everybody, as CPIM.
    pub fn to_room(&self, text: &str) -> Cpim {
        Cpim::text(self.aor(), &self.room, text)
    }

    /// Says something to everybody and waits for the response.
    pub async fn says(&self, text: &str) -> Frame {
        let id = self.msrp.send(Send::cpim(&self.to_room(text)));
        self.msrp.response(&id).await
    }

    /// Sends a CPIM message in one piece and waits for the status code of the response.
    pub async fn sends(&self, cpim: &Cpim) -> u16 {
        let id = self.msrp.send(Send::cpim(cpim));
        self.msrp.response(&id).await.code().unwrap_or(0)
    }

    /// Waits for a message with this text.
    #[track_caller]
    pub fn hears(&self, text: &str) -> impl Future<Output = MsrpMessage> {
        self.msrp.hears(text)
    }

    /// Sends a private message to a nickname in the room; the status code of the response.
    pub async fn whispers(&self, nick: &str, text: &str) -> u16 {
        self.sends(&Cpim::text(self.aor(), &format!("{};gr={nick}", self.room), text)).await
    }

    /// Asks for a nickname (RFC 7701 §7); the status code of the response.
    pub async fn wants_to_be(&self, nick: &str) -> u16 {
        let quoted = format!("\"{}\"", nick.replace('\\', "\\\\").replace('"', "\\\""));
        let id = self.msrp.request("NICKNAME", vec![("Use-Nickname".to_owned(), quoted)], None, '$');
        self.msrp.response(&id).await.code().unwrap_or(0)
    }

    /// Watches the room, in a dialog of its own.
    pub async fn watches(&self) -> Watch {
        Watch::start(self.ua.clone(), Watch::request(&self.room)).await
    }

    /// Watches the room, in the dialog of the call.
    pub async fn watches_inside(&self) -> Watch {
        Watch::start(self.ua.clone(), Watch::complete(self.call().request("SUBSCRIBE"))).await
    }

    /// Invites somebody (RFC 3515), in a dialog of its own; the answer.
    pub async fn refers(&self, target: &str) -> sip::Message {
        self.ua.request(Request::new("REFER", &self.room).header("Refer-To", target)).await
    }

    /// Waits for the NOTIFY that tells the outcome of the REFER with this answer: Subscription-State and body.
    #[track_caller]
    pub fn is_told(&self, answer: &sip::Message) -> impl Future<Output = (String, String)> {
        let id = answer.header("Call-ID").unwrap_or_default().to_owned();
        let is_it = move |m: &sip::Message| {
            let event = m.header("Event").unwrap_or_default();
            m.method() == Some("NOTIFY") && event.starts_with("refer") && m.header("Call-ID") == Some(&id)
        };
        let notify = self.ua.expect("a NOTIFY of the REFER", crate::SOON, is_it);
        async move {
            let notify = notify.await;
            (notify.header("Subscription-State").unwrap_or_default().to_owned(), notify.text())
        }
    }

    /// Waits for the other side's BYE.
    #[track_caller]
    pub fn ended(&self, timeout: Duration) -> impl Future<Output = sip::Message> {
        let id = self.call_id.clone();
        self.ua.expect("a BYE", timeout, move |m| m.method() == Some("BYE") && m.header("Call-ID") == Some(&id))
    }

    /// Hangs up; the answer to the BYE.
    pub async fn leaves(&self) -> sip::Message {
        self.call().bye().await
    }
}
