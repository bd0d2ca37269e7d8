//! A phone that is called, and the proxy in front of it: one datagram socket that is there before anybody calls.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use socket2::Socket;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use crate::digest;
use crate::member::offer;
use crate::msrp::{Peer, own_uri};
use crate::server::datagrams_only;
use crate::sip::Message;
use crate::wait::{SOON, lock, wait_for};

/// A phone behind a proxy. It says 200 to BYE and OPTIONS, and to CANCEL, whose INVITE it ends with 487.
pub struct Phone {
    socket: Arc<UdpSocket>,
    received: Arc<Mutex<Vec<(Message, SocketAddr)>>>,
    /// What was last said to the INVITE of that branch.
    said: Arc<Mutex<HashMap<String, String>>>,
    task: JoinHandle<()>,
    /// Its port by TCP.
    _reserved: Socket,
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Phone {
    /// Opens its socket.
    pub async fn plugged_in() -> Self {
        let (socket, reserved) = datagrams_only(Ipv4Addr::LOCALHOST.into());
        let socket = Arc::new(socket);
        let received = Arc::<Mutex<Vec<_>>>::default();
        let said = Arc::<Mutex<HashMap<_, _>>>::default();
        let task = tokio::spawn(receive(socket.clone(), received.clone(), said.clone()));
        Self { socket, received, said, task, _reserved: reserved }
    }

    /// `[sip.outbound]`, which leads everybody of `sip.test` to it.
    pub fn outbound(&self) -> String {
        let port = self.socket.local_addr().unwrap().port();
        format!("\n[sip.outbound]\nproxy = \"sip:127.0.0.1:{port};lr\"\nallow = [\"sip:*@sip.test\"]\n")
    }

    /// Everything that came, in its order.
    pub fn received(&self) -> Vec<Message> {
        lock(&self.received).iter().map(|(message, _)| message.clone()).collect()
    }

    /// The first request for which that holds.
    pub async fn expect(&self, what: &str, is_it: impl Fn(&Message) -> bool) -> Call<'_> {
        let find = || lock(&self.received).iter().find(|(message, _)| is_it(message)).cloned();
        let (request, from) = wait_for(find, SOON, what).await;
        Call { phone: self, request, from }
    }

    /// The first request of that method.
    pub async fn hears(&self, method: &str) -> Call<'_> {
        self.expect(&format!("{method} at the phone"), |message| message.method() == Some(method)).await
    }
}

/// A request at the phone.
pub struct Call<'a> {
    phone: &'a Phone,
    /// The request.
    pub request: Message,
    from: SocketAddr,
}

impl Call<'_> {
    /// Answers it.
    pub async fn answers(&self, status: &str, fields: &str, body: &str) {
        let response = response(&self.request, status, fields, body);
        if self.request.method() == Some("INVITE") {
            lock(&self.phone.said).insert(branch(&self.request), response.clone());
        }
        self.phone.socket.send_to(response.as_bytes(), self.from).await.unwrap();
    }

    /// Says why not, and waits for the ACK.
    pub async fn refuses(&self, status: &str) {
        self.answers(status, "", "").await;
        self.phone.hears("ACK").await;
    }

    /// Asks for a password, and waits for the INVITE that knows it.
    pub async fn asks_who_calls(&self, username: &str, password: &str) -> Self {
        let challenge = "Proxy-Authenticate: Digest realm=\"sip.test\", nonce=\"abc\", qop=\"auth\"\r\n";
        self.answers("407 Proxy Authentication Required", challenge, "").await;
        let is_it =
            |message: &Message| message.method() == Some("INVITE") && message.header("Proxy-Authorization").is_some();
        let again = self.phone.expect("the INVITE with credentials", is_it).await;
        let field = again.request.header("Proxy-Authorization").unwrap();
        let value = |name: &str| {
            let at = field.find(&format!("{name}=")).unwrap_or_else(|| panic!("no {name} in {field}")) + name.len() + 1;
            field[at..].split(',').next().unwrap().trim().trim_matches('"').to_owned()
        };
        let hash = |text: String| digest::md5(&text);
        let secret = hash(format!("{username}:sip.test:{password}"));
        let request = hash(format!("INVITE:{}", value("uri")));
        let (nc, cnonce) = (value("nc"), value("cnonce"));
        assert_eq!(value("username"), username);
        assert_eq!(value("response"), hash(format!("{secret}:abc:{nc}:{cnonce}:auth:{request}")), "{field}");
        Self { phone: self.phone, request: again.request, from: again.from }
    }

    /// Takes the call and connects its MSRP session.
    pub async fn picks_up(&self) -> Peer {
        let local = own_uri(9);
        let remote = self.request.sdp("path").unwrap_or_else(|| panic!("no path in {}", self.request.text()));
        let at = self.phone.socket.local_addr().unwrap();
        let fields =
            format!("Record-Route: <sip:{at};lr>\r\nContact: <sip:phone@{at}>\r\nContent-Type: application/sdp\r\n");
        let answer = offer(&local, "active").replace("a=chatroom\r\n", crate::member::TOKENS);
        self.answers("200 OK", &fields, &answer).await;
        self.phone.hears("ACK").await;
        let peer = Peer::connect(&local, &remote).await;
        peer.bind().await;
        peer
    }
}

fn branch(request: &Message) -> String {
    request.branch().unwrap_or_default().to_owned()
}

/// With a tag where there is none.
fn response(request: &Message, status: &str, fields: &str, body: &str) -> String {
    let mut out = format!("SIP/2.0 {status}\r\n");
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        for value in request.all(name) {
            let tag = if name == "To" && request.tag("To").is_none() { ";tag=phone" } else { "" };
            out += &format!("{name}: {value}{tag}\r\n");
        }
    }
    out + &format!("{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

async fn receive(
    socket: Arc<UdpSocket>,
    received: Arc<Mutex<Vec<(Message, SocketAddr)>>>,
    said: Arc<Mutex<HashMap<String, String>>>,
) {
    let mut datagram = vec![0; 65_536];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut datagram).await else { continue };
        let octets = &datagram[..length];
        let Some(at) = octets.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let message = Message::parse(&octets[..at], &octets[at + 4..]);
        // An INVITE that is sent once more gets its answer once more (RFC 3261 §17.2.1).
        let is_invite = message.method() == Some("INVITE");
        if is_invite && lock(&received).iter().any(|(other, _)| other.branch() == message.branch()) {
            let said = lock(&said).get(&branch(&message)).cloned();
            if let Some(said) = said {
                let _ = socket.send_to(said.as_bytes(), from).await;
            }
            continue;
        }
        if matches!(message.method(), Some("BYE" | "OPTIONS" | "CANCEL")) {
            let _ = socket.send_to(response(&message, "200 OK", "", "").as_bytes(), from).await;
        }
        if message.method() == Some("CANCEL") {
            let invite = lock(&received).iter().map(|(m, _)| m).find(|m| m.branch() == message.branch()).cloned();
            if let Some(invite) = invite {
                let ended = response(&invite, "487 Request Terminated", "", "");
                let _ = socket.send_to(ended.as_bytes(), from).await;
            }
        }
        lock(&received).push((message, from));
    }
}
