//! Messages between a SIP user and the room, seen from outside, on a real XMPP server.
//!
//! Rows: GC-MSG-01 … 10, 12, E-03, SW-01 … 05, and what of MS-SEND, MS-RSP, MS-REP and CPIM a peer can see.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use mucfocus_rig::member::Joining;
use mucfocus_rig::msrp::{Cpim, Frame, Send};
use mucfocus_rig::xmpp::Client;
use mucfocus_rig::{Member, SOON, World, on_both_servers, until};

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

/// Longer than anything that is going to come takes to come.
const A_WHILE: Duration = Duration::from_millis(700);

/// Juliet (XMPP) and Romeo (SIP) in one room.
async fn two_in_a_room() -> (World, Client, Member) {
    let world = World::start(BINARY).await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = world.member("capulet", "romeo").await;
    juliet.sees(&world.muc("capulet"), "Romeo").await;
    (world, juliet, romeo)
}

/// What of it the room has heard after everything before it has certainly arrived.
async fn heard_by_then(world: &World, juliet: &Client, romeo: &Member) -> Vec<String> {
    assert_eq!(romeo.says("that was all").await.code(), Some(200));
    juliet.hears(&world.muc("capulet"), "that was all").await;
    let texts = juliet.heard(&world.muc("capulet")).into_iter().map(|(_, text)| text);
    texts.filter(|t| t != "that was all").collect()
}

/// GC-MSG-01, -03, -10, -11, SW-05: one stanza, one copy for each other SIP user, none for the sender.
#[on_both_servers]
async fn a_message_reaches_everybody_else_once() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let muc = world.muc("capulet");
    let tybalt = world.member("capulet", "tybalt").await;
    let words = "h\u{e9} \u{4e2d} \u{1f600} <&>\"' ]]> two\nlines";
    assert_eq!(romeo.says(words).await.code(), Some(200));
    let copy = tybalt.hears(words).await;
    assert_eq!(
        copy.cpim.as_ref().and_then(Cpim::sender),
        Some(("Romeo".into(), "sip:capulet@rooms.test;gr=Romeo".into()))
    );
    assert_eq!(copy.cpim_header("To"), Some("<sip:capulet@rooms.test>"));
    juliet.hears(&muc, words).await;
    juliet.say(&muc, "and back");
    romeo.hears("and back").await;
    tybalt.hears("and back").await;
    assert_eq!(juliet.heard(&muc).iter().filter(|(_, t)| t == words).count(), 1);
    assert_eq!(tybalt.msrp.texts(), [words, "and back"]);
    assert_eq!(romeo.msrp.texts(), ["and back"]);
}

/// GC-MSG-03: by id, never by body.
#[on_both_servers]
async fn words_of_somebody_else_that_equal_ones_own_are_not_swallowed() {
    let (world, juliet, romeo) = two_in_a_room().await;
    assert_eq!(romeo.says("good morrow").await.code(), Some(200));
    juliet.say(&world.muc("capulet"), "good morrow");
    romeo.hears("good morrow").await;
}

/// GC-MSG-12: ids that we give are ours, and fresh.
#[on_both_servers]
async fn every_stanza_has_a_fresh_id_of_ours_and_the_same_origin_id() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let muc = world.muc("capulet");
    let mut ids = Vec::new();
    for text in ["one", "two"] {
        let id = romeo.msrp.send(Send::cpim(&romeo.to_room(text)).message_id(&format!("mine{text}")));
        romeo.msrp.response(&id).await;
        let stanza = juliet.hears(&muc, text).await;
        let origin = stanza.child("origin-id", "urn:xmpp:sid:0").and_then(|o| o.attribute("id"));
        assert_eq!(stanza.attribute("id"), origin);
        ids.push(origin.expect("an origin-id").to_owned());
    }
    assert_ne!(ids[0], ids[1]);
    assert!(ids.iter().all(|id| id.len() <= 256 && !id.starts_with("mine")), "{ids:?}");
}

/// GC-MSG-04: the 200 says that the MUC has it; while the MUC stands still there is none, then 408.
#[on_both_servers]
async fn the_response_waits_for_the_reflection_and_is_408_when_none_comes() {
    let (mut world, juliet, romeo) = two_in_a_room().await;
    world.server.freeze();
    let id = romeo.msrp.send(Send::cpim(&romeo.to_room("slowly")));
    assert!(romeo.msrp.silent_for(A_WHILE).await, "answered before the MUC had it");
    world.server.thaw();
    assert_eq!(romeo.msrp.response(&id).await.code(), Some(200));
    juliet.hears(&world.muc("capulet"), "slowly").await;

    world.server.freeze();
    let id = romeo.msrp.send(Send::cpim(&romeo.to_room("too slowly")));
    assert_eq!(romeo.msrp.response(&id).await.code(), Some(408), "timeouts.reflection is 3 s here");
    world.server.thaw();
}

/// GC-MSG-05, MS-RSP-01: the matrix of Failure-Report and outcome.
#[on_both_servers]
async fn failure_report_decides_whether_there_is_an_answer() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let good = romeo.to_room("fine");
    let bad = Cpim::text("sip:somebody@else.test", &romeo.room, "forged");
    for (cpim, report, wanted) in [
        (&good, "yes", Some(200)),
        (&good, "partial", None),
        (&good, "no", None),
        (&bad, "yes", Some(403)),
        (&bad, "partial", Some(403)),
        (&bad, "no", None),
    ] {
        let id = romeo.msrp.send(Send::cpim(cpim).header("Failure-Report", report));
        match wanted {
            Some(code) => assert_eq!(romeo.msrp.response(&id).await.code(), Some(code), "{report}"),
            None => assert!(romeo.msrp.silent_for(A_WHILE).await, "answered with Failure-Report {report}"),
        }
    }
    assert_eq!(heard_by_then(&world, &juliet, &romeo).await, ["fine"; 3]);
}

/// GC-MSG-06: the MUC's refusal is the response.
#[on_both_servers]
async fn a_visitor_without_voice_gets_403_and_can_speak_again_later() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let muc = world.muc("capulet");
    juliet.configure(&muc, &[("moderatedroom", "1")]).await;
    juliet.role(&muc, "Romeo", "visitor").await;
    assert_eq!(romeo.says("hear me").await.code(), Some(403));
    juliet.role(&muc, "Romeo", "participant").await;
    assert_eq!(romeo.says("thanks").await.code(), Some(200));
    assert_eq!(heard_by_then(&world, &juliet, &romeo).await, ["thanks"]);
}

/// GC-MSG-07, MS-SEND-15, CPIM-12: what is not text is refused, what is in another charset is understood.
#[on_both_servers]
async fn only_text_is_taken_in_the_charset_that_it_says() {
    let (world, juliet, romeo) = two_in_a_room().await;
    for content_type in ["application/x-foo", "application/pkcs7-mime", "image/png"] {
        assert_eq!(romeo.sends(&romeo.to_room("no").of_type(content_type)).await, 415, "{content_type}");
    }
    let unanswered = Send::cpim(&romeo.to_room("no").of_type("application/x-foo")).header("Failure-Report", "no");
    romeo.msrp.send(unanswered);
    assert!(romeo.msrp.silent_for(A_WHILE).await);
    let mut latin = romeo.to_room("").of_type("text/plain;charset=iso-8859-1");
    latin.content = b"caf\xe9".to_vec();
    assert_eq!(romeo.sends(&latin).await, 200);
    assert_eq!(romeo.sends(&romeo.to_room("Case").of_type("Text/Plain; Charset=\"UTF-8\"")).await, 200);
    assert_eq!(heard_by_then(&world, &juliet, &romeo).await, ["caf\u{e9}", "Case"]);
}

/// GC-MSG-08: what XML cannot hold does not end the stream.
#[on_both_servers]
async fn characters_that_xml_forbids_are_taken_out() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let words = "bell\u{7} null\u{0} escape\u{1b} last\u{fffe}\u{ffff} tab\t end";
    assert_eq!(romeo.says(words).await.code(), Some(200));
    let heard = heard_by_then(&world, &juliet, &romeo).await;
    assert_eq!(heard.len(), 1);
    let plain: String = heard[0].chars().filter(|c| *c != '\u{fffd}').collect();
    assert_eq!(plain, "bell null escape last tab\t end");
}

/// GC-MSG-09, MS-SEND-12: too big is 413, before it is all there, and costs no memory.
#[on_both_servers]
async fn what_is_too_big_is_413_at_once() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let before = world.mucfocus.memory();
    for range in ["1-*/9223372036854775807", "1-100/70000000"] {
        let first = Send::of("message/cpim", romeo.to_room("head").bytes()).range(range).flag('+');
        let id = romeo.msrp.send(first);
        assert_eq!(romeo.msrp.response(&id).await.code(), Some(413), "{range}");
    }
    // 64 KiB is the default of msrp.max_message_size.
    assert_eq!(romeo.says(&"x".repeat(70_000)).await.code(), Some(413));
    assert!(world.mucfocus.memory() < before + 32 * 1024 * 1024);
    assert_eq!(heard_by_then(&world, &juliet, &romeo).await, Vec::<String>::new());
}

/// MS-SEND-08, -10, GC-MSG-04: earlier chunks get their 200 at once, pieces of any size and order make the message.
#[on_both_servers]
async fn chunks_of_any_size_and_order_are_put_together() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let long: String = ('a'..='z').cycle().take(9_000).collect();
    let ids: Vec<String> = Send::chunks(&romeo.to_room(&long), 700).into_iter().map(|c| romeo.msrp.send(c)).collect();
    for id in &ids {
        assert_eq!(romeo.msrp.response(id).await.code(), Some(200));
    }
    for chunk in Send::chunks(&romeo.to_room("bit by bit"), 1) {
        romeo.msrp.send(chunk);
    }
    // The last chunk still comes last: it says that there is nothing after it, not that nothing is missing.
    let mut pieces = Send::chunks(&romeo.to_room("out of order"), 30);
    assert!(pieces.len() > 3);
    pieces.swap(0, 2);
    for chunk in pieces {
        romeo.msrp.send(chunk);
    }
    juliet.hears(&world.muc("capulet"), "out of order").await;
    assert_eq!(heard_by_then(&world, &juliet, &romeo).await, [long.as_str(), "bit by bit", "out of order"]);
}

/// MS-SEND-11: an aborted message is answered and never delivered.
#[on_both_servers]
async fn an_aborted_message_is_never_delivered() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let mut chunks = Send::chunks(&romeo.to_room("never mind"), 60);
    let rest = chunks.split_off(1).remove(0).flag('#');
    for send in [chunks.remove(0), rest] {
        let id = romeo.msrp.send(send);
        assert_eq!(romeo.msrp.response(&id).await.code(), Some(200));
    }
    assert_eq!(heard_by_then(&world, &juliet, &romeo).await, Vec::<String>::new());
}

/// MS-SEND-01, -03, -09: what a SEND must carry, and what may be wrong with it.
#[on_both_servers]
async fn a_message_without_id_is_400_and_a_wrong_byte_range_is_forgiven() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let cpim = romeo.to_room("anonymous");
    let id = romeo.msrp.send(Send::cpim(&cpim).message_id(""));
    assert_eq!(romeo.msrp.response(&id).await.code(), Some(400));
    for (text, range) in [("no range", ""), ("open range", "1-*/*"), ("wrong range", "1-25/25")] {
        let id = romeo.msrp.send(Send::cpim(&romeo.to_room(text)).range(range));
        assert_eq!(romeo.msrp.response(&id).await.code(), Some(200), "{text}");
    }
    assert_eq!(heard_by_then(&world, &juliet, &romeo).await, ["no range", "open range", "wrong range"]);
}

/// MS-REP-01, -02, -05, MS-SEND-09: a success report covers the octets that came, and only when asked for.
#[on_both_servers]
async fn a_success_report_comes_when_asked_for_and_is_never_answered() {
    let (_world, _juliet, romeo) = two_in_a_room().await;
    assert_eq!(romeo.says("no report").await.code(), Some(200));
    let cpim = romeo.to_room("report, please");
    let id = romeo.msrp.send(Send::cpim(&cpim).message_id("reported1").header("Success-Report", "yes"));
    assert_eq!(romeo.msrp.response(&id).await.code(), Some(200));
    until(|| !romeo.msrp.reports().is_empty(), SOON, "a REPORT").await;
    let reports = romeo.msrp.reports();
    let report = &reports[0];
    let length = cpim.bytes().len();
    assert_eq!(reports.len(), 1, "one report, for the message that asked");
    assert_eq!(report.header("Message-ID"), Some("reported1"));
    assert_eq!(report.header("Byte-Range"), Some(format!("1-{length}/{length}").as_str()));
    assert!(report.header("Status").is_some_and(|s| s.starts_with("000 200")), "{report}");
    assert_eq!(report.header("To-Path"), Some(romeo.msrp.local()));
    assert!(report.header("Success-Report").is_none() && report.header("Failure-Report").is_none(), "{report}");

    // A REPORT of ours gets no answer either.
    let status = |code: &str| vec![("Message-ID".into(), "x1234567".into()), ("Status".into(), code.to_owned())];
    romeo.msrp.request("REPORT", status("000 200 OK"), None, '$');
    romeo.msrp.request("REPORT", status("001 500 what"), None, '$');
    assert!(romeo.msrp.silent_for(A_WHILE).await);
}

/// SW-01 … 04, CPIM-08 … 10, 12 of the matrix: what the switch refuses, and with what.
#[on_both_servers]
async fn the_switch_refuses_what_is_not_a_public_message_of_its_sender() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let good = romeo.to_room("refused");
    let to = good.header("To").unwrap().to_owned();
    for (cpim, code, why) in [
        (good.clone().without("To"), 400, "no To"),
        (good.clone().with("To", &to), 403, "two To"),
        (good.clone().with("cc", "<sip:tybalt@sip.test>"), 403, "cc"),
        (Cpim::text("sip:tybalt@sip.test", &romeo.room, "refused"), 403, "somebody else's From"),
        (
            good.clone().with("DateTime", "2026-01-01T00:00:00Z").with("DateTime", "2026-01-01T00:00:01Z"),
            400,
            "two dates",
        ),
        (good.clone().with("Require", "frobnicate"), 415, "Require of something unknown"),
    ] {
        assert_eq!(romeo.sends(&cpim).await, code, "{why}");
    }
    let id = romeo.msrp.send(Send::of("text/plain", b"refused".to_vec()));
    assert_eq!(romeo.msrp.response(&id).await.code(), Some(415), "not in CPIM");
    let liberal = romeo.to_room("no From is the sender himself").without("From");
    assert_eq!(romeo.sends(&liberal).await, 200);
    assert_eq!(heard_by_then(&world, &juliet, &romeo).await, ["no From is the sender himself"]);
}

/// E-03: a To that is not the room is never published.
#[on_both_servers]
async fn what_is_for_nobody_here_is_404_and_never_public() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let tybalt = world.member("capulet", "tybalt").await;
    for to in [
        "<sip:capulet@rooms.test;gr=Nurse>",
        "<sip:capulet@rooms.test>;gr=juliet",
        "<sip:Nurse@rooms.test>",
        "<sip:capulet@elsewhere.test>",
        "<sip:nobody@elsewhere.test>",
    ] {
        let secret = romeo.to_room("for you alone").without("To").with("To", to);
        assert_eq!(romeo.sends(&secret).await, 404, "{to}");
    }
    assert_eq!(heard_by_then(&world, &juliet, &romeo).await, Vec::<String>::new());
    tybalt.msrp.hears("that was all").await;
    assert_eq!(tybalt.msrp.texts(), ["that was all"]);
}

/// GC-PM-09: a private message has no way to a client that did not say that it takes any; its sender is told.
#[on_both_servers]
async fn a_private_message_from_xmpp_is_answered_and_not_shown() {
    let (world, juliet, romeo) = two_in_a_room().await;
    juliet.whisper(&format!("{}/Romeo", world.muc("capulet")), "psst");
    let error = juliet.expect("an error", |e| e.kind() == "error").await;
    assert_eq!(error.condition(), Some("feature-not-implemented"));
    heard_by_then(&world, &juliet, &romeo).await;
    assert_eq!(romeo.msrp.texts(), Vec::<String>::new());
}

/// CPIM-01 … 07: what clients in the field write, and what is read out of it.
#[on_both_servers]
async fn cpim_as_clients_write_it_is_understood() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let (from, to) = (romeo.aor().to_owned(), romeo.room.clone());
    let bodies = [
        // As the examples of the RFCs print it, without a blank line before Content-Type.
        format!(
            "From: <{from}>\r\nTo: <{to}>\r\nDateTime: 2026-01-01T00:00:00Z\r\nContent-Type: text/plain\r\n\r\none"
        ),
        // LF where CRLF ought to be, as Blink's engine writes the inner part.
        format!("From: <{from}>\r\nTo: <{to}>\r\n\r\nContent-Type: text/plain\n\ntwo"),
        // Names in another case, more blanks, headers that nobody knows, a formal name with escapes.
        format!(
            "from:  \"R \\\"o\\\"\" <{from}>\r\nX-Foo: 1\r\nto: Room <{to}>\r\n\r\nContent-type:text/plain\r\n\r\nthree"
        ),
        format!(
            "From: <{from}>\r\nTo: <{to}>\r\nNS: MyF <mid:a@b>\r\nMyF.X: 1\r\n\r\nContent-Type: text/plain\r\n\r\nfour"
        ),
    ];
    for body in bodies {
        let id = romeo.msrp.send(Send::of("message/cpim", body.clone().into_bytes()));
        assert_eq!(romeo.msrp.response(&id).await.code(), Some(200), "{body}");
    }
    assert_eq!(heard_by_then(&world, &juliet, &romeo).await, ["one", "two", "three", "four"]);
}

/// CPIM-04, -05, 10: a nickname that needs quoting is quoted, and its URI is one.
#[on_both_servers]
async fn a_nickname_with_quotes_is_shown_as_it_is() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let muc = world.muc("capulet");
    let odd = world.xmpp("benvolio").await;
    odd.join(&muc, "A \"B\" \\ <C>; d").await;
    odd.say(&muc, "my name is odd");
    let said = romeo.hears("my name is odd").await;
    let (name, uri) = said.cpim.as_ref().and_then(Cpim::sender).unwrap_or_else(|| panic!("{:?}", said.cpim));
    assert_eq!(name, "A \"B\" \\ <C>; d");
    let gruu = uri.strip_prefix("sip:capulet@rooms.test;gr=").unwrap_or_else(|| panic!("{uri}"));
    assert!(gruu.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!~*'()%[]/:&+$".contains(&b)), "{uri}");
    juliet.hears(&muc, "my name is odd").await;
}

/// MS-FRAME-09, issue: NICKNAME is not there yet and says so; an unknown method is 501.
#[on_both_servers]
async fn nickname_is_403_and_an_unknown_method_501() {
    let (_world, _juliet, romeo) = two_in_a_room().await;
    let nick = romeo.msrp.request("NICKNAME", vec![("Use-Nickname".into(), "\"Other\"".into())], None, '$');
    assert_eq!(romeo.msrp.response(&nick).await.code(), Some(403));
    let unknown = romeo.msrp.request("FROBNICATE", Vec::new(), None, '$');
    assert_eq!(romeo.msrp.response(&unknown).await.code(), Some(501));
    assert_eq!(romeo.says("still here").await.code(), Some(200));
}

/// MS-RSP-02, -03: a response names both paths, ends with `$`, and comes on the request's connection.
#[on_both_servers]
async fn a_response_goes_to_the_first_uri_of_from_path() {
    let (_world, _juliet, romeo) = two_in_a_room().await;
    let response: Frame = romeo.says("to whom?").await;
    assert_eq!(response.header("To-Path"), Some(romeo.msrp.local()));
    assert_eq!(response.header("From-Path"), Some(romeo.msrp.remote()));
    assert_eq!((response.flag, response.body), ('$', None));
}

/// MS-CONN-03, -04, -12: whose session a connection may carry.
#[on_both_servers]
async fn a_session_belongs_to_the_connection_that_bound_it() {
    let (_world, _juliet, romeo) = two_in_a_room().await;
    let (local, remote) = (romeo.msrp.local(), romeo.msrp.remote());
    let other = mucfocus_rig::msrp::Peer::connect(local, remote).await;
    let id = other.send(Send::bodiless());
    assert_eq!(other.response(&id).await.code(), Some(506), "bound elsewhere");
    let unknown = remote.rsplit_once('/').unwrap().0.to_owned() + "/nobodyknowsthissession;tcp";
    let stranger = mucfocus_rig::msrp::Peer::connect(local, &unknown).await;
    let id = stranger.send(Send::bodiless());
    assert_eq!(stranger.response(&id).await.code(), Some(481), "unknown session");
    let relay = mucfocus_rig::msrp::Peer::connect(local, &format!("{remote} msrp://127.0.0.1:9/next;tcp")).await;
    let id = relay.send(Send::bodiless());
    assert_eq!(relay.response(&id).await.code(), Some(481), "we are no relay");
    assert_eq!(romeo.says("still mine").await.code(), Some(200));
}

/// MS-CONN-11: nothing is sent to a connection that has not said whose it is; CPIM and MSRP of any segmentation.
#[on_both_servers]
async fn octet_by_octet_a_message_is_a_message() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let cpim = String::from_utf8(romeo.to_room("one octet at a time").bytes()).unwrap();
    let frame = format!(
        "MSRP slow0001 SEND\r\nTo-Path: {}\r\nFrom-Path: {}\r\nMessage-ID: slow1\r\nByte-Range: 1-*/*\r\n\
         Content-Type: message/cpim\r\n\r\n{cpim}\r\n-------slow0001$\r\n",
        romeo.msrp.remote(),
        romeo.msrp.local()
    );
    for octet in frame.bytes() {
        romeo.msrp.raw([octet]);
        tokio::task::yield_now().await;
    }
    assert_eq!(romeo.msrp.response("slow0001").await.code(), Some(200));
    juliet.hears(&world.muc("capulet"), "one octet at a time").await;
}

/// GC-JOIN-12: where a nickname comes from.
#[on_both_servers]
async fn the_display_name_is_the_nickname_and_a_conflict_finds_another() {
    let (world, juliet, _romeo) = two_in_a_room().await;
    let muc = world.muc("capulet");
    let named = Joining { display: Some("Tybalt, Prince of Cats".into()), ..Joining::default() };
    world.member_with("capulet", "tybalt", named).await;
    juliet.sees(&muc, "Tybalt, Prince of Cats").await;
    let before = juliet.nicks(&muc).len();
    let same = Joining { display: Some("Juliet".into()), ..Joining::default() };
    world.member_with("capulet", "paris", same).await;
    until(|| juliet.nicks(&muc).len() == before + 1, SOON, "Paris under some other name").await;
}
