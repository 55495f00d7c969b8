//! Identifiers in the providers' shapes. They are counted, not random: a run can be repeated.

const ALPHANUMERIC: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Makes the identifiers of one answer.
#[derive(Clone, Debug)]
pub(crate) struct Ids(u64);

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// `prefix` and so many letters and digits.
    pub(crate) fn word(&mut self, prefix: &str, length: usize) -> String {
        self.fill(prefix, ALPHANUMERIC, length)
    }

    /// `prefix` and so many hexadecimal digits.
    pub(crate) fn hex(&mut self, prefix: &str, length: usize) -> String {
        self.fill(prefix, HEX, length)
    }

    /// The next number of the sequence SplitMix64.
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn fill(&mut self, prefix: &str, alphabet: &[u8], length: usize) -> String {
        let mut out = String::from(prefix);
        for _ in 0..length {
            let at = usize::try_from(self.number() >> 33).unwrap_or(0) % alphabet.len();
            out.push(char::from(alphabet.get(at).copied().unwrap_or(b'0')));
        }
        out
    }
}
