//! A small XMPP client over plain loopback TCP: SASL PLAIN or ANONYMOUS, bind, and what an occupant of a MUC does.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;
use tokio::io::{AsyncRead, AsyncWriteExt as _, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::random;
use crate::wait::{Picture, SOON, lock, until, wait_for};
use crate::xml::{Builder, Element};

/// The namespace of what a MUC says about occupants.
pub const MUC_USER: &str = "http://jabber.org/protocol/muc#user";

/// Somebody in a room, as the room shows him.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Occupant {
    /// `owner`, `member`, `none`, …
    pub affiliation: String,
    /// `moderator`, `participant`, `visitor`.
    pub role: String,
    /// His JID, where the room tells.
    pub jid: Option<String>,
}

/// One stanza in either direction.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// When.
    pub at: SystemTime,
    /// Whether we sent it.
    pub sent: bool,
    /// What.
    pub xml: String,
}

#[derive(Default)]
struct State {
    received: Vec<Element>,
    traffic: Vec<Traffic>,
    rooms: BTreeMap<String, BTreeMap<String, Occupant>>,
    joined: BTreeMap<String, String>,
    closed: bool,
}

/// A client that is logged in. Dropping it breaks the connection.
pub struct Client {
    jid: String,
    out: mpsc::UnboundedSender<String>,
    state: Arc<Mutex<State>>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Client {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Client {
    /// Logs in, or panics.
    pub async fn login(server: SocketAddr, account: &str, password: &str) -> Self {
        Self::try_login(server, account, password).await.unwrap_or_else(|e| panic!("login of {account}: {e}"))
    }

    /// Logs in; the error is the server's answer.
    pub async fn try_login(server: SocketAddr, account: &str, password: &str) -> Result<Self, String> {
        let (user, host) = account.split_once('@').expect("an account is user@host");
        let secret = base64::engine::general_purpose::STANDARD.encode(format!("\0{user}\0{password}"));
        Self::open(server, host, "PLAIN", &secret).await
    }

    /// Logs in at a host that lets everybody in, or panics.
    pub async fn login_anonymously(server: SocketAddr, host: &str) -> Self {
        Self::open(server, host, "ANONYMOUS", "").await.unwrap_or_else(|e| panic!("login at {host}: {e}"))
    }

    async fn open(server: SocketAddr, host: &str, mechanism: &str, initial: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(server).await.map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let (read, mut write) = stream.into_split();
        let mut xml = Incoming::open(BufReader::new(Prompt(read)), &mut write, host).await?;
        xml.expect("features").await?;
        let sasl = "urn:ietf:params:xml:ns:xmpp-sasl";
        let ask = format!("<auth xmlns='{sasl}' mechanism='{mechanism}'>{initial}</auth>");
        put(&mut write, &ask).await?;
        xml.expect("success").await?;
        let mut xml = Incoming::open(xml.reader.into_inner(), &mut write, host).await?;
        xml.expect("features").await?;
        let resource = random(8);
        let bind = "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>";
        put(&mut write, &format!("{bind}<resource>{resource}</resource></bind></iq><presence/>")).await?;
        let bound = xml.expect("iq").await?;
        let jid = bound.find("jid").map(|j| j.text.clone()).ok_or(format!("not bound: {bound}"))?;
        let (out, outgoing) = mpsc::unbounded_channel();
        let state = Arc::new(Mutex::new(State::default()));
        let writer = tokio::spawn(write_all(write, outgoing, state.clone()));
        let reader = tokio::spawn(read_all(xml, out.clone(), state.clone()));
        Ok(Self { jid, out, state, tasks: [writer, reader] })
    }

    /// The full JID.
    pub fn jid(&self) -> &str {
        &self.jid
    }

    /// Sends a stanza as it is written.
    pub fn send(&self, xml: impl Into<String>) {
        let _ = self.out.send(xml.into());
    }

    /// All stanzas that came, oldest first.
    pub fn received(&self) -> Vec<Element> {
        lock(&self.state).received.clone()
    }

    /// All stanzas in both directions.
    pub fn traffic(&self) -> Vec<Traffic> {
        lock(&self.state).traffic.clone()
    }

    /// Whether the server has closed the stream.
    pub fn closed(&self) -> bool {
        lock(&self.state).closed
    }

    /// Every stanza that came since it was asked last, which is forgotten then; who is in which room is not.
    pub fn take(&self) -> Vec<Element> {
        std::mem::take(&mut lock(&self.state).received)
    }

    /// Forgets what came so far, but not who is in which room.
    pub fn forget(&self) {
        lock(&self.state).received.clear();
    }

    /// Waits for a stanza that satisfies `accept`; earlier ones count.
    #[track_caller]
    pub fn expect(&self, what: impl Into<String>, accept: impl Fn(&Element) -> bool) -> impl Future<Output = Element> {
        let look = move || lock(&self.state).received.iter().find(|e| accept(e)).cloned();
        wait_for(look, SOON, self.picture(what.into()))
    }

    /// Sends an IQ and waits for its answer.
    pub async fn iq(&self, kind: &str, to: &str, payload: &str) -> Element {
        let id = random(10);
        self.send(format!("<iq type='{kind}' id='{id}' to='{}'>{payload}</iq>", escape(to)));
        self.expect(format!("an answer of {to} to {payload}"), |e| {
            e.name == "iq" && e.attribute("id") == Some(&id) && matches!(e.kind(), "result" | "error")
        })
        .await
    }

    /// Sends an IQ of type set that must succeed.
    #[track_caller]
    pub fn set(&self, to: &str, payload: &str) -> impl Future<Output = Element> {
        let caller = Location::caller();
        async move {
            let answer = self.iq("set", to, payload).await;
            assert_eq!(answer.kind(), "result", "{caller}: {payload} got {answer}");
            answer
        }
    }

    /// Joins a room without its history, and waits until the room has said so.
    pub async fn join(&self, room: &str, nick: &str) {
        let to = format!("{room}/{nick}");
        let muc = "<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x>";
        self.send(format!("<presence to='{}'>{muc}</presence>", escape(to.as_str())));
        let look = || lock(&self.state).joined.contains_key(room);
        until(look, SOON, self.picture(format!("{nick} joins {room}"))).await;
    }

    /// Leaves a room.
    pub fn leave(&self, room: &str, nick: &str) {
        let to = format!("{room}/{nick}");
        self.send(format!("<presence type='unavailable' to='{}'/>", escape(to.as_str())));
    }

    /// Says something to everybody in a room; returns the stanza's id.
    pub fn say(&self, room: &str, text: &str) -> String {
        let id = random(12);
        let body = escape(text);
        self.send(format!("<message type='groupchat' id='{id}' to='{}'><body>{body}</body></message>", escape(room)));
        id
    }

    /// Says something to one occupant, or to any JID.
    pub fn whisper(&self, to: &str, text: &str) {
        let (id, body) = (random(12), escape(text));
        let muc = format!("<x xmlns='{MUC_USER}'/>");
        self.send(format!("<message type='chat' id='{id}' to='{}'><body>{body}</body>{muc}</message>", escape(to)));
    }

    /// Tells a room what one is doing (XEP-0085): `composing`, `paused`, …
    pub fn does(&self, room: &str, state: &str) {
        let payload = format!("<{state} xmlns='http://jabber.org/protocol/chatstates'/>");
        self.send(format!("<message type='groupchat' to='{}'>{payload}</message>", escape(room)));
    }

    /// Removes an occupant (XEP-0045 §8.2).
    pub async fn kick(&self, room: &str, nick: &str, reason: &str) {
        self.admin(room, &format!("nick='{}' role='none'", escape(nick)), reason).await;
    }

    /// Bans an account (XEP-0045 §9.1).
    pub async fn ban(&self, room: &str, jid: &str, reason: &str) {
        self.admin(room, &format!("jid='{}' affiliation='outcast'", escape(jid)), reason).await;
    }

    /// Gives an account an affiliation: `none`, `member`, `outcast`, …
    pub async fn affiliate(&self, room: &str, jid: &str, affiliation: &str) {
        self.admin(room, &format!("jid='{}' affiliation='{affiliation}'", escape(jid)), "").await;
    }

    /// Gives an occupant a role: `visitor` takes his voice, `participant` gives it back.
    pub async fn role(&self, room: &str, nick: &str, role: &str) {
        self.admin(room, &format!("nick='{}' role='{role}'", escape(nick)), "").await;
    }

    async fn admin(&self, room: &str, item: &str, reason: &str) {
        let reason = escape(reason);
        let query = "<query xmlns='http://jabber.org/protocol/muc#admin'>";
        self.set(room, &format!("{query}<item {item}><reason>{reason}</reason></item></query>")).await;
    }

    /// Destroys a room (XEP-0045 §10.9).
    pub async fn destroy(&self, room: &str, reason: &str) {
        let reason = escape(reason);
        let query = "<query xmlns='http://jabber.org/protocol/muc#owner'>";
        self.set(room, &format!("{query}<destroy><reason>{reason}</reason></destroy></query>")).await;
    }

    /// The same, with word where to go instead.
    pub async fn destroy_for(&self, room: &str, instead: &str) {
        let query = "<query xmlns='http://jabber.org/protocol/muc#owner'>";
        self.set(room, &format!("{query}<destroy jid='{}'/></query>", escape(instead))).await;
    }

    /// Configures a room: fields of `muc#roomconfig_…` without that prefix, or with a `/` in front of their whole name.
    pub async fn configure(&self, room: &str, fields: &[(&str, &str)]) {
        let field = |name: &str, value: &str| format!("<field var='{name}'><value>{}</value></field>", escape(value));
        let mut form = field("FORM_TYPE", "http://jabber.org/protocol/muc#roomconfig");
        for (name, value) in fields {
            let whole = name.strip_prefix('/').map_or_else(|| format!("muc#roomconfig_{name}"), str::to_owned);
            form.push_str(&field(&whole, value));
        }
        let query = "<query xmlns='http://jabber.org/protocol/muc#owner'>";
        self.set(room, &format!("{query}<x xmlns='jabber:x:data' type='submit'>{form}</x></query>")).await;
    }

    /// Who is in a room, by nickname.
    pub fn occupants(&self, room: &str) -> BTreeMap<String, Occupant> {
        lock(&self.state).rooms.get(room).cloned().unwrap_or_default()
    }

    /// The nicknames in a room, in order.
    pub fn nicks(&self, room: &str) -> Vec<String> {
        self.occupants(room).into_keys().collect()
    }

    /// Waits until `nick` is in the room.
    #[track_caller]
    pub fn sees(&self, room: &str, nick: &str) -> impl Future<Output = Occupant> {
        let (at, who) = (room.to_owned(), nick.to_owned());
        wait_for(move || self.occupants(&at).remove(&who), SOON, self.picture(format!("{nick} comes into {room}")))
    }

    /// Waits until `nick` is not in the room, and returns the presence that said so, if any.
    #[track_caller]
    pub fn sees_leave(&self, room: &str, nick: &str, timeout: Duration) -> impl Future<Output = Option<Element>> {
        let from = format!("{room}/{nick}");
        let (at, who) = (room.to_owned(), nick.to_owned());
        let look = move || {
            let gone = !self.occupants(&at).contains_key(&who);
            gone.then(|| self.received().into_iter().rev().find(|e| e.from() == from && e.kind() == "unavailable"))
        };
        wait_for(look, timeout, self.picture(format!("{nick} leaves {room}")))
    }

    /// Waits for a groupchat message with this text.
    #[track_caller]
    pub fn hears(&self, room: &str, text: &str) -> impl Future<Output = Element> {
        let start = format!("{room}/");
        let (text, what) = (text.to_owned(), format!("in {room}: {text:?}"));
        self.expect(what, move |e| e.from().starts_with(&start) && e.body() == Some(&text) && e.kind() == "groupchat")
    }

    /// Nickname and text of every groupchat message that came from a room, in its order.
    pub fn heard(&self, room: &str) -> Vec<(String, String)> {
        let state = lock(&self.state);
        let said = |e: &Element| {
            let nick = e.from().strip_prefix(room)?.strip_prefix('/')?;
            Some((nick.to_owned(), e.body()?.to_owned()))
        };
        state.received.iter().filter(|e| e.kind() == "groupchat").filter_map(said).collect()
    }

    /// The last stanzas, for somebody who did not find what he looked for.
    fn picture(&self, what: String) -> impl std::fmt::Display + use<> {
        let (state, jid) = (self.state.clone(), self.jid.clone());
        Picture(move || {
            let state = lock(&state);
            let last = state.traffic.iter().rev().take(12).rev();
            let lines = last.map(|t| format!("  {} {}", if t.sent { "->" } else { "<-" }, t.xml)).collect::<Vec<_>>();
            format!("{what}\nin rooms: {:?}\nlast at {jid}:\n{}", state.rooms, lines.join("\n"))
        })
    }
}

impl State {
    fn take(&mut self, element: Element) {
        self.traffic.push(Traffic { at: SystemTime::now(), sent: false, xml: element.to_string() });
        if element.name == "presence" && element.kind() != "error" {
            self.presence(&element);
        }
        self.received.push(element);
    }

    fn presence(&mut self, presence: &Element) {
        let Some(x) = presence.child("x", MUC_USER) else { return };
        let Some((room, nick)) = presence.from().split_once('/') else { return };
        let ours = x.children.iter().any(|s| s.name == "status" && s.attribute("code") == Some("110"));
        let occupants = self.rooms.entry(room.to_owned()).or_default();
        if presence.kind() == "unavailable" {
            occupants.remove(nick);
            if ours {
                self.joined.remove(room);
            }
            return;
        }
        let item = x.child("item", MUC_USER);
        let get = |name: &str| item.and_then(|i| i.attribute(name)).map(str::to_owned);
        let occupant = Occupant {
            affiliation: get("affiliation").unwrap_or_default(),
            role: get("role").unwrap_or_default(),
            jid: get("jid"),
        };
        occupants.insert(nick.to_owned(), occupant);
        if ours {
            self.joined.insert(room.to_owned(), nick.to_owned());
        }
    }
}

/// A stream as it comes in.
struct Incoming {
    reader: Reader<BufReader<Prompt>>,
    builder: Builder,
    buffer: Vec<u8>,
}

/// Acknowledges what it reads at once: Prosody's second small write would wait 40 ms for the acknowledgement of the first.
struct Prompt(OwnedReadHalf);

impl AsyncRead for Prompt {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(cx, into);
        if read.is_ready() {
            let _ = self.0.as_ref().set_quickack(true);
        }
        read
    }
}

impl Incoming {
    async fn open(read: BufReader<Prompt>, write: &mut OwnedWriteHalf, host: &str) -> Result<Self, String> {
        let open = format!(
            "<?xml version='1.0'?><stream:stream to='{host}' version='1.0' xmlns='jabber:client' \
             xmlns:stream='http://etherx.jabber.org/streams'>"
        );
        put(write, &open).await?;
        Ok(Self { reader: Reader::from_reader(read), builder: Builder::default(), buffer: Vec::new() })
    }

    /// The next stanza; `None` at the end of the stream.
    async fn next(&mut self) -> Result<Option<Element>, String> {
        loop {
            self.buffer.clear();
            let event = self.reader.read_event_into_async(&mut self.buffer).await.map_err(|e| e.to_string())?;
            if matches!(event, Event::Eof) {
                return Ok(None);
            }
            if let Some(element) = self.builder.event(&event) {
                return Ok(Some(element));
            }
        }
    }

    async fn expect(&mut self, name: &str) -> Result<Element, String> {
        let next = tokio::time::timeout(SOON, self.next()).await.map_err(|_| format!("no <{name}/> in time"))?;
        match next? {
            Some(element) if element.name == name => Ok(element),
            other => Err(other.map_or("end of stream".to_owned(), |e| e.to_string())),
        }
    }
}

async fn put(write: &mut OwnedWriteHalf, text: &str) -> Result<(), String> {
    write.write_all(text.as_bytes()).await.map_err(|e| e.to_string())
}

async fn write_all(mut write: OwnedWriteHalf, mut out: mpsc::UnboundedReceiver<String>, state: Arc<Mutex<State>>) {
    while let Some(xml) = out.recv().await {
        lock(&state).traffic.push(Traffic { at: SystemTime::now(), sent: true, xml: xml.clone() });
        if write.write_all(xml.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_all(mut xml: Incoming, out: mpsc::UnboundedSender<String>, state: Arc<Mutex<State>>) {
    while let Ok(Some(element)) = xml.next().await {
        if element.name == "iq"
            && let Some(answer) = answer(&element)
        {
            let _ = out.send(answer);
        }
        lock(&state).take(element);
    }
    lock(&state).closed = true;
}

/// A client answers every request: pings with a result, others with an error.
fn answer(request: &Element) -> Option<String> {
    if !matches!(request.kind(), "get" | "set") {
        return None;
    }
    let (id, to) = (escape(request.attribute("id")?), escape(request.from()));
    Some(if request.child("ping", "urn:xmpp:ping").is_some() {
        format!("<iq type='result' id='{id}' to='{to}'/>")
    } else {
        let condition = "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>";
        format!("<iq type='error' id='{id}' to='{to}'><error type='cancel'>{condition}</error></iq>")
    })
}
