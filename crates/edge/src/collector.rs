//! The way of traces to a collector: the same connector and the same TLS as the way to providers, on threads of its own.

use crate::outbound::Outbound;
use std::sync::Arc;
use tollgate_observe::{SpanCounters, Traces};

/// Traces as the environment asks for them. A collector's address is judged as that of a provider.
///
/// # Errors
/// What the environment says cannot be done, or the system has no root certificates.
#[cfg(feature = "otel")]
pub fn start_traces(
    version: &'static str,
    counters: &SpanCounters,
    outbound: &Arc<Outbound>,
) -> Result<Traces, String> {
    let Some(settings) = tollgate_observe::TraceSettings::read(|name| std::env::var(name).ok())? else {
        return Ok(Traces::default());
    };
    let collector = otlp::Collector::new(settings.timeout, outbound)?;
    Traces::start(version, &settings, Box::new(collector), counters)
}

/// No traces: this build has none, which is said where the environment asks for them.
///
/// # Errors
/// None.
#[cfg(not(feature = "otel"))]
pub fn start_traces(
    _version: &'static str,
    _counters: &SpanCounters,
    _outbound: &Arc<Outbound>,
) -> Result<Traces, String> {
    if let Some(name) = tollgate_observe::asks_for_traces(|name| std::env::var(name).ok()) {
        tracing::warn!(
            "{name} is set, and this build sends no traces: build it with `cargo build --release --features otel`"
        );
    }
    Ok(Traces::default())
}

#[cfg(feature = "otel")]
mod otlp {
    use crate::fetch::Fetch;
    use crate::outbound::Outbound;
    use crate::server::providers;
    use crate::upstream::Upstream;
    use crate::web_url;
    use http::{Request, Response};
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::runtime::{Builder, Runtime};
    use tollgate_observe::{Bytes, Post};

    /// Most bytes of an answer; it says little.
    const MOST: usize = 64 * 1024; // 64 KiB

    /// A collector somewhere.
    pub(super) struct Collector {
        upstream: Arc<dyn Upstream>,
        runtime: Runtime,
        time: Duration,
    }

    impl std::fmt::Debug for Collector {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("Collector").field("time", &self.time).finish_non_exhaustive()
        }
    }

    impl Collector {
        pub(super) fn new(time: Duration, outbound: &Arc<Outbound>) -> Result<Self, String> {
            let upstream = providers(outbound).map_err(|why| why.to_string())?;
            let runtime =
                Builder::new_multi_thread().worker_threads(1).thread_name("traces").enable_all().build();
            let runtime = runtime.map_err(|why| format!("cannot start: {why}"))?;
            Ok(Self { upstream, runtime, time })
        }
    }

    impl Post for Collector {
        fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
            let (head, body) = request.into_parts();
            let fetch = Fetch {
                provider: "otlp".into(),
                url: Arc::new(web_url::parse(&head.uri.to_string())?),
                method: head.method,
                headers: head.headers,
                body,
                time: self.time,
                most: MOST,
                addresses: None,
            };
            let answer = self.runtime.block_on(fetch.run(&*self.upstream));
            let (status, body) = answer.map_err(|fault| fault.describe().replace("provider", "collector"))?;
            Response::builder().status(status).body(body).map_err(|why| why.to_string())
        }
    }
}
