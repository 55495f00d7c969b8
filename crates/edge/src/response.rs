//! The body of a response while the rules of `on_http_response` run on its head.

use crate::client::{BodyError, Client, ClientGone, Over};
use crate::exchange::Exchange;
use crate::upstream::Reply;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use std::time::Duration;

/// The longest body that an action reads to change it, and whose changes are carried out before others read it.
pub(crate) const LONGEST_READ: usize = 10 << 20; // 10 MiB

/// Changes a body on its way to the client, part by part.
pub trait BodyChange: Send {
    /// Takes the next part, gives what can be sent of it. Nothing follows when it is the `end`.
    fn push(&mut self, exchange: &mut Exchange, part: Bytes, end: bool) -> Bytes;
}

/// Where a body is, and what is to happen to it.
pub struct ResponseBody<'a> {
    content: Content<'a>,
    changes: Vec<Box<dyn BodyChange>>,
    /// What was read here, as the upstream sent it.
    original: Option<Bytes>,
}

enum Content<'a> {
    /// All of it is here.
    Whole(Bytes),
    /// Its beginning is here; the rest is read from the upstream.
    Open { begun: Bytes, reply: &'a mut dyn Reply, idle: Duration },
    /// A stream of events, or a body that takes another way: never read here.
    Passing,
}

/// What became of a body after the rules.
pub struct Settled {
    /// All of it, when it was read or replaced.
    pub whole: Option<Bytes>,
    /// Else what was read of it, to be sent before the rest.
    pub begun: Bytes,
    /// All of it as the upstream sent it, when it was read for an action.
    pub original: Option<Bytes>,
    /// What is to be done to it on its way.
    pub changes: Vec<Box<dyn BodyChange>>,
}

/// What came of reading a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// All of it.
    Whole(Bytes),
    /// It is longer than wanted; what was read of it is sent all the same.
    TooLong,
    /// It cannot be read here: it is a stream of events, or passes on Pingora's own path.
    Passing,
    /// The upstream broke off.
    Broken,
}

impl<'a> ResponseBody<'a> {
    /// A body that is here.
    #[must_use]
    pub fn whole(body: Bytes) -> Self {
        Self::of(Content::Whole(body))
    }

    /// A body whose beginning is here. The upstream may be silent for `idle` at most.
    pub fn open(begun: Bytes, reply: &'a mut dyn Reply, idle: Duration) -> Self {
        Self::of(Content::Open { begun, reply, idle })
    }

    /// A body that cannot be read here.
    #[must_use]
    pub fn passing() -> Self {
        Self::of(Content::Passing)
    }

    fn of(content: Content<'a>) -> Self {
        Self { content, changes: Vec::new(), original: None }
    }

    /// All of the body, when it has at most `limit` bytes.
    pub async fn read(&mut self, limit: usize) -> Read {
        let Content::Open { begun, reply, idle } = &mut self.content else {
            return match &self.content {
                Content::Whole(body) if body.len() <= limit => Read::Whole(body.clone()),
                Content::Whole(_) => Read::TooLong,
                _ => Read::Passing,
            };
        };
        let mut all = BytesMut::from(&std::mem::take(begun)[..]);
        let read = loop {
            if all.len() > limit {
                break Read::TooLong;
            }
            match pingora_timeout::timeout(*idle, reply.chunk()).await {
                Ok(Ok(Some(part))) => all.extend_from_slice(&part),
                Ok(Ok(None)) => {
                    let body = all.freeze();
                    self.content = Content::Whole(body.clone());
                    self.original = Some(body.clone());
                    return Read::Whole(body);
                }
                Ok(Err(_)) | Err(_) => break Read::Broken,
            }
        };
        *begun = all.freeze();
        read
    }

    /// The first `limit` bytes of the body, or all of a shorter one. It is sent all the same. Never [`Read::TooLong`].
    pub async fn begin(&mut self, limit: usize) -> Read {
        let read = self.read(limit).await;
        match (&self.content, read) {
            (Content::Whole(body) | Content::Open { begun: body, .. }, Read::TooLong) => {
                Read::Whole(body.slice(..limit.min(body.len())))
            }
            (_, read) => read,
        }
    }

    /// Carries out the changes asked for so far, so that whoever reads the body now sees it as they leave it. A body that
    /// cannot be read here, or is too long for that, keeps them for its way.
    pub(crate) async fn settle(&mut self, exchange: &mut Exchange) {
        if self.changes.is_empty() {
            return;
        }
        if let Read::Whole(body) = self.read(LONGEST_READ).await {
            let mut changes = std::mem::take(&mut self.changes);
            self.content = Content::Whole(changed(&mut changes, exchange, body, true));
        }
    }

    /// Replaces the body.
    pub fn replace(&mut self, body: Bytes) {
        self.content = Content::Whole(body);
    }

    /// The changes asked for since there were `from` of them are made by other means.
    pub(crate) fn wrap_changes(
        &mut self,
        from: usize,
        wrap: impl Fn(Box<dyn BodyChange>) -> Box<dyn BodyChange>,
    ) {
        let later = self.changes.split_off(from);
        self.changes.extend(later.into_iter().map(wrap));
    }

    /// How many changes are asked for.
    pub(crate) fn changes(&self) -> usize {
        self.changes.len()
    }

    /// A change before those asked for since there were `at` of them.
    pub(crate) fn change_before(&mut self, at: usize, change: Box<dyn BodyChange>) {
        self.changes.insert(at, change);
    }

    /// Has the body changed on its way, after the changes asked for before.
    pub fn change(&mut self, change: Box<dyn BodyChange>) {
        self.changes.push(change);
    }

    /// What became of it.
    #[must_use]
    pub fn settled(self) -> Settled {
        let (whole, begun) = match self.content {
            Content::Whole(body) => (Some(body), Bytes::new()),
            Content::Open { begun, .. } => (None, begun),
            Content::Passing => (None, Bytes::new()),
        };
        Settled { whole, begun, original: self.original, changes: self.changes }
    }
}

/// A client whose answers are changed on their way to it.
pub(crate) struct Changing<'a> {
    pub(crate) client: &'a mut dyn Client,
    pub(crate) exchange: &'a mut Exchange,
    pub(crate) changes: Vec<Box<dyn BodyChange + 'a>>,
}

#[async_trait]
impl Client for Changing<'_> {
    async fn body(&mut self) -> Result<Bytes, BodyError> {
        self.client.body().await
    }

    fn release_body(&mut self) {
        self.client.release_body();
    }

    async fn head(&mut self, status: StatusCode, headers: HeaderMap, end: bool) -> Result<(), ClientGone> {
        self.client.head(status, headers, end).await
    }

    async fn chunk(&mut self, data: Bytes, end: bool) -> Result<(), ClientGone> {
        let data = changed(&mut self.changes, self.exchange, data, end);
        if data.is_empty() && !end { Ok(()) } else { self.client.chunk(data, end).await }
    }

    async fn gone(&mut self) -> Over {
        self.client.gone().await
    }
}

/// Puts a part through all changes, one after the other.
pub fn changed(
    changes: &mut [Box<dyn BodyChange + '_>],
    exchange: &mut Exchange,
    part: Bytes,
    end: bool,
) -> Bytes {
    changes.iter_mut().fold(part, |part, change| change.push(exchange, part, end))
}
