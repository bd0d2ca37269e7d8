//! `[[rooms]]` that make rooms: CF-04.

use super::*;

/// A rule before that of the rooms.
fn factory(rule: &str) -> Vec<String> {
    changed("[[rooms]]", &format!("[[rooms]]\nsip = \"sip:conference@rooms.example.com\"\n{rule}\n[[rooms]]"))
}

#[test]
fn a_factory_says_what_makes_its_rooms_differ() {
    assert_eq!(factory("muc = \"{token}@muc.example.net\"\nfactory = true"), [""; 0]);
    one(&factory("muc = \"fix@muc.example.net\"\nfactory = true"), &["Error", "the same room each time", "{token}"]);
    one(&factory("muc = \"{token}-{x}@muc.example.net\"\nfactory = true"), &["Error", "sip captures no {x}"]);
    one(&factory("muc = \"{token}@muc.example.net\""), &["Error", "sip captures no {token}"]);
}

#[test]
fn the_rooms_of_a_factory_need_an_address() {
    let found = factory("muc = \"{token}@other.example.net\"\nfactory = true");
    one(&found, &["Warning", "no rule gives an address to the rooms of this factory", "sip:{room}@rooms.example.com"]);
}
