//! The catalogue against what is exposed.

use std::collections::BTreeSet;

use super::*;

fn each_once() -> Metrics {
    let metrics = Metrics::new().with_legs_limit(Some(5000));
    metrics.call_answered("capulet");
    metrics.call_refused(404);
    metrics.call_ended(EndCause::ByCaller);
    metrics.message(Direction::SipToXmpp);
    metrics.message_refused(415);
    metrics.nickname_refused(425);
    metrics.notification(Notified::Delivered);
    metrics.referral(false, 100);
    metrics.referral(true, 200);
    metrics.msrp_violation("message_id_missing");
    metrics.sip_request("INVITE");
    metrics.sip_gate_refusal("too_long");
    metrics.xmpp_login("password", Login::Ok);
    metrics.xmpp_stanza("message", Fate::Parsed);
    metrics.xmpp_stanza_skipped("unknown");
    metrics
}

#[test]
fn what_is_exposed_is_the_catalogue() {
    let text = each_once().exposition();
    let mut exposed = BTreeSet::new();
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels: Vec<&str> = labels.split(',').filter_map(|l| l.split_once('=')).map(|(l, _)| l).collect();
        exposed.insert((name.to_owned(), labels.join(",")));
    }
    let promised = CATALOGUE.iter().map(|e| (e.name.to_owned(), e.labels.join(","))).collect::<BTreeSet<_>>();
    assert_eq!(exposed, promised, "{text}");
    for entry in CATALOGUE {
        let family = entry.name.strip_suffix("_total").unwrap_or(entry.name);
        assert!(text.contains(&format!("# HELP {family} {}.\n", entry.help)), "{family}\n{text}");
        assert!(text.contains(&format!("# TYPE {family} {}\n", entry.kind)), "{family}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn the_documentation_shows_the_catalogue() {
    let source = include_str!("../metrics.rs");
    let shown: Vec<&str> =
        source.lines().filter_map(|l| l.strip_prefix("//! ")).filter(|l| l.starts_with("| `")).collect();
    assert_eq!(shown, table_rows());
}

#[test]
fn nothing_that_a_peer_says_becomes_a_series() {
    let metrics = Metrics::new();
    let series = || metrics.exposition().lines().filter(|l| l.contains('{')).count();
    let before = series();
    for n in 0..1000 {
        metrics.sip_request(&format!("METHOD{n}"));
        metrics.call_refused(n);
        metrics.message_refused(n);
    }
    // Of the statuses all are there already; of methods and the 1xx and 2xx some are new.
    assert!(series() < before + 30, "{before} {}", series());
}

#[test]
fn what_is_to_be_counted_is_there_from_the_start() {
    let text = Metrics::new().with_legs_limit(Some(7)).exposition();
    for series in [
        "mucfocus_calls_ended_total{reason=\"no_ack\"} 0\n",
        "mucfocus_calls_refused_total{code=\"404\"} 0\n",
        "mucfocus_messages_total{direction=\"xmpp_to_sip\"} 0\n",
        "mucfocus_messages_refused_total{code=\"other\"} 0\n",
        "mucfocus_notifications_total{outcome=\"failed\"} 0\n",
        "mucfocus_xmpp_logins_total{login=\"jwt\",outcome=\"refused\"} 0\n",
        "mucfocus_legs_limit 7\n",
        concat!("mucfocus_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1\n"),
    ] {
        assert!(text.contains(series), "no {series} in\n{text}");
    }
    let start = text.lines().find_map(|l| l.strip_prefix("mucfocus_start_time_seconds ")).unwrap();
    assert!(start.parse::<u64>().unwrap() > 1_700_000_000, "{start}");
    assert!(!Metrics::new().with_legs_limit(None).exposition().contains("mucfocus_legs_limit"));
}

#[test]
fn answered_calls_are_counted_by_the_rule_of_their_room() {
    let metrics = Metrics::new();
    metrics.call_answered("capulet");
    metrics.call_answered("sip:{room}@rooms.example.com");
    let text = metrics.exposition();
    assert!(text.contains("mucfocus_calls_answered_total{rule=\"capulet\"} 1\n"), "{text}");
    assert!(text.contains("mucfocus_calls_answered_total{rule=\"sip:{room}@rooms.example.com\"} 1\n"), "{text}");
}

#[test]
fn values_of_labels_are_words_in_lower_case() {
    let text = each_once().exposition();
    assert!(text.contains(r#"mucfocus_calls_ended_total{reason="by_caller"} 1"#), "{text}");
    assert!(text.contains(r#"mucfocus_messages_total{direction="sip_to_xmpp"} 1"#), "{text}");
}
