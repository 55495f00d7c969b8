use super::*;
use proptest::prelude::*;

const NOW: u64 = 1_800_000_000_000;

fn knobs() -> HealthKnobs {
    HealthKnobs::default()
}

fn breaker() -> Arc<Breaker> {
    Arc::new(Breaker::new(true))
}

/// `count` failures at one moment; gives the last change.
fn fail(breaker: &Breaker, count: u32, now_ms: u64) -> Option<Change> {
    (0..count).map(|_| breaker.failed(Blow::Failure, None, None, (&knobs(), now_ms))).last().flatten()
}

fn state(breaker: &Breaker, now_ms: u64) -> BreakerState {
    breaker.standing(now_ms).state
}

/// The cooldown of a breaker that opens now.
fn opened(change: Option<Change>) -> u64 {
    match change {
        Some(Change::Opened(cooldown)) => cooldown,
        other => panic!("{other:?}"),
    }
}

fn probe(breaker: &Arc<Breaker>, now_ms: u64) -> Probe {
    match breaker.admit(now_ms) {
        Admission::Probe(probe) => probe,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_row_of_failures_opens_it_and_one_probe_closes_it() {
    let breaker = breaker();
    assert_eq!(fail(&breaker, 4, NOW), None);
    assert!(breaker.is_closed());
    let cooldown = opened(fail(&breaker, 1, NOW));
    assert!((9_000..=10_000).contains(&cooldown), "{cooldown}");
    assert_eq!(state(&breaker, NOW), BreakerState::Open);
    assert!(matches!(breaker.admit(NOW + cooldown - 1), Admission::Resting));
    let now = NOW + cooldown;
    assert_eq!(state(&breaker, now), BreakerState::HalfOpen);
    assert!(!breaker.standing(now).rests);
    let one = probe(&breaker, now);
    assert!(
        breaker.standing(now).rests && matches!(breaker.admit(now), Admission::Resting),
        "a second probe"
    );
    assert_eq!(breaker.succeeded(&knobs(), now), Some(Change::Closed));
    drop(one);
    assert!(breaker.is_closed() && matches!(breaker.admit(now), Admission::Free));
    assert_eq!(fail(&breaker, 4, now), None, "it counts from the beginning");
}

#[test]
fn a_success_ends_a_row() {
    let breaker = breaker();
    for _ in 0..3 {
        fail(&breaker, 4, NOW);
        assert_eq!(breaker.succeeded(&knobs(), NOW), None);
    }
    assert!(breaker.is_closed());
}

#[test]
fn half_of_many_failures_open_it() {
    let breaker = breaker();
    for at in 0..19 {
        let failed = at % 2 == 0;
        let change = if failed { fail(&breaker, 1, NOW + at) } else { breaker.succeeded(&knobs(), NOW + at) };
        assert_eq!(change, None, "{at}");
    }
    assert!(fail(&breaker, 1, NOW + 19).is_some(), "11 of 20");
    // The same over a longer time is another matter: there are never twenty in a minute.
    let breaker = self::breaker();
    for at in 0..60 {
        assert_eq!(fail(&breaker, 1, NOW + at * 7_000), None);
        assert_eq!(breaker.succeeded(&knobs(), NOW + at * 7_000), None);
    }
}

#[test]
fn answers_that_break_off_open_it_although_they_begin_well() {
    let breaker = breaker();
    let mut changes = Vec::new();
    for _ in 0..5 {
        breaker.succeeded(&knobs(), NOW);
        changes.push(breaker.failed(Blow::Cut, None, None, (&knobs(), NOW)));
    }
    assert!(changes.last().is_some_and(Option::is_some), "{changes:?}");
    let breaker = self::breaker();
    for _ in 0..9 {
        assert_eq!(breaker.failed(Blow::Cut, None, None, (&knobs(), NOW)), None);
        breaker.succeeded(&knobs(), NOW);
        breaker.completed();
    }
}

#[test]
fn the_cooldown_doubles_up_to_a_limit_and_the_provider_is_believed() {
    let breaker = breaker();
    let mut now = NOW;
    let mut cooldown = opened(fail(&breaker, 5, now));
    for expected in [20_000, 40_000, 80_000, 160_000, 300_000, 300_000] {
        now += cooldown;
        let one = probe(&breaker, now);
        cooldown = opened(breaker.failed(Blow::Failure, None, Some(&one), (&knobs(), now)));
        assert!((expected * 9 / 10..=expected).contains(&cooldown), "{cooldown} of {expected}");
    }
    now += cooldown;
    let one = probe(&breaker, now);
    let asked = |ms| breaker.failed(Blow::Failure, Some(ms), Some(&one), (&knobs(), now));
    assert_eq!(asked(77_777), Some(Change::Opened(77_777)));
    assert_eq!(asked(1), None, "a probe counts once");
    now += 77_777;
    let one = probe(&breaker, now);
    let change = breaker.failed(Blow::Failure, Some(86_400_000), Some(&one), (&knobs(), now));
    assert_eq!(change, Some(Change::Opened(300_000)), "bounded");
}

#[test]
fn a_probe_is_given_back_when_nothing_comes_of_it() {
    let breaker = breaker();
    let now = NOW + opened(fail(&breaker, 5, NOW));
    drop(probe(&breaker, now));
    drop(probe(&breaker, now));
    // One of an earlier opening has no say.
    let late = probe(&breaker, now);
    breaker.succeeded(&knobs(), now);
    let now = now + opened(fail(&breaker, 5, now));
    let other = probe(&breaker, now);
    assert_eq!(breaker.failed(Blow::Failure, None, Some(&late), (&knobs(), now)), None);
    drop(late);
    assert!(matches!(breaker.admit(now), Admission::Resting), "the late one gave back what is not its own");
    drop(other);
}

#[test]
fn what_began_before_it_opened_prolongs_nothing() {
    let breaker = breaker();
    let cooldown = opened(fail(&breaker, 5, NOW));
    assert_eq!(fail(&breaker, 50, NOW + cooldown), None);
    assert_eq!(state(&breaker, NOW + cooldown), BreakerState::HalfOpen);
}

#[test]
fn a_clock_that_is_set_back_keeps_nothing_open() {
    let breaker = breaker();
    fail(&breaker, 5, NOW);
    assert!(breaker.standing(NOW - 1_000).rests, "requests see slightly different times");
    assert!(!breaker.standing(NOW - 3_600_000).rests);
    let cooldowns = Cooldowns::default();
    cooldowns.cool(Spent::Whole, None, (&knobs(), NOW));
    assert_eq!(cooldowns.left_of_all_ms(NOW - 3_600_000), 0);
}

#[test]
fn a_provider_is_to_blame_when_several_models_fail() {
    let of = |models: &[u64]| {
        let breaker = breaker();
        let changes: Vec<_> = models
            .iter()
            .map(|model| breaker.failed(Blow::Model(Some(*model)), None, None, (&knobs(), NOW)))
            .collect();
        (breaker, changes.last().copied().flatten())
    };
    assert_eq!(of(&[1; 50]).1, None, "one bad model");
    assert_eq!(of(&[1, 2, 1, 2, 1, 2]).1, None, "two");
    assert_eq!(of(&[1, 2, 3, 3]).1, None, "three, four failures");
    assert!(of(&[1, 2, 3, 3, 3]).1.is_some());
    let unknown = breaker();
    for _ in 0..50 {
        assert_eq!(unknown.failed(Blow::Model(None), None, None, (&knobs(), NOW)), None);
    }
    let (opened_by_models, _) = of(&[1, 2, 3, 3, 3]);
    let now = NOW + 10_000;
    let one = probe(&opened_by_models, now);
    let again = opened_by_models.failed(Blow::Model(Some(1)), None, Some(&one), (&knobs(), now));
    assert!(matches!(again, Some(Change::Opened(_))));
}

#[test]
fn a_model_that_fails_shows_that_its_provider_can_be_reached() {
    let breaker = breaker();
    let now = NOW + opened(fail(&breaker, 5, NOW));
    let one = probe(&breaker, now);
    let change = breaker.failed(Blow::Model(Some(1)), None, Some(&one), (&knobs(), now));
    assert_eq!(change, Some(Change::Closed));
    fail(&breaker, 4, now);
    breaker.failed(Blow::Model(None), None, None, (&knobs(), now));
    assert_eq!(fail(&breaker, 4, now), None);
}

#[test]
fn counters_nobody_keeps_have_no_breaker() {
    let breaker = Breaker::new(false);
    assert_eq!(fail(&breaker, 50, NOW), None);
    assert!(breaker.is_closed());
}

/// Clients that make up names do not leave the models and keys of a policy without a breaker.
#[test]
fn what_the_policy_names_is_always_kept() {
    let metrics = crate::Metrics::new();
    for n in 0..5_000 {
        let stats = metrics.get("p", &format!("made-up-{n}"));
        fail(&stats.health().breaker, 1, NOW);
        fail(&metrics.key("p", &format!("made-up-{n}")).health().breaker, 1, NOW);
    }
    assert!(metrics.models_of("p").len() <= 1024);
    fail(&metrics.get("p", "one-too-many").health().breaker, 50, NOW);
    assert!(metrics.get("p", "one-too-many").health().breaker.is_closed());
    for n in 0..100 {
        let name = format!("known-{n}");
        fail(&metrics.known("p", &name).health().breaker, 5, NOW);
        assert!(!metrics.get("p", &name).health().breaker.is_closed(), "{name}");
        fail(&metrics.configured_key("p", &name).health().breaker, 5, NOW);
        assert!(!metrics.configured_key("p", &name).health().breaker.is_closed(), "{name}");
    }
}

#[test]
fn quotas() {
    let all = Cooldowns::default();
    let cool = |spent, asked, now| all.cool(spent, asked, (&knobs(), now));
    assert_eq!(cool(Spent::Model(1), Some(7_000), NOW), Some(7_000));
    assert_eq!(
        (all.left_ms(1, false, NOW), all.left_ms(2, true, NOW), all.left_of_all_ms(NOW)),
        (7_000, 0, 0)
    );
    assert_eq!(
        cool(Spent::Model(1), None, NOW + 1),
        None,
        "said once by requests that were under way together"
    );
    assert_eq!(all.left_ms(1, false, NOW + 1), 6_999);
    assert_eq!(cool(Spent::Model(1), Some(9_000), NOW + 1), None);
    assert_eq!(all.left_ms(1, false, NOW + 1), 9_000, "the longest counts");
    let second = cool(Spent::Model(1), None, NOW + 20_000).unwrap();
    assert!((18_000..=20_000).contains(&second), "{second}");
    all.used(1, false);
    assert_eq!(all.left_ms(1, false, NOW + 20_000), 0);
    let first = cool(Spent::FreeModels, None, NOW).unwrap();
    assert!((9_000..=10_000).contains(&first), "a success forgets: {first}");
    assert_eq!((all.left_ms(2, true, NOW), all.left_ms(2, false, NOW)), (first, 0));
    cool(Spent::Whole, Some(86_400_000), NOW);
    assert_eq!((all.left_ms(5, false, NOW), all.left_of_all_ms(NOW)), (300_000, 300_000));
    for model in 0..500 {
        cool(Spent::Model(model), Some(1_000), NOW);
    }
    assert_eq!(all.left_of_all_ms(NOW), 300_000, "models do not push out what holds for all");
    assert_eq!(all.left_ms(499, false, NOW + 300_000), 0);
}

#[test]
fn a_key_and_a_model_say_why_they_rest() {
    let model = ModelHealth::new("m", breaker(), true);
    assert_eq!(model.rests(NOW), None);
    model.cooldown.cool(Spent::Whole, Some(3_000), (&knobs(), NOW));
    assert_eq!(model.rests(NOW), Some(Resting::Limited(3_000)));
    fail(&model.breaker, 5, NOW);
    assert!(matches!(model.rests(NOW), Some(Resting::Model(left)) if left > 0));
    fail(&model.provider, 5, NOW);
    assert!(matches!(model.rests(NOW), Some(Resting::Provider(left)) if left > 0));
    assert_eq!(model.rests(NOW + 10_000), None);
    let _probe = probe(&model.provider, NOW + 10_000);
    let why = model.rests(NOW + 10_000).unwrap();
    assert_eq!(why, Resting::Provider(0));
    assert_eq!(why.describe(), "the provider's circuit breaker is open, and another request is trying it");
    assert_eq!(
        Resting::Keys(1_001).describe(),
        "every key of the provider cools down or is refused for another 2s"
    );

    let key = KeyHealth::new(true);
    assert_eq!(key.rests(1, false, NOW), None);
    let change = key.breaker.failed(Blow::AtOnce, None, None, (&knobs(), NOW));
    assert_eq!(key.rests(1, false, NOW), Some(opened(change)));
    key.cooldown.cool(Spent::Model(1), Some(60_000), (&knobs(), NOW));
    assert_eq!((key.rests(1, false, NOW + 10_000), key.rests(2, false, NOW + 10_000)), (Some(50_000), None));
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Ask,
    GiveBack(usize),
    Succeed,
    Fail { probe: Option<usize>, blow: Blow, asked: Option<u64> },
    Complete,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let blow = prop_oneof![
        4 => Just(Blow::Failure), 1 => Just(Blow::Cut), 1 => Just(Blow::AtOnce),
        2 => (0..5u64).prop_map(|model| Blow::Model(Some(model))), 1 => Just(Blow::Model(None)),
    ];
    let step = prop_oneof![
        2 => (0..200_000u64).prop_map(Step::Wait),
        3 => Just(Step::Ask),
        1 => (0..4usize).prop_map(Step::GiveBack),
        1 => Just(Step::Succeed),
        6 => (proptest::option::of(0..4usize), blow, proptest::option::of(0..900_000u64))
            .prop_map(|(probe, blow, asked)| Step::Fail { probe, blow, asked }),
        1 => Just(Step::Complete),
    ];
    proptest::collection::vec(step, 1..200)
}

proptest! {
    /// Whatever happens: never two probes of one opening at once, never open longer than the longest cooldown, a
    /// closed one lets everybody in, and a probe that succeeds closes.
    #[test]
    fn whatever_happens(steps in steps()) {
        let (breaker, knobs) = (breaker(), knobs());
        let mut now = NOW;
        let mut probes: Vec<Probe> = Vec::new();
        for step in steps {
            match step {
                Step::Wait(ms) => now += ms,
                Step::Ask => match breaker.admit(now) {
                    Admission::Free => prop_assert!(breaker.is_closed()),
                    Admission::Probe(probe) => {
                        prop_assert!(breaker.standing(now).rests, "others are let in beside the probe");
                        let second = breaker.admit(now);
                        prop_assert!(matches!(second, Admission::Resting), "{second:?}");
                        probes.push(probe);
                    }
                    Admission::Resting => prop_assert!(!breaker.is_closed() && breaker.standing(now).rests),
                },
                Step::GiveBack(at) if at < probes.len() => drop(probes.swap_remove(at)),
                Step::GiveBack(_) => {}
                Step::Succeed => {
                    breaker.succeeded(&knobs, now);
                    prop_assert!(breaker.is_closed());
                }
                Step::Fail { probe, blow, asked } => {
                    let probe = probe.and_then(|at| probes.get(at));
                    let change = breaker.failed(blow, asked, probe, (&knobs, now));
                    if let Some(Change::Opened(cooldown)) = change {
                        prop_assert!(cooldown > 0 && cooldown <= knobs.max_cooldown_ms);
                    }
                }
                Step::Complete => breaker.completed(),
            }
            let standing = breaker.standing(now);
            prop_assert!(standing.left_ms <= knobs.max_cooldown_ms);
            prop_assert_eq!(standing.state == BreakerState::Closed, breaker.is_closed());
        }
        probes.clear();
        now += knobs.max_cooldown_ms;
        prop_assert!(!breaker.standing(now).rests, "stuck");
        let admission = breaker.admit(now);
        prop_assert!(!matches!(admission, Admission::Resting), "stuck");
        breaker.succeeded(&knobs, now);
        prop_assert!(breaker.is_closed());
    }

    /// Quota and what says nothing never touch a breaker: all that moves it is in its own methods. A cooldown ends.
    #[test]
    fn cooldowns_end(cools in proptest::collection::vec((0..40u64, proptest::option::of(0..900_000u64), 0..100_000u64), 1..100)) {
        let (all, knobs) = (Cooldowns::default(), knobs());
        let mut now = NOW;
        for (model, asked, wait) in cools {
            now += wait;
            let spent = if model == 0 { Spent::Whole } else { Spent::Model(model) };
            all.cool(spent, asked, (&knobs, now));
            prop_assert!(all.left_ms(model, false, now) > 0);
            prop_assert!(all.left_ms(model, false, now) <= knobs.max_cooldown_ms);
        }
        for model in 0..40 {
            prop_assert_eq!(all.left_ms(model, true, now + knobs.max_cooldown_ms), 0);
        }
    }
}

#[test]
fn one_probe_among_threads() {
    let breaker = breaker();
    let now = NOW + opened(fail(&breaker, 5, NOW));
    let asked: Vec<Admission> = std::thread::scope(|scope| {
        let ask = || scope.spawn(|| breaker.admit(now));
        let threads: Vec<_> = (0..16).map(|_| ask()).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(asked.iter().filter(|one| matches!(one, Admission::Probe(_))).count(), 1);
}
