//! A login from its configuration.

use super::cookies::Names;
use super::endpoints::{Endpoints, description_of, safe};
use super::fields::{USUAL, cookie_domain, origin};
use super::providers::{Provider, provider};
use super::session::Limits;
use super::{Login, Way};
use crate::action::{Action, BuildContext, BuildError};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tollgate_expr::Template;
use tollgate_policy::Config;

/// What an OpenID provider is always asked for.
const OPENID_SCOPES: &[&str] = &["openid", "profile", "email"];

/// The action; `config` has passed the checks of [`super::fields`].
pub(in crate::actions) fn build(
    config: &Config<'_>,
    cx: &BuildContext<'_>,
) -> Result<Box<dyn Action>, BuildError> {
    let text = |name: &str| config.get(name).and_then(|text| text.as_str());
    let template = |name: &str| {
        config.get(name).and_then(|text| text.template()).unwrap_or_else(|| Template::literal(""))
    };
    let time = |name: &str| config.get(name).and_then(|time| time.as_duration());
    let way = way(config)?;
    let (result_name, source, minimum) = match &way {
        Way::OpenId { issuer, .. } => ("oidc", issuer.clone(), OPENID_SCOPES),
        Way::OAuth { provider, .. } if config.get("endpoints").and_then(|e| e.get("userinfo")).is_none() => {
            ("oauth", provider.id.to_owned(), provider.scopes)
        }
        // Another GitLab knows others by the same numbers.
        Way::OAuth { provider, endpoints } => {
            let host = endpoints.userinfo.as_ref().map_or("", |url| url.authority.as_str());
            ("oauth", format!("{} {host}", provider.id), provider.scopes)
        }
    };
    let scopes = scopes(config, minimum);
    let parameters: Vec<(String, String)> = config
        .get("authz_url_params")
        .map(|map| map.entries())
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    let auth_id = text("auth_id").map(str::to_owned);
    let client_id = template("client_id");
    let tag = auth_id.clone().unwrap_or_else(|| hash(&[result_name, &source, client_id.source()]));
    let emails = match &way {
        Way::OAuth { provider, .. } => {
            let asked = |with: &[&str]| scopes.split(' ').any(|scope| with.contains(&scope));
            provider.emails.is_some_and(|(_, with)| asked(with))
        }
        Way::OpenId { .. } => false,
    };
    let said = serde_json::json!([&scopes, &parameters, places(&way)]).to_string();
    let login = Login {
        result_name,
        source,
        names: Arc::new(Names::new(&tag, auth_id)),
        client_id,
        client_secret: template("client_secret"),
        config: hash(&[&said]),
        scopes,
        parameters,
        limits: Limits {
            age: time("max_session_duration").unwrap_or(USUAL),
            idle: time("idle_session_duration").or_else(|| time("idle_session_timeout")),
            ask: time("userinfo_refresh_interval"),
        },
        allow_preflight: config.get("allow_cors_preflight").and_then(|on| on.as_bool()).unwrap_or(false),
        cookie_domain: text("auth_cookie_domain").and_then(|domain| cookie_domain(domain).ok()),
        public_url: text("public_url").and_then(|url| origin(url).ok()).map(|(origin, _)| origin),
        emails,
        way,
        logins: Arc::clone(&cx.shared.logins),
        jwks: Arc::clone(&cx.shared.jwks),
        outbound: Arc::clone(&cx.shared.outbound),
    };
    Ok(Box::new(login))
}

/// What is always asked for, and what the policy adds, with spaces between.
fn scopes(config: &Config<'_>, minimum: &[&str]) -> String {
    let mut scopes: Vec<&str> = minimum.to_vec();
    for scope in config.get("scopes").map(|list| list.as_list()).unwrap_or_default() {
        scopes.extend(scope.as_str().filter(|scope| !scopes.contains(scope)));
    }
    scopes.join(" ")
}

fn way(config: &Config<'_>) -> Result<Way, BuildError> {
    let error =
        |message: String| BuildError { at: config.location(), code: "ERR_NGROK_2226", message, help: None };
    if let Some(issuer) = config.get("issuer_url").and_then(|url| url.as_str()) {
        let description = description_of(issuer).map_err(|wrong| error(format!("`issuer_url`: {wrong}")))?;
        return Ok(Way::OpenId { issuer: issuer.to_owned(), description: Arc::new(description) });
    }
    let id = config.get("provider").and_then(|id| id.as_str()).unwrap_or_default();
    let provider: &'static Provider =
        provider(id).ok_or_else(|| error(format!("there is no provider `{id}`")))?;
    let given = config.get("endpoints");
    let url = |name: &str, usual: &str| {
        let written = given.as_ref().and_then(|given| given.get(name)).and_then(|url| url.as_str());
        safe(written.unwrap_or(usual))
            .map(Arc::new)
            .map_err(|wrong| error(format!("`endpoints.{name}`: {wrong}")))
    };
    let endpoints = Endpoints {
        authorize: url("authorize", provider.authorize)?,
        token: url("token", provider.token)?,
        userinfo: Some(url("userinfo", provider.userinfo)?),
        signed: None,
        basic: false,
    };
    Ok(Way::OAuth { provider, endpoints: Box::new(endpoints) })
}

/// Where it is asked who somebody is.
fn places(way: &Way) -> [String; 2] {
    match way {
        Way::OpenId { issuer, .. } => [issuer.clone(), String::new()],
        Way::OAuth { endpoints, .. } => {
            let userinfo = endpoints.userinfo.as_ref().map(|url| url.full.clone());
            [endpoints.token.full.clone(), userinfo.unwrap_or_default()]
        }
    }
}

/// 16 hexadecimal digits that tell configurations apart.
fn hash(parts: &[&str]) -> String {
    let joined: Vec<String> = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
    let hash = Sha256::digest(joined.concat());
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
