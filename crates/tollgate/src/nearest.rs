//! The word somebody probably meant.

/// The candidate closest to `name`, if one is close enough to be worth proposing: at most a third of the letters
/// differ, swapped neighbours counting once (optimal string alignment). Case, `-` and `_` make no difference.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = folded(name);
    if wanted.is_empty() || wanted.len() > 64 {
        return None;
    }
    let limit = (wanted.len() / 3).max(1);
    let far = |candidate: &str| distance(&wanted, &folded(candidate));
    let close = candidates.into_iter().map(|candidate| (far(candidate), candidate));
    close.filter(|(far, _)| *far <= limit).min_by_key(|(far, _)| *far).map(|(_, candidate)| candidate)
}

fn folded(name: &str) -> Vec<char> {
    name.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

fn distance(a: &[char], b: &[char]) -> usize {
    let mut two_above: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last_a = None;
    for (row, ca) in a.iter().enumerate() {
        let mut left = row + 1;
        let mut line = vec![left];
        let mut last_b = None;
        for (column, (pair, cb)) in above.windows(2).zip(b).enumerate() {
            let [diagonal, up] = pair else { continue };
            left = (left + 1).min(up + 1).min(diagonal + usize::from(ca != cb));
            let swapped = last_a == Some(cb) && last_b == Some(ca);
            if let (true, Some(before)) = (swapped, column.checked_sub(1).and_then(|at| two_above.get(at))) {
                left = left.min(before + 1);
            }
            line.push(left);
            last_b = Some(cb);
        }
        two_above = std::mem::replace(&mut above, line);
        last_a = Some(ca);
    }
    above.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_words_are_proposed_and_far_ones_are_not() {
        let words = ["listen", "traffic_policy_file", "upstream"];
        for (typed, meant) in [
            ("listne", Some("listen")),
            ("Listen", Some("listen")),
            ("lsiten", Some("listen")),
            ("trafic-policy-file", Some("traffic_policy_file")),
            ("frobnicate", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, words), meant, "{typed}");
        }
        for (a, b, far) in [("kitten", "sitting", 3), ("nmae", "name", 1), ("ab", "ba", 1), ("", "abc", 3)] {
            assert_eq!(distance(&folded(a), &folded(b)), far, "{a} {b}");
        }
    }
}
