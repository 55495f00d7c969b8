//! Whether a series of measurements rises: the slope of Theil and Sen (the median of the slopes between all pairs), which
//! a few wild values do not move, and the test of Mann and Kendall, which tells a trend from noise.

/// So much of a run is not judged: pools fill, caches are warmed, the allocator finds its size.
pub(crate) const WARM_UP: f64 = 0.25;
/// But never less than so many seconds.
pub(crate) const WARM_UP_LEAST: f64 = 120.0;
/// How unlikely a trend must be without a cause, in standard deviations.
const SURE: f64 = 3.0;
/// Points that are compared with each other at most; longer series are thinned to means of neighbours.
const MOST: usize = 600;

/// Points in time (seconds) with what was measured.
pub(crate) type Series = Vec<(f64, f64)>;

/// What a series may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tolerance {
    /// Over all that is judged it may rise by this part of its median,
    pub(crate) part: f64,
    /// or by so much, whichever is more.
    pub(crate) least: f64,
}

/// What was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged {
    /// The median of all that was judged.
    pub(crate) median: f64,
    /// The slope, an hour.
    pub(crate) hourly: f64,
    /// By how much it rises over all that was judged.
    pub(crate) rise: f64,
    /// By how much it may.
    pub(crate) allowed: f64,
    /// The trend in standard deviations of what noise would show.
    pub(crate) sureness: f64,
    /// Whether it rises by more than it may, and that is no accident.
    pub(crate) rising: bool,
}

/// Judges what comes after the warm-up; `None` for fewer than eight points.
pub(crate) fn judge(series: &[(f64, f64)], tolerance: Tolerance) -> Option<Judged> {
    let (from, to) = (series.first()?.0, series.last()?.0);
    let begin = from + ((to - from) * WARM_UP).max(WARM_UP_LEAST);
    let judged: Series = series.iter().copied().filter(|point| point.0 >= begin).collect();
    let judged = thinned(&judged);
    if judged.len() < 8 {
        return None;
    }
    let mut values: Vec<f64> = judged.iter().map(|point| point.1).collect();
    let median = median(&mut values);
    let slope = theil_sen(&judged)?;
    let rise = slope * (to - begin);
    let allowed = (tolerance.part * median).max(tolerance.least);
    let sureness = mann_kendall(&judged);
    Some(Judged {
        median,
        hourly: slope * 3600.0,
        rise,
        allowed,
        sureness,
        rising: rise > allowed && sureness > SURE,
    })
}

/// Means of neighbours, so that there are not too many.
fn thinned(series: &[(f64, f64)]) -> Series {
    let each = series.len().div_ceil(MOST).max(1);
    series
        .chunks(each)
        .map(|chunk| {
            let count = u32::try_from(chunk.len()).map_or(1.0, f64::from);
            let sum = chunk.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
            (sum.0 / count, sum.1 / count)
        })
        .collect()
}

/// The median of the slopes between all pairs.
fn theil_sen(series: &[(f64, f64)]) -> Option<f64> {
    let pairs = series.iter().enumerate().flat_map(|(at, one)| {
        series.iter().skip(at + 1).filter(|other| other.0 > one.0).map(|other| (*one, *other))
    });
    let mut slopes: Vec<f64> = pairs.map(|(one, other)| (other.1 - one.1) / (other.0 - one.0)).collect();
    (!slopes.is_empty()).then(|| median(&mut slopes))
}

/// The excess of rising pairs over falling ones, in standard deviations of a series without a trend, ties counted out.
fn mann_kendall(series: &[(f64, f64)]) -> f64 {
    let mut excess = 0.0;
    for (at, one) in series.iter().enumerate() {
        for other in series.iter().skip(at + 1) {
            excess += match other.1.total_cmp(&one.1) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.0,
                std::cmp::Ordering::Less => -1.0,
            };
        }
    }
    let weight = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut values: Vec<f64> = series.iter().map(|point| point.1).collect();
    values.sort_unstable_by(f64::total_cmp);
    let ties: f64 = values
        .chunk_by(|a, b| a.total_cmp(b).is_eq())
        .map(|same| weight(u32::try_from(same.len()).map_or(0.0, f64::from)))
        .sum();
    let count = u32::try_from(series.len()).map_or(0.0, f64::from);
    let variance = (weight(count) - ties) / 18.0;
    if variance > 0.0 { excess / variance.sqrt() } else { 0.0 }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: Tolerance = Tolerance { part: 0.08, least: 4.0 };

    /// Numbers between -1 and 1 that look random and are always the same.
    fn noise(at: u32) -> f64 {
        let mixed = at.wrapping_mul(2_654_435_761).rotate_left(13).wrapping_mul(1_597_334_677);
        f64::from(mixed) / f64::from(u32::MAX) * 2.0 - 1.0
    }

    fn series(value: impl Fn(f64, f64) -> f64) -> Series {
        (0..600).map(|at| (f64::from(at), value(f64::from(at), noise(at)))).collect()
    }

    fn rising(series: &[(f64, f64)]) -> bool {
        judge(series, MEMORY).unwrap().rising
    }

    #[test]
    fn noise_and_peaks_and_a_warm_up_are_no_leak() {
        assert!(!rising(&series(|_, noise| 60.0 + 10.0 * noise)));
        assert!(!rising(&series(|_, _| 60.0)), "nothing moves");
        assert!(
            !rising(&series(|at, noise| if at % 50.0 < 5.0 { 110.0 } else { 60.0 + noise })),
            "large bodies"
        );
        assert!(!rising(&series(|at, noise| 60.0 - 30.0 * (-at / 30.0).exp() + noise)), "pools fill");
        assert!(!rising(&series(|at, noise| 60.0 + 5.0 * (at / 10.0).sin() + noise)), "waves");
        assert!(!rising(&series(|at, noise| 90.0 - at / 20.0 + noise)), "it falls");
        assert!(!rising(&series(|at, noise| 60.0 + 0.004 * at + noise)), "less than is allowed");
    }

    #[test]
    fn leaks_are_found_below_noise_and_peaks() {
        let leak = |at: f64| at / 60.0; // one a minute
        assert!(rising(&series(|at, noise| 60.0 + leak(at) + 3.0 * noise)));
        assert!(rising(&series(|at, noise| if at % 50.0 < 5.0 { 110.0 } else { 60.0 + leak(at) + noise })));
        assert!(rising(&series(|at, _| 60.0 + 4.0 * (leak(at) / 2.0).floor())), "steps, as descriptors leak");
    }

    #[test]
    fn a_jump_of_a_few_points_is_no_trend() {
        let jump = series(|at, noise| if at > 560.0 { 200.0 } else { 60.0 + noise });
        assert!(!rising(&jump));
    }

    #[test]
    fn the_slope_is_what_was_put_in() {
        let found = judge(&series(|at, noise| 10.0 + at / 36.0 + noise), MEMORY).unwrap();
        assert!((found.hourly - 100.0).abs() < 5.0, "{found:?}");
        assert!(judge(&series(|at, _| at)[..127], MEMORY).is_none(), "too few after the warm-up");
    }
}
