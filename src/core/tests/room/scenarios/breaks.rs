//! Streams without a connection: kept by the server or lost, and what was said meanwhile.

use super::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    ("a stream is suspended and resumed", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.watches(tybalt);
        s.says(tybalt);
        s.suspends_stream(romeo);
        s.says(tybalt);
        s.native_says("JuliC");
        s.gets_stream_back(romeo, true);
        s.says(romeo);
    }),
    ("a stream is suspended and lost while others talk", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.native_says("JuliC");
        s.suspends_stream(romeo);
        for _ in 0..3 {
            s.says(tybalt);
            s.native_says("JuliC");
        }
        s.gets_stream_back(romeo, false);
        s.native_says("JuliC");
        s.says(romeo);
    }),
    ("a user speaks into a stream that is suspended and lost", |s| {
        let (romeo, _) = (s.user("Romeo"), s.user("Tybalt"));
        s.says(romeo);
        s.suspends_stream(romeo);
        s.says(romeo);
        s.native_says("JuliC");
        s.says(romeo);
        s.gets_stream_back(romeo, false);
        s.says(romeo);
    }),
    ("a user speaks while his stream is being lost", |s| {
        let (romeo, _) = (s.user("Romeo"), s.user("Tybalt"));
        s.native_says("JuliC");
        s.story.muc().loses_messages = true;
        s.says(romeo);
        s.suspends_stream(romeo);
        s.story.muc().loses_messages = false;
        s.seconds_pass(3);
        s.gets_stream_back(romeo, false);
        s.native_says("JuliC");
        s.says(romeo);
    }),
    ("a stream is lost without a word and comes back later", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.native_says("JuliC");
        s.loses_stream(romeo);
        s.native_says("JuliC");
        s.says(tybalt);
        s.seconds_pass(5);
        s.native_says("JuliC");
    }),
    ("a stream is suspended for longer than anybody waits", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.suspends_stream(romeo);
        s.says(romeo);
        s.says(tybalt);
        s.seconds_pass(130);
        s.gets_stream_back(romeo, false);
        s.says(tybalt);
    }),
    ("streams of everybody are lost at once", |s| {
        let users = ["Romeo", "Tybalt", "Paris"].map(|name| s.user(name));
        s.watches(users[2]);
        s.native_says("JuliC");
        users.iter().for_each(|who| s.suspends_stream(*who));
        (0..5).for_each(|_| s.native_says("JuliC"));
        users.iter().for_each(|who| s.gets_stream_back(*who, false));
        users.iter().for_each(|who| s.says(*who));
    }),
    ("a stream is lost again and again", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        for n in 0..6 {
            s.says(tybalt);
            s.suspends_stream(romeo);
            s.native_says("JuliC");
            s.says(romeo);
            s.gets_stream_back(romeo, n % 2 == 0);
        }
    }),
    ("the one who sees for the others is suspended", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.watches(tybalt);
        s.suspends_stream(romeo);
        s.native_comes("Nurse");
        s.seconds_pass(8);
        s.native_says("Nurse");
        s.gets_stream_back(romeo, false);
        s.native_goes("Nurse");
    }),
    ("a room that was started again has forgotten what was said", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.native_says("JuliC");
        s.suspends_stream(romeo);
        s.native_says("JuliC");
        s.story.muc().record.is_lost();
        s.native_says("JuliC");
        s.gets_stream_back(romeo, false);
        s.says(romeo);
        s.says(tybalt);
    }),
    ("much is said while a stream is gone", |s| {
        let (romeo, _) = (s.user("Romeo"), s.user("Tybalt"));
        s.native_says("JuliC");
        s.suspends_stream(romeo);
        (0..70).for_each(|_| s.native_says("JuliC"));
        s.gets_stream_back(romeo, false);
        s.says(romeo);
    }),
    ("a user hangs up while his stream is suspended", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.suspends_stream(romeo);
        s.leaves(romeo);
        s.says(tybalt);
    }),
];
