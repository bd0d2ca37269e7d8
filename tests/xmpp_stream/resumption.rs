//! Connections that break, behind a relay that breaks them: XM-02.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mucfocus::hub::mail::{Mail, StreamMail};
use mucfocus::hub::mailbox::Letter;
use mucfocus::xmpp::attachment::SendError;
use mucfocus::xmpp::decode::decode;
use mucfocus::xmpp::journal::Journal;
use mucfocus::xmpp::pool::Pool;
use mucfocus_core::stanza::{MessageKind, OutStanza, Stanza};
use mucfocus_core::xmpp_stream::machine::PATIENCE;
use mucfocus_rig::proxy::{Break, Proxy};
use mucfocus_rig::server::{Kind, Options, Server};
use mucfocus_rig::xmpp::Client;
use mucfocus_rig::{SOON, on_both_servers, until};
use tempfile::TempDir;

use crate::room::{PASSWORD, Room, account, settings};

async fn start() -> (Server, Proxy) {
    let accounts = ["romeo", "juliet"].map(|user| (user.to_owned(), PASSWORD.to_owned())).to_vec();
    let server = Server::start(Kind::current(), Options { accounts, smacks: true, ..Options::default() }).await;
    let proxy = Proxy::start(server.address()).await;
    (server, proxy)
}

/// A pool that knows where to leave word of its streams, and where that is.
fn pool() -> (Arc<Pool>, TempDir) {
    let (folder, pool) = (TempDir::new().expect("a folder"), Pool::new(settings()));
    let (journal, left) = Journal::open(folder.path(), "focus1").expect("opens");
    assert_eq!(left, []);
    pool.resume_streams(journal, left, |_| None);
    (pool, folder)
}

fn left_in(folder: &TempDir) -> usize {
    Journal::open(folder.path(), "focus1").expect("opens").1.len()
}

/// What somebody said to everybody, if that is what came.
fn line(letter: Letter) -> Option<String> {
    let Mail::Stream(StreamMail::Stanza(stanza)) = letter.mail else { return None };
    match decode(&stanza.bytes).expect("a stanza") {
        Stanza::Message(m) if m.kind == MessageKind::Groupchat => m.body,
        _ => None,
    }
}

/// Lines of one author as they come.
async fn hears_lines(room: &mut Room, author: &str, count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.len() < count {
        let (nick, _, body) = room.hears().await;
        if nick == author {
            lines.push(body);
        }
    }
    lines
}

/// XM-02: whatever is cut off in whichever direction, everything arrives once and, as far as the server keeps it, in order, and nobody
/// sees him go. On Prosody 0.12 nothing of his is cut in two, which no stream outlives there.
#[on_both_servers(flavor = "multi_thread")]
async fn cut_connections_lose_nothing_double_nothing_and_show_to_nobody() {
    const LINES: usize = 600;
    let (server, proxy) = start().await;
    let (pool, _folder) = pool();
    let capulet = server.room("capulet");
    let juliet = Client::login(server.address(), "juliet@xmpp.test", PASSWORD).await;
    juliet.join(&capulet, "Juliet").await;
    let (mut romeo, _) = Room::join(&pool, &account("romeo", proxy.address()), &capulet, "Romeo").await;
    juliet.sees(&capulet, "Romeo").await;
    juliet.forget();
    let expected = |who: &str| (0..LINES).map(|n| format!("{who}{n}")).collect::<Vec<_>>();
    let mut heard = Vec::new();
    let (said, is_silent) = (AtomicUsize::new(0), AtomicBool::new(false));
    let all_of_his = || juliet.heard(&capulet).iter().filter(|(nick, _)| nick == "Romeo").count();
    let cuts = async {
        for round in 0..30_u64 {
            tokio::time::sleep(Duration::from_millis(40 + 7 * round)).await;
            if Kind::current() == Kind::Prosody {
                is_silent.store(true, Ordering::Relaxed);
                until(|| all_of_his() == said.load(Ordering::Relaxed), SOON, "all that he has said so far").await;
                is_silent.store(false, Ordering::Relaxed);
            }
            proxy.cut(if round % 2 == 0 { Break::Reset } else { Break::Close });
        }
    };
    let speaks = async {
        for n in 0..LINES {
            let stanza = OutStanza::Groupchat { room: romeo.jid.clone(), id: format!("r{n}"), body: format!("r{n}") };
            let bytes = mucfocus::xmpp::encode::encode(&stanza).expect("encodes");
            loop {
                tokio::time::sleep(Duration::from_millis(10)).await;
                // A room that takes nothing would be given up.
                let letters = std::iter::from_fn(|| romeo.mailbox.try_recv());
                heard.extend(letters.filter_map(line));
                if is_silent.load(Ordering::Relaxed) {
                    continue;
                }
                match romeo.attachment.try_send(bytes.clone()) {
                    Ok(()) => break said.store(n + 1, Ordering::Relaxed),
                    Err(SendError::Full) => {} // what waits for a connection is bounded
                    Err(SendError::Closed) => panic!("the stream is gone"),
                }
            }
            juliet.say(&capulet, &format!("j{n}"));
        }
    };
    tokio::join!(cuts, speaks);
    while heard.len() < 2 * LINES {
        let letter = tokio::time::timeout(SOON, romeo.mailbox.recv()).await;
        heard.extend(line(letter.unwrap_or_else(|_| panic!("only {} lines: {heard:?}", heard.len()))));
    }
    let (from_romeo, mut from_juliet): (Vec<_>, Vec<_>) = heard.into_iter().partition(|line| line.starts_with('r'));
    if Kind::current() == Kind::Ejabberd {
        // It may send a line that comes while it moves the stream to the new connection before the one that came before it.
        from_juliet.sort_by_key(|line| line.trim_start_matches('j').parse::<usize>().expect("a number"));
    }
    for (lines, expected) in [(from_romeo, expected("r")), (from_juliet, expected("j"))] {
        let differs = lines.iter().zip(&expected).position(|(line, expected)| line != expected);
        let around = |at: usize| lines.iter().skip(at.saturating_sub(3)).take(10).collect::<Vec<_>>();
        assert_eq!(differs.map(around), None);
        assert_eq!(lines.len(), LINES);
    }
    let heard = || juliet.heard(&capulet).into_iter().filter(|(nick, _)| nick == "Romeo").map(|(_, body)| body);
    until(|| heard().count() >= LINES, SOON, "all of Romeo's lines").await;
    assert_eq!(heard().collect::<Vec<_>>(), expected("r"));
    let left = juliet.received().iter().any(|e| e.name == "presence" && e.kind() == "unavailable");
    assert!(!left, "he was never gone");
}

/// A connection that is gone without a word is noticed, and what was said into the void is said once more.
#[on_both_servers]
async fn what_was_said_while_nothing_got_through_arrives_when_something_does() {
    let (server, proxy) = start().await;
    let (pool, _folder) = pool();
    let capulet = server.room("capulet");
    let (mut romeo, _) = Room::join(&pool, &account("romeo", proxy.address()), &capulet, "Romeo").await;
    romeo.say("m0", "before");
    assert_eq!(hears_lines(&mut romeo, "Romeo", 1).await, ["before"]);
    proxy.swallow();
    for n in 1..=20 {
        romeo.say(&format!("m{n}"), &format!("line {n}"));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.heal();
    let lines = hears_lines(&mut romeo, "Romeo", 20).await;
    assert_eq!(lines, (1..=20).map(|n| format!("line {n}")).collect::<Vec<_>>());
}

/// XM-02: the connection breaks in the midst of a stanza. ejabberd waits for it to be said as a whole. Prosody 0.12 goes on in its
/// midst, so that nothing that is said on that stream arrives: there another one takes its place, and what it did not take is known.
#[on_both_servers]
async fn a_stanza_that_was_cut_in_two_is_said_as_a_whole() {
    let (server, proxy) = start().await;
    let (pool, _folder) = pool();
    let capulet = server.room("capulet");
    let juliet = Client::login(server.address(), "juliet@xmpp.test", PASSWORD).await;
    juliet.join(&capulet, "Juliet").await;
    let (mut romeo, _) = Room::join(&pool, &account("romeo", proxy.address()), &capulet, "Romeo").await;
    for (id, begins, text) in [("m1", "id='m1", "onward"), ("m2", "half a ", "half a league"), ("m3", "id=", "all in")]
    {
        proxy.break_behind(begins);
        romeo.say(id, text);
        loop {
            match romeo.mail_within(PATIENCE + SOON).await {
                StreamMail::Reset { unhandled, .. } => {
                    assert_eq!(*unhandled, [id]);
                    while !matches!(romeo.mail().await, StreamMail::Ready { .. }) {}
                    romeo.enter("Romeo").await;
                    romeo.say(id, text);
                }
                StreamMail::Stanza(stanza) => {
                    if matches!(decode(&stanza.bytes), Ok(Stanza::Message(m)) if m.body.as_deref() == Some(text)) {
                        break;
                    }
                }
                StreamMail::Suspended(_) | StreamMail::Resumed { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
    let heard = || juliet.heard(&capulet).into_iter().map(|(_, body)| body);
    until(|| heard().count() >= 3, SOON, "all three lines").await;
    assert_eq!(heard().collect::<Vec<_>>(), ["onward", "half a league", "all in"]);
}

/// The room is told, so that it can wait, and a newcomer to the stream waits until it is up.
#[on_both_servers]
async fn a_room_is_told_that_its_stream_has_no_connection_and_that_it_has_one_again() {
    let (server, proxy) = start().await;
    let (pool, _folder) = pool();
    let account = account("romeo", proxy.address());
    let (mut capulet, bound) = Room::join(&pool, &account, &server.room("capulet"), "Romeo").await;
    proxy.refuse();
    while !matches!(capulet.mail().await, StreamMail::Suspended(_)) {}
    let mut montague = Room::attach(&pool, &account, &server.room("montague"));
    proxy.heal();
    assert!(matches!(capulet.mail().await, StreamMail::Resumed { .. }));
    assert_eq!(montague.ready().await, bound, "the very stream");
    capulet.say("m", "still the same");
    assert_eq!(capulet.hears().await.2, "still the same");
}

/// A server that has lost the stream: nobody knows what became of the last words, and all begins anew on another stream.
#[on_both_servers]
async fn a_server_that_was_started_again_gives_another_stream() {
    let (mut server, proxy) = start().await;
    let (pool, folder) = pool();
    let capulet = server.room("capulet");
    let (mut romeo, _) = Room::join(&pool, &account("romeo", proxy.address()), &capulet, "Romeo").await;
    server.kill();
    while !matches!(romeo.mail().await, StreamMail::Suspended(_)) {}
    server.restart().await;
    loop {
        match romeo.mail().await {
            StreamMail::Reset { .. } => break,
            StreamMail::Stanza(_) => {}
            other => panic!("{other:?}"),
        }
    }
    romeo.ready().await;
    romeo.enter("Romeo").await;
    romeo.say("m", "anew");
    assert_eq!(romeo.hears().await.2, "anew");
    pool.shutdown(Duration::from_secs(5)).await;
    drop((romeo, pool));
    assert_eq!(left_in(&folder), 0, "nothing is left to be ended");
}

/// Who leaves while there is no connection has left when there is one.
#[on_both_servers]
async fn a_room_that_is_left_without_a_connection_is_left_all_the_same() {
    let (server, proxy) = start().await;
    let (pool, _folder) = pool();
    let capulet = server.room("capulet");
    let juliet = Client::login(server.address(), "juliet@xmpp.test", PASSWORD).await;
    juliet.join(&capulet, "Juliet").await;
    let (mut romeo, _) = Room::join(&pool, &account("romeo", proxy.address()), &capulet, "Romeo").await;
    juliet.sees(&capulet, "Romeo").await;
    proxy.refuse();
    while !matches!(romeo.mail().await, StreamMail::Suspended(_)) {}
    drop(romeo);
    tokio::time::sleep(Duration::from_millis(100)).await;
    proxy.heal();
    juliet.sees_leave(&capulet, "Romeo", SOON).await;
}

/// XM-02: the connection breaks when the server has made the stream one that it keeps, and has not been heard to say so.
#[on_both_servers]
async fn a_stream_that_broke_before_it_could_be_resumed_is_not_left_in_its_rooms() {
    let (server, proxy) = start().await;
    let (pool, folder) = pool();
    let (capulet, account) = (server.room("capulet"), account("romeo", proxy.address()));
    let juliet = Client::login(server.address(), "juliet@xmpp.test", PASSWORD).await;
    juliet.join(&capulet, "Juliet").await;
    proxy.swallow_from("<enabled");
    let mut romeo = Room::attach(&pool, &account, &capulet);
    romeo.ready().await;
    let occupant = romeo.occupant("Romeo");
    romeo.send(&OutStanza::Join {
        occupant,
        id: "join".into(),
        password: None,
        history: mucfocus_core::stanza::History::Last(0),
    });
    juliet.sees(&capulet, "Romeo").await;
    proxy.heal();
    romeo.end().await;
    juliet.sees_leave(&capulet, "Romeo", SOON).await;
    // Whoever calls meanwhile waits for it, and is nobody's second session.
    let (mut romeo, _) = Room::join(&pool, &account, &capulet, "Romeo").await;
    romeo.say("m", "back");
    assert_eq!(romeo.hears().await.2, "back");
    pool.shutdown(Duration::from_secs(5)).await;
    drop((romeo, pool));
    assert_eq!(left_in(&folder), 0, "nothing is left to be ended");
}

/// XM-02: what a dead process leaves behind is ended by the next one; nothing is left by one that closes its streams.
#[on_both_servers]
async fn what_a_dead_process_has_left_is_ended_by_the_next() {
    let (server, _proxy) = start().await;
    let capulet = server.room("capulet");
    let juliet = Client::login(server.address(), "juliet@xmpp.test", PASSWORD).await;
    juliet.join(&capulet, "Juliet").await;
    let folder = TempDir::new().expect("a folder");
    let (address, name, path) = (server.address(), capulet.clone(), folder.path().to_owned());
    let (joined, wait) = tokio::sync::oneshot::channel();
    let process = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let room = runtime.block_on(async {
            let pool = Pool::new(settings());
            let (journal, left) = Journal::open(&path, "focus1").expect("opens");
            pool.resume_streams(journal, left, |_| None);
            Room::join(&pool, &account("romeo", address), &name, "Romeo").await
        });
        std::mem::forget(room); // a process that dies drops nothing
        let _ = joined.send(());
        runtime.shutdown_background();
    });
    wait.await.expect("joined");
    process.join().expect("no panic");
    juliet.sees(&capulet, "Romeo").await;
    let gone = tokio::time::timeout(Duration::from_secs(1), juliet.sees_leave(&capulet, "Romeo", SOON)).await;
    assert!(gone.is_err(), "the server keeps him");

    let pool = Pool::new(settings());
    let (journal, left) = until_opened(&folder).await;
    assert_eq!(left.len(), 1);
    let account_of = |user: &str| (user == "sip:romeo@sip.test").then(|| account("romeo", address));
    pool.resume_streams(journal, left, account_of);
    juliet.sees_leave(&capulet, "Romeo", SOON).await;
    // He himself is in again at once.
    let (mut romeo, _) = Room::join(&pool, &account("romeo", address), &capulet, "Romeo").await;
    romeo.say("m", "back");
    assert_eq!(romeo.hears().await.2, "back");
    pool.shutdown(Duration::from_secs(5)).await;
    drop((romeo, pool));
    let (_, left) = until_opened(&folder).await;
    assert_eq!(left, []);
}

/// The threads of the dead process let go of its files one by one.
async fn until_opened(folder: &TempDir) -> (Journal, Vec<mucfocus::xmpp::journal::Kept>) {
    mucfocus_rig::wait_for(|| Journal::open(folder.path(), "focus1").ok(), SOON, "the journal is free").await
}
