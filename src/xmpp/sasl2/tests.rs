use super::*;

fn offer(mechanisms: &[&str]) -> Offer {
    Offer { mechanisms: names(mechanisms), bind: true, resume: true, tokens: true }
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn features(xml: &str) -> StreamFeatures {
    let xml = format!("<features xmlns='http://etherx.jabber.org/streams'>{xml}</features>");
    let element: xmpp_parsers::minidom::Element = xml.parse().expect("XML");
    StreamFeatures::try_from(element).expect("features")
}

#[test]
fn what_a_server_offers_is_read() {
    let all = features(
        "<authentication xmlns='urn:xmpp:sasl:2'><mechanism>PLAIN</mechanism><inline><sm xmlns='urn:xmpp:sm:3'/>\
         <bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:sm:3'/></inline></bind><other xmlns='urn:other'/>\
         <fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-EXPR</mechanism><mechanism>HT-SHA-256-NONE</mechanism></fast>\
         </inline></authentication>",
    );
    assert_eq!(Offer::read(&all), Some(offer(&["PLAIN"])));
    let bare = features("<authentication xmlns='urn:xmpp:sasl:2'><mechanism>PLAIN</mechanism></authentication>");
    let nothing = Offer { bind: false, resume: false, tokens: false, ..offer(&["PLAIN"]) };
    assert_eq!(Offer::read(&bare), Some(nothing.clone()));
    let bound = features(
        "<authentication xmlns='urn:xmpp:sasl:2'><mechanism>PLAIN</mechanism><inline>\
         <fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-EXPR</mechanism></fast></inline></authentication>",
    );
    assert_eq!(Offer::read(&bound), Some(nothing), "a token for a channel binding that is not claimed");
    assert_eq!(Offer::read(&features("")), None);
}

/// Nobody sends a password because the server offers two ways.
#[test]
fn the_way_with_fewer_round_trips_is_not_taken_with_a_weaker_mechanism() {
    let ours = ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"];
    let best = |here: &[&str], there: &[&str]| offer(here).best(&ours, &names(there));
    assert_eq!(best(&["PLAIN", "SCRAM-SHA-1"], &["PLAIN", "SCRAM-SHA-1"]), Some("SCRAM-SHA-1"));
    assert_eq!(best(&["PLAIN"], &["PLAIN", "SCRAM-SHA-1"]), None);
    assert_eq!(best(&["SCRAM-SHA-1"], &["SCRAM-SHA-256"]), None);
    assert_eq!(best(&["PLAIN"], &[]), Some("PLAIN"));
    assert_eq!(best(&["EXTERNAL"], &["EXTERNAL"]), None);
    assert_eq!(offer(&["PLAIN", "ANONYMOUS"]).best(&["ANONYMOUS"], &names(&[])), Some("ANONYMOUS"));
}

#[test]
fn a_node_is_the_same_installation_every_time_and_no_other() {
    let (one, other) = (agent("focus1"), agent("focus2"));
    assert_eq!(one, agent("focus1"));
    assert_ne!(one, other);
    for uuid in [one, other] {
        let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
        assert_eq!(uuid.get(14..15), Some("4"), "{uuid}");
        assert!(matches!(uuid.get(19..20), Some("8" | "9" | "a" | "b")), "{uuid}");
    }
}

/// What a server says next belongs to whoever serves the stream then.
#[tokio::test]
async fn what_follows_the_login_is_left_for_the_stream() {
    let said = "<success xmlns='urn:xmpp:sasl:2'><authorization-identifier>r@x/y</authorization-identifier></success>\
        <stream:features><sm xmlns='urn:xmpp:sm:3'/></stream:features><presence/>";
    let (mut near, far) = tokio::io::duplex(4096);
    let mut io = tokio::io::BufStream::new(far);
    near.write_all(said.as_bytes()).await.expect("room");
    let exchange = Exchange::new("ANONYMOUS", sasl::common::Credentials::default()).expect("a mechanism");
    let plan = Plan { exchange, agent: "a", bind: None, resume: None, wants_token: false };
    let logged_in = log_in(&mut io, plan).await;
    assert!(logged_in.is_ok_and(|logged_in| logged_in.resumable));
    assert_eq!(io.fill_buf().await.expect("more"), b"<presence/>");
}
