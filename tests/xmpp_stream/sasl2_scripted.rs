//! Logging in on servers that say they know SASL2 and are scripted to do with it what real ones do not do on demand: XM-19.

use jid::BareJid;
use mucfocus::hub::mail::StreamMail;
use mucfocus::xmpp::pool::Pool;
use mucfocus::xmpp::settings::Account;
use mucfocus_core::room::io::AccountKey;
use tokio::net::TcpListener;

use crate::hostile_server::{HEADER, Server};
use crate::room::{Room, account, settings};
use crate::sasl2::resuming;

const ROOM: &str = "capulet@muc.xmpp.test";
const FEATURES: &str = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism>\
    </mechanisms><authentication xmlns='urn:xmpp:sasl:2'><mechanism>PLAIN</mechanism><inline><bind xmlns='urn:xmpp:bind:0'/>\
    <sm xmlns='urn:xmpp:sm:3'/><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism></fast></inline>\
    </authentication></stream:features>";
const RESUMABLE: &str = "<stream:features><sm xmlns='urn:xmpp:sm:3'/></stream:features>";

/// Takes a stream up to its first word on SASL2, and returns that.
async fn asked(listener: &TcpListener) -> (Server, String) {
    let mut server = Server::accept(listener).await;
    server.say(&format!("{HEADER}{FEATURES}")).await;
    let asked = server.until("</authenticate>").await;
    (server, asked)
}

fn success(jid: &str, inside: &str) -> String {
    format!(
        "<success xmlns='urn:xmpp:sasl:2'><authorization-identifier>{jid}</authorization-identifier>{inside}</success>"
    )
}

const BOUND: &str = "<bound xmlns='urn:xmpp:bind:0'/>";

#[tokio::test]
async fn a_server_that_offers_sasl2_and_does_not_do_it_keeps_nobody_out_and_is_left_alone() {
    for answer in [
        "<failure xmlns='urn:xmpp:sasl:2'><malformed-request xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>",
        "<failure xmlns='urn:xmpp:sasl:2'><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>",
        "<continue xmlns='urn:xmpp:sasl:2'><tasks><task>TOTP</task></tasks></continue>",
        "<challenge xmlns='urn:xmpp:sasl:2'>*</challenge>",
        "<stream:error><internal-server-error xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
        "</stream:stream>",
        "<success></failure>",
        "lorem ipsum",
        &success("juliet@xmpp.test/x", BOUND), // with the features, below
        &success("romeo@xmpp.test/x", BOUND).repeat(2),
        "", // it says nothing
    ] {
        let (listener, address) = Server::listen().await;
        let pool = Pool::new(settings());
        let mut romeo = Room::attach(&pool, &account("romeo", address), ROOM);
        let (mut server, asked) = asked(&listener).await;
        assert!(asked.contains("mechanism='PLAIN'") && asked.contains("<tag>focus1-"), "{asked}");
        assert!(!asked.contains("urn:xmpp:fast:0"), "a token would spare nothing: {asked}");
        server.say(answer).await;
        if answer.contains("juliet") {
            server.say(RESUMABLE).await;
        }
        let mut classic = Server::accept(&listener).await;
        classic.say(&format!("{HEADER}{FEATURES}")).await;
        let id = classic.lets_in_up_to_bind().await;
        classic.binds(&id).await;
        assert_eq!(romeo.ready().await.resource().as_str(), "given", "after {answer}");

        let jid = BareJid::new("juliet@xmpp.test").expect("a JID");
        let juliet = Account { key: AccountKey::named(&jid), jid, ..account("juliet", address) };
        let _juliet = Room::attach(&pool, &juliet, ROOM);
        let mut next = Server::accept(&listener).await;
        next.say(&format!("{HEADER}{FEATURES}")).await;
        next.lets_in_up_to_bind().await;
    }
}

/// A server without Bind 2, and one that binds nothing though it said it would.
#[tokio::test]
async fn who_is_let_in_and_not_bound_asks_for_it_on_the_stream() {
    let (listener, address) = Server::listen().await;
    let mut romeo = Room::attach(&Pool::new(settings()), &account("romeo", address), ROOM);
    let (mut server, _) = asked(&listener).await;
    server.say(&(success("romeo@xmpp.test", "") + RESUMABLE)).await;
    let bind = server.until("</iq>").await;
    let (_, id) = bind.split_once("id='").expect("an id");
    server.binds(id.split_once('\'').expect("an id").0).await;
    assert_eq!(romeo.ready().await.resource().as_str(), "given");
}

/// Three connections of one stream: bound on the way in, resumed on the way in, and lost.
#[tokio::test]
async fn a_stream_is_resumed_or_replaced_while_one_logs_in() {
    let (listener, address) = Server::listen().await;
    let (pool, _folder) = resuming();
    let mut romeo = Room::attach(&pool, &account("romeo", address), ROOM);
    let (mut server, first) = asked(&listener).await;
    assert!(!first.contains("<resume"), "{first}");
    server.say(&(success("romeo@xmpp.test/one", BOUND) + RESUMABLE)).await;
    assert_eq!(romeo.ready().await.resource().as_str(), "one");
    server.until("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
    server.say("<enabled xmlns='urn:xmpp:sm:3' id='i&amp;d' resume='true'/>").await;
    let said = |body: &str| format!("<message from='{ROOM}/Juliet' type='groupchat'><body>{body}</body></message>");
    server.say(&said("before")).await;
    assert_eq!(romeo.hears().await.2, "before");
    drop(server);

    let (mut server, again) = asked(&listener).await;
    assert!(again.contains("<resume xmlns='urn:xmpp:sm:3' h='1' previd='i&amp;d'/><bind "), "{again}");
    let resumed = "<resumed xmlns='urn:xmpp:sm:3' h='0' previd='i&amp;d'/>";
    // What was missed may come before the features do.
    server.say(&(success("romeo@xmpp.test", resumed) + &said("meanwhile") + RESUMABLE + &said("after"))).await;
    assert!(matches!(romeo.mail().await, StreamMail::Suspended(_)));
    assert_eq!(romeo.hears().await.2, "meanwhile");
    assert_eq!(romeo.hears().await.2, "after");
    // It is back when the server is known to read, which takes two answers.
    for _ in 0..2 {
        server.until("<r xmlns='urn:xmpp:sm:3'/>").await;
        server.say("<a xmlns='urn:xmpp:sm:3' h='0'/>").await;
    }
    assert!(matches!(romeo.mail().await, StreamMail::Resumed { .. }));
    drop(server);

    let (mut server, again) = asked(&listener).await;
    assert!(again.contains(" h='3' previd='i&amp;d'/>"), "{again}");
    let lost = format!("<failed xmlns='urn:xmpp:sm:3'/>{BOUND}");
    server.say(&(success("romeo@xmpp.test/two", &lost) + RESUMABLE)).await;
    assert!(matches!(romeo.mail().await, StreamMail::Suspended(_)));
    assert!(matches!(romeo.mail().await, StreamMail::Reset { .. }));
    assert_eq!(romeo.ready().await.resource().as_str(), "two");
    server.until("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
}
