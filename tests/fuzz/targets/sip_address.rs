//! SIP URIs and name-addrs are read back as they are written, and what identity rests on is the same for every spelling.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mucfocus_core::address::escape::{escape_localpart, percent_decode, percent_encode, unescape_localpart};
use mucfocus_core::address::name_addr::{NameAddr, quote};
use mucfocus_core::address::sip_uri::SipUri;

fuzz_target!(|input: &[u8]| {
    assert_eq!(percent_decode(&percent_encode(input, |b| b.is_ascii_alphanumeric())).as_ref(), input);
    let Some(text) = mucfocus_fuzz::text(input) else { return };
    if let Ok(uri) = SipUri::parse(text) {
        check_uri(&uri);
    }
    if let Ok(addresses) = NameAddr::parse_list(text) {
        check_addresses(&addresses);
    }
    match escape_localpart(text) {
        Some(escaped) => assert_eq!(unescape_localpart(&escaped), text, "escaped as {escaped:?}"),
        None => assert!(text.starts_with(' ') || text.ends_with(' ')),
    }
});

fn check_uri(uri: &SipUri) {
    let written = uri.to_string();
    assert!(written.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"')), "{written:?}");
    assert_eq!(SipUri::parse(&written).as_ref(), Ok(uri), "{written:?} is read as it was written");

    let aor = uri.aor();
    assert!(aor.same_aor(uri) && aor.aor() == aor && aor.aor_key() == uri.aor_key());
    assert_eq!(SipUri::parse(&aor.to_string()).as_ref(), Ok(&aor));
    // The user as people read him, escaped anew, is the same person.
    if let Some(user) = uri.user_decoded() {
        let again = SipUri::new(Some(&user), uri.host()).expect("what was decoded can be encoded");
        assert!(again.same_aor(uri), "{again} for {uri}");
        assert_eq!(again.user_decoded().as_deref(), Some(&*user));
        let same = SipUri::parse(&again.to_string()).expect("what is written can be read");
        assert!(same.same_aor(uri));
    }
    // An occupant's address is never the room's, and says who it is.
    let nick = uri.user_decoded().unwrap_or_default();
    let occupant = uri.with_gr(&nick);
    assert!(occupant.has_gr() && occupant.same_aor(uri));
    assert_eq!(occupant.gr().as_deref().unwrap_or_default(), nick);
    if let Ok(read) = SipUri::parse(&occupant.to_string()) {
        assert!(read.has_gr());
        assert_eq!(read.gr().as_deref().unwrap_or_default(), nick);
    } else {
        assert!(occupant.to_string().len() > SipUri::MAX_LEN);
    }
    assert!(!uri.without_params().has_gr());
    check_escaped(uri);
}

/// With an escape in the name of each parameter it is the same address.
fn check_escaped(uri: &SipUri) {
    let bare = uri.without_params().to_string();
    let escape = |(name, value): &(String, Option<String>)| {
        let first = name.chars().next().filter(|c| c.is_ascii_alphanumeric()).map(|c| format!("%{:02x}", u32::from(c)));
        let name = first.map_or_else(|| name.clone(), |first| first + &name[1..]);
        value.as_ref().map_or(format!(";{name}"), |value| format!(";{name}={value}"))
    };
    let escaped = bare + &uri.params().iter().map(escape).collect::<String>();
    let Ok(read) = SipUri::parse(&escaped) else {
        return assert!(escaped.len() > SipUri::MAX_LEN, "{escaped}");
    };
    assert_eq!((read.has_gr(), read.gr()), (uri.has_gr(), uri.gr()), "{escaped}");
    for (name, value) in uri.params() {
        assert_eq!(read.param(name), Some(value.as_deref()), "{name} of {escaped}");
    }
}

fn check_addresses(addresses: &[NameAddr]) {
    assert!((1..=NameAddr::MAX_ADDRESSES).contains(&addresses.len()));
    let written: Vec<_> = addresses.iter().map(write).collect();
    for (address, written) in addresses.iter().zip(&written) {
        assert!(address.uri.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"')));
        assert_eq!(address.display_name.as_deref(), address.display_name.as_deref().filter(|name| !name.is_empty()));
        if written.len() <= NameAddr::MAX_LEN {
            assert_eq!(NameAddr::parse(written).map(without_tabs), Ok(without_tabs(address.clone())), "{written:?}");
        }
    }
    let list = written.join(",");
    if list.len() <= NameAddr::MAX_LEN {
        assert_eq!(NameAddr::parse_list(&list).map(|list| list.len()), Ok(addresses.len()), "{list:?}");
    }
}

fn write(address: &NameAddr) -> String {
    let mut written = address.display_name.as_deref().map(quote).unwrap_or_default();
    written.push_str(&format!("<{}>", address.uri));
    for (name, value) in &address.params {
        written.push_str(&format!(";{name}"));
        if let Some(value) = value {
            written.push_str(&format!("={}", quote(value)));
        }
    }
    written
}

/// Quoting makes a space of a tab.
fn without_tabs(mut address: NameAddr) -> NameAddr {
    address.display_name = address.display_name.map(|name| name.replace('\t', " "));
    address.params = address.params.into_iter().map(|(n, v)| (n, v.map(|v| v.replace('\t', " ")))).collect();
    address
}
