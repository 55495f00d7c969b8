//! The servers behind an endpoint: which of them a request goes to, by weight and health.

pub(crate) mod health;

use crate::clock::Clock;
use crate::listener::PlainUpstream;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How long a server that could not be connected to comes after the others.
const REST: Duration = Duration::from_secs(5);

/// The servers of an endpoint; at least one.
pub struct Pool {
    members: Vec<Member>,
    /// Whose turn it is: each as often as its weight, spread out.
    order: Vec<usize>,
    next: AtomicUsize,
    clock: Arc<dyn Clock>,
    /// How the servers are looked after; `None`: they are not.
    pub check: Option<HealthCheck>,
}

/// One server.
pub struct Member {
    /// Where it is.
    pub upstream: PlainUpstream,
    /// As it was written.
    pub url: String,
    /// Its share of the requests, beside those of the others.
    pub weight: u32,
    health: AtomicU8,
    /// Milliseconds of the clock.
    rests_until: AtomicU64,
    problem: ArcSwapOption<String>,
}

/// How servers are asked whether they are well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// A path that is asked for with GET, and answers with a status from 200 to 399. `None`: it is enough that the server
    /// takes a connection.
    pub path: Option<String>,
    /// From one question to the next.
    pub interval: Duration,
    /// Time for the answer.
    pub timeout: Duration,
    /// Good answers in a row until a server gets requests again.
    pub healthy_after: u32,
    /// Bad answers in a row until a server gets none.
    pub unhealthy_after: u32,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: None,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            healthy_after: 1,
            unhealthy_after: 2,
        }
    }
}

/// What is known of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It has not been asked yet, or is never asked.
    Unknown = 0,
    /// It answers.
    Healthy = 1,
    /// It does not.
    Unhealthy = 2,
}

impl Health {
    /// The word in `/status`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl Member {
    /// A server of which nothing is known yet.
    #[must_use]
    pub fn new(upstream: PlainUpstream, url: &str, weight: u32) -> Self {
        Self {
            upstream,
            url: url.to_owned(),
            weight,
            health: AtomicU8::new(Health::Unknown as u8),
            rests_until: AtomicU64::new(0),
            problem: ArcSwapOption::empty(),
        }
    }

    /// What is known of it.
    #[must_use]
    pub fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            1 => Health::Healthy,
            2 => Health::Unhealthy,
            _ => Health::Unknown,
        }
    }

    /// Why it is not healthy.
    #[must_use]
    pub fn problem(&self) -> Option<Arc<String>> {
        self.problem.load_full()
    }

    pub(crate) fn set_health(&self, health: Health, problem: Option<String>) {
        self.problem.store(problem.map(Arc::new));
        self.health.store(health as u8, Ordering::Relaxed);
    }
}

impl Pool {
    /// A pool of these servers.
    #[must_use]
    pub fn new(members: Vec<Member>, check: Option<HealthCheck>, clock: Arc<dyn Clock>) -> Self {
        let weights: Vec<u32> = members.iter().map(|member| member.weight).collect();
        Self { order: turns(&weights), members, next: AtomicUsize::new(0), clock, check }
    }

    /// The servers, in the order of the configuration.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// A server by its place.
    #[must_use]
    pub fn member(&self, index: usize) -> Option<&Member> {
        self.members.get(index)
    }

    /// The server for the next request, or for one that had no success with those `tried`. One that was just found
    /// unreachable is taken only when there is no other; one that fails its checks, not at all.
    #[must_use]
    pub fn pick(&self, tried: &[usize]) -> Option<(usize, &Member)> {
        if let [only] = self.members.as_slice() {
            return (tried.is_empty() && only.health() != Health::Unhealthy).then_some((0, only));
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let now = self.now();
        let usable = |index: usize| {
            let member = self.members.get(index).filter(|_| !tried.contains(&index))?;
            (member.health() != Health::Unhealthy).then_some((index, member))
        };
        let rested = |(_, member): &(usize, &Member)| member.rests_until.load(Ordering::Relaxed) <= now;
        let mine = *self.order.get(turn % self.order.len())?;
        if let Some(mine) = usable(mine).filter(&rested) {
            return Some(mine);
        }
        // The turns of those who are away are shared by the others, each by its weight.
        let turns = || self.order.iter().filter_map(|index| usable(*index));
        let (best, all) = (turns().filter(&rested).count(), turns().count());
        match best {
            0 => turns().nth(turn % all.max(1)),
            best => turns().filter(&rested).nth(turn % best),
        }
    }

    /// Whether there is a server that was not tried and may get a request. Nobody's turn passes by it.
    #[must_use]
    pub fn has_another(&self, tried: &[usize]) -> bool {
        let usable = |(index, member): (usize, &Member)| {
            !tried.contains(&index) && member.health() != Health::Unhealthy
        };
        self.members.iter().enumerate().any(usable)
    }

    /// A server could not be reached.
    pub fn unreachable(&self, index: usize) {
        if let Some(member) = self.members.get(index) {
            member.rests_until.store(self.now() + millis(REST), Ordering::Relaxed);
        }
    }

    /// Whether a server was just found unreachable.
    #[must_use]
    pub fn rests(&self, member: &Member) -> bool {
        member.rests_until.load(Ordering::Relaxed) > self.now()
    }

    fn now(&self) -> u64 {
        millis(self.clock.now())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whose turn it is: smooth weighted round robin, as nginx does it, for one round.
fn turns(weights: &[u32]) -> Vec<usize> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let weights: Vec<i64> = weights.iter().map(|weight| i64::from(weight / divisor)).collect();
    let total: i64 = weights.iter().sum();
    let mut current = vec![0_i64; weights.len()];
    let mut order = Vec::new();
    for _ in 0..total {
        current.iter_mut().zip(&weights).for_each(|(current, weight)| *current += weight);
        // The first of the greatest, as `max_by_key` would take the last.
        let best = current.iter().enumerate().rev().max_by_key(|(_, value)| **value);
        let Some(best) = best.map(|(index, _)| index) else { break };
        if let Some(current) = current.get_mut(best) {
            *current -= total;
        }
        order.push(best);
    }
    order
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Manual;
    use crate::proxy::targets::Targets;

    fn pool(weights: &[u32]) -> (Pool, Arc<Manual>) {
        let clock = Arc::new(Manual::default());
        let member = |weight: &u32| {
            let upstream =
                PlainUpstream::parse("http://127.0.0.1:1", &Targets::default()).expect("an upstream");
            Member::new(upstream, "http://127.0.0.1:1", *weight)
        };
        let members = weights.iter().map(member).collect();
        (Pool::new(members, None, Arc::<Manual>::clone(&clock)), clock)
    }

    fn picked(pool: &Pool, tried: &[usize]) -> Option<usize> {
        pool.pick(tried).map(|(index, _)| index)
    }

    #[test]
    fn turns_are_spread_by_weight() {
        assert_eq!(turns(&[1, 1]), [0, 1]);
        assert_eq!(turns(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(turns(&[30, 10]), [0, 0, 1, 0]);
        assert_eq!(turns(&[7]), [0]);
    }

    #[test]
    fn each_gets_its_share_exactly() {
        let (pool, _) = pool(&[3, 2, 1]);
        let mut seen = [0; 3];
        for _ in 0..600 {
            seen[picked(&pool, &[]).expect("somebody")] += 1;
        }
        assert_eq!(seen, [300, 200, 100]);
    }

    #[test]
    fn one_that_fails_its_checks_gets_nothing() {
        let (pool, _) = pool(&[1, 1]);
        pool.members[0].set_health(Health::Unhealthy, Some("503".into()));
        assert!((0..10).all(|_| picked(&pool, &[]) == Some(1)));
        pool.members[1].set_health(Health::Unhealthy, None);
        assert_eq!(picked(&pool, &[]), None);
        pool.members[0].set_health(Health::Healthy, None);
        assert_eq!((picked(&pool, &[]), picked(&pool, &[0])), (Some(0), None));
    }

    #[test]
    fn one_that_was_unreachable_comes_last_for_a_while() {
        let (pool, clock) = pool(&[1, 1]);
        pool.unreachable(0);
        assert!((0..10).all(|_| picked(&pool, &[]) == Some(1)));
        assert_eq!(picked(&pool, &[1]), Some(0), "better than nobody");
        clock.advance(REST);
        let again: Vec<_> = (0..4).filter_map(|_| picked(&pool, &[])).collect();
        assert_eq!(again.iter().filter(|index| **index == 0).count(), 2);
    }

    #[test]
    fn asking_whether_there_is_anybody_takes_no_turn() {
        let (pool, _) = pool(&[1, 1]);
        let mut seen = [0; 2];
        for _ in 0..10 {
            assert!(pool.has_another(&[]) && pool.has_another(&[0]) && !pool.has_another(&[0, 1]));
            seen[picked(&pool, &[]).expect("somebody")] += 1;
        }
        assert_eq!(seen, [5, 5]);
        pool.members[1].set_health(Health::Unhealthy, None);
        assert!(!pool.has_another(&[0]));
    }

    #[test]
    fn a_single_server_is_tried_once_whatever_happened_before() {
        let (pool, _) = pool(&[1]);
        pool.unreachable(0);
        assert_eq!((picked(&pool, &[]), picked(&pool, &[0])), (Some(0), None));
    }
}
