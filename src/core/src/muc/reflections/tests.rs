use std::string::ToString;
use std::vec::Vec;

use super::*;

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

#[test]
fn an_id_is_awaited_once_and_foreign_after_that() {
    let mut reflections = Reflections::new();
    reflections.expect("a".into(), 1, at(5));
    reflections.expect("b".into(), 2, at(6));
    assert_eq!(reflections.settle("c"), Known::Foreign);
    assert_eq!(reflections.settle("b"), Known::Awaited(2));
    assert_eq!(reflections.settle("b"), Known::Foreign);
    assert_eq!(reflections.next_deadline(), Some(at(5)));
}

#[test]
fn what_is_overdue_is_known_once_more() {
    let mut reflections = Reflections::new();
    reflections.expect("a".into(), 1, at(5));
    assert_eq!(reflections.expire(at(4)), None);
    assert_eq!(reflections.expire(at(5)), Some(1));
    assert_eq!(reflections.next_deadline(), None);
    assert_eq!(reflections.settle("a"), Known::Overdue);
    assert_eq!(reflections.settle("a"), Known::Foreign);
}

#[test]
fn only_so_many_overdue_ids_are_remembered() {
    let mut reflections = Reflections::new();
    for n in 0..=MAX_OVERDUE {
        reflections.expect(n.to_string(), n, at(1));
    }
    while reflections.expire(at(1)).is_some() {}
    assert_eq!(reflections.settle("0"), Known::Foreign);
    assert_eq!(reflections.settle("1"), Known::Overdue);
    assert_eq!(reflections.overdue.len(), MAX_OVERDUE - 1);
}

#[test]
fn an_earlier_deadline_waits_for_the_one_before_it() {
    let mut reflections = Reflections::new();
    reflections.expect("a".into(), 1, at(9));
    reflections.expect("b".into(), 2, at(5));
    assert_eq!(reflections.expire(at(8)), None);
    assert_eq!((reflections.expire(at(9)), reflections.expire(at(9))), (Some(1), Some(2)));
}

#[test]
fn giving_up_yields_every_ticket_in_its_order() {
    let mut reflections = Reflections::new();
    for n in 0..3 {
        reflections.expect(n.to_string(), n, at(n));
    }
    reflections.expire(at(0));
    assert_eq!(reflections.drain().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(reflections.settle("0"), Known::Foreign, "those that are overdue are forgotten too");
}
