//! What is asked of a provider: tokens for a code, other tokens for a refresh token, who somebody is.

use super::endpoints::Endpoints;
use super::failure::Failure;
use super::form::encoded;
use super::known::{MOST, TIME};
use super::providers::{Provider, first_address, user_of_claims};
use super::session::{Tokens, User};
use crate::fetch::Fetch;
use crate::outbound::Outbound;
use crate::upstream::Upstream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::Value;
use std::sync::Arc;
use tollgate_dialect::url::JoinedUrl;

/// The client that the provider knows this server as.
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: String,
}

impl std::fmt::Debug for Client {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A provider that can be asked.
pub(super) struct Asking<'a> {
    pub(super) endpoints: Endpoints,
    pub(super) client: &'a Client,
    /// `None`: an OpenID provider.
    pub(super) provider: Option<&'static Provider>,
    /// Whether addresses may be asked for beside the user.
    pub(super) emails: bool,
    pub(super) outbound: &'a Arc<Outbound>,
    pub(super) upstream: &'a dyn Upstream,
    /// Seconds since 1970.
    pub(super) now: u64,
}

/// The user, and the claims as they came; or why not.
pub(super) enum Told {
    User(User),
    /// The token is not accepted: revoked, expired, or the user is gone.
    Refused(Failure),
}

impl Asking<'_> {
    async fn call(
        &self,
        url: &Arc<JoinedUrl>,
        headers: HeaderMap,
        form: Option<String>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let addresses = self.outbound.rule(&url.host, self.endpoints.said(url));
        let addresses =
            addresses.ok_or_else(|| Failure::answer("the identity provider's host may not be called"))?;
        let mut headers = headers;
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        // GitHub answers nobody without a name: https://docs.github.com/rest/using-the-rest-api/getting-started-with-the-rest-api
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION"))));
        if form.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        let fetch = Fetch {
            provider: Arc::from("login"),
            url: Arc::clone(url),
            method: if form.is_some() { Method::POST } else { Method::GET },
            headers,
            body: form.unwrap_or_default().into(),
            time: TIME,
            most: MOST,
            addresses: Some(addresses),
        };
        fetch.run(self.upstream).await.map_err(|fault| Failure::unreachable(&fault))
    }

    /// Tokens for a code (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
    pub(super) async fn tokens_for_code(
        &self,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
    ) -> Result<Tokens, Failure> {
        let mut form =
            vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri)];
        if self.provider.is_none_or(|provider| provider.pkce) {
            form.push(("code_verifier", verifier));
        }
        self.tokens(form).await
    }

    /// Other tokens for a refresh token (RFC 6749 section 6). Without a new refresh token the old one goes on.
    pub(super) async fn tokens_again(&self, refresh: &str) -> Result<Tokens, Failure> {
        let tokens = self.tokens(vec![("grant_type", "refresh_token"), ("refresh_token", refresh)]).await?;
        let refresh = tokens.refresh.or_else(|| Some(refresh.to_owned()));
        Ok(Tokens { refresh, ..tokens })
    }

    async fn tokens(&self, mut form: Vec<(&str, &str)>) -> Result<Tokens, Failure> {
        let mut headers = HeaderMap::new();
        let Client { id, secret } = self.client;
        if self.endpoints.basic {
            headers.insert(AUTHORIZATION, basic(id, secret)?);
        } else {
            form.extend([("client_id", id.as_str()), ("client_secret", secret.as_str())]);
        }
        let (status, body) = self.call(&self.endpoints.token, headers, Some(encoded(&form))).await?;
        read_tokens(status, &body, self.now)
    }

    /// Who somebody is. `None`: this provider cannot be asked.
    pub(super) async fn user(&self, tokens: &Tokens) -> Result<Option<Told>, Failure> {
        let Some(url) = &self.endpoints.userinfo else { return Ok(None) };
        let (status, body) = self.call(url, self.bearer(tokens)?, None).await?;
        let denied =
            matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND);
        if denied {
            let message =
                "the identity provider does not say who you are any more: it refuses the access token";
            return Ok(Some(Told::Refused(Failure::new(3113, StatusCode::FORBIDDEN, message))));
        }
        if !status.is_success() {
            return Err(Failure::status(status, "the user"));
        }
        let said: Value = serde_json::from_slice(&body)
            .map_err(|_| Failure::answer("the identity provider's answer about the user is no JSON"))?;
        let user = match self.provider {
            Some(provider) => provider.user(&said),
            None => user_of_claims(&said),
        };
        let mut user =
            user.ok_or_else(|| Failure::answer("the identity provider's answer about the user has no id"))?;
        if user.email.is_empty() {
            user.email = self.address(tokens).await.unwrap_or_default();
        }
        Ok(Some(Told::User(user)))
    }

    /// The user's address, where it has to be asked for by itself. That there is none is no failure.
    async fn address(&self, tokens: &Tokens) -> Option<String> {
        let (path, _) = self.provider?.emails.filter(|_| self.emails)?;
        let base = self.endpoints.userinfo.as_ref()?;
        let url = crate::web_url::parse(&format!("{}{path}", base.full)).ok()?;
        let (status, body) = self.call(&Arc::new(url), self.bearer(tokens).ok()?, None).await.ok()?;
        first_address(&serde_json::from_slice(&body).ok().filter(|_| status.is_success())?)
    }

    fn bearer(&self, tokens: &Tokens) -> Result<HeaderMap, Failure> {
        let wrong =
            || Failure::answer("the identity provider's access token has characters that no token may have");
        let mut headers = HeaderMap::new();
        let value = HeaderValue::try_from(format!("Bearer {}", tokens.access)).map_err(|_| wrong())?;
        headers.insert(AUTHORIZATION, value);
        if self.provider.is_some_and(|provider| provider.client_header) {
            headers.insert("client-id", HeaderValue::try_from(&self.client.id).map_err(|_| wrong())?);
        }
        Ok(headers)
    }
}

/// Both encoded as in a form before they are put together (RFC 6749 section 2.3.1).
fn basic(id: &str, secret: &str) -> Result<HeaderValue, Failure> {
    let mut pair = String::new();
    crate::web_url::encode(&mut pair, id);
    pair.push(':');
    crate::web_url::encode(&mut pair, secret);
    let value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)));
    value.map_err(|_| Failure::answer("the client's id and secret cannot be sent"))
}

/// An answer of a token endpoint (RFC 6749 sections 5.1 and 5.2). GitHub sends errors with status 200.
fn read_tokens(status: StatusCode, body: &[u8], now: u64) -> Result<Tokens, Failure> {
    let said = serde_json::from_slice::<Value>(body).ok();
    let text = |name: &str| said.as_ref().and_then(|said| said.get(name)).and_then(Value::as_str);
    if let Some(error) = text("error").filter(|_| !status.is_server_error()) {
        return Err(Failure::of_token(error, text("error_description").unwrap_or_default()));
    }
    if !status.is_success() {
        return Err(Failure::status(status, "tokens"));
    }
    if text("token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(Failure::answer(
            "the identity provider's access token is of a kind that is not supported",
        ));
    }
    let filled = |name: &str| text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let expires_in = said.as_ref().and_then(|said| said.get("expires_in"));
    let seconds = expires_in.and_then(|time| match time {
        Value::String(text) => text.parse::<u64>().ok(),
        number => number.as_u64(),
    });
    Ok(Tokens {
        access: filled("access_token")
            .ok_or_else(|| Failure::answer("the identity provider's answer has no access token"))?,
        refresh: filled("refresh_token"),
        id: filled("id_token"),
        expires: seconds.map(|seconds| now.saturating_add(seconds)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Result<Tokens, u16> {
        let status = StatusCode::from_u16(status).expect("a status");
        read_tokens(status, body.as_bytes(), 100).map_err(|failure| failure.code)
    }

    #[test]
    fn answers_of_token_endpoints_are_read() {
        let tokens = read(
            200,
            r#"{"access_token":"a","token_type":"bearer","expires_in":"60","refresh_token":"","scope":["x"]}"#,
        );
        let expected = Tokens { access: "a".into(), refresh: None, id: None, expires: Some(160) };
        assert_eq!(tokens, Ok(expected));
        let bare = read(200, r#"{"access_token":"a","id_token":"i","refresh_token":"r"}"#).expect("tokens");
        assert_eq!((bare.id.as_deref(), bare.refresh.as_deref(), bare.expires), (Some("i"), Some("r"), None));
        for (status, body, code) in [
            (200, r#"{"error":"bad_verification_code"}"#, 3163),
            (400, r#"{"error":"invalid_grant"}"#, 3163),
            (401, r#"{"error":"invalid_client","error_description":"no"}"#, 3125),
            (401, "", 3160),
            (200, "access_token=a", 3160),
            (200, "{}", 3160),
            (200, r#"{"access_token":""}"#, 3160),
            (200, r#"{"access_token":7}"#, 3160),
            (200, r#"{"access_token":"a","token_type":"mac"}"#, 3160),
            (429, r#"{"message":"slow down"}"#, 3161),
            (503, r#"{"error":"x"}"#, 3165),
            (500, "<html>", 3166),
        ] {
            assert_eq!(read(status, body), Err(code), "{status} {body}");
        }
    }

    #[test]
    fn ids_and_secrets_are_encoded_before_they_are_joined() {
        let value = basic("a:b c", "s/+ü").expect("a header");
        let text = value.to_str().expect("text").trim_start_matches("Basic ").to_owned();
        assert_eq!(STANDARD.decode(text).expect("base64"), b"a%3Ab%20c:s%2F%2B%C3%BC");
    }
}
