//! The fields that `openid-connect` and `oauth` share, and their checks.

use super::endpoints::is_loopback;
use crate::web_url::parse;
use std::time::Duration;
use tollgate_policy::{Checker, Config, Field, KeyRule, Shape};

const SECOND: Duration = Duration::from_secs(1);
/// The longest session: a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
pub(in crate::actions) const SOME_TIME: Shape = Shape::Duration { min: SECOND, max: LONGEST };
/// How long a session lasts where the policy does not say.
pub(super) const USUAL: Duration = Duration::from_secs(14 * 24 * 3600);

pub(in crate::actions) const CLIENT_ID: Field = Field::optional(
    "client_id",
    Shape::Template,
    "The id that the provider knows this server by. Must be there.",
);
pub(in crate::actions) const CLIENT_SECRET: Field = Field::optional(
    "client_secret",
    Shape::Template,
    "Its secret, such as `${secrets.get('login', 'client-secret')}`. Must be there. Sessions are encrypted with a key made \
     from it: another secret ends them all.",
);
pub(in crate::actions) const AUTH_ID: Field = Field::optional(
    "auth_id",
    Shape::Text,
    "A name for this login, at most 64 letters, digits, `-` and `_`: cookies are called after it, and `/ngrok/login?auth_id=` \
     can name it.",
);
pub(in crate::actions) const PARAMETERS: Field = Field::optional(
    "authz_url_params",
    Shape::Map { value: &Shape::Text, min: 0, max: usize::MAX, keys: KeyRule::Any },
    "More parameters for the provider's page, such as `prompt` or `hd`. Those that the login itself needs cannot be set.",
);
pub(in crate::actions) const MAX_SESSION: Field = Field::optional(
    "max_session_duration",
    SOME_TIME,
    "How long a session lasts, however much it is used. Then the user logs in again.",
)
.or("336h");
pub(in crate::actions) const REFRESH: Field = Field::optional(
    "userinfo_refresh_interval",
    SOME_TIME,
    "How often the provider is asked again who the user is. Whom it does not vouch for any more logs in again. While it cannot \
     be asked, requests are refused. Without it, it is asked at the login and after a change of this configuration.",
);
pub(in crate::actions) const PREFLIGHT: Field = Field::optional(
    "allow_cors_preflight",
    Shape::Bool,
    "Lets `OPTIONS` requests pass by which browsers ask whether a page of another site may call.",
)
.or("false");
pub(in crate::actions) const COOKIE_DOMAIN: Field = Field::optional(
    "auth_cookie_domain",
    Shape::Text,
    "A domain of the endpoint's host: one login then serves all hosts below it that have the same action.",
);
pub(in crate::actions) const PUBLIC_URL: Field = Field::optional(
    "public_url",
    Shape::Text,
    "Scheme and host that browsers see, such as `https://app.example.com`, where another server in front of this one ends TLS. \
     Without it they are the listener's scheme and the request's `Host`; `X-Forwarded-Proto` is not believed, because a client \
     can send it. The provider has to know this address with `/ngrok/oauth2/callback` behind it.",
)
.ours();

/// The doc of a field that says how long a session lasts without use.
pub(in crate::actions) const fn idle(name: &'static str) -> Field {
    Field::optional(
        name,
        SOME_TIME,
        "How long a session lasts while it is not used; known to a tenth of it, at most to a minute. Without it, use does not matter.",
    )
}

/// The doc of `scopes`, whose minimum differs.
pub(in crate::actions) const SCOPES: Shape = Shape::List { item: &Shape::Text, min: 0, max: usize::MAX };

const MOST_SCOPES: usize = 50;
const LONGEST_SCOPE: usize = 256;
const MOST_PARAMETERS: usize = 32;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 2048;
const LONGEST_ID: usize = 64;

/// What the login itself puts into the URL of the provider's page.
const TAKEN: &[&str] = &[
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// Checks what both actions have.
pub(in crate::actions) fn check(config: &Config<'_>, checker: &mut Checker) {
    if let Some(id) = config.get("auth_id") {
        let text = id.as_str().unwrap_or_default();
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if text.is_empty() || text.len() > LONGEST_ID || !text.chars().all(fits) {
            let help = Some(format!("use 1 to {LONGEST_ID} letters, digits, `-` and `_`"));
            checker.error(
                id,
                "ERR_NGROK_2204",
                "`auth_id` is none that a cookie can be called after".into(),
                help,
            );
        }
    }
    scopes(config, checker);
    parameters(config, checker);
    let public = config.get("public_url").map(|url| (url, origin(url.as_str().unwrap_or_default())));
    if let Some((url, Err(wrong))) = &public {
        let help = Some("write https:// and the host, without a path".into());
        checker.error(*url, "ERR_NGROK_2226", format!("`public_url` cannot be used: {wrong}"), help);
    }
    let Some(domain) = config.get("auth_cookie_domain") else { return };
    match cookie_domain(domain.as_str().unwrap_or_default()) {
        Err((code, message)) => checker.error(domain, code, message.to_owned(), None),
        Ok(name) => {
            let host = public.and_then(|(_, url)| url.ok()).map(|(_, host)| host);
            let within = |host: &String| *host == name || host.ends_with(&format!(".{name}"));
            if host.is_some_and(|host| !within(&host)) {
                let message = "the host of `public_url` does not belong to `auth_cookie_domain`".to_owned();
                checker.error(domain, "ERR_NGROK_2241", message, None);
            }
        }
    }
}

fn scopes(config: &Config<'_>, checker: &mut Checker) {
    let Some(list) = config.get("scopes") else { return };
    let all = list.as_list();
    if all.len() > MOST_SCOPES {
        let message = format!("{} scopes; at most {MOST_SCOPES} can be asked for", all.len());
        checker.error(list, "ERR_NGROK_388", message, None);
    }
    for scope in all {
        let text = scope.as_str().unwrap_or_default();
        // RFC 6749 section 3.3.
        let fits = |byte: u8| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
        if text.is_empty() || !text.bytes().all(fits) {
            let help = Some("write one scope an item, without spaces and quotes".into());
            checker.error(scope, "ERR_NGROK_2204", "this is no scope".into(), help);
        } else if text.len() > LONGEST_SCOPE {
            let message =
                format!("this scope has {} characters; at most {LONGEST_SCOPE} are allowed", text.len());
            checker.error(scope, "ERR_NGROK_392", message, None);
        }
    }
}

fn parameters(config: &Config<'_>, checker: &mut Checker) {
    let Some(map) = config.get("authz_url_params") else { return };
    let entries = map.entries();
    if entries.len() > MOST_PARAMETERS {
        let message = format!("{} parameters; at most {MOST_PARAMETERS} can be added", entries.len());
        checker.error(map, "ERR_NGROK_2244", message, None);
    }
    for (name, value) in entries {
        if TAKEN.contains(&name.to_ascii_lowercase().as_str()) {
            let message = format!("the parameter `{name}` belongs to the login itself");
            let help = if name.eq_ignore_ascii_case("scope") { "use `scopes`" } else { "leave it out" };
            checker.error(value, "ERR_NGROK_2219", message, Some(help.into()));
        } else if name.len() > LONGEST_KEY {
            let message = format!("the name of a parameter has at most {LONGEST_KEY} characters");
            checker.error(value, "ERR_NGROK_2245", message, None);
        } else if value.as_str().unwrap_or_default().len() > LONGEST_VALUE {
            let message = format!("the value of `{name}` has at most {LONGEST_VALUE} characters");
            checker.error(value, "ERR_NGROK_2246", message, None);
        }
    }
}

/// Scheme and host of a URL as it stands in a request, and the host's name alone.
pub(super) fn origin(text: &str) -> Result<(String, String), &'static str> {
    let url = parse(text)?;
    if url.path_and_query != "/" || text.contains(['#', '?']) {
        return Err("it must not have a path, a query or a fragment");
    }
    if !url.https && !is_loopback(&url.host) {
        return Err("it must begin with https://, because a session that travels openly can be stolen");
    }
    Ok((url.full.trim_end_matches('/').to_owned(), url.host))
}

/// A domain for cookies (RFC 6265 section 5.2.3): a dot before it means nothing.
pub(super) fn cookie_domain(text: &str) -> Result<String, (&'static str, &'static str)> {
    let name = text.strip_prefix('.').unwrap_or(text).to_ascii_lowercase();
    if !name.is_ascii() {
        return Err((
            "ERR_NGROK_2242",
            "write `auth_cookie_domain` in Punycode, as in `xn--bcher-kva.example`",
        ));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_address = last.bytes().all(|byte| byte.is_ascii_digit());
    if name.len() > 253 || !name.contains('.') || !name.split('.').all(label) || is_address {
        let message = "`auth_cookie_domain` is no domain with at least two parts, such as `example.com`";
        return Err(("ERR_NGROK_2243", message));
    }
    Ok(name)
}

/// Whether a field holds anything.
pub(in crate::actions) fn is_filled(config: &Config<'_>, name: &str) -> bool {
    config.get(name).and_then(|text| text.as_str()).is_some_and(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_and_domains() {
        assert_eq!(
            origin("https://App.Example.com/"),
            Ok(("https://app.example.com".into(), "app.example.com".into()))
        );
        assert_eq!(
            origin("https://a.example:8443"),
            Ok(("https://a.example:8443".into(), "a.example".into()))
        );
        assert!(origin("http://localhost:80").is_ok());
        for bad in
            ["http://app.example.com", "https://a/b", "https://a/?b", "app.example.com", "https://u@a", ""]
        {
            assert!(origin(bad).is_err(), "{bad}");
        }
        assert_eq!(cookie_domain(".Example.com"), Ok("example.com".into()));
        for (bad, code) in [
            ("bücher.example", "ERR_NGROK_2242"),
            ("com", "ERR_NGROK_2243"),
            ("a..b", "ERR_NGROK_2243"),
            ("10.0.0.1", "ERR_NGROK_2243"),
            ("a.b; Path=/x", "ERR_NGROK_2243"),
            ("-a.b", "ERR_NGROK_2243"),
            ("", "ERR_NGROK_2243"),
        ] {
            assert_eq!(cookie_domain(bad).map_err(|(code, _)| code), Err(code), "{bad}");
        }
    }
}
