//! Who hears what of his message: Failure-Report and Success-Report (MS-RSP-01, MS-RSP-02, MS-REP-01 … 03).

use mucfocus_core::stanza::{Condition, ErrorKind};
use mucfocus_core::wire::msrp::frame::{ByteRange, ReportStatus};

use crate::muc::error;
use crate::story::Story;

/// GC-MSG-05.
#[test]
fn responses_are_given_to_those_who_want_them() {
    for (header, accepted, refused) in [
        ("", Some(200), Some(403)),
        ("Failure-Report: yes\r\n", Some(200), Some(403)),
        ("Failure-Report: partial\r\n", None, Some(403)),
        ("Failure-Report: no\r\n", None, None),
    ] {
        let (story, romeo) = Story::with_romeo();
        let send = romeo.says_with(header, "Hello");
        assert_eq!(romeo.sees().responses.get(&send).copied(), accepted, "{header:?} and accepted");
        assert_eq!(story.muc().said.len(), 1, "said all the same");
        // refused by the room
        story.muc().refuses_messages = Some(error(Condition::Forbidden, ErrorKind::Auth));
        let send = romeo.says_with(header, "Hello?");
        assert_eq!(romeo.sees().responses.get(&send).copied(), refused, "{header:?} and refused by the room");
        // refused by the switch
        let send = romeo.sends(header, &romeo.cpim("x").replace("romeo@", "juliet@"));
        story.settles();
        assert_eq!(romeo.sees().responses.get(&send).copied(), refused, "{header:?} and refused by the switch");
        // refused chunk by chunk
        let headers = format!("{header}Byte-Range: 1-2/2\r\nContent-Type: message/cpim\r\n");
        let send = romeo.writes("SEND", &headers, Some("hi"), '$');
        story.settles();
        assert_eq!(romeo.sees().responses.get(&send).copied(), refused.map(|_| 400), "{header:?} and malformed");
        // never told
        story.muc().freezes();
        let send = romeo.says_with(header, "Hello??");
        story.seconds_pass(26);
        assert_eq!(romeo.sees().responses.get(&send).copied(), refused.map(|_| 408), "{header:?} and overdue");
        assert!(romeo.sees().reports.is_empty(), "MS-REP-02: never when not asked for");
        romeo.has_all_credit();
        story.everybody_leaves();
    }
}

/// MS-REP-02: after the message is in the room, for all of its octets, whatever Failure-Report says.
#[test]
fn success_is_reported_to_those_who_ask() {
    for failure in ["", "Failure-Report: no\r\n"] {
        let (story, romeo) = Story::with_romeo();
        story.muc().freezes();
        let headers = format!("Success-Report: yes\r\n{failure}");
        romeo.says_with(&headers, "Did it arrive?");
        assert!(romeo.sees().reports.is_empty());
        story.muc_thaws();
        let size = u64::try_from(romeo.cpim("Did it arrive?").len()).unwrap();
        {
            let sees = romeo.sees();
            let [report] = sees.reports.as_slice() else { panic!("{:?}", sees.reports) };
            let head = &report.head;
            assert_eq!(head.message_id.as_deref(), Some("m1-1"));
            assert_eq!(head.byte_range, Some(ByteRange { start: 1, end: Some(size), total: Some(size) }));
            assert_eq!(head.status, Some(ReportStatus { namespace: 0, code: 200, comment: Some("OK".into()) }));
            assert!(!head.success_report && head.content_type.is_none());
        }
        story.muc().refuses_messages = Some(error(Condition::Forbidden, ErrorKind::Auth));
        romeo.says_with(&headers, "And this?");
        assert_eq!(romeo.sees().reports.len(), 1, "no success without success");
        story.everybody_leaves();
    }
}

/// MS-SEND-02: the report headers of the first chunk count.
#[test]
fn the_first_chunk_says_what_is_wanted() {
    let (story, romeo) = Story::with_romeo();
    let cpim = romeo.cpim("quietly");
    let head = |range: &str, more: &str| {
        format!("Message-ID: q\r\n{more}Byte-Range: {range}\r\nContent-Type: message/cpim\r\n")
    };
    let first = romeo.writes("SEND", &head("1-*/*", "Failure-Report: no\r\n"), Some(&cpim[..50]), '+');
    let last = romeo.writes("SEND", &head("51-*/*", "Success-Report: yes\r\n"), Some(&cpim[50..]), '$');
    story.settles();
    romeo.gets_no_response(&first);
    romeo.gets_no_response(&last);
    assert!(romeo.sees().reports.is_empty());
    assert_eq!(story.muc().said.len(), 1);
    story.everybody_leaves();
}

/// MS-REP-01.
#[test]
fn a_report_is_never_answered() {
    let (story, romeo) = Story::with_romeo();
    let report = romeo.writes("REPORT", "Message-ID: x\r\nByte-Range: 1-1/1\r\nStatus: 000 413 No\r\n", None, '$');
    let broken = romeo.writes("REPORT", "Byte-Range: nonsense\r\n", None, '$');
    story.settles();
    romeo.gets_no_response(&report);
    romeo.gets_no_response(&broken);
    story.everybody_leaves();
}

/// 501, 403 (NICKNAME is not offered), 400, 481, each as far as it is wanted.
#[test]
fn other_requests_are_answered_too() {
    let (story, romeo) = Story::with_romeo();
    let unknown = romeo.writes("DANCE", "", None, '$');
    let nickname = romeo.writes("NICKNAME", "Use-Nickname: \"R\"\r\n", None, '$');
    let broken = romeo.writes("SEND", "Message-ID: x\r\nByte-Range: nonsense\r\n", None, '$');
    story.settles();
    romeo.gets_response(&unknown, 501);
    romeo.gets_response(&nickname, 200);
    romeo.gets_response(&broken, 400);
    romeo.has_all_credit();
    story.everybody_leaves();
}
