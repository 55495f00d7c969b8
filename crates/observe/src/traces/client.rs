//! How batches leave: over a way to servers that is given, so that there is one HTTP client and one TLS in the process.

pub use opentelemetry_http::Bytes;

use async_trait::async_trait;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use std::sync::{Arc, Mutex, PoisonError};

/// Sends one request and waits for its answer. Called on a thread of its own, so it may block; it keeps to a limit of
/// time itself.
pub trait Post: std::fmt::Debug + Send + Sync {
    /// The answer, whatever its status; or why there is none, without the URL and without headers.
    ///
    /// # Errors
    /// No connection, no answer in time.
    fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String>;
}

/// What went wrong last, for the log. The library's own text has the URL, and what the collector says.
#[derive(Clone, Debug, Default)]
pub(super) struct Problem(Arc<Mutex<String>>);

impl Problem {
    fn set(&self, text: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    pub(super) fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The library's view of a [`Post`].
#[derive(Debug)]
pub(super) struct Client {
    pub(super) post: Box<dyn Post>,
    pub(super) problem: Problem,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        match self.post.post(request) {
            Ok(answer) => {
                if !answer.status().is_success() {
                    self.problem.set(format!("it answers {}", answer.status()));
                }
                Ok(answer)
            }
            Err(why) => {
                self.problem.set(why.clone());
                Err(why.into())
            }
        }
    }
}
