//! Messages in pieces: out of order, one over the other, beyond the end, without one, enormous by their own account.

use mucfocus_rig::evil::{Draft, Enemy, Wire};

use crate::verona::{ROOM, Verona};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pieces_of_messages_cost_nobody_but_their_sender() {
    let verona = Verona::start().await;
    verona.suffers("pieces in every order", pieces_in_every_order).await;
    verona.suffers("pieces beyond the end", pieces_beyond_the_end).await;
    verona.suffers("four gigabytes by its own account", four_gigabytes).await;
    verona.suffers("four gigabytes indeed", more_than_it_said).await;
    verona.suffers("single octets far apart", single_octets_far_apart).await;
    verona.suffers("every other octet", every_other_octet).await;
    verona.suffers("messages that are never finished", messages_that_never_end).await;
    verona.suffers("messages that are taken back", messages_that_are_taken_back).await;
    verona.suffers("Success-Report for everything", success_reports).await;
    verona.ends("pieces of messages").await;
}

/// MS-SEND-08, -10: allowed, and put together right.
async fn pieces_in_every_order(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    let text = format!("put together {}", mucfocus_rig::random(8));
    let body = tybalt.to_room(&text).bytes();
    let total = body.len();
    let piece = |from: usize, to: usize, flag| {
        let draft = tybalt.chunk(&text[13..], &format!("{}-{to}/{total}", from + 1), &body[from..to]);
        draft.flag(flag)
    };
    let third = total / 3;
    // The end first, the middle twice and over its neighbours, single octets in between.
    let mut pieces = vec![piece(2 * third, total, "$"), piece(third - 9, 2 * third + 9, "+")];
    pieces.extend((0..third).rev().map(|at| piece(at, at + 1, "+")));
    let bytes: Vec<u8> = pieces.iter().flat_map(Draft::bytes).collect();
    assert!(wire.write(bytes).await);
    for piece in &pieces {
        assert_eq!(wire.response(&piece.id).await, 200);
    }
    let muc = verona.world.muc(ROOM);
    verona.juliet.hears(&muc, &text).await;
    assert_eq!(verona.juliet.heard(&muc).iter().filter(|(_, heard)| *heard == text).count(), 1);
    tybalt.leaves().await;
}

/// MS-SEND-10: 400.
async fn pieces_beyond_the_end(verona: &Verona) {
    let before = verona.numbers().await;
    let (tybalt, wire) = verona.connected("tybalt").await;
    for (id, first, second) in
        [("a", ("21-30/30", "$"), ("31-40/30", "+")), ("b", ("11-20/20", "$"), ("15-34/40", "$"))]
    {
        let first = tybalt.chunk(id, first.0, vec![b'x'; 10]).flag(first.1);
        let second = tybalt.chunk(id, second.0, vec![b'y'; 20]).flag(second.1);
        assert!(wire.write([first.bytes(), second.bytes()].concat()).await);
        assert_eq!(wire.response(&first.id).await, 200);
        let code = wire.response(&second.id).await;
        assert!((400..500).contains(&code), "{code}");
    }
    verona.counted(&before, "beyond-end", 2).await;
    tybalt.leaves().await;
}

/// MS-SEND-12: 413 by what is declared, before anything is kept.
async fn four_gigabytes(verona: &Verona) {
    let before = verona.numbers().await;
    let (tybalt, wire) = verona.connected("tybalt").await;
    let ranges = ["1-4294967296/4294967296", "1-*/9223372036854775807", "4294967295-*/4294967296", "4294967295-*/*"];
    let drafts: Vec<Draft> = (0..200)
        .flat_map(|n| ranges.map(|range| tybalt.chunk(&format!("{n}{range}").replace('*', "x"), range, "x").flag("+")))
        .collect();
    assert!(wire.write(drafts.iter().flat_map(Draft::bytes).collect::<Vec<u8>>()).await);
    for draft in &drafts {
        assert_eq!(wire.response(&draft.id).await, 413);
    }
    verona.counted(&before, "too-large", drafts.len()).await;
    tybalt.leaves().await;
}

/// MS-SEND-12: and where nothing was declared, as soon as it is too much; what still comes of it is not kept.
async fn more_than_it_said(verona: &Verona) {
    let before = verona.numbers().await;
    let (tybalt, wire) = verona.connected("tybalt").await;
    let endless = tybalt.chunk("endless", "1-*/*", vec![b'x'; 20_000_000]).flag("+");
    assert!(wire.write(endless.bytes()).await);
    assert_eq!(wire.response(&endless.id).await, 413);
    let mut refused = Vec::new();
    for n in 0..40 {
        let range = format!("{}-*/*", n * 10_000 + 1);
        let chunk = tybalt.chunk("piecemeal", &range, vec![b'x'; 10_000]).flag("+");
        assert!(wire.write(chunk.bytes()).await);
        refused.push(wire.response(&chunk.id).await);
    }
    assert_eq!(refused.last(), Some(&413), "{refused:?}");
    verona.counted(&before, "too-large", 2).await;
    tybalt.leaves().await;
}

/// MS-SEND-12, SW-10: one octet at the far end of each of ten thousand messages.
async fn single_octets_far_apart(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    begun(&tybalt, &wire, 4_000, |_| "60000-*/64000".to_owned()).await;
    most_are_refused(&wire);
    tybalt.leaves().await;
}

/// MS-SEND-10: pieces that touch nothing are too many one day.
async fn every_other_octet(verona: &Verona) {
    let before = verona.numbers().await;
    let (tybalt, wire) = verona.connected("tybalt").await;
    let chunk = |n: usize| tybalt.chunk("gaps", &format!("{}-*/64000", 2 * n + 1), "x").flag("+").bytes();
    assert!(wire.write((0..1_000).flat_map(chunk).collect::<Vec<u8>>()).await);
    wire.counts("413", 1).await;
    verona.counted(&before, "too-many-unfinished", 1).await;
    tybalt.leaves().await;
}

/// SW-10: four are begun, the others are refused, and somebody who hangs up takes them along.
async fn messages_that_never_end(verona: &Verona) {
    let before = verona.numbers().await;
    let (tybalt, wire) = verona.connected("tybalt").await;
    begun(&tybalt, &wire, 2_000, |_| "1-*/60000".to_owned()).await;
    most_are_refused(&wire);
    verona.counted(&before, "too-many-unfinished", 1_000).await;
    tybalt.leaves().await;
}

/// MS-SEND-11.
async fn messages_that_are_taken_back(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    let mut flood = Vec::new();
    for n in 0..1_000 {
        let id = format!("back{n}");
        flood.extend(tybalt.chunk(&id, "1-*/60000", vec![b'x'; 500]).flag("+").bytes());
        flood.extend(tybalt.chunk(&id, "501-*/60000", "x").flag("#").bytes());
    }
    assert!(wire.write(&flood).await);
    wire.counts("200", 2_001).await;
    tybalt.leaves().await;
}

/// MS-REP-02, SW-19: one REPORT for a message, however many pieces ask for it, and none for a piece.
async fn success_reports(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    let body = tybalt.to_room("report it").bytes();
    let total = body.len();
    let pieces: Vec<Draft> = body
        .iter()
        .enumerate()
        .map(|(at, octet)| {
            let range = format!("{0}-{0}/{total}", at + 1);
            let draft = tybalt.draft("SEND").header("Message-ID", "reported").header("Byte-Range", &range);
            let draft = draft.header("Success-Report", "yes").header("Failure-Report", "no");
            draft.body("message/cpim", vec![*octet]).flag(if at + 1 == total { "$" } else { "+" })
        })
        .collect();
    assert!(wire.write(pieces.iter().flat_map(Draft::bytes).collect::<Vec<u8>>()).await);
    wire.counts("REPORT", 1).await;
    // Alone, broken and unfinished pieces that ask for a REPORT get none.
    for n in 0..500 {
        let alone = tybalt.draft("SEND").header("Message-ID", &format!("{n}")).header("Byte-Range", "1-*/60000");
        let alone =
            alone.header("Success-Report", "yes").header("Failure-Report", "no").body("message/cpim", "x").flag("+");
        assert!(wire.write(alone.bytes()).await);
    }
    let still = tybalt.draft("SEND").header("Message-ID", "still");
    assert!(wire.write(still.bytes()).await);
    assert_eq!(wire.response(&still.id).await, 200);
    assert_eq!(wire.count("REPORT"), 1);
    tybalt.leaves().await;
}

/// Begins so many messages, and waits until each was answered.
async fn begun(enemy: &Enemy, wire: &Wire, count: usize, range: impl Fn(usize) -> String) {
    let before = wire.frames();
    let answers = || wire.frames() - before;
    for some in (0..count).collect::<Vec<_>>().chunks(100) {
        let bytes =
            some.iter().flat_map(|n| enemy.chunk(&format!("begun{n}"), &range(*n), vec![b'x'; 50]).flag("+").bytes());
        assert!(wire.write(bytes.collect::<Vec<u8>>()).await);
        let all = || answers() > some[some.len() - 1];
        let picture = format!("an answer to each beginning; {} came, closed: {}", answers(), wire.closed());
        mucfocus_rig::until(all, mucfocus_rig::SOON, picture).await;
    }
}

fn most_are_refused(wire: &Wire) {
    assert!(wire.count("413") > 100, "{} refused, {} taken", wire.count("413"), wire.count("200"));
}
