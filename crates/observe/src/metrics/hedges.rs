//! What became of second attempts beside slow ones.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// How a hedge ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HedgeResult {
    /// It answered first.
    Won,
    /// It was cancelled: the first attempt answered, or nobody waited any more.
    Lost,
    /// It failed.
    Failed,
    /// It did not begin: the bounds on its number or its money did not allow it.
    Capped,
}

impl HedgeResult {
    /// All of them, in the order of the counters.
    pub const ALL: [Self; 4] = [Self::Won, Self::Lost, Self::Failed, Self::Capped];

    /// The label's value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Won => "won",
            Self::Lost => "lost",
            Self::Failed => "failed",
            Self::Capped => "capped",
        }
    }
}

/// The counters of hedges.
#[derive(Debug)]
pub struct Hedges([Counter; HedgeResult::ALL.len()]);

impl Hedges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let family: Family<[(&'static str, String); 1], Counter> = Family::default();
        registry.register(
            "hedges",
            "Second attempts beside slow ones, by what became of them",
            family.clone(),
        );
        Self(
            HedgeResult::ALL
                .map(|result| family.get_or_create_owned(&[("result", result.name().to_owned())])),
        )
    }

    /// Counts one.
    pub fn count(&self, result: HedgeResult) {
        if let Some(counter) = self.0.get(result as usize) {
            counter.inc();
        }
    }
}
