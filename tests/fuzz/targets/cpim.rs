//! What is read as a CPIM message is written as one that means the same; and whatever the names, addresses and types are that are
//! given to the encoder, they add no header and end none.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mucfocus_core::wire::cpim::{Address, Cpim, CpimError, Extras, encode, encode_with, headers, without_tracking};
use mucfocus_core::wire::imdn::{Asks, MessageId, Tracking};
use mucfocus_core::wire::mime::MimeError;

fuzz_target!(|input: &[u8]| {
    let body = Bytes::copy_from_slice(input);
    if let Ok(message) = Cpim::parse(&body) {
        // Encoded for transfer, it gets shorter.
        assert!(input.ends_with(&message.content) || message.content.len() < input.len());
        check_read(&message);
    }
    if let Some(text) = mucfocus_fuzz::text(input) {
        let [name, uri, date_time, content_type, ..] = mucfocus_fuzz::lines::<5>(text);
        check_hostile(name, uri, date_time, content_type, text);
    }
});

/// What was read, written anew, reads the same, again and again.
fn check_read(message: &Cpim) {
    let (Some(from), [to]) = (&message.from, message.to.as_slice()) else { return };
    let Ok(content) = std::str::from_utf8(&message.content) else { return };
    let content_type = message.content_type.to_string();
    if !content_type.is_ascii() || content_type.contains('\t') {
        return;
    }
    let date_time = message.date_time.as_deref().unwrap_or_default();
    let written = encode(from, to, date_time, &content_type, content);
    let read = Cpim::parse(&written).unwrap_or_else(|error| panic!("{error} in {written:?}"));
    let plain = |address: &Address| Address { trailing_gr: None, ..address.clone() };
    assert_eq!((read.from.as_ref(), read.to.as_slice()), (Some(&plain(from)), &[plain(to)][..]), "{written:?}");
    assert_eq!(read.content_type, message.content_type, "{written:?}");
    assert_eq!(read.content, message.content, "{written:?}");
    let date_time = read.date_time.clone().unwrap_or_default();
    let (from, to) = (plain(from), plain(to));
    assert_eq!(encode(&from, &to, &date_time, &read.content_type.to_string(), content), written);
}

/// The encoder is given anything.
fn check_hostile(name: &str, uri: &str, date_time: &str, content_type: &str, content: &str) {
    let from = Address::new(Some(name), uri);
    let to = Address::new(Some(content), "sip:capulet@rooms.example.com");
    let asks = Asks::parse(name);
    let tracking = Tracking { message_id: MessageId::new(date_time), asks };
    let everything = Extras { delayed: true, tracking: Some(&tracking), notification: true };
    for (extras, written) in [
        (None, encode(&from, &to, date_time, content_type, content)),
        (Some(everything), encode_with(&from, &to, date_time, everything, content_type, content)),
    ] {
        let text = std::str::from_utf8(&written).expect("what is written is UTF-8");
        assert!(text.ends_with(content), "content is passed on octet for octet");
        let head = &text[..text.len() - content.len()];
        let lines: Vec<_> = head.split("\r\n").map(|line| line.split(':').next().unwrap_or_default()).collect();
        let mut expected = vec!["From", "To", "DateTime"];
        if extras.is_some() {
            expected.extend(["NS", "mucfocus.Delayed"]);
        }
        if extras.is_some() && tracking.message_id.is_some() {
            expected.extend(["NS", "imdn.Message-ID"]);
            expected.extend(asks.anything().then_some("imdn.Disposition-Notification"));
        }
        expected.extend(["", "Content-Type"]);
        expected.extend(extras.and(Some("Content-Disposition")));
        expected.extend(["", ""]);
        assert_eq!(lines, expected, "{text:?}");
        assert!(!head.replace("\r\n", "").contains(char::is_control), "{text:?}");
        check_addresses(&written, &from, &to, uri.is_empty());
        if let Ok(read) = Cpim::parse(&written) {
            assert_eq!(read.tracking, extras.map(|_| sent(&tracking)).unwrap_or_default());
            let bare = [without_tracking(head.as_bytes()).as_slice(), content.as_bytes()].concat();
            let bare = Cpim::parse(&bare.into()).expect("the same with less");
            assert_eq!(bare, Cpim { tracking: Tracking::default(), ..read });
        }
    }
    // In a report there is no content, not even its headers.
    let with_content = [&headers(&from, &to)[..], b"\r\n"].concat();
    check_addresses(&with_content.into(), &from, &to, uri.is_empty());
}

/// Without a name nothing is asked.
fn sent(tracking: &Tracking) -> Tracking {
    if tracking.message_id.is_some() { tracking.clone() } else { Tracking::default() }
}

/// Formal names are read as they were given; of the URI what cannot stand there is escaped.
fn check_addresses(written: &Bytes, from: &Address, to: &Address, has_no_uri: bool) {
    let read = match Cpim::parse(written) {
        Ok(read) => read,
        // A type that is none is dropped by whoever calls; and there is nothing to write of an empty URI.
        Err(CpimError::Mime(MimeError::BadContentType)) => return,
        Err(CpimError::BadAddress) if has_no_uri => return,
        Err(error) => panic!("{error} in {written:?}"),
    };
    let name = |address: &Address| address.formal_name.clone().filter(|name| !name.is_empty());
    let [read_to] = read.to.as_slice() else { panic!("not one recipient in {written:?}") };
    let read_from = read.from.as_ref().unwrap_or_else(|| panic!("no sender in {written:?}"));
    assert_eq!((name(read_from), name(read_to)), (name(from), name(to)), "{written:?}");
    assert_eq!(read_to.uri, to.uri);
    assert_eq!((&read_from.trailing_gr, &read_to.trailing_gr), (&None, &None));
    assert!(read.cc.is_empty());
}
