//! The state of one dialog (RFC 3261 §12.1), be it opened by a request to us or by one of ours. Pure: URIs and fields stay as the peer wrote them.
//! What it is used for is in [`usage`](super::usage).

use std::net::IpAddr;

use rsipstack::sip::{Header, Headers, Method, Request, Response, Uri, Version};

use super::SERVER;
use super::head::{long_name, parameter, split_outside_quotes, uri_text};
use super::reply::{field, fields};
use super::rewrite::{FROM, REQUEST_URI, STAND_IN_URI, TO, stand_in};
use super::settings::Transport;
use super::shared::DialogId;

/// [`TO`], as fields are looked up.
const TO_FIELD: &str = "mucfocus-to";

/// Why no dialog comes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoDialog {
    /// RFC 3261 §8.1.1.8.
    #[error("the request needs exactly one Contact with a SIP URI")]
    Contact,
    /// It names many hosts, or none, or no port: whoever sends there makes noise in somebody's name.
    #[error("the Contact leads to no host that a request could be sent to")]
    Nowhere,
    /// Tags, Call-ID or CSeq cannot be read.
    #[error("the dialog cannot be identified")]
    Identity,
}

/// A dialog that a request to us has opened, an INVITE, a SUBSCRIBE or a REFER, or an INVITE of ours.
#[derive(Debug, Clone)]
pub(super) struct Dialog {
    id: DialogId,
    /// Our From, which was the To of that request, with our tag.
    local: String,
    /// Our To, which was its From.
    remote: String,
    route_set: Vec<String>,
    target: String,
    local_cseq: u32,
    remote_cseq: u32,
}

/// Where a request goes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hop {
    /// A name or an address; an IPv6 address without brackets.
    pub(super) host: String,
    /// None when the URI has none.
    pub(super) port: Option<u16>,
    /// What the URI asks for by its scheme and its `transport` parameter, if that is something we know.
    pub(super) transport: Option<Transport>,
}

impl Dialog {
    /// The dialog of a request whose To has our tag already.
    pub(super) fn opened_by(request: &Request) -> Result<Self, NoDialog> {
        let target = single_contact(&request.headers)?;
        let (local, remote) = (field(request, "to"), field(request, "from"));
        let (Some(local), Some(remote), Some(call_id)) = (local, remote, field(request, "call-id")) else {
            return Err(NoDialog::Identity);
        };
        let (Some(local_tag), Some(remote_tag)) = (parameter(local, "tag"), parameter(remote, "tag")) else {
            return Err(NoDialog::Identity);
        };
        let id = DialogId {
            call_id: call_id.to_owned(),
            local_tag: local_tag.to_owned(),
            remote_tag: remote_tag.to_owned(),
        };
        Ok(Self {
            id,
            local: local.to_owned(),
            remote: remote.to_owned(),
            route_set: fields(request, "record-route")
                .flat_map(|value| split_outside_quotes(value, ','))
                .map(str::to_owned)
                .collect(),
            target: target.to_owned(),
            local_cseq: 0,
            remote_cseq: cseq(request).ok_or(NoDialog::Identity)?,
        })
    }

    /// The dialog that an INVITE of ours is to open, as far as it goes without an answer: without the tag of the peer.
    pub(super) fn calling(call_id: &str, (local, tag): (&str, &str), callee: &str, routes: Vec<String>) -> Self {
        let id = DialogId { call_id: call_id.to_owned(), local_tag: tag.to_owned(), remote_tag: String::new() };
        Self {
            id,
            local: format!("<{local}>;tag={tag}"),
            remote: format!("<{callee}>"),
            route_set: routes,
            target: callee.to_owned(),
            local_cseq: 0,
            remote_cseq: 0,
        }
    }

    /// The same with the 2xx to that INVITE (RFC 3261 §12.1.2): the routes are those of Record-Route, the last first.
    pub(super) fn confirmed_by(mut self, response: &Response) -> Result<Self, NoDialog> {
        let all = |name: &'static str| {
            response.headers.iter().filter(move |h| long_name(h.name()) == name).map(Header::value)
        };
        let original = |name: &'static str, stand_in: &'static str| all(stand_in).next().or_else(|| all(name).next());
        let remote = original("to", TO_FIELD).ok_or(NoDialog::Identity)?;
        self.id.remote_tag = parameter(remote, "tag").ok_or(NoDialog::Identity)?.to_owned();
        remote.clone_into(&mut self.remote);
        single_contact(&response.headers)?.clone_into(&mut self.target);
        let routes = all("record-route").flat_map(|value| split_outside_quotes(value, ','));
        self.route_set = routes.map(str::to_owned).collect();
        self.route_set.reverse();
        Ok(self)
    }

    pub(super) fn id(&self) -> &DialogId {
        &self.id
    }

    /// The peer, as its From named it when the dialog began.
    pub(super) fn remote(&self) -> &str {
        &self.remote
    }

    /// Notes the number of a request of the peer; false when it is not above the last one (RFC 3261 §12.2.2).
    pub(super) fn accepts_cseq(&mut self, request: &Request) -> bool {
        let number = cseq(request).filter(|number| *number > self.remote_cseq);
        self.remote_cseq = number.unwrap_or(self.remote_cseq);
        number.is_some()
    }

    /// Takes the Contact of a target refresh request that was accepted; the route set stays (RFC 3261 §12.2.2).
    pub(super) fn refresh_target(&mut self, request: &Request) {
        self.refresh_target_by(&request.headers);
    }

    /// The same of the 2xx to a target refresh request of ours (RFC 3261 §12.2.1.2).
    pub(super) fn refresh_target_by(&mut self, headers: &Headers) {
        if let Ok(target) = single_contact(headers) {
            target.clone_into(&mut self.target);
        }
    }

    /// The ACK of the 2xx to an INVITE of ours (RFC 3261 §13.2.2.4): with its number, and a branch of its own.
    pub(super) fn ack(&self, invite: &Request, via: String) -> Request {
        let mut once = Self { local_cseq: cseq(invite).unwrap_or_default().saturating_sub(1), ..self.clone() };
        once.request(Method::Ack, via, Vec::new(), Vec::new())
    }

    /// Where our requests go.
    pub(super) fn next_hop(&self) -> Option<Hop> {
        self.route_set.first().and_then(|route| uri_text(route)).map_or_else(|| hop(&self.target), hop)
    }

    /// Our next request (RFC 3261 §12.2.1.1).
    pub(super) fn request(&mut self, method: Method, via: String, more: Vec<Header>, body: Vec<u8>) -> Request {
        self.local_cseq = self.local_cseq.saturating_add(1);
        let mut routes = self.route_set.clone();
        let mut uri = self.target.clone();
        // A strict router gets its own URI in the start line, and the target comes last.
        let strict = routes.first().and_then(|r| uri_text(r)).filter(|u| !is_loose(u)).map(str::to_owned);
        if let Some(strict) = strict {
            routes.remove(0);
            routes.push(format!("<{uri}>"));
            uri = strict;
        }
        let mut headers = Headers::default();
        headers.push(Header::Other(REQUEST_URI.to_owned(), uri));
        headers.push(Header::Via(via.into()));
        headers.push(Header::MaxForwards("70".into()));
        for route in routes {
            headers.push(Header::Route(route.into()));
        }
        headers.push(Header::Other(FROM.to_owned(), self.local.clone()));
        headers.push(Header::From(stand_in(&self.local).into()));
        headers.push(Header::Other(TO.to_owned(), self.remote.clone()));
        headers.push(Header::To(stand_in(&self.remote).into()));
        headers.push(Header::CallId(self.id.call_id.as_str().into()));
        headers.push(Header::CSeq(format!("{} {method}", self.local_cseq).into()));
        headers.push(Header::UserAgent(SERVER.into()));
        headers.extend(more);
        headers.push(Header::ContentLength(body.len().to_string().into()));
        Request { method, uri: Uri::try_from(STAND_IN_URI).unwrap_or_default(), version: Version::V2, headers, body }
    }
}

/// The CSeq number of a request.
pub(super) fn cseq(request: &Request) -> Option<u32> {
    field(request, "cseq")?.split([' ', '\t']).next()?.parse().ok()
}

/// What is wrong with the Contact of a request within the dialog; without one the target stays.
pub(super) fn bad_contact(request: &Request) -> Option<NoDialog> {
    field(request, "contact").and_then(|_| single_contact(&request.headers).err())
}

fn single_contact(headers: &Headers) -> Result<&str, NoDialog> {
    let values = headers.iter().filter(|h| long_name(h.name()) == "contact").map(Header::value);
    let mut contacts = values.flat_map(|value| split_outside_quotes(value, ','));
    let (Some(contact), None) = (contacts.next(), contacts.next()) else { return Err(NoDialog::Contact) };
    let uri = uri_text(contact).ok_or(NoDialog::Contact)?;
    let scheme = uri.split(':').next().unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("sip") && !scheme.eq_ignore_ascii_case("sips") {
        return Err(NoDialog::Contact);
    }
    let leads_nowhere =
        hop(uri).is_some_and(|hop| hop.port == Some(0) || hop.host.parse().is_ok_and(|ip| !is_one_host(ip)));
    if leads_nowhere { Err(NoDialog::Nowhere) } else { Ok(uri) }
}

/// Whether that is the address of one host; of a net's own broadcast address nobody else knows.
pub(super) fn is_one_host(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast() || v4.octets().starts_with(&[0]));
    !address.is_unspecified() && !address.is_multicast() && !is_broadcast
}

/// RFC 3261 §16.12.1.1.
fn is_loose(uri: &str) -> bool {
    uri.split(';').skip(1).any(|p| {
        let name = p.split(['=', '?']).next().unwrap_or_default();
        name.eq_ignore_ascii_case("lr")
    })
}

fn is_sips(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("sips")
}

pub(super) fn hop(uri: &str) -> Option<Hop> {
    let (scheme, rest) = uri.split_once(':')?;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host_port = rest.split([';', '?']).next()?;
    let (host, port) = match host_port.strip_prefix('[') {
        Some(v6) => {
            let (host, port) = v6.split_once(']')?;
            (host, port.strip_prefix(':'))
        }
        None => host_port.split_once(':').map_or((host_port, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        Some(port) => Some(port.parse().ok()?),
        None => None,
    };
    let transport = parameter(rest.split('?').next()?, "transport").and_then(Transport::of_uri_parameter);
    // RFC 3261 §26.2.2: by TLS or not at all.
    let transport = match transport {
        Some(Transport::Ws | Transport::Wss) if is_sips(scheme) => Some(Transport::Wss),
        _ if is_sips(scheme) => Some(Transport::Tls),
        other => other,
    };
    (!host.is_empty()).then(|| Hop { host: host.to_owned(), port, transport })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CF-06, SIP-17: of an INVITE of ours.
    #[test]
    fn a_dialog_of_ours_takes_the_routes_of_its_2xx_the_last_first() {
        let proxy = vec!["<sip:out.example;lr>".to_owned()];
        let mut dialog = Dialog::calling("c", ("sip:room%40conf@d", "l"), "sip:u%40@o", proxy);
        let request = dialog.request(Method::Invite, "SIP/2.0/UDP me;branch=z9hG4bK2".into(), vec![], vec![]);
        let invite = String::from_utf8(super::super::outgoing::for_the_wire(&request.to_bytes()).into_owned()).unwrap();
        assert!(invite.starts_with("INVITE sip:u%40@o SIP/2.0\r\n"), "{invite}");
        assert!(invite.contains("\r\nRoute: <sip:out.example;lr>\r\n") && invite.contains("\r\nTo: <sip:u%40@o>\r\n"));
        assert!(invite.contains("\r\nFrom: <sip:room%40conf@d>;tag=l\r\n"), "{invite}");
        let ok = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP me;branch=z9hG4bK2\r\nFrom: <sip:room%40conf@d>;tag=l\r\n\
                  To: \"U\" <sip:u%40@o>;tag=r\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
                  Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nContact: <sip:u@10.0.0.1:5070>\r\nContent-Length: 0\r\n\r\n";
        let ok = Response::try_from(ok.as_bytes()).unwrap();
        let mut dialog = dialog.confirmed_by(&ok).unwrap();
        let remote_tag = "r".to_owned();
        assert_eq!(*dialog.id(), DialogId { call_id: "c".into(), local_tag: "l".into(), remote_tag });
        let bye = bye(&mut dialog);
        assert!(bye.starts_with("BYE sip:u@10.0.0.1:5070 SIP/2.0\r\n"), "{bye}");
        assert!(bye.contains("Route: <sip:p2;lr>\r\nRoute: <sip:p1;lr>\r\n"), "{bye}");
        assert!(bye.contains("CSeq: 2 BYE") && bye.contains("\r\nTo: \"U\" <sip:u%40@o>;tag=r\r\n"), "{bye}");
    }

    fn invite(more: &str) -> Request {
        let text = format!(
            "INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: \"<sip:evil@e>\" <sip:r%40@o>;tag=r\r\n\
             To: <sip:room%40conf@d>;tag=l\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\n{more}Content-Length: 0\r\n\r\n"
        );
        Request::try_from(text.as_bytes()).unwrap()
    }

    fn bye(dialog: &mut Dialog) -> String {
        let request = dialog.request(Method::Bye, "SIP/2.0/UDP me;branch=z9hG4bK2".into(), vec![], vec![]);
        String::from_utf8(super::super::outgoing::for_the_wire(&request.to_bytes()).into_owned()).unwrap()
    }

    /// SIP-17.
    #[test]
    fn routes_are_used_in_the_order_of_record_route() {
        let mut dialog = Dialog::opened_by(&invite(
            "Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr>\r\nRecord-Route: <sip:p3.example;lr>\r\nContact: <sip:u%40@10.0.0.1:5070>\r\n",
        ))
        .unwrap();
        let bye = bye(&mut dialog);
        assert!(bye.starts_with("BYE sip:u%40@10.0.0.1:5070 SIP/2.0\r\n"), "{bye}");
        let routes: Vec<_> = bye.lines().filter_map(|l| l.strip_prefix("Route: ")).collect();
        assert_eq!(routes, ["<sip:p1.example;lr>", "<sip:p2.example;lr>", "<sip:p3.example;lr>"]);
        assert!(bye.contains("\r\nFrom: <sip:room%40conf@d>;tag=l\r\n"), "{bye}");
        assert_eq!(dialog.next_hop(), Some(Hop { host: "p1.example".into(), port: None, transport: None }));
    }

    #[test]
    fn a_strict_router_gets_its_own_uri_in_the_start_line() {
        let mut dialog =
            Dialog::opened_by(&invite("Record-Route: <sip:old.example>\r\nContact: <sip:u@10.0.0.1>\r\n")).unwrap();
        let bye = bye(&mut dialog);
        assert!(
            bye.starts_with("BYE sip:old.example SIP/2.0\r\n") && bye.contains("\r\nRoute: <sip:u@10.0.0.1>\r\n"),
            "{bye}"
        );
    }

    /// SIP-24.
    #[test]
    fn the_target_follows_the_contact_of_a_refresh_and_the_routes_stay() {
        let mut dialog =
            Dialog::opened_by(&invite("Record-Route: <sip:p;lr>\r\nContact: <sip:u@10.0.0.1>\r\n")).unwrap();
        dialog.refresh_target(&invite("Record-Route: <sip:other;lr>\r\nContact: sip:u@[2001:db8::1]:5080\r\n"));
        let bye = bye(&mut dialog);
        assert!(
            bye.starts_with("BYE sip:u@[2001:db8::1]:5080 SIP/2.0\r\n") && bye.contains("Route: <sip:p;lr>\r\n"),
            "{bye}"
        );
        let there = hop("sip:u@[2001:db8::1]:5080;transport=TCP?x=y");
        assert_eq!(there, Some(Hop { host: "2001:db8::1".into(), port: Some(5080), transport: Some(Transport::Tcp) }));
    }

    /// SIP-08.
    #[test]
    fn only_a_higher_cseq_is_accepted() {
        let mut dialog = Dialog::opened_by(&invite("Contact: <sip:u@h>\r\n")).unwrap();
        assert!(!dialog.accepts_cseq(&invite("")));
        let mut next = invite("");
        next.headers.unique_push(Header::CSeq("9 INVITE".into()));
        assert!(dialog.accepts_cseq(&next));
        assert!(!dialog.accepts_cseq(&next));
    }

    #[test]
    fn a_contact_that_leads_to_many_or_to_nobody_opens_no_dialog_and_moves_none() {
        let mut there = Dialog::opened_by(&invite("Contact: <sip:u@10.0.0.1>\r\n")).unwrap();
        for host in [
            "239.1.1.1",
            "255.255.255.255:5060",
            "0.0.0.0",
            "0.1.2.3",
            "[::]",
            "[ff02::1]",
            "[::ffff:224.0.0.1]",
            "10.0.0.1:0",
            "h:0;transport=tcp",
        ] {
            let bad = invite(&format!("Contact: <sip:u@{host}>\r\n"));
            assert_eq!(Dialog::opened_by(&bad).unwrap_err(), NoDialog::Nowhere, "{host}");
            assert_eq!(bad_contact(&bad), Some(NoDialog::Nowhere), "{host}");
            there.refresh_target(&bad);
        }
        assert_eq!(there.next_hop().unwrap().host, "10.0.0.1");
    }

    #[test]
    fn an_invite_without_one_sip_contact_opens_no_dialog() {
        for contact in ["", "Contact: <tel:+1>\r\n", "Contact: <sip:a@h>, <sip:b@h>\r\n"] {
            assert_eq!(Dialog::opened_by(&invite(contact)).unwrap_err(), NoDialog::Contact, "{contact}");
        }
    }
}
