//! The profile of nicknames changes nothing in what it has made itself, and the nickname that somebody gets who has chosen none
//! is one that both worlds take.
//!
//! An input is lines: a display name, a user part, a template.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mucfocus_core::address::nickname::{MAX_LEN, enforce, occupant_resource, same, temporary, variant};
use mucfocus_core::address::template::NicknameTemplate;

fuzz_target!(|input: &[u8]| {
    let Some(text) = mucfocus_fuzz::text(input) else { return };
    let [display_name, user, template] = mucfocus_fuzz::lines(text);
    for text in [display_name, user, text] {
        if let Ok(nick) = enforce(text) {
            assert!((1..=MAX_LEN).contains(&nick.len()));
            assert!(!nick.starts_with(' ') && !nick.ends_with(' ') && !nick.contains("  "), "{nick:?}");
            assert!(!nick.chars().any(char::is_control), "{nick:?}");
            assert_eq!(enforce(&nick).as_ref(), Ok(&nick), "{nick:?} again");
            assert!(same(&nick, &nick) && same(text, &nick), "{text:?} and {nick:?} are one");
        }
    }
    assert_eq!(same(display_name, user), same(user, display_name));

    let template = NicknameTemplate::parse(template).unwrap_or_default();
    let nick = temporary(Some(display_name), Some(user), &template, 7);
    assert_eq!(enforce(&nick).as_ref(), Ok(&nick), "{nick:?} is stable");
    let resource = occupant_resource(&nick).expect("XMPP takes it");
    assert_eq!(resource.as_str(), nick);
    let second = variant(&nick, 2);
    assert!(second.len() <= MAX_LEN && !same(&nick, &second));
});
