//! Keys that tell clients apart: expressions whose values name a bucket.

use crate::answer::Fault;
use crate::exchange::Exchange;
use sha2::{Digest, Sha256};
use tollgate_expr::Program;

/// The name of a bucket: a hash of the limit it belongs to and of the values of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BucketKey(pub(crate) u128);

/// The expressions of one limit.
pub(super) struct Keys {
    keys: Vec<Key>,
    salt: [u8; 16],
}

/// One of the expressions whose values name a bucket.
struct Key {
    program: Program,
    /// Its value may be a credential.
    secret: bool,
}

impl Keys {
    /// Keys whose hashes nobody outside the process can compute.
    pub(super) fn new(programs: impl Iterator<Item = Program>, salt: [u8; 16]) -> Self {
        Self { keys: programs.map(Key::new).collect(), salt }
    }

    /// The bucket of a request, and its name for people. `state` tells the buckets of one limit from those of others.
    pub(super) fn bucket(
        &self,
        action: &str,
        state: &str,
        exchange: &Exchange,
    ) -> Result<(BucketKey, String), Fault> {
        let activation = exchange.activation();
        // Salted and hashed: what is kept tells nothing of credentials, and nobody can aim at another's bucket.
        let mut hash = Sha256::new_with_prefix(self.salt);
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        add(&exchange.endpoint.id);
        add(state);
        let mut shown = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            let value = key.program.eval(&activation).map_err(|error| {
                Fault::policy(2253, format!("a bucket_key of {action} could not be computed: {error}"))
            })?;
            let value = value.to_text();
            add(&value);
            shown.push(key.shown(&value, &self.salt));
        }
        let digest = hash.finalize();
        let (half, _) = digest.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        Ok((BucketKey(u128::from_le_bytes(*half)), shown.join(",")))
    }
}

impl Key {
    fn new(program: Program) -> Self {
        const TELLING: &[&str] = &["auth", "key", "token", "secret", "cookie", "password"];
        let source = program.source().to_ascii_lowercase();
        let secret = TELLING.iter().any(|word| source.contains(word));
        Self { program, secret }
    }

    /// What rules and logs may see of a value: a hash, where it is long or may be a credential.
    fn shown(&self, value: &str, salt: &[u8; 16]) -> String {
        const LONGEST: usize = 64;
        if value.is_empty() || !self.secret && value.len() <= LONGEST {
            return value.to_owned();
        }
        let hash = Sha256::new_with_prefix(salt).chain_update(value).finalize();
        hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}
