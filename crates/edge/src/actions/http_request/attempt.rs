//! One attempt: a request, the redirects that are followed, and the answer.

use super::trouble::Trouble;
use crate::encoding::{Undecoded, plain};
use crate::internal::{Directory, InternalUrl};
use crate::inward::{Inward, ask};
use crate::listener::{Listener, Protocol};
use crate::outbound::{Outbound, Said};
use crate::upstream::{Call, Reply, Upstream};
use crate::web_url::{redirected, same_origin};
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Method, StatusCode};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollgate_dialect::url::JoinedUrl;
use tollgate_expr::ConnectionFacts;

/// Most bytes of an answer, after decompression.
pub(super) const MOST: usize = 256 * 1024;

/// What is sent.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Arc<JoinedUrl>,
    /// Whether the host stands in the policy.
    pub(super) named: bool,
    /// The policy's headers.
    pub(super) headers: HeaderMap,
    /// The gateway's own.
    pub(super) own: HeaderMap,
    pub(super) body: Bytes,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    pub(super) address: Option<IpAddr>,
    pub(super) status: Option<StatusCode>,
    pub(super) headers: HeaderMap,
    /// Only of the last attempt.
    pub(super) body: Bytes,
    pub(super) took: Duration,
    pub(super) trouble: Option<Trouble>,
}

impl Attempt {
    /// Whether the answer is one to go on with: no error of the connection, no 4xx, no 5xx.
    pub(super) fn succeeded(&self) -> bool {
        self.trouble.is_none() && self.status.is_some_and(|s| !s.is_client_error() && !s.is_server_error())
    }
}

/// How a request is carried out.
pub(super) struct Way<'a> {
    pub(super) upstream: &'a dyn Upstream,
    pub(super) outbound: &'a Arc<Outbound>,
    /// The endpoints of the process.
    pub(super) internal: &'a Directory,
    /// The connection of the client.
    pub(super) connection: &'a ConnectionFacts,
    pub(super) max_redirects: u32,
    pub(super) deadline: Instant,
}

impl Way<'_> {
    /// Sends the request, and follows redirects.
    pub(super) async fn attempt(&self, request: &Request) -> Attempt {
        let started = Instant::now();
        let mut attempt = Attempt::default();
        let left = self.deadline.saturating_duration_since(started);
        let work = self.follow(request, &mut attempt);
        let done = pingora_timeout::timeout(left, work).await.unwrap_or(Err(Trouble::Timeout));
        attempt.took = started.elapsed();
        attempt.trouble = done.err();
        attempt
    }

    async fn follow(&self, request: &Request, attempt: &mut Attempt) -> Result<(), Trouble> {
        let mut url = Arc::clone(&request.url);
        let mut said = Said::by_policy(request.named);
        let mut method = request.method.clone();
        let mut headers = request.headers.clone();
        headers.extend(request.own.clone());
        let mut body = request.body.clone();
        for redirects in 0.. {
            let mut reply = self.open(&url, said, method.clone(), headers.clone(), body.clone()).await?;
            let (status, received) = (reply.status(), reply.take_headers());
            attempt.address = reply.address();
            attempt.status = Some(status);
            attempt.headers = received;
            attempt.body = Bytes::new();
            let location =
                attempt.headers.get(LOCATION).filter(|_| self.max_redirects > 0 && follows(status));
            let Some(location) = location else {
                let raw = read(reply).await?;
                attempt.body = decoded(&attempt.headers, raw)?;
                return Ok(());
            };
            if redirects >= self.max_redirects {
                return Err(Trouble::Redirects(self.max_redirects));
            }
            let location = location.to_str().map_err(|_| Trouble::Location)?;
            let next = redirected(&url, location).map_err(|_| Trouble::Location)?;
            // Its connection can be used again when its body is short; otherwise it is closed.
            drop(read(reply).await);
            if !same_origin(&url, &next) {
                // What the policy sends to one server, keys perhaps, is not another's.
                said = match said {
                    Said::Others => said,
                    _ if next.host == url.host => Said::Server,
                    _ => Said::Others,
                };
                headers.retain_only(&request.own);
            }
            let see_other = status == StatusCode::SEE_OTHER;
            let rewritten =
                matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND) && method == Method::POST;
            if (see_other && method != Method::GET) || rewritten {
                method = Method::GET;
                body = Bytes::new();
                headers.remove(CONTENT_TYPE);
            }
            url = Arc::new(next);
        }
        Ok(())
    }

    async fn open(
        &self,
        url: &Arc<JoinedUrl>,
        said: Said,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Box<dyn Reply>, Trouble> {
        if let Some(listener) = endpoint(self.internal, url) {
            // Whoever can make up a host, or answer with a redirect, must not choose among the endpoints.
            if said == Said::Others && !self.outbound.lists(&url.host) {
                return Err(Trouble::Unlisted(url.host.as_str().into()));
            }
            let connection = self.connection.clone();
            let asked = Inward { method, url: Arc::clone(url), headers, body, connection, most: MOST };
            return ask(listener, asked).await.map_err(|fault| Trouble::of(&fault));
        }
        let rule = self.outbound.rule(&url.host, said);
        let rule = rule.ok_or_else(|| Trouble::Unlisted(url.host.as_str().into()))?;
        let left = self.deadline.saturating_duration_since(Instant::now());
        let resend = method.is_idempotent();
        let call = Call {
            provider: Arc::from("http-request"),
            model: Arc::from(""),
            url: Arc::clone(url),
            method,
            headers,
            body: if body.is_empty() { smallvec::SmallVec::new() } else { smallvec::smallvec![body] },
            connect_timeout: left,
            head_timeout: left,
            resend,
            addresses: Some(rule),
        };
        self.upstream.open(call).await.map_err(|fault| Trouble::of(&fault))
    }
}

/// The endpoint of the process that the URL names, if there is one.
fn endpoint<'a>(internal: &'a Directory, url: &JoinedUrl) -> Option<&'a Arc<Listener>> {
    let scheme = if url.https { Protocol::Https } else { Protocol::Http };
    let host = url.host.trim_end_matches('.');
    let named = host.ends_with(".internal");
    named.then(|| internal.find(&InternalUrl { scheme, host: host.to_owned(), port: url.port }))?
}

trait RetainOnly {
    fn retain_only(&mut self, kept: &HeaderMap);
}

impl RetainOnly for HeaderMap {
    /// Leaves these headers, and what says of which type the body is and which is wanted.
    fn retain_only(&mut self, kept: &HeaderMap) {
        let names: Vec<_> = self.keys().cloned().collect();
        for name in names {
            if name != CONTENT_TYPE && name != ACCEPT && name != ACCEPT_ENCODING && !kept.contains_key(&name)
            {
                self.remove(name);
            }
        }
    }
}

/// The statuses whose `Location` is to be followed (RFC 9110 section 15.4).
fn follows(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

async fn read(mut reply: Box<dyn Reply>) -> Result<Bytes, Trouble> {
    let mut whole = BytesMut::new();
    while let Some(part) = reply.chunk().await.map_err(|fault| Trouble::of(&fault))? {
        if whole.len() + part.len() > MOST {
            return Err(Trouble::TooLarge);
        }
        whole.extend_from_slice(&part);
    }
    reply.done().await;
    Ok(whole.freeze())
}

/// The body without its compression.
fn decoded(headers: &HeaderMap, raw: Bytes) -> Result<Bytes, Trouble> {
    plain(headers, raw, MOST).map_err(|undecoded| match undecoded {
        Undecoded::TooLong => Trouble::TooLarge,
        Undecoded::Broken => Trouble::BadAnswer,
        Undecoded::Unknown(name) => Trouble::Encoding(name.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use http::HeaderValue;
    use http::header::CONTENT_ENCODING;
    use std::io::Write;

    fn gzip(data: &[u8]) -> Bytes {
        let mut out = GzEncoder::new(Vec::new(), Compression::best());
        out.write_all(data).expect("written");
        out.finish().expect("written").into()
    }

    fn encoded(with: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(with))])
    }

    #[test]
    fn compression_is_undone_within_the_limit() {
        let text = Bytes::from_static(b"hello hello hello");
        assert_eq!(decoded(&HeaderMap::new(), text.clone()), Ok(text.clone()));
        assert_eq!(decoded(&encoded("GZIP"), gzip(&text)), Ok(text.clone()));
        assert_eq!(decoded(&encoded("gzip, gzip"), gzip(&gzip(&text))), Ok(text.clone()));
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&text).expect("written");
        assert_eq!(decoded(&encoded("deflate"), zlib.finish().expect("written").into()), Ok(text.clone()));
        let exact = vec![0; MOST];
        assert_eq!(decoded(&encoded("gzip"), gzip(&exact)).map(|b| b.len()), Ok(MOST));
        assert_eq!(decoded(&encoded("gzip"), gzip(&vec![0; MOST + 1])), Err(Trouble::TooLarge));
        assert_eq!(
            decoded(&encoded("gzip"), gzip(&gzip(&vec![0; 100 << 20]))),
            Ok(gzip(&vec![0; 100 << 20]))
        );
        assert_eq!(decoded(&encoded("zstd"), text.clone()), Err(Trouble::Encoding("zstd".into())));
        assert_eq!(decoded(&encoded("br"), text.clone()), Err(Trouble::BadAnswer));
        assert_eq!(decoded(&encoded("gzip"), text), Err(Trouble::BadAnswer));
        assert_eq!(decoded(&encoded("gzip"), Bytes::new()), Ok(Bytes::new()));
    }
}
