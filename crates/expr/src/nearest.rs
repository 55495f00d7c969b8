//! The name somebody probably meant.

/// The candidate closest to `name`, if one is close enough to be worth proposing.
///
/// Case, `-` and `_` make no difference. The distance is optimal string alignment (insertions, deletions,
/// replacements, swapped neighbours), and must not exceed a third of the name's length (at least two),
/// nor be the whole of the candidate.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = folded(name);
    if wanted.is_empty() || wanted.len() > 64 {
        return None;
    }
    let limit = (wanted.len() / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, &folded(candidate)), candidate))
        .filter(|(far, candidate)| *far <= limit && *far < candidate.chars().count())
        .min_by_key(|(far, _)| *far)
        .map(|(_, candidate)| candidate)
}

fn folded(name: &str) -> Vec<char> {
    name.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut above_a: Option<char> = None;
    for (row, &ca) in a.iter().enumerate() {
        let mut line = vec![row + 1];
        let mut left_b: Option<char> = None;
        for (column, &cb) in b.iter().enumerate() {
            let at = |line: &[usize], i: usize| line.get(i).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&last, column + 1) + 1)
                .min(at(&line, column) + 1)
                .min(at(&last, column) + usize::from(ca != cb));
            if above_a == Some(cb) && left_b == Some(ca) && column > 0 {
                best = best.min(at(&before, column - 1) + 1);
            }
            line.push(best);
            left_b = Some(cb);
        }
        before = std::mem::replace(&mut last, line);
        above_a = Some(ca);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names_are_proposed_and_far_ones_are_not() {
        let names = ["deny", "ai-gateway", "custom-response", "rate-limit"];
        for (typed, meant) in [
            ("denny", Some("deny")),
            ("dney", Some("deny")),
            ("ai_gateway", Some("ai-gateway")),
            ("AIGateway", Some("ai-gateway")),
            ("ratelimit", Some("rate-limit")),
            ("custom-respnose", Some("custom-response")),
            ("frobnicate", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, names), meant, "{typed}");
        }
    }
}
