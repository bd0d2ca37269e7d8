//! Who is there, who comes, who leaves, and what the lists say of it.

use super::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    ("a user comes and goes", |s| {
        let romeo = s.user("Romeo");
        s.leaves(romeo);
    }),
    ("a user comes back again and again", |s| {
        for _ in 0..4 {
            let romeo = s.user("Romeo");
            s.says(romeo);
            s.leaves(romeo);
        }
    }),
    ("a user dials before his last call has ended", |s| {
        let first = s.user("Romeo");
        let second = s.user("Romeo");
        s.leaves(first);
        s.says(second);
        let third = s.user("Romeo");
        s.leaves(second);
        s.says(third);
    }),
    ("a user gives up while it rings", |s| {
        let romeo = s.user("Romeo");
        s.cancels(romeo);
        let _ = s.user("Tybalt");
    }),
    ("a user gives up and another dials for him", |s| {
        let first = s.user("Romeo");
        let second = s.user("Romeo");
        s.cancels(first);
        s.says(second);
    }),
    ("a caller never acknowledges", |s| {
        let romeo = s.user("Romeo");
        s.native_says("JuliC");
        s.never_acknowledges(romeo);
        s.native_says("JuliC");
    }),
    ("ten users come at once", |s| {
        for n in 0..10 {
            let _ = s.user(&format!("User{n}"));
        }
        s.native_says("JuliC");
    }),
    ("ten users come and leave in another order", |s| {
        let users: Vec<_> = (0..10).map(|n| s.user(&format!("User{n}"))).collect();
        for n in [3, 9, 0, 5, 1, 8] {
            s.leaves(users[n]);
        }
        s.says(users[2]);
    }),
    ("a list follows people of the XMPP side", |s| {
        let romeo = s.user("Romeo");
        s.watches(romeo);
        for nick in ["Nurse", "Peter", "Abram"] {
            s.native_comes(nick);
        }
        s.native_goes("Peter");
        s.native_says("Nurse");
    }),
    ("a list follows SIP users", |s| {
        let romeo = s.user("Romeo");
        s.watches(romeo);
        let (tybalt, paris) = (s.user("Tybalt"), s.user("Paris"));
        s.leaves(tybalt);
        s.says(paris);
    }),
    ("everybody has a list", |s| {
        for name in ["Romeo", "Tybalt", "Mercutio", "Paris"] {
            let who = s.user(name);
            s.watches(who);
        }
        s.native_comes("Nurse");
        s.leaves(1);
    }),
    ("a list is asked for before the call", |s| {
        let romeo = s.user("Romeo");
        s.watches(romeo);
        s.watches(romeo);
        s.native_comes("Nurse");
    }),
    ("somebody leaves and comes back before a list says so", |s| {
        let romeo = s.user("Romeo");
        s.native_comes("Nurse");
        s.watches(romeo);
        s.native_goes("Nurse");
        s.native_comes("Nurse");
        s.native_goes("Nurse");
        s.native_comes("Nurse");
    }),
    ("somebody comes and leaves before a list says so", |s| {
        let romeo = s.user("Romeo");
        s.watches(romeo);
        for _ in 0..3 {
            s.native_comes("Nurse");
            s.native_goes("Nurse");
        }
    }),
    ("a crowd passes through", |s| {
        let romeo = s.user("Romeo");
        s.watches(romeo);
        (0..60).for_each(|n| s.native_comes(&format!("Guest{n}")));
        (0..55).for_each(|n| s.native_goes(&format!("Guest{n}")));
    }),
    ("the one who came first leaves", |s| {
        // He was the one whose view of the room was everybody's.
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.watches(tybalt);
        s.leaves(romeo);
        s.native_comes("Nurse");
        s.native_says("Nurse");
    }),
    ("each one who sees for the others leaves in turn", |s| {
        let users: Vec<_> = (0..5).map(|n| s.user(&format!("User{n}"))).collect();
        s.watches(users[4]);
        for (n, who) in users.into_iter().take(4).enumerate() {
            s.native_comes(&format!("Guest{n}"));
            s.leaves(who);
            s.native_says(&format!("Guest{n}"));
        }
    }),
    ("a user invites somebody", |s| {
        let romeo = s.user("Romeo");
        s.refers(romeo, "nurse@example.net");
        s.says(romeo);
        s.leaves(romeo);
    }),
    ("a user is there for an hour", |s| {
        let (romeo, tybalt) = (s.user("Romeo"), s.user("Tybalt"));
        s.watches(romeo);
        for _ in 0..6 {
            s.seconds_pass(600);
            s.native_says("JuliC");
            s.says(tybalt);
        }
    }),
    ("a room is empty and then not", |s| {
        for _ in 0..3 {
            let romeo = s.user("Romeo");
            let tybalt = s.user("Tybalt");
            s.says(tybalt);
            s.leaves(romeo);
            s.leaves(tybalt);
            s.seconds_pass(5);
        }
    }),
    ("two devices leave one after the other", |s| {
        let (phone, tablet) = (s.user("Romeo"), s.user("Romeo"));
        s.leaves(phone);
        s.says(tablet);
        s.leaves(tablet);
    }),
];
