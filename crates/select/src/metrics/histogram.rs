//! A histogram of milliseconds with bounded memory and bounded relative error.
//!
//! Log-linear: each power of two is cut into four equal parts, so that a value is known to within an eighth of
//! itself when the middle of its part is reported. (The layout is that of HDR histograms, at the lowest precision
//! that is of use to a routing decision.)

/// Parts of each power of two.
const PARTS: u32 = 4;
/// log2 of [`PARTS`].
const PARTS_BITS: u32 = 2;
/// Values from here on share the last bin: 2^23 ms, 140 minutes.
const TOP_BIT: u32 = 22;
/// Number of bins.
const BINS: usize = (PARTS + (TOP_BIT - PARTS_BITS + 1) * PARTS) as usize;

/// Counts by bin. Two histograms add and subtract bin by bin.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    bins: [u32; BINS],
    count: u32,
    sum: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { bins: [0; BINS], count: 0, sum: 0 }
    }
}

impl Histogram {
    /// Counts one value.
    pub(super) fn add(&mut self, value: u32) {
        if let Some(bin) = self.bins.get_mut(bin_of(value)) {
            *bin = bin.saturating_add(1);
        }
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(u64::from(value));
    }

    /// Takes back everything `other` holds; `other` must have been counted here before.
    pub(super) fn subtract(&mut self, other: &Self) {
        for (bin, gone) in self.bins.iter_mut().zip(&other.bins) {
            *bin = bin.saturating_sub(*gone);
        }
        self.count = self.count.saturating_sub(other.count);
        self.sum = self.sum.saturating_sub(other.sum);
    }

    /// The mean, rounded; `None` without values.
    pub(super) fn average(&self) -> Option<u32> {
        let count = u64::from(self.count);
        let mean = self.sum.saturating_add(count / 2).checked_div(count)?;
        Some(u32::try_from(mean).unwrap_or(u32::MAX))
    }

    /// How many values there are.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// The 95th percentile (nearest rank), as the middle of its bin; `None` without values.
    pub(super) fn p95(&self) -> Option<u32> {
        self.percentile(95)
    }

    /// Any percentile, from 1 to 100.
    pub(super) fn percentile(&self, percent: u8) -> Option<u32> {
        if self.count == 0 {
            return None;
        }
        let rank = (u64::from(self.count) * u64::from(percent)).div_ceil(100);
        let mut seen = 0_u64;
        for (index, bin) in self.bins.iter().enumerate() {
            seen += u64::from(*bin);
            if seen >= rank {
                return Some(middle_of(index));
            }
        }
        Some(middle_of(BINS - 1))
    }
}

/// The bin of a value.
fn bin_of(value: u32) -> usize {
    if value < PARTS {
        return value as usize;
    }
    let bit = value.ilog2();
    if bit > TOP_BIT {
        return BINS - 1;
    }
    let part = (value >> (bit - PARTS_BITS)) & (PARTS - 1);
    (PARTS + (bit - PARTS_BITS) * PARTS + part) as usize
}

/// The middle of a bin, the value reported for it.
fn middle_of(bin: usize) -> u32 {
    let bin = u32::try_from(bin).unwrap_or(u32::MAX);
    if bin < PARTS {
        return bin;
    }
    let (octave, part) = ((bin - PARTS) / PARTS, (bin - PARTS) % PARTS);
    let low = (PARTS + part) << octave;
    let width = 1_u32 << octave;
    low + (width - 1) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_values_are_exact() {
        for value in 0..8 {
            assert_eq!(middle_of(bin_of(value)), value);
        }
    }

    proptest! {
        #[test]
        fn a_bin_is_within_an_eighth_of_its_values(value in 0_u32..(1 << 23)) {
            let shown = f64::from(middle_of(bin_of(value)));
            prop_assert!((shown - f64::from(value)).abs() <= f64::from(value) / 8.0 + 0.5);
        }

        #[test]
        fn p95_is_within_the_error_of_a_bin(mut values in prop::collection::vec(0_u32..5_000_000, 1..300)) {
            let mut histogram = Histogram::default();
            for value in &values {
                histogram.add(*value);
            }
            values.sort_unstable();
            let exact = values[(values.len() * 95).div_ceil(100) - 1];
            let shown = histogram.p95().expect("values were added");
            prop_assert!((f64::from(shown) - f64::from(exact)).abs() <= f64::from(exact) / 8.0 + 0.5);
            let mut below = 0;
            for percent in 1..=100 {
                let shown = histogram.percentile(percent).expect("values were added");
                prop_assert!(shown >= below, "percentiles only grow");
                below = shown;
            }
        }

        #[test]
        fn subtracting_forgets(kept in prop::collection::vec(0_u32..100_000, 0..50), gone in prop::collection::vec(0_u32..100_000, 0..50)) {
            let (mut all, mut old, mut new) = (Histogram::default(), Histogram::default(), Histogram::default());
            kept.iter().for_each(|v| { all.add(*v); new.add(*v); });
            gone.iter().for_each(|v| { all.add(*v); old.add(*v); });
            all.subtract(&old);
            prop_assert_eq!(all.p95(), new.p95());
            prop_assert_eq!(all.average(), new.average());
        }
    }
}
