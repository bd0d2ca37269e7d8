use super::*;
use alloc::format;
use alloc::string::ToString;
use proptest::prelude::*;

/// Everything in `bytes` when they come in pieces of `size`, and how it ends.
fn frames(bytes: &[u8], size: usize) -> (Vec<Event>, Result<(), Violation>) {
    let (mut framer, mut events) = (Framer::new(), Vec::new());
    for mut piece in bytes.chunks(size) {
        loop {
            match framer.push(&mut piece) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(violation) => return (events, Err(violation)),
            }
        }
        assert!(piece.is_empty());
    }
    (events, Ok(()))
}

fn one(xml: &str) -> Event {
    let (events, end) = frames(xml.as_bytes(), usize::MAX);
    assert_eq!(end, Ok(()));
    let [event] = events.try_into().expect("one event");
    event
}

fn skips(xml: &str) -> Fault {
    match one(xml) {
        Event::Skipped(skipped) => skipped.why,
        other => panic!("not skipped: {other:?}"),
    }
}

fn violates(xml: &str) -> Violation {
    frames(xml.as_bytes(), usize::MAX).1.expect_err("a violation")
}

const STREAM: &str = "\n<message from='room@muc/A &amp; B' to=\"o'k@x/y\" type='groupchat' id='1&#x41;' ext:from='z'>\
    <body a='to=\"x\"'>from='no' &lt;/message> ></body><![CDATA[</message>]] ]>]]]></message > \
    <presence from='r@m/n'/><x/><iq\n\tid = 'q' type=\"get\"><ping xmlns='urn:xmpp:ping'/></iq>\
    <stream:error><conflict/></stream:error></stream:stream>";

#[test]
fn a_stanza_comes_out_exactly_as_it_came_in_with_its_root_attributes() {
    let Event::Stanza(message) = frames(STREAM.as_bytes(), usize::MAX).0.remove(0) else { panic!() };
    assert!(message.as_str().starts_with("<message from") && message.as_str().ends_with("]]]></message >"));
    assert_eq!(message.name(), "message");
    assert_eq!(message.from().as_deref(), Some("room@muc/A & B"));
    assert_eq!(message.to().as_deref(), Some("o'k@x/y"));
    assert_eq!(message.kind().as_deref(), Some("groupchat"));
    assert_eq!(message.id().as_deref(), Some("1A"));
    let raw = message.from.clone().and_then(|at| message.bytes.get(at)).expect("from");
    assert_eq!(raw, b"room@muc/A &amp; B");
}

#[test]
fn the_stream_is_the_same_in_pieces_of_any_size() {
    let whole = frames(STREAM.as_bytes(), usize::MAX);
    assert_eq!(whole.1, Ok(()));
    let [
        Event::Stanza(_),
        Event::Stanza(p),
        Event::Stanza(x),
        Event::Stanza(iq),
        Event::StreamError(_),
        Event::StreamEnd,
    ] = whole.0.as_slice()
    else {
        panic!("{:?}", whole.0)
    };
    assert_eq!((p.name(), x.name(), iq.name()), ("presence", "x", "iq"));
    assert_eq!((iq.id().as_deref(), iq.kind().as_deref(), iq.from()), (Some("q"), Some("get"), None));
    for size in 1..STREAM.len() {
        assert_eq!(frames(STREAM.as_bytes(), size), whole, "pieces of {size}");
    }
}

#[test]
fn white_space_between_stanzas_is_no_stanza() {
    assert_eq!(frames(b" \n\t \r\n ", 1), (Vec::new(), Ok(())));
}

#[test]
fn depth_has_a_limit_that_does_not_end_the_stream() {
    let nested = |n: usize| format!("<a from='x'>{}{}</a>", "<b>".repeat(n), "</b>".repeat(n));
    assert!(matches!(one(&nested(MAX_DEPTH - 1)), Event::Stanza(_)));
    assert_eq!(skips(&nested(MAX_DEPTH)), Fault::TooDeep);
    assert_eq!(skips(&nested(5000)), Fault::TooDeep);
    let (events, end) = frames(format!("{}<p/>", nested(100)).as_bytes(), 7);
    assert!(matches!(events.as_slice(), [Event::Skipped(_), Event::Stanza(_)]), "{events:?}");
    assert_eq!(end, Ok(()));
}

#[test]
fn attributes_and_names_have_limits() {
    let attribute = |n: usize| format!("<a><b c='{}'/></a>", "x".repeat(n));
    assert!(matches!(one(&attribute(MAX_ATTRIBUTE)), Event::Stanza(_)));
    assert_eq!(skips(&attribute(MAX_ATTRIBUTE + 1)), Fault::AttributeTooLong);
    for at in [1, MAX_NAME] {
        let name = "n".repeat(at);
        assert!(matches!(one(&format!("<a><{name}></{name}><b {name}=''/></a>")), Event::Stanza(_)));
    }
    let name = "n".repeat(MAX_NAME + 1);
    assert_eq!(skips(&format!("<a><{name}></{name}></a>")), Fault::NameTooLong);
    assert_eq!(skips(&format!("<a><b {name}=''/></a>")), Fault::NameTooLong);
    let many = |n: usize| format!("<a{}/>", (0..n).map(|i| format!(" a{i}=''")).collect::<String>());
    assert!(matches!(one(&many(MAX_ATTRIBUTES)), Event::Stanza(_)));
    assert_eq!(skips(&many(MAX_ATTRIBUTES + 1)), Fault::TooManyAttributes);
}

#[test]
fn a_skipped_stanza_still_says_whose_it_is() {
    let Event::Skipped(skipped) = one("<message from='r@m/A&amp;B' type='groupchat' id='7'><!-- x > --></message>")
    else {
        panic!()
    };
    assert_eq!(skipped.why, Fault::Restricted);
    assert_eq!((skipped.name.as_str(), skipped.from.as_deref()), ("message", Some("r@m/A&B")));
    assert_eq!((skipped.kind.as_deref(), skipped.id.as_deref()), (Some("groupchat"), Some("7")));
}

#[test]
fn a_stanza_that_is_too_large_is_skipped_whatever_else_is_wrong_with_its_end() {
    let sized = |n: usize| format!("<a from='x'>{}</a>", "x".repeat(n - "<a from='x'></a>".len()));
    assert!(matches!(one(&sized(MAX_STANZA)), Event::Stanza(_)));
    assert_eq!(skips(&sized(MAX_STANZA + 1)), Fault::TooLarge);
    let late = format!("<a from='x'>{}<!-- --></a><p/>", "x".repeat(MAX_STANZA));
    let whole = frames(late.as_bytes(), usize::MAX);
    assert!(matches!(whole.0.as_slice(), [Event::Skipped(Skipped { why: Fault::TooLarge, .. }), Event::Stanza(_)]));
    for size in [1000, 4096, 65_536] {
        assert_eq!(frames(late.as_bytes(), size), whole);
    }
    assert_eq!(violates(&sized(MAX_SKIPPED + 1)), Violation::TooLarge);
}

#[test]
fn what_is_wrong_within_certain_bounds_is_skipped() {
    assert_eq!(skips("<a><?php > ?></a>"), Fault::Restricted);
    assert_eq!(skips("<a><!----></a>"), Fault::Restricted);
    for malformed in
        ["<a>&nbsp;</a>", "<a>&#0;</a>", "<a>& </a>", "<a>&</a>", "<a b='&lt'/>", "<a b='<'/>", "<a id='1' id='2'/>"]
    {
        assert_eq!(skips(malformed), Fault::Malformed, "{malformed}");
    }
    let (events, end) = frames(b"<a>\xff</a><b/>", 3);
    assert_eq!(end, Ok(()));
    assert!(matches!(events.as_slice(), [Event::Skipped(Skipped { why: Fault::NotUtf8, .. }), Event::Stanza(_)]));
}

#[test]
fn what_leaves_the_bounds_in_doubt_ends_the_stream() {
    for not_well_formed in [
        "<a></b>",
        "<a><b></a>",
        "<a></ab>",
        "<ab></a>",
        "< a/>",
        "<a b/>",
        "<a b=c/>",
        "<a b='c'd='e'/>",
        "<a/ >",
        "<a><!x",
        "</a>",
        "</stream:strea>",
        "</stream:streams>",
        "<1/>",
        "<a></a b>",
        "<>",
        "</>",
    ] {
        assert_eq!(violates(not_well_formed), Violation::NotWellFormed, "{not_well_formed}");
    }
    for restricted in ["<!-- -->", "<?xml version='1.0'?>", "<!DOCTYPE a>", "<a><!DOCTYPE a></a>"] {
        assert_eq!(violates(restricted), Violation::Restricted, "{restricted}");
    }
    assert_eq!(violates("<a/>x<b/>"), Violation::TextBetweenStanzas);
}

#[test]
fn a_large_stanza_in_pieces_of_one_byte_is_looked_at_once() {
    // Half a million pieces; whatever looked at a byte again with each would not end.
    let large = format!("<a b='{}'>{}</a>", "y".repeat(MAX_ATTRIBUTE), "x&amp;".repeat(80_000));
    let (events, end) = frames(large.as_bytes(), 1);
    assert!(matches!(events.as_slice(), [Event::Stanza(s)] if s.as_str() == large));
    assert_eq!(end, Ok(()));
}

#[test]
fn a_large_stanza_leaves_no_large_buffer_behind() {
    let large = format!("<a>{}</a>", "x".repeat(250_000));
    let mut framer = Framer::new();
    let mut stanza = None;
    for mut piece in large.as_bytes().chunks(4096) {
        stanza = framer.push(&mut piece).expect("fine").or(stanza);
    }
    assert!(matches!(stanza, Some(Event::Stanza(s)) if s.bytes.len() == large.len()));
    assert!(framer.held() <= MAX_KEPT, "{}", framer.held());
    // The same for one that is skipped, while it goes on.
    let mut start = large.replace("<a>", "<a><!---->");
    start.truncate(200_000);
    for mut piece in start.as_bytes().chunks(4096) {
        assert_eq!(framer.push(&mut piece), Ok(None));
    }
    assert_eq!(framer.held(), 0);
}

/// As servers write it.
const USUAL: &str = "<message to='us@x/1' from='room@muc/A &amp; B' type=\"groupchat\" id='q' xml:lang='en'><body>It&apos;s &lt;x&gt;\
    </body><stanza-id xmlns='urn:xmpp:sid:0' id='1' by='room@muc'/><a><b><c/></b ></a></message>";

#[test]
fn a_stanza_as_servers_write_it_is_read_in_one_go_and_no_part_of_one_is() {
    let xml = USUAL.replace("</b >", "</b>");
    let xml = xml.as_bytes();
    let read = |xml: &[u8]| whole::read(xml).map(|(taken, _)| taken);
    assert_eq!(read(xml), Some(xml.len()));
    assert_eq!(read(&[xml, b"<presence/>"].concat()), Some(xml.len()));
    assert_eq!(read(b"<presence from='a'/>"), Some(b"<presence from='a'/>".len()));
    assert!((0..xml.len()).all(|end| read(&xml[..end]).is_none()));
}

#[test]
fn with_any_octet_changed_left_out_or_doubled_a_stanza_is_the_same_in_one_go_as_octet_by_octet() {
    let xml = USUAL.as_bytes();
    let same = |xml: &[u8]| assert_eq!(frames(xml, usize::MAX), frames(xml, 1), "{:?}", xml.escape_ascii().to_string());
    for at in 0..xml.len() {
        for octet in *b"<>/&;'\"= a:-!?[]\t\0\xff" {
            let mut changed = xml.to_vec();
            changed[at] = octet;
            same(&changed);
        }
        same(&[&xml[..at], &xml[at + 1..]].concat());
        same(&[&xml[..=at], &xml[at..]].concat());
    }
}

#[test]
fn limits_are_the_same_in_one_go_as_octet_by_octet() {
    let name = |len: usize| format!("<{0} x='y'><{0}></{0}></{0}>", "n".repeat(len));
    let attribute = |len: usize| format!("<a {}='y'/>", "n".repeat(len));
    let value = |len: usize| format!("<a from='{}'/>", "v".repeat(len));
    let attributes = |len: usize| format!("<a{}/>", " x='y'".repeat(len));
    let depth = |len: usize| format!("{}{}", "<a>".repeat(len), "</a>".repeat(len));
    let text = |len: usize| format!("<a>{}</a>", "t".repeat(len));
    let mut all = Vec::new();
    for (limit, make) in [
        (MAX_NAME, &name as &dyn Fn(usize) -> String),
        (MAX_NAME, &attribute),
        (MAX_ATTRIBUTE, &value),
        (MAX_ATTRIBUTES, &attributes),
        (16, &depth),
        (MAX_DEPTH, &depth),
        (MAX_STANZA - "<a></a>".len(), &text),
    ] {
        all.extend((limit - 2..limit + 3).map(make));
    }
    for xml in all {
        assert_eq!(frames(xml.as_bytes(), usize::MAX), frames(xml.as_bytes(), 1), "{} octets", xml.len());
    }
}

proptest! {
    #[test]
    fn any_bytes_frame_the_same_in_any_segmentation(
        parts in proptest::collection::vec(proptest::sample::select(alloc::vec![
            "<", ">", "/", "a", "b", "<a>", "</a>", "<b/>", "'", "\"", "=", " ", "from='x'", "&", "amp;", "&#65;", "!",
            "--", "<![CDATA[", "]]>", "]", "?", "stream:", "</stream:stream>", "é", "\u{1F600}", "id",
        ]), 0..40),
        size in 1usize..9,
    ) {
        let bytes = parts.concat();
        prop_assert_eq!(frames(bytes.as_bytes(), size), frames(bytes.as_bytes(), usize::MAX));
    }

    #[test]
    fn no_bytes_make_the_framer_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), size in 1usize..50) {
        let _ = frames(&bytes, size);
    }

    #[test]
    fn what_is_framed_is_what_was_escaped(text in "\\PC{0,50}", from in "\\PC{0,50}") {
        let mut stanza = "<message".to_string();
        xml::attribute(&mut stanza, "from", &from);
        stanza.push_str("><body>");
        xml::text(&mut stanza, &text);
        stanza.push_str("</body></message>");
        let Event::Stanza(framed) = one(&stanza) else { panic!() };
        prop_assert_eq!(framed.from().map(Cow::into_owned), Some(from));
        prop_assert_eq!(framed.as_str(), stanza.as_str());
    }
}
