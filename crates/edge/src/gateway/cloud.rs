//! Credentials that are not sent as they are: requests signed for AWS, tokens of Google service accounts.

use super::Gateway;
use crate::fetch::Fetch;
use crate::upstream::{Call, Upstream};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tollgate_catalog::{AuthStyle, Provider};
use tollgate_cloud::{
    AwsBody, AwsCredentials, AwsRequest, Claim, Lookup, ServiceAccount, TokenCache, parse_token_response,
    sign_aws,
};
use tollgate_dialect::url::join;
use tollgate_select::{Fault, Key};

/// The signing name of Bedrock's models (AWS, "Service endpoints").
const BEDROCK: &str = "bedrock";
/// How keys of Bedrock's own begin; they are sent as bearer tokens (AWS, "Amazon Bedrock API keys").
const BEDROCK_KEYS: [&str; 2] = ["ABSK", "bedrock-api-key-"];
/// What a token for Vertex AI may be used for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Most bytes of a token's answer.
const MOST: usize = 64 * 1024;
/// How often somebody who waits for another's token looks for it.
const LOOK: Duration = Duration::from_millis(25);

/// A token that stands for a key in one attempt.
pub(super) struct Token {
    account: String,
    pub(super) value: Arc<SecretString>,
}

impl Gateway {
    /// The token a service account's key is exchanged for; `None` where keys are sent as they are.
    pub(super) async fn token(
        &self,
        upstream: &dyn Upstream,
        provider: &Provider,
        key: Option<&Key>,
        time: Duration,
    ) -> Result<Option<Token>, Fault> {
        let key = key.filter(|_| provider.auth == AuthStyle::GoogleServiceAccount);
        let Some(text) = key.map(|key| key.value.expose_secret()).filter(|text| text.starts_with('{')) else {
            return Ok(None);
        };
        let account = ServiceAccount::parse(text).map_err(|error| unusable(&error.to_string()))?;
        let until = Instant::now() + time;
        loop {
            let now = Instant::now();
            let value = match self.tokens.lookup(account.client_email(), SCOPE, now) {
                Lookup::Ready(token) => token,
                Lookup::Renew(token, claim) => {
                    match self.exchange(upstream, provider, &account, claim, time).await {
                        Ok(fresh) => fresh,
                        Err(fault) => {
                            tracing::warn!(provider = %provider.id, "a token could not be renewed: {}", fault.describe());
                            token
                        }
                    }
                }
                Lookup::Fetch(claim) => self.exchange(upstream, provider, &account, claim, time).await?,
                Lookup::Wait if now < until => {
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                Lookup::Wait => return Err(Fault::ConnectTimeout),
            };
            return Ok(Some(Token { account: account.client_email().to_owned(), value }));
        }
    }

    async fn exchange(
        &self,
        upstream: &dyn Upstream,
        provider: &Provider,
        account: &ServiceAccount,
        claim: Claim,
        time: Duration,
    ) -> Result<Arc<SecretString>, Fault> {
        let wrong = |error: &dyn std::fmt::Display| unusable(&error.to_string());
        let (form, kind) = account.token_request(SCOPE, SystemTime::now()).map_err(|error| wrong(&error))?;
        let url = join(account.token_uri(), Some(""), "", None, &[]).map_err(|error| wrong(&error))?;
        let asked = Instant::now();
        let fetch = Fetch {
            provider: provider.id.as_str().into(),
            url: Arc::new(url),
            method: Method::POST,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]),
            body: Bytes::copy_from_slice(form.expose_secret().as_bytes()),
            time,
            most: MOST,
            addresses: None,
        };
        let (status, body) = fetch.run(upstream).await?;
        if status.is_server_error() {
            return Err(Fault::Status(status.as_u16()));
        }
        let token = parse_token_response(&body).map_err(|error| wrong(&error))?;
        Ok(claim.store(token, asked))
    }

    /// A token that was refused is not used again.
    pub(super) fn token_refused(&self, token: &Token) {
        self.tokens.reject(&token.account, SCOPE, &token.value);
    }

    /// Tokens by account; they outlive a policy.
    pub(super) fn token_cache(shared: &crate::engine::Shared) -> TokenCache {
        shared.tokens.clone()
    }
}

/// Proves to a cloud who is asking: the last thing done to a call, because a signature covers its body.
pub(super) fn prove(
    call: &mut Call,
    provider: &Provider,
    key: &str,
    token: Option<&Token>,
    now: SystemTime,
) -> Result<(), Fault> {
    match provider.auth {
        AuthStyle::GoogleServiceAccount => {
            bearer(&mut call.headers, token.map_or(key, |token| token.value.expose_secret()));
            Ok(())
        }
        AuthStyle::AwsSigV4 if BEDROCK_KEYS.iter().any(|start| key.starts_with(start)) => {
            bearer(&mut call.headers, key);
            Ok(())
        }
        AuthStyle::AwsSigV4 => sign(call, provider, key, now),
        _ => Ok(()),
    }
}

fn sign(call: &mut Call, provider: &Provider, key: &str, now: SystemTime) -> Result<(), Fault> {
    let wrong = |error: &dyn std::fmt::Display| unusable(&error.to_string());
    let credentials = AwsCredentials::parse(key).map_err(|error| wrong(&error))?;
    let region = provider
        .aws_region()
        .ok_or_else(|| wrong(&"`settings: {region: ...}` says for which region to sign"))?;
    let kind = call.headers.get(CONTENT_TYPE).cloned();
    let headers: Vec<_> = kind.map(|kind| (CONTENT_TYPE, kind)).into_iter().collect();
    let request = AwsRequest {
        method: &call.method,
        url: &call.url.full,
        headers: &headers,
        body: AwsBody::Chunks(&call.body),
        region,
        service: BEDROCK,
    };
    let signed = sign_aws(&request, &credentials, now).map_err(|error| wrong(&error))?;
    call.headers.extend(signed);
    Ok(())
}

fn bearer(headers: &mut HeaderMap, token: &str) {
    if let Ok(mut value) = HeaderValue::try_from(format!("Bearer {token}")) {
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
}

/// Whether a key has the form that its provider wants, as far as can be said without asking anybody.
pub(super) fn usable(provider: &Provider, key: &str) -> Result<(), Fault> {
    match provider.auth {
        AuthStyle::GoogleServiceAccount if key.starts_with('{') => {
            ServiceAccount::parse(key).map(drop).map_err(|error| unusable(&error.to_string()))
        }
        AuthStyle::AwsSigV4 if !BEDROCK_KEYS.iter().any(|start| key.starts_with(start)) => {
            AwsCredentials::parse(key).map(drop).map_err(|error| unusable(&error.to_string()))
        }
        _ => Ok(()),
    }
}

/// A key that cannot be used as its provider wants it. The texts of the clouds' errors hold no secret.
fn unusable(why: &str) -> Fault {
    Fault::UnusableKey { why: why.into(), configured: true }
}
