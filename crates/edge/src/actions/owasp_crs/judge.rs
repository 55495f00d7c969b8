//! Has requests and responses judged without holding up those who wait for other things.

use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use tollgate_waf::{EngineError, Verdict};

/// As many are judged at once as there are processors: more would only take turns.
static PLACES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Arc::new(Semaphore::new(processors))
});

/// How long a request may wait for its turn. Judging takes milliseconds: who waits longer is one of thousands.
const TURN: Duration = Duration::from_secs(5);

/// Runs `work` on a thread of its own, because it computes for a millisecond and more. The work goes on when its request
/// is gone, and keeps its place until it is done.
pub(super) async fn judge<F>(work: F) -> Result<Verdict, String>
where
    F: FnOnce() -> Result<Verdict, EngineError> + Send + 'static,
{
    let turn = pingora_timeout::timeout(TURN, Arc::clone(&PLACES).acquire_owned()).await;
    let Ok(Ok(place)) = turn else {
        return Err(format!("the firewall had no time for this request within {} s", TURN.as_secs()));
    };
    let judging = tokio::task::spawn_blocking(move || {
        let verdict = work();
        drop(place);
        verdict
    });
    match judging.await {
        Ok(Ok(verdict)) => Ok(verdict),
        Ok(Err(error)) => Err(format!("the firewall failed: {error}")),
        Err(_) => Err("the firewall failed: it broke off".into()),
    }
}
