//! Tests of the walk and of its end.

use super::*;
use crate::testing::made;
use proptest::prelude::*;
use std::collections::HashSet;

/// Walks through `plan` with `keys` keys a provider, each attempt failing as `fault` says. Answers the attempts.
fn walk(
    plan: &Plan,
    knobs: Knobs,
    keys: usize,
    fault: impl Fn(&str, Option<usize>) -> Fault,
) -> (Vec<String>, Verdict, String) {
    let mut walk = Walk::new(plan, knobs);
    let mut made = Vec::new();
    while let Some(Attempt { candidate, key }) = walk.next(|_| Ok((0..keys).map(Some).collect())) {
        let target = &plan.candidates[candidate];
        let name = format!("{}:{}", target.provider.id, target.upstream_model);
        walk.failed(fault(&name, key));
        made.push(format!("{name}#{}", key.expect("there are keys")));
    }
    (made, walk.verdict(), walk.errlist())
}

#[test]
fn every_key_then_the_next_candidate() {
    let plan = made(&["a:1", "b:2"]);
    let (attempts, verdict, list) = walk(&plan, Knobs::default(), 2, |_, _| Fault::Status(429));
    assert_eq!(attempts, ["a:1#0", "a:1#1", "b:2#0", "b:2#1"]);
    assert_eq!((verdict.code, verdict.status, verdict.pass_through), (3807, 429, None));
    assert_eq!(verdict.kind, "rate_limit_error");
    assert_eq!(verdict.should_retry, Some(false));
    assert_eq!(list.lines().next(), Some("[429] a/1: 429 Too Many Requests"));
    assert_eq!(list.lines().count(), 4);
    let (_, _, list) = walk(&plan, Knobs::default(), 1, |_, _| Fault::HeadTimeout);
    assert_eq!(list.lines().next(), Some("[0] a/1: no response in time"));
}

#[test]
fn a_request_that_cannot_fare_better_spares_the_other_keys() {
    let plan = made(&["a:1", "a:2", "b:3"]);
    for status in [400, 404, 413, 422] {
        let (attempts, _, _) = walk(&plan, Knobs::default(), 2, |_, _| Fault::Status(status));
        assert_eq!(attempts, ["a:1#0", "a:2#0", "b:3#0"], "{status}");
    }
    let (attempts, _, _) = walk(&plan, Knobs::default(), 2, |_, _| Fault::StreamError { status: Some(400) });
    assert_eq!(attempts, ["a:1#0", "a:2#0", "b:3#0"]);
}

#[test]
fn a_refused_key_is_not_shown_to_its_provider_again() {
    let plan = made(&["a:1", "a:2", "b:3"]);
    let (attempts, verdict, list) = walk(&plan, Knobs::default(), 2, |_, key| match key {
        Some(0) => Fault::Status(401),
        _ => Fault::Status(500),
    });
    assert_eq!(attempts, ["a:1#0", "a:1#1", "a:2#1", "b:3#0", "b:3#1"]);
    assert_eq!(verdict.status, 503);
    assert_eq!(list.lines().count(), 5);
    let (attempts, verdict, list) = walk(&plan, Knobs::default(), 1, |_, _| Fault::Status(401));
    assert_eq!(attempts, ["a:1#0", "b:3#0"]);
    assert_eq!((verdict.status, verdict.kind), (401, "authentication_error"));
    assert!(list.contains("[0] a/2: every key was refused earlier"), "{list}");
}

#[test]
fn the_number_of_attempts_is_bounded() {
    let plan = made(&["a:1", "b:2", "c:3"]);
    let knobs = Knobs { max_attempts: 4, ..Knobs::default() };
    let (attempts, verdict, _) = walk(&plan, knobs.clone(), 2, |_, _| Fault::Connect);
    assert_eq!(attempts.len(), 4);
    assert_eq!((verdict.code, verdict.status), (3812, 503));
    let (attempts, verdict, _) = walk(&made(&["a:1", "b:2"]), knobs, 2, |_, _| Fault::Connect);
    assert_eq!((attempts.len(), verdict.code), (4, 3807), "nothing was left to try");
}

#[test]
fn chosen_statuses_end_the_walk() {
    let plan = made(&["a:1", "b:2"]);
    let knobs = Knobs { stop_on: vec![400, 422], ..Knobs::default() };
    let (attempts, verdict, _) = walk(&plan, knobs, 1, |name, _| match name {
        "a:1" => Fault::Status(500),
        _ => Fault::Status(422),
    });
    assert_eq!(attempts.len(), 2);
    assert_eq!((verdict.pass_through, verdict.status), (Some(1), 422));
}

#[test]
fn an_unreachable_provider_is_skipped_when_wanted() {
    let plan = made(&["a:1", "a:2", "b:3"]);
    let (attempts, _, _) = walk(&plan, Knobs::default(), 2, |_, _| Fault::Connect);
    assert_eq!(attempts.len(), 6);
    let knobs = Knobs { skip_unreachable: true, ..Knobs::default() };
    let (attempts, _, _) = walk(&plan, knobs, 2, |_, _| Fault::Connect);
    assert_eq!(attempts, ["a:1#0", "b:3#0"]);
}

#[test]
fn one_attempt_passes_the_answer_on() {
    let one = made(&["a:1"]);
    let sole = |fault: Fault| walk(&one, Knobs::default(), 1, |_, _| fault.clone()).1;
    let verdict = sole(Fault::Status(429));
    assert_eq!((verdict.pass_through, verdict.status, verdict.should_retry), (Some(0), 429, None));
    for fault in [Fault::Dns, Fault::Connect, Fault::Tls, Fault::Closed] {
        assert_eq!((sole(fault.clone()).code, sole(fault).status), (3800, 502));
    }
    assert_eq!((sole(Fault::HeadTimeout).code, sole(Fault::HeadTimeout).status), (3807, 503));
    let verdict = sole(Fault::StreamError { status: Some(402) });
    assert_eq!((verdict.code, verdict.status, verdict.pass_through), (3807, 402, None));
    assert_eq!(sole(Fault::StreamError { status: Some(200) }).status, 503);
}

#[test]
fn how_failures_are_passed_on() {
    let plan = made(&["a:1", "b:2"]);
    let end = |passthrough| {
        let knobs = Knobs { passthrough, ..Knobs::default() };
        walk(&plan, knobs, 1, |name, _| if name == "a:1" { Fault::Status(500) } else { Fault::Status(404) }).1
    };
    assert_eq!((end(Passthrough::Auto).pass_through, end(Passthrough::Auto).status), (None, 503));
    assert_eq!((end(Passthrough::Last).pass_through, end(Passthrough::Last).status), (Some(1), 404));
    assert_eq!(end(Passthrough::Aggregate).pass_through, None);
    let one = made(&["a:1"]);
    let knobs = Knobs { passthrough: Passthrough::Aggregate, ..Knobs::default() };
    let verdict = walk(&one, knobs, 1, |_, _| Fault::Status(429)).1;
    assert_eq!((verdict.pass_through, verdict.status), (None, 429));
}

#[test]
fn the_smallest_retry_after_counts() {
    let plan = made(&["a:1", "b:2", "c:3"]);
    let mut walk = Walk::new(&plan, Knobs::default());
    for after in [Some(30), Some(7), None] {
        walk.next(|_| Ok(vec![None])).expect("three candidates");
        walk.failed_with(Fault::Status(429), after, Reach::Attempt);
    }
    assert_eq!(walk.next(|_| Ok(vec![None])), None);
    assert_eq!(walk.verdict().retry_after_s, Some(7));
    assert_eq!(walk.attempts(), 3);
}

#[test]
fn candidates_that_are_never_sent() {
    let plan = made(&["a:1", "b:2"]);
    let code = |fault: fn(&str) -> Fault| {
        let mut walk = Walk::new(&plan, Knobs::default());
        assert_eq!(walk.next(|candidate| Err(fault(&candidate.provider.id))), None);
        assert_eq!((walk.attempts(), walk.failures().len()), (0, 2));
        (walk.verdict().code, walk.verdict().status)
    };
    assert_eq!(code(|_| Fault::NoKey), (3802, 400));
    assert_eq!(code(|_| Fault::KeySelection("why".into())), (3808, 422));
    assert_eq!(code(|_| Fault::ForeignKey), (3817, 400));
    assert_eq!(code(|_| unusable()), (3817, 400));
    assert_eq!(code(|p| if p == "a" { unusable() } else { Fault::NoKey }), (3802, 400));
    assert_eq!(code(|_| Fault::GatewayKey), (27007, 401));
    assert_eq!(code(|p| if p == "a" { Fault::GatewayKey } else { Fault::NoKey }), (3802, 400));
    assert_eq!(code(|_| Fault::InputTooLarge { tokens: 9, max: 8 }), (3811, 413));
    assert_eq!(code(|p| if p == "a" { Fault::NoKey } else { Fault::ForeignKey }), (3802, 400));
    assert_eq!(
        code(|p| if p == "a" { Fault::NoKey } else { Fault::InputTooLarge { tokens: 9, max: 8 } }),
        (3807, 503)
    );
    let mut walk = Walk::new(&plan, Knobs::default());
    assert_eq!(walk.next(|_| Ok(Vec::new())), None);
    assert_eq!(walk.verdict().code, 3802);
}

fn unusable() -> Fault {
    Fault::UnusableKey { why: "its form".into(), configured: true }
}

#[test]
fn a_key_is_waited_for_once() {
    let plan = made(&["a:1", "a:2"]);
    let mut walk = Walk::new(&plan, Knobs::default());
    let keys = |_: &Candidate| Ok(vec![Some(0), Some(1)]);
    let busy = || Fault::Status(402);
    for (candidate, key, waits) in [(0, 0, true), (0, 1, true), (1, 0, false), (1, 1, false)] {
        let attempt = Attempt { candidate, key: Some(key) };
        assert_eq!(walk.next(keys), Some(attempt));
        assert_eq!(walk.again(busy(), Some(1)), waits.then_some(attempt));
        walk.failed(busy());
    }
    assert_eq!((walk.next(keys), walk.attempts()), (None, 6));
}

#[test]
fn a_key_that_cannot_be_used_is_followed_by_the_next() {
    let plan = made(&["a:1", "a:2"]);
    let mut walk = Walk::new(&plan, Knobs::default());
    let keys = |_: &Candidate| Ok(vec![Some(0), Some(1)]);
    assert_eq!(walk.next(keys), Some(Attempt { candidate: 0, key: Some(0) }));
    walk.failed(unusable());
    assert_eq!(walk.next(keys), Some(Attempt { candidate: 0, key: Some(1) }));
    walk.failed(unusable());
    assert_eq!(walk.next(keys), None, "neither is tried for the second model");
    assert_eq!((walk.attempts(), walk.verdict().code), (0, 3817));
    assert!(walk.verdict().message.contains("provider a.") && !walk.verdict().message.contains("its form"));
}

#[test]
fn a_fault_before_sending_is_no_attempt() {
    let plan = made(&["a:1", "b:2"]);
    let knobs = Knobs { max_attempts: 1, ..Knobs::default() };
    let mut walk = Walk::new(&plan, knobs);
    walk.next(|_| Ok(vec![Some(0), Some(1)])).expect("first");
    walk.failed(Fault::InputTooLarge { tokens: 9, max: 8 });
    let second = walk.next(|_| Ok(vec![Some(0)])).expect("the other candidate");
    assert_eq!(second.candidate, 1);
    walk.failed(Fault::Status(404));
    assert_eq!(walk.next(|_| Ok(vec![])), None);
    assert_eq!(walk.verdict().pass_through, Some(1));
}

#[test]
fn time_ends_everything() {
    let plan = made(&["a:1", "b:2"]);
    let mut walk = Walk::new(&plan, Knobs::default());
    walk.next(|_| Ok(vec![None])).expect("first");
    walk.failed(Fault::HeadTimeout);
    walk.timed_out(Duration::from_secs(360));
    assert_eq!(walk.next(|_| Ok(vec![None])), None);
    let verdict = walk.verdict();
    assert_eq!((verdict.code, verdict.status), (3810, 504));
    assert!(verdict.message.starts_with("Request timed out after 6m."), "{}", verdict.message);
    for (ms, text) in [(90_000, "1m30s"), (500, "500ms"), (45_000, "45s"), (1_500, "1500ms")] {
        walk.timed_out(Duration::from_millis(ms));
        assert!(walk.verdict().message.contains(text), "{text}");
    }
}

#[test]
fn a_failure_may_reach_further_than_its_attempt() {
    let order = |reach: Reach, names: &[&str]| {
        let plan = made(names);
        let mut walk = Walk::new(&plan, Knobs::default());
        let keys = if reach == Reach::Model { vec![Some(0), Some(1)] } else { vec![Some(0)] };
        walk.next(|_| Ok(keys.clone())).expect("first");
        walk.failed_with(Fault::Status(429), None, reach);
        let mut next = Vec::new();
        while let Some(attempt) = walk.next(|_| Ok(vec![Some(0), Some(1)])) {
            next.push((attempt.candidate, attempt.key.unwrap()));
            walk.failed(Fault::Status(429));
        }
        (next, walk.failures().iter().filter(|f| !f.sent).map(|f| f.fault.clone()).collect::<Vec<_>>())
    };
    let names = ["o:a:free", "o:b:FREE:online", "o:c", "p:a:free"];
    let (next, _) = order(Reach::Attempt, &names);
    assert_eq!(next, [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1)]);
    let (next, _) = order(Reach::Model, &["o:a", "o:b"]);
    assert_eq!(next, [(1, 0), (1, 1)], "another key fares no better with the same model");
    let (next, _) = order(Reach::FreeModels, &names);
    assert_eq!(
        next,
        [(1, 1), (2, 0), (2, 1), (3, 0), (3, 1)],
        "paid models and other accounts are not capped"
    );
    let (next, _) = order(Reach::Key, &names);
    assert_eq!(next, [(1, 1), (2, 1), (3, 0), (3, 1)]);
}

#[test]
fn a_candidate_of_a_capped_account_is_named_as_such() {
    let plan = made(&["o:a:free", "o:b:free"]);
    let mut walk = Walk::new(&plan, Knobs::default());
    walk.next(|_| Ok(vec![Some(0)])).expect("first");
    walk.failed_with(Fault::Status(429), None, Reach::FreeModels);
    assert_eq!(walk.next(|_| Ok(vec![Some(0)])), None);
    assert_eq!(walk.failures().last().map(|f| &f.fault), Some(&Fault::CappedBefore));
}

#[test]
fn patience_is_an_attempt_like_any_other() {
    let plan = made(&["o:a"]);
    let mut walk = Walk::new(&plan, Knobs { max_attempts: 2, ..Knobs::default() });
    let first = walk.next(|_| Ok(vec![None])).expect("first");
    assert_eq!(walk.again(Fault::Status(402), Some(1)), Some(first));
    assert_eq!((walk.attempts(), walk.failures().len()), (2, 1));
    assert_eq!(walk.again(Fault::Status(402), Some(1)), None, "no attempts are left");
    walk.failed(Fault::Status(402));
    assert_eq!(walk.failures().len(), 2);
}

#[test]
fn what_the_request_says_is_told_as_such() {
    let told = |faults: &[Fault]| {
        let names: Vec<String> = (0..faults.len()).map(|n| format!("p{n}:m")).collect();
        let plan = made(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let mut walk = Walk::new(&plan, Knobs::default());
        let mut faults = faults.iter().cloned();
        assert_eq!(walk.next(|_| Err(faults.next().unwrap())), None);
        let verdict = walk.verdict();
        (verdict.code, verdict.status, verdict.message, verdict.param)
    };
    let unreadable =
        Fault::Unreadable { why: "'messages' is missing".into(), field: Some("messages".into()) };
    let (code, status, message, param) = told(&[unreadable.clone(), unreadable.clone()]);
    assert_eq!((code, status), (3801, 400));
    assert_eq!(message, "Invalid request body: 'messages' is missing");
    assert_eq!(param.as_deref(), Some("messages"));
    let (code, _, message, _) = told(&[Fault::Untranslatable("pictures by URL".into()), unreadable]);
    assert_eq!(code, 3813);
    assert!(message.contains("[0] p0/m: cannot be translated: pictures by URL"), "{message}");
}

#[test]
fn an_empty_plan_ends_at_once() {
    let plan = made(&[]);
    let mut walk = Walk::new(&plan, Knobs::default());
    assert_eq!(walk.next(|_| Ok(vec![None])), None);
    assert_eq!(walk.verdict().code, 3807);
}

proptest! {
    /// A walk ends, makes at most `max_attempts` attempts and never the same one twice, whatever plan and faults.
    #[test]
    fn a_walk_ends_and_repeats_nothing(
        candidates in prop::collection::vec((0_u8..3, 0_u8..4), 0..12),
        keys in prop::collection::vec(prop::option::of(0_usize..4), 0..6),
        faults in prop::collection::vec(0_usize..8, 1..20),
        max_attempts in 1_usize..30,
        skip_unreachable: bool,
    ) {
        let names: Vec<String> = candidates.iter().map(|(p, m)| format!("p{p}:m{m}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let plan = made(&names);
        let pool = [
            Fault::Status(429), Fault::Status(401), Fault::Status(400), Fault::Status(500), Fault::Connect,
            Fault::HeadTimeout, Fault::NoKey, Fault::StreamError { status: None },
        ];
        let mut walk = Walk::new(&plan, Knobs { max_attempts, skip_unreachable, ..Knobs::default() });
        let mut seen = HashSet::new();
        let mut steps = 0;
        while let Some(attempt) = walk.next(|_| Ok(keys.clone())) {
            steps += 1;
            prop_assert!(steps <= 12 * 6);
            let fault = pool[faults[steps % faults.len()]].clone();
            let target = &plan.candidates[attempt.candidate];
            if !fault.is_local() {
                let triple = (target.provider.id.clone(), target.upstream_model.clone(), attempt.key);
                prop_assert!(seen.insert(triple), "repeated");
            }
            walk.failed(fault);
        }
        prop_assert!(walk.attempts() <= max_attempts);
        let _ = walk.verdict();
    }
}

#[test]
fn what_is_postponed_comes_again_at_the_end() {
    let plan = made(&["a:1", "b:2", "c:3"]);
    let mut walk = Walk::new(&plan, Knobs::default());
    let next = |walk: &mut Walk<'_>| walk.next(|_| Ok(vec![Some(0), Some(1)])).map(|a| (a.candidate, a.key));
    assert_eq!(next(&mut walk), Some((0, Some(0))));
    assert!(walk.postpone());
    assert!(!walk.postpone(), "nothing is at hand");
    assert_eq!((next(&mut walk), walk.attempts()), (Some((1, Some(0))), 1));
    walk.failed(Fault::Status(500));
    assert_eq!(next(&mut walk), Some((1, Some(1))));
    walk.failed(Fault::Status(500));
    assert_eq!(next(&mut walk), Some((2, Some(0))));
    assert!(walk.postpone());
    assert_eq!(next(&mut walk), Some((0, Some(0))));
    assert!(!walk.postpone(), "twice");
    walk.failed(Fault::Connect);
    assert_eq!(next(&mut walk), Some((0, Some(1))));
    walk.failed(Fault::Connect);
    assert_eq!(next(&mut walk), Some((2, Some(0))));
    walk.failed(Fault::Status(404));
    assert_eq!((next(&mut walk), walk.attempts()), (None, 5));
    assert_eq!(walk.failures().iter().map(|f| f.candidate).collect::<Vec<_>>(), [1, 1, 0, 0, 2]);

    let alone = made(&["a:1"]);
    let mut walk = Walk::new(&alone, Knobs::default());
    next(&mut walk);
    assert!(!walk.postpone(), "there is nothing else to try");
}

proptest! {
    /// Whatever is put off, everything is tried once.
    #[test]
    fn postponing_changes_nothing_but_the_order(
        targets in 1usize..6, keys in 1usize..3, off in proptest::collection::vec(any::<bool>(), 0..40),
    ) {
        let names: Vec<String> = (0..targets).map(|n| format!("p{n}:m")).collect();
        let plan = made(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let (mut walk, mut off) = (Walk::new(&plan, Knobs::default()), off.into_iter());
        let (mut seen, mut entered) = (Vec::new(), None);
        while let Some(attempt) = walk.next(|_| Ok((0..keys).map(Some).collect())) {
            // As the gateway asks it: once for each time a candidate's turn comes.
            let first = entered.replace(attempt.candidate) != Some(attempt.candidate);
            if first && off.next().unwrap_or(false) && walk.postpone() {
                continue;
            }
            walk.failed(Fault::Status(500));
            seen.push((attempt.candidate, attempt.key));
        }
        prop_assert_eq!(walk.attempts(), targets * keys);
        seen.sort_unstable();
        let all: Vec<_> = (0..targets).flat_map(|c| (0..keys).map(move |k| (c, Some(k)))).collect();
        prop_assert_eq!(seen, all);
    }
}

/// The keys of all providers.
fn two_keys(_: &Candidate) -> Result<Vec<Option<usize>>, Fault> {
    Ok(vec![Some(0), Some(1)])
}

#[test]
fn a_second_attempt_is_of_another_target() {
    let plan = made(&["a:1", "a:1", "b:2", "c:3"]);
    let mut walk = Walk::new(&plan, Knobs::default());
    assert_eq!(walk.beside(two_keys), None, "nothing is at hand");
    let first = walk.next(two_keys).unwrap();
    let second = walk.beside(|candidate| match candidate.provider.id.as_str() {
        "b" => Err(Fault::NoKey),
        _ => two_keys(candidate),
    });
    assert_eq!(second, Some(Attempt { candidate: 3, key: Some(0) }));
    assert_eq!((walk.beside(two_keys), walk.attempts(), walk.hedged()), (None, 2, true), "one a request");
    walk.unsent();
    assert_eq!((walk.attempts(), walk.failures().len()), (1, 0));
    walk.failed(Fault::Status(500));
    assert_eq!(walk.failures()[0].candidate, first.candidate);
    let rest: Vec<_> = std::iter::from_fn(|| {
        let attempt = walk.next(two_keys)?;
        walk.failed(Fault::Status(500));
        Some((attempt.candidate, attempt.key))
    })
    .collect();
    let all = [(0, 1), (2, 0), (2, 1), (3, 0), (3, 1)].map(|(candidate, key)| (candidate, Some(key)));
    assert_eq!(rest, all, "it comes in its own turn");

    let plan = made(&["a:1", "a:2"]);
    let mut walk = Walk::new(&plan, Knobs { max_attempts: 1, ..Knobs::default() });
    walk.next(two_keys);
    assert_eq!(walk.beside(two_keys), None, "no attempts are left");
}

#[test]
fn both_attempts_may_fail_in_either_order() {
    for hedge_first in [false, true] {
        let plan = made(&["a:1", "b:2", "c:3"]);
        let mut walk = Walk::new(&plan, Knobs::default());
        let first = walk.next(two_keys).unwrap();
        let second = walk.beside(two_keys).unwrap();
        // The request cannot fare better at `b` with another key.
        let (one, two) = ((first, Fault::Status(503)), (second, Fault::Status(404)));
        let (sooner, later) = if hedge_first { (two, one) } else { (one, two) };
        walk.failed_of(sooner.0, sooner.1, None, Reach::Attempt);
        walk.failed_with(later.1, Some(3), Reach::Attempt);
        let failed: Vec<_> = walk.failures().iter().map(|f| f.candidate).collect();
        assert_eq!(failed, if hedge_first { [1, 0] } else { [0, 1] });
        assert_eq!(walk.next(two_keys), Some(Attempt { candidate: 0, key: Some(1) }));
        walk.failed(Fault::Status(404));
        assert_eq!(walk.next(two_keys), Some(Attempt { candidate: 2, key: Some(0) }));
        walk.failed(Fault::Status(404));
        assert_eq!(walk.next(two_keys), None);
        assert_eq!((walk.attempts(), walk.errlist().lines().count()), (4, 4), "{}", walk.errlist());
        assert_eq!(walk.verdict().retry_after_s, Some(3));
    }
}

#[test]
fn a_cancelled_attempt_counts_and_is_no_failure() {
    let plan = made(&["a:1", "b:2"]);
    let knobs = Knobs { stop_on: vec![422], max_attempts: 2, ..Knobs::default() };
    let mut walk = Walk::new(&plan, knobs);
    let first = walk.next(two_keys).unwrap();
    walk.beside(two_keys).unwrap();
    assert!(walk.stops(&Fault::Status(422)) && !walk.stops(&Fault::Status(500)));
    walk.called_off(first);
    walk.failed(Fault::Status(422));
    assert_eq!(walk.failures().iter().map(|f| f.candidate).collect::<Vec<_>>(), [1]);
    assert_eq!((walk.next(two_keys), walk.verdict().pass_through), (None, Some(0)));
    assert_eq!(walk.attempts(), 2);
}

#[test]
fn what_was_put_off_is_not_hedged_with() {
    let plan = made(&["a:1", "b:2"]);
    let mut walk = Walk::new(&plan, Knobs::default());
    walk.next(two_keys);
    assert!(walk.postpone());
    walk.next(two_keys);
    assert_eq!(walk.beside(two_keys), None);
}

proptest! {
    /// With a second attempt somewhere everything is still tried once, and no more than allowed.
    #[test]
    fn a_second_attempt_changes_nothing_but_the_order(
        targets in 1usize..6, keys in 1usize..4, at in 0usize..12, max_attempts in 1_usize..30,
        ends in 0u8..4,
    ) {
        let names: Vec<String> = (0..targets).map(|n| format!("p{n}:m")).collect();
        let plan = made(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let mut walk = Walk::new(&plan, Knobs { max_attempts, ..Knobs::default() });
        let given = |_: &Candidate| Ok((0..keys).map(Some).collect());
        let fault = || Fault::Status(500);
        let (mut seen, mut steps) = (Vec::new(), 0);
        while let Some(attempt) = walk.next(given) {
            seen.push(attempt);
            if steps == at && let Some(second) = walk.beside(given) {
                match ends {
                    0 => {
                        walk.failed_of(second, fault(), None, Reach::Attempt);
                        seen.push(second);
                    }
                    1 => {
                        walk.failed_of(attempt, fault(), None, Reach::Attempt);
                        seen.push(second);
                    }
                    2 => {
                        walk.called_off(second);
                        seen.push(second);
                    }
                    _ => walk.unsent(),
                }
            }
            walk.failed(fault());
            steps += 1;
        }
        prop_assert_eq!(walk.attempts(), seen.len());
        prop_assert_eq!(seen.len(), max_attempts.min(targets * keys));
        let mut once: Vec<_> = seen.iter().map(|a| (a.candidate, a.key)).collect();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), seen.len(), "nothing twice");
    }
}
