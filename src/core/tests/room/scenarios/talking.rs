//! What is said, by whom, to whom.

use super::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    ("one user speaks", |s| {
        let romeo = s.user("Romeo");
        (0..3).for_each(|_| s.says(romeo));
    }),
    ("two users take turns", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        for _ in 0..4 {
            s.says(romeo);
            s.says(tybalt);
        }
    }),
    ("a user and somebody of the XMPP side take turns", |s| {
        let romeo = s.user("Romeo");
        for _ in 0..4 {
            s.says(romeo);
            s.native_says("JuliC");
        }
    }),
    ("five users all speak at once", |s| {
        let users = ["Romeo", "Tybalt", "Mercutio", "Benvolio", "Paris"].map(|name| s.user(name));
        for _ in 0..3 {
            users.iter().for_each(|who| s.says(*who));
        }
    }),
    ("somebody speaks while others still come in", |s| {
        for name in ["Romeo", "Tybalt", "Mercutio"] {
            let who = s.user(name);
            s.native_says("JuliC");
            s.says(who);
        }
    }),
    ("a long message comes in chunks", |s| {
        let (romeo, _) = (s.user("Romeo"), s.user("Tybalt"));
        s.says_in_chunks(romeo, 40);
        s.says(romeo);
    }),
    ("two users send chunks at the same time", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        for _ in 0..2 {
            s.says_in_chunks(romeo, 60);
            s.says_in_chunks(tybalt, 50);
        }
    }),
    ("a user who wants no answers speaks", |s| {
        let (romeo, _) = (s.user("Romeo"), s.user("Tybalt"));
        s.says_with(romeo, "Failure-Report: no\r\n");
        s.says_with(romeo, "Failure-Report: partial\r\n");
        s.says(romeo);
    }),
    ("a user wants to hear that it arrived", |s| {
        let romeo = s.user("Romeo");
        s.says_with(romeo, "Success-Report: yes\r\n");
        s.says_with(romeo, "Success-Report: yes\r\nFailure-Report: no\r\n");
    }),
    ("one user whispers to another", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        let _ = s.user("Paris");
        s.whispers(romeo, "Tybalt");
        s.whispers(tybalt, "Romeo");
    }),
    ("a user whispers with the XMPP side", |s| {
        let (romeo, _) = (s.user("Romeo"), s.user("Tybalt"));
        s.whispers(romeo, "JuliC");
        s.native_whispers("JuliC", romeo);
        s.whispers(romeo, "JuliC");
    }),
    ("a user whispers to somebody who is not there", |s| {
        let romeo = s.user("Romeo");
        s.whispers(romeo, "Rosaline");
        s.says(romeo);
    }),
    ("whispers and public words are mixed", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        for _ in 0..3 {
            s.whispers(romeo, "Tybalt");
            s.says(romeo);
            s.native_whispers("JuliC", tybalt);
            s.says(tybalt);
        }
    }),
    ("a user whispers to himself", |s| {
        let romeo = s.user("Romeo");
        s.whispers(romeo, "Romeo");
        s.says(romeo);
    }),
    ("a user speaks on two devices", |s| {
        let (phone, tablet, tybalt) = (s.user("Romeo"), s.user("Romeo"), s.user("Tybalt"));
        for _ in 0..3 {
            s.says(phone);
            s.says(tablet);
            s.says(tybalt);
        }
    }),
    ("a user on two devices is whispered to", |s| {
        let (phone, _) = (s.user("Romeo"), s.user("Romeo"));
        let tybalt = s.user("Tybalt");
        s.native_whispers("JuliC", phone);
        s.whispers(tybalt, "Romeo");
    }),
    ("the subject changes while people talk", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.watches(romeo);
        for subject in ["Verona", "Mantua & back", ""] {
            s.says(romeo);
            s.subject("JuliC", subject);
            s.says(tybalt);
        }
    }),
    ("a user says much in a row", |s| {
        let (romeo, _) = (s.user("Romeo"), s.user("Tybalt"));
        (0..20).for_each(|_| s.says(romeo));
    }),
    ("the XMPP side says much in a row", |s| {
        let (_, _) = (s.user("Romeo"), s.user("Tybalt"));
        (0..40).for_each(|_| s.native_says("JuliC"));
    }),
    ("a user calls himself something else and goes on talking", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.watches(tybalt);
        s.says(romeo);
        s.renames(romeo, "Montague");
        s.says(romeo);
        s.whispers(tybalt, "Montague");
        s.says(tybalt);
    }),
    ("two users want the same name", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.watches(romeo);
        s.renames(romeo, "Paris");
        s.renames(tybalt, "Paris");
        s.says(romeo);
        s.says(tybalt);
    }),
    ("two users change their names for each other's", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.watches(tybalt);
        s.renames(romeo, "Third");
        s.renames(tybalt, "Romeo");
        s.renames(romeo, "Tybalt");
        s.whispers(romeo, "Romeo");
        s.native_says("JuliC");
    }),
    ("the room gives a user another name", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.watches(tybalt);
        s.is_renamed(romeo, "Exile");
        s.says(romeo);
        s.native_whispers("JuliC", romeo);
    }),
];
