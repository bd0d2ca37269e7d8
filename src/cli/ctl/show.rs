//! How answers look: to people, and to programs. Pure.

use std::fmt::Write as _;

use serde_json::Value;

use super::table::{WIDTH, plain, table};
use crate::control::protocol::{Ban, Counts, Leg, LegLine, Membership, Reloaded, Reply, Room, RoomLine, Status};
use crate::observe::ladder::{Rung, Side, Way};

/// For programs: what was asked for, without the name of the reply.
pub(super) fn json(reply: &Reply) -> String {
    match serde_json::to_value(reply) {
        Ok(Value::Object(fields)) => fields.into_iter().next().map(|(_, value)| value.to_string()).unwrap_or_default(),
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// For people.
pub(super) fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Status(status) => self::status(status),
        Reply::Rooms(rooms) => self::rooms(rooms),
        Reply::Room(room) => self::room(room),
        Reply::Leg(leg) => self::leg(leg),
        Reply::Rung(rung) => self::rung(rung),
        Reply::Kicked(leg) => {
            format!("leg {} of {} in {} gets a BYE\n", leg.line.id, plain(&leg.line.user), plain(&leg.muc))
        }
        Reply::Bans(bans) => self::bans(bans),
        Reply::Unbanned(ban) => format!("{} may enter {} again\n", plain(&ban.user), plain(&ban.muc)),
        Reply::Reloaded(reloaded) => self::reloaded(reloaded),
        Reply::Draining { legs } => {
            format!("draining: {} ending, new calls get 503; SIGTERM ends the process\n", count(*legs, "leg"))
        }
        Reply::Failed { why } => format!("{}\n", plain(why)),
    }
}

fn status(status: &Status) -> String {
    let limit = status.legs_limit.map_or_else(String::new, |limit| format!(" of {limit}"));
    let memory = status.memory.map_or_else(String::new, |octets| format!(", {} MiB", octets / (1024 * 1024)));
    let Status { node, version, state, .. } = status;
    let mut text = format!("{node}: mucfocus {version}, {state}, up {}{memory}\n", duration(status.uptime_s));
    let away = match status.xmpp_servers_away {
        0 => String::new(),
        away => format!(", {} away", count(away, "XMPP server")),
    };
    let _ = writeln!(
        text,
        "{} in use, legs: {}{limit}, {} up{away}",
        count(status.rooms, "room"),
        status.legs,
        count(status.xmpp_streams, "XMPP stream")
    );
    let line = format!("listening on {}", status.listening.join(" "));
    match line.chars().count() <= WIDTH {
        true => text.push_str(&line),
        false => text.push_str(&format!("listening on\n  {}", status.listening.join("\n  "))),
    }
    text.push('\n');
    text
}

fn rooms(rooms: &[RoomLine]) -> String {
    if rooms.is_empty() {
        return "no room is in use\n".to_owned();
    }
    let head = ["MUC", "OCCUPANTS", "SIP USERS", "LEGS", "WATCHERS", ""].map(str::to_owned).to_vec();
    let row = |room: &RoomLine| {
        let mut row = vec![plain(&room.muc)];
        match room.counts {
            Some(Counts { occupants, memberships, legs, subscriptions, unreachable }) => {
                row.extend([occupants, memberships, legs, subscriptions].map(|n| n.to_string()));
                row.push(if unreachable { "MUC out of reach".into() } else { String::new() });
            }
            None => row.push("does not answer".into()),
        }
        row
    };
    table(&std::iter::once(head).chain(rooms.iter().map(row)).collect::<Vec<_>>())
}

fn bans(bans: &[Ban]) -> String {
    if bans.is_empty() {
        return "nobody is kept out by this node; bans of accounts are the MUC's\n".to_owned();
    }
    let head = ["MUC", "USER", "FOR"].map(str::to_owned).to_vec();
    let row = |ban: &Ban| vec![plain(&ban.muc), plain(&ban.user), duration(ban.left_s)];
    table(&std::iter::once(head).chain(bans.iter().map(row)).collect::<Vec<_>>())
}

fn room(room: &Room) -> String {
    let Counts { occupants, legs, subscriptions, unreachable, .. } = room.counts;
    let mut text = plain(&room.muc);
    if let Some(sip) = &room.sip {
        let _ = write!(text, " = {}", plain(sip));
    }
    let numbers = [count(occupants, "occupant"), count(legs, "leg"), count(subscriptions, "watcher")];
    let _ = write!(text, "\n{}", numbers.join(", "));
    text.push_str(match () {
        () if unreachable => "; the MUC is out of reach\n\n",
        () if !room.at_rest => "; somebody is on the way\n\n",
        () => "\n\n",
    });
    let mut rows =
        vec![["IN THE MUC", "ROLE", "AFFILIATION", "SIP USER", "ACCOUNT", "LEGS"].map(str::to_owned).to_vec()];
    for occupant in &room.occupants {
        let member = room.memberships.iter().find(|m| m.nickname.as_ref() == Some(&occupant.nickname));
        let mut row = vec![plain(&occupant.nickname), occupant.role.clone(), occupant.affiliation.clone()];
        row.extend(member.map(|member| sip_side(member, room)).unwrap_or_default());
        rows.push(row);
    }
    let is_shown = |m: &&Membership| room.occupants.iter().any(|o| Some(&o.nickname) == m.nickname.as_ref());
    for member in room.memberships.iter().filter(|m| !is_shown(m)) {
        let nickname =
            member.nickname.as_deref().map_or_else(String::new, |nickname| format!(" as {}", plain(nickname)));
        let mut row = vec![format!("({}{nickname})", member.phase), String::new(), String::new()];
        row.extend(sip_side(member, room));
        rows.push(row);
    }
    let is_orphan = |leg: &&LegLine| !room.memberships.iter().any(|m| m.legs.contains(&leg.id));
    for leg in room.legs.iter().filter(is_orphan) {
        let cells = ["-".into(), String::new(), String::new(), plain(&leg.user), String::new(), leg_cell(leg)];
        rows.push(cells.to_vec());
    }
    text.push_str(&table(&rows));
    if room.memberships.iter().any(|member| member.observer) {
        text.push_str("\n* through whose stream the room is seen\n");
    }
    for difference in &room.differences {
        let word = if room.at_rest { "differs" } else { "on the way" };
        let _ = write!(text, "\n{word}: {}", plain(difference));
    }
    if !room.differences.is_empty() {
        text.push('\n');
    }
    text
}

fn sip_side(member: &Membership, room: &Room) -> Vec<String> {
    let legs = room.legs.iter().filter(|leg| member.legs.contains(&leg.id)).map(leg_cell);
    let mut legs = legs.collect::<Vec<_>>().join(", ");
    if member.observer {
        legs.push_str(" *");
    }
    vec![plain(&member.user), plain(&member.account), legs]
}

/// `12`, or `12 (MSRP lost, 41 s left)`.
fn leg_cell(leg: &LegLine) -> String {
    let state = match (leg.call.as_str(), leg.msrp.as_deref()) {
        ("answered", Some("connected")) => return leg.id.to_string(),
        ("answered", Some(msrp)) => format!("MSRP {msrp}"),
        (call, _) => call.to_owned(),
    };
    let left = leg.ends_in_s.map_or_else(String::new, |seconds| format!(", {seconds:.0} s left"));
    format!("{} ({state}{left})", leg.id)
}

fn leg(leg: &Leg) -> String {
    let LegLine { id, user, call_id, call, msrp, ends_in_s } = &leg.line;
    let mut text = format!("leg {id}: {} in {} (rule {})\n", plain(user), plain(&leg.muc), plain(&leg.rule));
    if let Some(Membership { account, phase, nickname, observer, .. }) = &leg.membership {
        let called = nickname.as_deref().map_or_else(String::new, |nickname| format!(" as {}", plain(nickname)));
        let watches = if *observer { ", observer of the room" } else { "" };
        let _ = writeln!(text, "account  {}, {phase}{called}{watches}", plain(account));
    }
    let _ = writeln!(text, "Call-ID  {}", plain(call_id));
    let msrp = msrp.as_deref().map_or_else(String::new, |msrp| format!(", MSRP {msrp}"));
    let left = ends_in_s.map_or_else(String::new, |seconds| format!(", ends in {seconds:.0} s without a connection"));
    let _ = writeln!(text, "call     {call}{msrp}{left}, {} old", in_seconds(leg.age_s));
    if !leg.events.is_empty() {
        text.push('\n');
    }
    for event in &leg.events {
        let _ = writeln!(text, "{:>12} ago  {}", in_seconds(event.ago_s), plain(&event.event));
    }
    text
}

/// ` 12:00:01.123  SIP  ->  INVITE sip:…`: an arrow to the right leads from us to the peer.
fn rung(rung: &Rung) -> String {
    let side = match rung.side {
        Side::Sip => "SIP ",
        Side::Msrp => "MSRP",
        Side::Xmpp => "XMPP",
    };
    let way = match rung.way {
        Way::In => "-> us",
        Way::Out => "<- us",
    };
    let seconds = rung.at_ms / 1000;
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    let time = format!("{hours:02}:{minutes:02}:{:02}.{:03}Z", seconds % 60, rung.at_ms % 1000);
    format!("{:>5}  {time}  {side} {way}  {}\n", rung.number, plain(&rung.what))
}

fn reloaded(reloaded: &Reloaded) -> String {
    let mut text = String::new();
    for warning in &reloaded.warnings {
        let _ = writeln!(text, "warning: {}", plain(warning));
    }
    if reloaded.changed.is_empty() && reloaded.needs_restart.is_empty() {
        text.push_str("reloaded: nothing changed\n");
    }
    if !reloaded.changed.is_empty() {
        let _ = writeln!(text, "reloaded: {}", plain(&reloaded.changed.join(", ")));
    }
    if !reloaded.new_calls_only.is_empty() {
        let keys = plain(&reloaded.new_calls_only.join(", "));
        let _ = writeln!(text, "for new calls only, those that are on keep what they began with: {keys}");
    }
    if !reloaded.needs_restart.is_empty() {
        let _ = writeln!(text, "needs a restart: {}", plain(&reloaded.needs_restart.join(", ")));
    }
    text
}

fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn in_seconds(seconds: f64) -> String {
    format!("{seconds:.3} s")
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}
