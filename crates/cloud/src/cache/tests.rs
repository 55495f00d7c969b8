use super::*;

fn token(text: &str, seconds: u64) -> AccessToken {
    AccessToken { token: SecretString::from(text), expires_in: Duration::from_secs(seconds) }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What a lookup says, in one word and the token.
fn word(lookup: &Lookup) -> String {
    match lookup {
        Lookup::Ready(token) => format!("ready {}", token.expose_secret()),
        Lookup::Renew(token, _) => format!("renew {}", token.expose_secret()),
        Lookup::Fetch(_) => "fetch".to_owned(),
        Lookup::Wait => "wait".to_owned(),
    }
}

fn claim(lookup: Lookup) -> Claim {
    match lookup {
        Lookup::Fetch(claim) | Lookup::Renew(_, claim) => claim,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_fetches_and_the_others_wait() {
    let cache = TokenCache::new();
    let now = Instant::now();
    let look = |after: u64| cache.lookup("a@b", "s", now + seconds(after));
    let first = claim(look(0));
    assert_eq!(word(&look(1)), "wait");
    assert_eq!(word(&cache.clone().lookup("c@d", "s", now)), "fetch", "another account");
    assert_eq!(word(&cache.lookup("a@b", "other scope", now)), "fetch");
    assert_eq!(first.store(token("t1", 3600), now).expose_secret(), "t1");
    assert_eq!(word(&look(2)), "ready t1");
    assert_eq!(word(&look(3299)), "ready t1");
}

#[test]
fn a_token_is_renewed_early_by_one() {
    let cache = TokenCache::new();
    let now = Instant::now();
    let look = |after: u64| cache.lookup("a@b", "s", now + seconds(after));
    let _ = claim(look(0)).store(token("t1", 3600), now);
    let renewal = look(3300);
    assert_eq!(word(&renewal), "renew t1");
    assert_eq!(word(&look(3301)), "ready t1", "the old one is good for a while");
    let _ = claim(renewal).store(token("t2", 3600), now + seconds(3300));
    assert_eq!(word(&look(3302)), "ready t2");
}

#[test]
fn a_renewal_that_fails_is_tried_again_but_not_at_once() {
    let cache = TokenCache::new();
    let now = Instant::now();
    let look = |after: u64| cache.lookup("a@b", "s", now + seconds(after));
    let _ = claim(look(0)).store(token("t1", 3600), now);
    drop(claim(look(3300)));
    assert_eq!(word(&look(3301)), "ready t1");
    assert_eq!(word(&look(3315)), "renew t1");
    assert_eq!(word(&look(3580)), "fetch", "no request gets a token that expires on its way");
}

#[test]
fn a_claim_is_given_back() {
    let cache = TokenCache::new();
    let now = Instant::now();
    drop(claim(cache.lookup("a@b", "s", now)));
    assert_eq!(word(&cache.lookup("a@b", "s", now)), "fetch", "the one who had it is gone");
}

#[test]
fn who_is_slow_loses_the_claim() {
    let cache = TokenCache::new();
    let now = Instant::now();
    let slow = claim(cache.lookup("a@b", "s", now));
    let quick = claim(cache.lookup("a@b", "s", now + seconds(15)));
    drop(slow);
    assert_eq!(word(&cache.lookup("a@b", "s", now + seconds(16))), "wait", "the second claim stands");
    let _ = quick.store(token("t", 3600), now + seconds(15));
    assert_eq!(word(&cache.lookup("a@b", "s", now + seconds(17))), "ready t");
}

#[test]
fn a_late_answer_does_not_replace_a_newer_token() {
    let cache = TokenCache::new();
    let now = Instant::now();
    let slow = claim(cache.lookup("a@b", "s", now));
    let _ = claim(cache.lookup("a@b", "s", now + seconds(15))).store(token("new", 3600), now + seconds(15));
    assert_eq!(slow.store(token("old", 3600), now).expose_secret(), "old", "good for who fetched it");
    assert_eq!(word(&cache.lookup("a@b", "s", now + seconds(20))), "ready new");
}

#[test]
fn short_lives() {
    for (life, renew, expire) in [(10, 5, 5), (100, 80, 80), (1000, 800, 980), (0, 0, 0)] {
        let cache = TokenCache::new();
        let now = Instant::now();
        let _ = claim(cache.lookup("a", "s", now)).store(token("t", life), now);
        // Long after the first claim, so that it stands in nobody's way.
        let look = |after: u64| {
            let past = now.checked_add(seconds(after)).unwrap();
            cache.lock().map.values_mut().for_each(|entry| entry.claimed = None);
            word(&cache.lookup("a", "s", past))
        };
        if renew > 0 {
            assert_eq!(look(renew - 1), "ready t", "{life}");
        }
        if renew < expire {
            assert_eq!(look(renew), "renew t", "{life}");
        }
        assert_eq!(look(expire), "fetch", "{life}");
    }
}

#[test]
fn a_refused_token_is_forgotten() {
    let cache = TokenCache::new();
    let now = Instant::now();
    let held = claim(cache.lookup("a", "s", now)).store(token("t1", 3600), now);
    cache.reject("a", "s", &SecretString::from("an older one"));
    assert_eq!(word(&cache.lookup("a", "s", now + seconds(20))), "ready t1");
    cache.reject("a", "s", &held);
    assert_eq!(word(&cache.lookup("a", "s", now + seconds(20))), "fetch");
}

#[test]
fn it_does_not_grow_without_end() {
    let cache = TokenCache::new();
    let now = Instant::now();
    for at in 0..LIMIT as u64 + 50 {
        let _ = claim(cache.lookup(&format!("a{at}"), "s", now)).store(token("t", 3600 + at), now);
    }
    assert_eq!(cache.lock().map.len(), LIMIT);
    assert_eq!(word(&cache.lookup("a1000", "s", now + seconds(60))), "ready t");
    assert_eq!(word(&cache.lookup("a0", "s", now + seconds(60))), "fetch", "the first to expire went first");
}

#[test]
fn nothing_secret_is_shown() {
    let cache = TokenCache::new();
    let now = Instant::now();
    let lookup = cache.lookup("a@b", "s", now);
    let shown = format!("{cache:?} {lookup:?}");
    let _ = claim(lookup).store(token("hidden", 3600), now);
    let shown = format!("{shown} {cache:?} {:?}", cache.lookup("a@b", "s", now));
    assert!(!shown.contains("hidden") && shown.contains("a@b"), "{shown}");
}
