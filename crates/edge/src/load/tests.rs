//! Gates and places, against a model and under threads.

use super::*;
use crate::actions::bucket_key::BucketKey;
use crate::dry::DryClient;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::atomic::AtomicI64;
use std::task::Waker;

/// What is done to a line of places.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ask,
    /// Who holds a place leaves.
    Leave(usize),
    /// Who waits gives up.
    Cancel(usize),
    /// Who waits looks whether it has a place.
    Look(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Ask),
        2 => any::<usize>().prop_map(Step::Leave),
        1 => any::<usize>().prop_map(Step::Cancel),
        2 => any::<usize>().prop_map(Step::Look),
    ];
    proptest::collection::vec(step, 1..200)
}

fn poll<H: Holder + Unpin>(waiting: &mut Waiting<H>) -> Option<Held<H>> {
    match Pin::new(waiting).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(held) => Some(held),
        Poll::Pending => None,
    }
}

/// Runs the steps beside a model: names of who holds a place, and of who waits, in order.
fn against_a_model<H: Holder + Unpin>(
    steps: &[Step],
    places: usize,
    longest: usize,
    ask: impl Fn() -> Asked<H>,
    counts: impl Fn() -> (u64, u64),
) -> Result<(), TestCaseError> {
    let mut held: Vec<(u32, Held<H>)> = Vec::new();
    let mut waiting: Vec<(u32, Waiting<H>)> = Vec::new();
    let (mut inside, mut line): (Vec<u32>, VecDeque<u32>) = (Vec::new(), VecDeque::new());
    let mut name = 0;
    let let_in = |inside: &mut Vec<u32>, line: &mut VecDeque<u32>| {
        while inside.len() < places
            && let Some(first) = line.pop_front()
        {
            inside.push(first);
        }
    };
    for step in steps {
        match *step {
            Step::Ask => {
                name += 1;
                match ask() {
                    Asked::In(place) => {
                        prop_assert!(inside.len() < places && line.is_empty());
                        inside.push(name);
                        held.push((name, place));
                    }
                    Asked::Wait(waits) => {
                        prop_assert!(inside.len() == places && line.len() < longest);
                        line.push_back(name);
                        waiting.push((name, waits));
                    }
                    Asked::Full => prop_assert!(inside.len() == places && line.len() == longest),
                }
            }
            Step::Leave(n) if !held.is_empty() => {
                let (name, place) = held.swap_remove(n % held.len());
                drop(place);
                inside.retain(|one| *one != name);
                let_in(&mut inside, &mut line);
            }
            Step::Cancel(n) if !waiting.is_empty() => {
                let (name, waits) = waiting.swap_remove(n % waiting.len());
                drop(waits);
                // It may have been given a place already.
                inside.retain(|one| *one != name);
                line.retain(|one| *one != name);
                let_in(&mut inside, &mut line);
            }
            Step::Look(n) if !waiting.is_empty() => {
                let at = n % waiting.len();
                let found = poll(&mut waiting[at].1);
                prop_assert_eq!(found.is_some(), inside.contains(&waiting[at].0), "first come, first served");
                if let Some(place) = found {
                    held.push((waiting.swap_remove(at).0, place));
                }
            }
            _ => {}
        }
        prop_assert_eq!(counts(), (inside.len() as u64, line.len() as u64));
    }
    drop((held, waiting));
    prop_assert_eq!(counts(), (0, 0), "nothing is lost");
    Ok(())
}

proptest! {
    #[test]
    fn a_gate_does_what_the_model_does(steps in steps(), places in 1..5_usize, longest in 0..5_usize) {
        let gate = Gate::new(places, longest);
        against_a_model(&steps, places, longest, || gate.ask(), || gate.counts())?;
    }

    #[test]
    fn places_of_a_key_do_what_the_model_does(steps in steps(), places in 1..5_usize, longest in 0..5_usize) {
        let all = Arc::new(Places::default());
        let asker = Asker { key: BucketKey(7), places: places as u64, longest };
        let counts = || { let (taken, waiting) = all.counts(asker.key); (taken, waiting as u64) };
        against_a_model(&steps, places, longest, || all.ask(asker), counts)?;
        prop_assert_eq!(all.len(), 0, "a key that nobody uses is forgotten");
    }
}

fn no_metrics() -> Metrics {
    Metrics::new("test")
}

/// Eight tasks on real threads; some of them give up while they wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn never_more_than_there_are_places_and_nobody_is_forgotten() {
    const PLACES: usize = 3;
    let gate = Gate::new(PLACES, 100);
    let inside = Arc::new(AtomicI64::new(0));
    let tasks: Vec<_> = (0..8_u64)
        .map(|task| {
            let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
            tokio::spawn(async move {
                let (mut client, metrics) = (DryClient::new(Bytes::new()), no_metrics());
                for n in 0..2_000_u64 {
                    let patience = match (task + n) % 5 {
                        0 => Duration::ZERO, // gives up at once, often at the moment it is given a place
                        _ => Duration::from_secs(60),
                    };
                    let asked = gate.ask();
                    let Ok(_place) =
                        admitted(asked, patience, &mut client, &metrics, Some(Queue::Requests)).await
                    else {
                        continue;
                    };
                    let now = inside.fetch_add(1, Ordering::SeqCst);
                    assert!((0..PLACES as i64).contains(&now), "{now}");
                    if n % 3 == 0 {
                        tokio::task::yield_now().await;
                    }
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for task in tasks {
        tokio::time::timeout(Duration::from_secs(60), task)
            .await
            .expect("a wake-up was lost")
            .expect("no panic");
    }
    assert_eq!(gate.counts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_waits_and_what_is_refused_is_counted() {
    let (gate, metrics) = (Gate::new(1, 1), no_metrics());
    let mut client = DryClient::new(Bytes::new());
    let queue = Some(Queue::Requests);
    let patience = Duration::from_secs(2);
    let held = admitted(gate.ask(), patience, &mut client, &metrics, queue).await.expect("there is room");
    let mut other = DryClient::new(Bytes::new());
    let (late, full) = tokio::join!(admitted(gate.ask(), patience, &mut client, &metrics, queue), async {
        let full = admitted(gate.ask(), patience, &mut other, &metrics, queue).await;
        assert!(metrics.encode().contains("tollgate_queue_depth{queue=\"requests\"} 1"));
        full
    });
    assert_eq!((late.err(), full.err()), (Some(NoPlace::Late), Some(NoPlace::Full)));
    drop(held);
    assert_eq!(gate.counts(), (0, 0));
    let text = metrics.encode();
    for series in [
        "tollgate_queue_depth{queue=\"requests\"} 0",
        "tollgate_refused_total{reason=\"requests_queue_full\"} 1",
        "tollgate_refused_total{reason=\"requests_queue_timeout\"} 1",
        "tollgate_refused_total{reason=\"key_queue_full\"} 0",
        "tollgate_queue_wait_seconds_count{queue=\"requests\"} 1",
    ] {
        assert!(text.contains(series), "{series}\n{text}");
    }
}

#[test]
fn connections_are_counted_and_refused() {
    let limits = LoadLimits { connections: 2, ..LoadLimits::default() };
    let metrics = Arc::new(no_metrics());
    let load = Load::new(limits, Arc::clone(&metrics));
    let (one, two) = (load.connect(), load.connect());
    assert!(one.is_some() && two.is_some() && load.connect().is_none());
    drop(one);
    assert!(load.connect().is_some());
    assert!(metrics.encode().contains("tollgate_connections 1\n"));
    drop(two);
    let told: Vec<_> = std::iter::repeat_with(|| load.tell()).take(TOLD + 1).collect();
    assert!(told.iter().filter(|told| told.is_some()).count() == TOLD);
    drop(told);
    assert!(load.tell().is_some());
}

#[test]
fn the_defaults_are_finite_and_leave_files_for_other_things() {
    let limits = LoadLimits::default();
    assert!((64..=16_384).contains(&limits.connections) && limits.requests <= limits.connections);
}

#[test]
fn retry_after_is_in_whole_seconds() {
    assert_eq!([10, 1_000, 1_001, 5_000].map(|ms| retry_after(Duration::from_millis(ms))), [1, 1, 2, 5]);
}
