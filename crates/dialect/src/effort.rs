//! Amounts of thought: the words of one dialect and the tokens of another, each as a share of the output limit
//! (openrouter.ai/docs/guides/best-practices/reasoning-tokens).

/// The limit a share is taken of when neither the request nor the catalogue has one.
pub(crate) const USUAL_LIMIT: u64 = 4096;

/// The word for a budget of thought: its share of the output limit, none at or below 1 token, low to a quarter, medium
/// to 60 %, high above.
pub(crate) fn effort_of_budget(budget: u64, limit: u64) -> &'static str {
    let (over, range) = (u128::from(budget.saturating_sub(1)), u128::from(limit.saturating_sub(1).max(1)));
    match over {
        0 => "none",
        over if over * 4 <= range => "low",
        over if over * 5 <= range * 3 => "medium",
        _ => "high",
    }
}

/// As [`effort_of_budget`], for dialects that have no word for none: the least there is stands for it.
pub(crate) fn some_effort_of_budget(budget: u64, limit: u64) -> &'static str {
    match effort_of_budget(budget, limit) {
        "none" => "low",
        word => word,
    }
}

/// The budget of thought for a word: its share of the output limit. A word not known counts as medium.
pub(crate) fn budget_of_effort(effort: &str, limit: u64) -> u64 {
    let percent = match effort {
        "max" | "xhigh" => 95,
        "high" => 80,
        "low" => 20,
        "minimal" => 10,
        _ => 50,
    };
    limit.saturating_mul(percent) / 100
}

/// All words, least first.
const WORDS: [&str; 6] = ["minimal", "low", "medium", "high", "xhigh", "max"];

/// The word among `known` that is nearest to `word`; of two as near, the one that is more. `none`, and a word that is no
/// amount, stays as it is.
pub(crate) fn nearest_effort<'w>(word: &'w str, known: &[&'static str]) -> &'w str {
    let rank = |word: &str| WORDS.iter().position(|known| *known == word);
    let Some(wanted) = rank(word) else { return word };
    let far = |other: usize| (other.abs_diff(wanted), other < wanted);
    let ranked = known.iter().filter_map(|known| Some((far(rank(known)?), *known)));
    ranked.min_by_key(|(far, _)| *far).map_or(word, |(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_shares_of_the_limit() {
        for (budget, limit, want) in [
            (0, 4096, "none"),
            (1, 4096, "none"),
            (2, 4096, "low"),
            (1024, 4096, "low"),
            (1025, 4097, "low"),
            (1026, 4097, "medium"),
            (2458, 4096, "medium"),
            (2459, 4096, "high"),
            (10_000, 4096, "high"),
            (5, 1, "high"),
            (61, 101, "medium"),
            (62, 101, "high"),
        ] {
            assert_eq!(effort_of_budget(budget, limit), want, "{budget} of {limit}");
        }
    }

    #[test]
    fn the_nearest_word() {
        let four = ["low", "medium", "high"];
        for (word, known, want) in [
            ("minimal", &four[..], "low"),
            ("medium", &four, "medium"),
            ("xhigh", &four, "high"),
            ("max", &four, "high"),
            ("none", &four, "none"),
            ("default", &four, "default"),
            ("low", &["high"], "high"),
            // What DeepSeek itself makes of the words it does not have.
            ("minimal", &["low", "high", "max"], "low"),
            ("medium", &["low", "high", "max"], "high"),
            ("max", &["low", "high", "max"], "max"),
            ("max", &[], "max"),
        ] {
            assert_eq!(nearest_effort(word, known), want, "{word} {known:?}");
        }
    }

    #[test]
    fn words_are_shares_of_the_limit() {
        let words = ["minimal", "low", "medium", "high", "xhigh", "max", "else"];
        assert_eq!(words.map(|word| budget_of_effort(word, 1000)), [100, 200, 500, 800, 950, 950, 500]);
        assert_eq!((some_effort_of_budget(1, 4096), some_effort_of_budget(4096, 4096)), ("low", "high"));
    }
}
