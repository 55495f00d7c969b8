//! Which provider stores an answer: a client that names one by its id must not be taken to another provider.

use quick_cache::sync::Cache;

/// Answers remembered. Each takes some hundred bytes; the oldest that nobody asks for go first.
const REMEMBERED: usize = 16_384;
/// Longest id worth remembering, in bytes.
const LONGEST: usize = 256;

/// Ids of stored answers and their providers. Shared by all policies of the process; survives reloads, not restarts.
pub struct Ledger {
    issuers: Cache<Box<str>, Box<str>>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { issuers: Cache::new(REMEMBERED) }
    }
}

impl Ledger {
    /// Notes who gave an answer.
    pub fn note(&self, id: &str, provider: &str) {
        if !id.is_empty() && id.len() <= LONGEST {
            self.issuers.insert(id.into(), provider.into());
        }
    }

    /// Who gave it.
    #[must_use]
    pub fn issuer(&self, id: &str) -> Option<String> {
        self.issuers.get(id).map(String::from)
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("remembered", &self.issuers.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_within_bounds() {
        let ledger = Ledger::default();
        ledger.note("resp_1", "openai");
        ledger.note("", "x");
        ledger.note(&"x".repeat(LONGEST + 1), "x");
        assert_eq!(ledger.issuer("resp_1").as_deref(), Some("openai"));
        assert_eq!(ledger.issuer(""), None);
        for n in 0..REMEMBERED * 2 {
            ledger.note(&format!("resp_{n}_"), "p");
        }
        assert!(ledger.issuers.len() <= REMEMBERED);
    }
}
