//! Being removed, losing connections, rooms that forget or end.

use mucfocus_core::stanza::{Condition, ErrorKind};

use super::Scenario;
use crate::muc::error;

pub const SCENARIOS: &[Scenario] = &[
    ("a user is kicked", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.watches(tybalt);
        s.says(romeo);
        s.is_removed(romeo, &[110, 307]);
        s.says(tybalt);
    }),
    ("a user is banned while he speaks", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.says(romeo);
        s.is_removed(romeo, &[301]);
        s.says(romeo);
        s.says(tybalt);
    }),
    ("a user is kicked and dials again", |s| {
        let romeo = s.user("Romeo");
        s.is_removed(romeo, &[110, 307]);
        let again = s.user("Romeo");
        s.says(again);
    }),
    ("both devices of a user are kicked with him", |s| {
        let (phone, tablet) = (s.user("Romeo"), s.user("Romeo"));
        s.is_removed(phone, &[110, 307]);
        s.says(tablet);
    }),
    ("the one who sees for the others is kicked", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.watches(tybalt);
        s.is_removed(romeo, &[110, 307]);
        s.native_comes("Nurse");
        s.says(tybalt);
    }),
    ("the room is destroyed", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.watches(romeo);
        s.says(tybalt);
        s.room_is_destroyed();
    }),
    ("the room is destroyed and dialled again", |s| {
        let romeo = s.user("Romeo");
        s.says(romeo);
        s.room_is_destroyed();
        let again = s.user("Romeo");
        s.says(again);
    }),
    ("the service puts a user out for a moment", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.watches(tybalt);
        s.is_removed(romeo, &[110, 333]);
        s.seconds_pass(2);
        s.says(romeo);
        s.says(tybalt);
    }),
    ("the service shuts down for everybody", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        for who in [romeo, tybalt] {
            s.is_removed(who, &[110, 332]);
        }
        let again = s.user("Romeo");
        s.says(again);
    }),
    ("the room forgets a user who then speaks", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.muc_forgets(romeo);
        s.says(romeo);
        s.says(tybalt);
        s.says(romeo);
        // Where nothing of that reached the room, he asks it after a while (XM-03).
        s.seconds_pass(17 * 60);
    }),
    ("a connection breaks and comes back", |s| {
        let romeo = s.user("Romeo");
        s.loses_connection(romeo);
        s.native_says("JuliC");
        s.reconnects(romeo);
        s.says(romeo);
    }),
    ("a connection breaks in the middle of a message", |s| {
        let romeo = s.user("Romeo");
        s.says_in_chunks(romeo, 50);
        s.loses_connection(romeo);
        s.reconnects(romeo);
        s.says(romeo);
    }),
    ("a connection breaks and nobody comes back", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.gone.insert(romeo);
        s.loses_connection(romeo);
        s.says(tybalt);
        s.seconds_pass(60);
    }),
    ("a connection breaks while much is said", |s| {
        let romeo = s.user("Romeo");
        s.loses_connection(romeo);
        (0..30).for_each(|_| s.native_says("JuliC"));
        s.reconnects(romeo);
    }),
    ("connections of everybody break at once", |s| {
        let users = ["Romeo", "Tybalt", "Paris"].map(|name| s.user(name));
        users.iter().for_each(|who| s.loses_connection(*who));
        s.native_says("JuliC");
        users.iter().for_each(|who| s.reconnects(*who));
        users.iter().for_each(|who| s.says(*who));
    }),
    ("a stream breaks and comes back", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.watches(romeo);
        s.loses_stream(romeo);
        s.seconds_pass(3);
        s.says(romeo);
        s.says(tybalt);
    }),
    ("the stream of the one who sees for the others breaks", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.watches(tybalt);
        s.loses_stream(romeo);
        s.native_comes("Nurse");
        s.native_says("Nurse");
    }),
    ("all streams break at once, twice", |s| {
        let users = ["Romeo", "Tybalt", "Paris"].map(|name| s.user(name));
        s.watches(users[0]);
        for _ in 0..2 {
            users.iter().for_each(|who| s.loses_stream(*who));
            s.native_goes("JuliC");
            s.native_comes("JuliC");
            s.seconds_pass(40);
        }
        users.iter().for_each(|who| s.says(*who));
    }),
    ("a stream breaks while a message is under way", |s| {
        let romeo = s.user("Romeo");
        s.says(romeo);
        s.loses_stream(romeo);
        s.says(romeo);
        s.whispers(romeo, "JuliC");
        s.seconds_pass(30);
    }),
    ("a stream breaks while a name is asked for", |s| {
        let romeo = s.user("Romeo");
        s.renames(romeo, "Montague");
        s.loses_stream(romeo);
        s.seconds_pass(3);
        s.says(romeo);
    }),
    ("a user loses connection and stream together", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.watches(tybalt);
        s.loses_connection(romeo);
        s.loses_stream(romeo);
        s.says(tybalt);
        s.reconnects(romeo);
        s.says(romeo);
    }),
    ("the room refuses what is said", |s| {
        let romeo = s.user("Romeo");
        s.story.muc().refuses_messages = Some(error(Condition::Forbidden, ErrorKind::Auth));
        s.says(romeo);
        s.says_in_chunks(romeo, 50);
        s.story.muc().refuses_messages = None;
        s.says(romeo);
    }),
    ("the room lets nobody in for a while", |s| {
        let romeo = s.user("Romeo");
        s.story.muc().refuses_joins = Some(error(Condition::Forbidden, ErrorKind::Auth));
        let _ = s.user("Tybalt");
        s.says(romeo);
        s.story.muc().refuses_joins = None;
        let paris = s.user("Paris");
        s.says(paris);
    }),
    ("the room loses what is said", |s| {
        let romeo = s.user("Romeo");
        s.story.muc().loses_messages = true;
        s.says(romeo);
        s.story.muc().loses_messages = false;
        s.seconds_pass(30);
        s.says(romeo);
    }),
    ("the room gives all messages its own ids", |s| {
        s.story.muc().gives_ids = true;
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.says(romeo);
        s.says(tybalt);
    }),
    ("the room writes names in lower case", |s| {
        s.story.muc().lower_cases = true;
        let (romeo, _) = (s.user("Romeo"), s.user("Tybalt"));
        s.watches(romeo);
        s.renames(romeo, "Montague");
        s.says(romeo);
    }),
];
