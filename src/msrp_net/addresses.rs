//! What is said in `a=path` of where this node listens.

use std::net::IpAddr;

use mucfocus_core::leg::MsrpPlace;
use mucfocus_core::wire::sdp::{Carrier, Family};

use super::settings::{Kind, Listen};
use crate::sockets::literal;

/// Where MSRP connections reach this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// What is listened on, with the ports that the system gave.
    pub listen: Vec<Listen>,
    /// Host and port that are said instead. A port only where all listeners are of one kind.
    pub advertise: Option<(String, Option<u16>)>,
}

impl Addresses {
    /// What a call is told that came to `local`, those of `family` first. Within a family the order is that of the configuration: a
    /// proxy on this machine calls by loopback, where its clients would not get.
    #[must_use]
    pub fn places(&self, local: IpAddr, family: Family) -> Vec<MsrpPlace> {
        let mut places: Vec<(Fit, MsrpPlace)> =
            self.listen.iter().map(|listen| self.place(listen, local.to_canonical(), family)).collect();
        places.sort_by_key(|(fit, _)| *fit);
        places.into_iter().map(|(_, place)| place).collect()
    }

    fn place(&self, listen: &Listen, local: IpAddr, wanted: Family) -> (Fit, MsrpPlace) {
        let ip = listen.address.ip();
        let (host, address) = match &self.advertise {
            Some((host, _)) => (host.clone(), bare(host).parse().ok()),
            None if ip.is_unspecified() => (literal(local), Some(local)),
            None => (literal(ip), Some(ip)),
        };
        let heard = (!listen.is_for_both(&self.listen)).then(|| Family::of(ip));
        let said = address.map(Family::of);
        let port = self.advertise.as_ref().and_then(|(_, port)| *port).unwrap_or(listen.address.port());
        let fit = match (heard, said) {
            (Some(heard), Some(said)) if heard != said => Fit::NotHeard,
            _ if said.or(heard).is_some_and(|family| family != wanted) => Fit::OtherFamily,
            _ => Fit::Fits,
        };
        (fit, MsrpPlace { carrier: carrier(listen.kind), host, port, family: said.or(heard) })
    }
}

/// How well a listener serves a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Fits,
    OtherFamily,
    /// The address that is said is of a family that it does not listen for: it will do where we connect.
    NotHeard,
}

const fn carrier(kind: Kind) -> Carrier {
    match kind {
        Kind::Tcp => Carrier::Tcp,
        Kind::Tls => Carrier::Tls,
        Kind::Ws => Carrier::Ws,
        Kind::Wss => Carrier::Wss,
    }
}

/// Without brackets.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(listen: &[&str], advertise: Option<(&str, Option<u16>)>, local: &str, family: Family) -> Vec<String> {
        let listen = listen.iter().map(|address| Listen { kind: Kind::Tcp, address: address.parse().unwrap() });
        let advertise = advertise.map(|(host, port)| (host.to_owned(), port));
        let addresses = Addresses { listen: listen.collect(), advertise };
        let places = addresses.places(local.parse().unwrap(), family);
        places
            .iter()
            .map(|place| {
                let whose = place.family.map_or("both".to_owned(), |family| format!("{family:?}"));
                format!("{}:{} {whose}", place.host, place.port)
            })
            .collect()
    }

    #[test]
    fn those_of_the_family_come_first_and_of_these_the_first_configured() {
        let listen = ["10.0.0.5:2855", "[2001:db8::5]:2857", "127.0.0.1:2859"];
        let (four, other, six) = ("10.0.0.5:2855 V4", "127.0.0.1:2859 V4", "[2001:db8::5]:2857 V6");
        assert_eq!(said(&listen, None, "127.0.0.1", Family::V4), [four, other, six]);
        assert_eq!(said(&listen, None, "::1", Family::V6), [six, four, other]);
        assert_eq!(said(&listen, None, "::ffff:127.0.0.1", Family::V4), [four, other, six]);
    }

    #[test]
    fn a_listener_for_all_addresses_is_where_the_call_came_in() {
        assert_eq!(said(&["[::]:2855"], None, "::1", Family::V6), ["[::1]:2855 V6"]);
        assert_eq!(said(&["[::]:2855"], None, "127.0.0.1", Family::V4), ["127.0.0.1:2855 V4"], "it is for both");
        let pair = ["0.0.0.0:2855", "[::]:2855"];
        assert_eq!(said(&pair, None, "::1", Family::V6), ["[::1]:2855 V6", "[::1]:2855 V6"]);
        assert_eq!(said(&["0.0.0.0:2855", "[::]:2857"], None, "::1", Family::V6)[0], "[::1]:2857 V6");
        assert_eq!(said(&["[::]:2855", "0.0.0.0:2855"], None, "10.0.0.5", Family::V4)[0], "10.0.0.5:2855 V4");
    }

    #[test]
    fn a_name_is_said_with_the_port_of_the_family() {
        let listen = ["10.0.0.5:2855", "[2001:db8::5]:2857"];
        let name = Some(("focus1.example.com", None));
        let (four, six) = ("focus1.example.com:2855 V4", "focus1.example.com:2857 V6");
        assert_eq!(said(&listen, name, "10.0.0.5", Family::V4), [four, six]);
        assert_eq!(said(&listen, name, "2001:db8::5", Family::V6), [six, four]);
        assert_eq!(said(&["[::]:2855"], name, "10.0.0.5", Family::V4), ["focus1.example.com:2855 both"]);
        let port = Some(("focus1.example.com", Some(443)));
        assert_eq!(said(&["10.0.0.5:2855"], port, "10.0.0.5", Family::V4), ["focus1.example.com:443 V4"]);
        // An address is that of the listener of its family, whoever asks.
        let address = Some(("192.0.2.1", None));
        let both = ["[2001:db8::5]:2857", "10.0.0.5:2855"];
        assert_eq!(said(&both, address, "2001:db8::5", Family::V6)[0], "192.0.2.1:2855 V4");
    }
}
