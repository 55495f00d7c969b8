//! Where a login goes: the endpoints of a provider, from the table or from what an OpenID provider says of itself.

use crate::outbound::Said;
use crate::web_url::{parse, same_origin};
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;
use tollgate_dialect::url::JoinedUrl;

/// Everything that has to be known of a provider.
#[derive(Clone, Debug)]
pub(super) struct Endpoints {
    pub(super) authorize: Arc<JoinedUrl>,
    pub(super) token: Arc<JoinedUrl>,
    pub(super) userinfo: Option<Arc<JoinedUrl>>,
    /// What verifies identity tokens; only of OpenID providers.
    pub(super) signed: Option<Signed>,
    /// Whether the client's secret goes into a header instead of the form (RFC 6749 section 2.3.1).
    pub(super) basic: bool,
}

/// How an OpenID provider signs.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) issuer: String,
    pub(super) keys: Arc<JoinedUrl>,
    /// Those of the provider's that can be verified with a public key.
    pub(super) algorithms: Vec<String>,
}

impl Endpoints {
    /// Who says that a URL of these is called: the policy's text, or the provider that the text names.
    pub(super) fn said(&self, url: &JoinedUrl) -> Said {
        self.signed.as_ref().map_or(Said::Policy, |signed| signed.said(url))
    }
}

impl Signed {
    /// The same for an OpenID provider: it may be behind this very process, but cannot lead to another listener of it.
    pub(super) fn said(&self, url: &JoinedUrl) -> Said {
        let at_issuer = parse(&self.issuer).is_ok_and(|issuer| same_origin(&issuer, url));
        if at_issuer { Said::Policy } else { Said::Server }
    }
}

/// Whether a host is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = host == "localhost" || host.ends_with(".localhost");
    name || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A URL that secrets may be sent to: `https`, or `http` on this machine.
pub(in crate::actions) fn safe(text: &str) -> Result<JoinedUrl, &'static str> {
    let url = parse(text)?;
    if url.https || is_loopback(&url.host) {
        return Ok(url);
    }
    Err("it must begin with https://, because what is sent there is secret; http:// is for this machine only")
}

/// The URL where an issuer describes itself (OpenID Connect Discovery 1.0, section 4).
pub(in crate::actions) fn description_of(issuer: &str) -> Result<JoinedUrl, &'static str> {
    let url = safe(issuer)?;
    if url.path_and_query.contains('?') || issuer.contains(['#', '?']) {
        return Err("it must not have a query or a fragment");
    }
    safe(&format!("{}/.well-known/openid-configuration", issuer.trim().trim_end_matches('/')))
}

/// Reads what an issuer says of itself (OpenID Connect Discovery 1.0, section 3).
pub(super) fn read_description(body: &[u8], issuer: &str) -> Result<Endpoints, String> {
    let Ok(Value::Object(said)) = serde_json::from_slice::<Value>(body) else {
        return Err("it is no JSON object".into());
    };
    let text = |name: &str| said.get(name).and_then(Value::as_str);
    let list = |name: &str| -> Option<Vec<String>> {
        let items = said.get(name)?.as_array()?;
        Some(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
    };
    match text("issuer") {
        Some(named) if named == issuer => {}
        Some(named) => {
            let named: String = named.chars().filter(|c| !c.is_control()).take(200).collect();
            return Err(format!(
                "it says that its issuer is `{named}`; `issuer_url` must be the same, to the letter"
            ));
        }
        None => return Err("it does not say its `issuer`".into()),
    }
    let here = parse(issuer).is_ok_and(|url| is_loopback(&url.host));
    let url = |name: &str| -> Result<Option<Arc<JoinedUrl>>, String> {
        let Some(found) = text(name) else { return Ok(None) };
        let url = safe(found).map_err(|wrong| format!("its `{name}` cannot be used: {wrong}"))?;
        // An issuer elsewhere must not make the gateway call its own machine.
        if !here && is_loopback(&url.host) {
            return Err(format!("its `{name}` is on this machine, and the issuer is not"));
        }
        Ok(Some(Arc::new(url)))
    };
    let needed = |name: &str| url(name)?.ok_or_else(|| format!("it has no `{name}`"));
    let ways = list("token_endpoint_auth_methods_supported");
    let offers = |way: &str| ways.as_ref().is_none_or(|ways| ways.iter().any(|one| one == way));
    // Without a list it is the first (section 3).
    let basic = offers("client_secret_basic");
    if !basic && !offers("client_secret_post") {
        return Err(
            "it takes a client's secret neither by `client_secret_basic` nor by `client_secret_post`".into(),
        );
    }
    let named = list("id_token_signing_alg_values_supported").unwrap_or_else(|| vec!["RS256".into()]);
    let known = |name: &String| tollgate_cloud::ALGORITHMS.contains(&name.as_str());
    let algorithms: Vec<String> = named.into_iter().filter(known).collect();
    if algorithms.is_empty() {
        return Err("it signs identity tokens by no algorithm that can be verified with a public key".into());
    }
    Ok(Endpoints {
        authorize: needed("authorization_endpoint")?,
        token: needed("token_endpoint")?,
        userinfo: url("userinfo_endpoint")?,
        signed: Some(Signed { issuer: issuer.to_owned(), keys: needed("jwks_uri")?, algorithms }),
        basic,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ISSUER: &str = "https://id.example.com/realm";

    fn description() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://id.example.com/authorize?tenant=1",
            "token_endpoint": "https://token.example.com/",
            "userinfo_endpoint": "https://id.example.com/me",
            "jwks_uri": "https://id.example.com/keys",
            "id_token_signing_alg_values_supported": ["none", "HS256", "ES256", "RS256"],
        })
    }

    fn read(changed: Value) -> Result<Endpoints, String> {
        let mut description = description();
        for (name, value) in changed.as_object().expect("a mapping") {
            description[name] = value.clone();
        }
        read_description(description.to_string().as_bytes(), ISSUER)
    }

    #[test]
    fn a_description_is_read() {
        let endpoints = read(json!({})).expect("endpoints");
        let signed = endpoints.signed.expect("an OpenID provider");
        assert_eq!(signed.algorithms, ["ES256", "RS256"], "none and HS256 are nothing to verify with");
        assert_eq!(endpoints.authorize.full, "https://id.example.com/authorize?tenant=1");
        assert!(endpoints.basic && endpoints.userinfo.is_some());
        let post =
            read(json!({"token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_post"]}));
        assert!(!post.expect("endpoints").basic);
        let usual = read(json!({"id_token_signing_alg_values_supported": null, "userinfo_endpoint": null}));
        let usual = usual.expect("endpoints");
        assert!(usual.userinfo.is_none());
        assert_eq!(usual.signed.expect("an OpenID provider").algorithms, ["RS256"]);
    }

    #[test]
    fn what_cannot_be_trusted_is_refused() {
        for (changed, why) in [
            (json!({"issuer": "https://id.example.com/realm/"}), "issuer"),
            (json!({"issuer": "https://evil.example"}), "https://evil.example"),
            (json!({"issuer": null}), "`issuer`"),
            (json!({"token_endpoint": null}), "no `token_endpoint`"),
            (json!({"token_endpoint": "http://id.example.com/token"}), "https://"),
            (json!({"token_endpoint": "http://127.0.0.1/token"}), "this machine"),
            (json!({"userinfo_endpoint": "https://localhost/me"}), "this machine"),
            (json!({"jwks_uri": "file:///etc/passwd"}), "jwks_uri"),
            (json!({"jwks_uri": null}), "jwks_uri"),
            (json!({"authorization_endpoint": "javascript:alert(1)"}), "authorization_endpoint"),
            (json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}), "client_secret_basic"),
            (json!({"id_token_signing_alg_values_supported": ["none", "HS256"]}), "algorithm"),
        ] {
            let said = read(changed.clone()).expect_err("refused");
            assert!(said.contains(why), "{changed}: {said}");
        }
        assert!(read_description(b"<html>", ISSUER).is_err());
        assert!(read_description(b"[]", ISSUER).is_err());
    }

    #[test]
    fn an_issuer_on_this_machine_may_be_without_tls() {
        let issuer = "http://127.0.0.1:9000";
        let text =
            description().to_string().replace(ISSUER, issuer).replace("https://id.example.com", issuer);
        assert!(read_description(text.as_bytes(), issuer).is_ok());
        assert_eq!(
            description_of("https://id.example.com/realm/").map(|url| url.full),
            Ok("https://id.example.com/realm/.well-known/openid-configuration".into())
        );
        for bad in [
            "http://id.example.com",
            "id.example.com",
            "https://id.example.com/?a=b",
            "https://a/#b",
            "",
            "https://u:p@a",
        ] {
            assert!(description_of(bad).is_err(), "{bad}");
        }
    }
}
