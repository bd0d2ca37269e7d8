//! What a probe has to say and waits to hear. Knows no network.

use std::collections::VecDeque;

use crate::cli::args::Step;

/// The rest of what was asked for.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    /// What was expected before anything was to be said: the answer to what is said may be among it, so it holds nothing up.
    awaited: Vec<String>,
    steps: VecDeque<Step>,
    in_flight: Option<String>,
    /// Whether there is anything to say.
    says: bool,
}

impl Probe {
    /// `None` when nothing is to be said or awaited: then somebody sits at the terminal.
    pub(super) fn new(script: Vec<Step>) -> Option<Self> {
        if script.is_empty() {
            return None;
        }
        let says = script.iter().any(|step| matches!(step, Step::Say(_)));
        let (mut awaited, mut steps) = (Vec::new(), VecDeque::new());
        for step in script {
            match step {
                Step::Expect(text) if steps.is_empty() => awaited.push(text),
                step => steps.push_back(step),
            }
        }
        Some(Self { awaited, steps, in_flight: None, says })
    }

    /// What is to be said now: the next thing, once the one before was taken and what was expected in between has come.
    pub(super) fn next(&mut self) -> Option<String> {
        if self.in_flight.is_some() || !matches!(self.steps.front(), Some(Step::Say(_))) {
            return None;
        }
        let Some(Step::Say(text)) = self.steps.pop_front() else { return None };
        self.in_flight = Some(text.clone());
        Some(text)
    }

    /// What was said was taken.
    pub(super) fn acknowledged(&mut self) {
        self.in_flight = None;
    }

    /// This line came, which was said before we came. What is expected by somebody who speaks is an answer, which cannot be as old
    /// as that: else a probe would be content with the answer to the one before.
    pub(super) fn heard_of_old(&mut self, line: &str) {
        if !self.says {
            self.heard(line);
        }
    }

    /// This line came. It counts for whatever is still expected, also for what is expected later.
    pub(super) fn heard(&mut self, line: &str) {
        self.awaited.retain(|awaited| !line.contains(awaited.as_str()));
        self.steps.retain(|step| !matches!(step, Step::Expect(awaited) if line.contains(awaited.as_str())));
    }

    /// Whether all was said and taken, and all that was awaited came.
    pub(super) fn is_done(&self) -> bool {
        self.in_flight.is_none() && self.steps.is_empty() && self.awaited.is_empty()
    }

    /// What is still missing, a line each.
    pub(super) fn missing(&self) -> Vec<String> {
        let unacknowledged = self.in_flight.iter().map(|text| format!("not acknowledged: \"{text}\""));
        let unseen = self.awaited.iter().map(|text| format!("not seen: \"{text}\""));
        let undone = self.steps.iter().map(|step| match step {
            Step::Say(text) => format!("not said: \"{text}\""),
            Step::Expect(text) => format!("not seen: \"{text}\""),
        });
        unacknowledged.chain(unseen).chain(undone).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(text: &str) -> Step {
        Step::Say(text.to_owned())
    }

    fn expect(text: &str) -> Step {
        Step::Expect(text.to_owned())
    }

    #[test]
    fn each_text_is_said_after_the_one_before_was_acknowledged() {
        let mut probe = Probe::new(vec![say("one"), say("two")]).unwrap();
        assert_eq!(probe.next().as_deref(), Some("one"));
        assert_eq!(probe.next(), None);
        probe.acknowledged();
        assert_eq!(probe.next().as_deref(), Some("two"));
        assert!(!probe.is_done());
        probe.acknowledged();
        assert!(probe.is_done());
    }

    #[test]
    fn a_text_waits_for_what_is_expected_before_it() {
        let mut probe = Probe::new(vec![say("one"), expect("answer"), say("two")]).unwrap();
        let _ = probe.next();
        probe.acknowledged();
        assert_eq!(probe.next(), None);
        probe.heard("an answer");
        assert_eq!(probe.next().as_deref(), Some("two"));
    }

    #[test]
    fn what_is_expected_first_of_all_may_be_the_answer_to_what_is_said() {
        let mut probe = Probe::new(vec![expect("answer"), say("one")]).unwrap();
        assert_eq!(probe.next().as_deref(), Some("one"));
    }

    #[test]
    fn texts_come_in_any_order_and_count_also_before_all_is_said() {
        let mut probe = Probe::new(vec![say("hi"), expect("b"), expect("a")]).unwrap();
        probe.heard("xax");
        assert_eq!(probe.missing(), ["not said: \"hi\"", "not seen: \"b\""]);
        let _ = probe.next();
        probe.heard("b");
        assert_eq!(probe.missing(), ["not acknowledged: \"hi\""]);
        probe.acknowledged();
        assert!(probe.is_done() && probe.missing().is_empty());
    }

    /// FT-01.
    #[test]
    fn history_answers_nobody_who_speaks_and_satisfies_one_who_only_listens() {
        let mut probe = Probe::new(vec![expect("pong"), say("ping")]).unwrap();
        probe.heard_of_old("J: pong");
        assert_eq!(probe.missing(), ["not seen: \"pong\"", "not said: \"ping\""]);
        let mut probe = Probe::new(vec![expect("pong")]).unwrap();
        probe.heard_of_old("J: pong");
        assert!(probe.is_done());
    }

    #[test]
    fn without_anything_to_do_there_is_no_probe() {
        assert!(Probe::new(Vec::new()).is_none());
    }
}
