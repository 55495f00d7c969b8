//! `openid-connect`: lets pass who has logged in at an OpenID provider; sends browsers there.

use super::login;
use super::login::fields;
use crate::action::ActionType;
use tollgate_policy::{ActionSpec, Checker, Config, Field, Holds, Phase, ResultVar, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType { spec: &SPEC, build: login::build };

const RESULTS: &[ResultVar] = {
    let [id, email, name, user, access, refresh, expires, idle, age, asked] = login::RESULTS;
    &[
        id,
        email,
        name,
        user,
        ResultVar::new("identity.current_session_id", Holds::Text, "Of this login."),
        access,
        refresh,
        ResultVar::new("identity_token", Holds::Text, "Of the provider, verified."),
        expires,
        idle,
        age,
        asked,
        ResultVar::new("user_info_refreshed", Holds::Bool, "The same: both names are ngrok's."),
        ResultVar::ERROR_CODE,
        ResultVar::ERROR_MESSAGE,
    ]
};

static SPEC: ActionSpec = ActionSpec {
    name: "openid-connect",
    result_name: "oidc",
    summary: "Lets a request pass when its user has logged in at an OpenID provider (Keycloak, Okta, Entra ID, Google and others). \
              Browsers are sent there and come back to the page they wanted; what is no browser's way to a page gets 401. \
              Once a policy. [How to set it up](../login.md).",
    phases: &[Phase::HttpRequest],
    terminating: Terminating::Gate,
    results: RESULTS,
    differences: &[
        "Sessions are cookies that the gateway alone can read: they are not listed, and not revoked one by one. They last 14 days unless the policy says otherwise.",
        "Browsers come back to `/ngrok/oauth2/callback` on the same host; what is no browser's way to a page gets 401.",
        "An address that the provider says is not verified is left out of `identity.email`.",
        "Upstreams are sent no tokens by themselves; `add-headers` sends them.",
        "`type: oidc` and `idle_session_timeout` are taken too, the first with a warning.",
    ],
    fields: &[
        Field::optional(
            "issuer_url",
            Shape::Text,
            "The provider: what it says as `issuer`, to the letter, a slash at the end included. It describes itself below it, at \
             `/.well-known/openid-configuration`. `https`, or `http` on this machine. Must be there.",
        ),
        fields::CLIENT_ID,
        fields::CLIENT_SECRET,
        Field::optional(
            "scopes",
            fields::SCOPES,
            "What is asked for beside `openid`, `profile` and `email`. Many providers give a refresh token only for `offline_access`.",
        )
        .or("[]"),
        fields::AUTH_ID,
        fields::MAX_SESSION,
        fields::idle("idle_session_duration"),
        Field::optional("idle_session_timeout", fields::SOME_TIME, "Another name of `idle_session_duration`."),
        fields::REFRESH,
        fields::PARAMETERS,
        fields::PREFLIGHT,
        fields::COOKIE_DOMAIN,
        fields::PUBLIC_URL,
    ],
    check: Some(check),
    example: "- type: openid-connect\n  config:\n    issuer_url: https://login.example.com/realms/staff\n    client_id: playground\n    \
              client_secret: ${secrets.get('login', 'client-secret')}\n    max_session_duration: 12h\n    userinfo_refresh_interval: 15m\n",
};

fn check(config: &Config<'_>, checker: &mut Checker) {
    match config.get("issuer_url").filter(|_| fields::is_filled(config, "issuer_url")) {
        None => {
            let help = Some("add `issuer_url:` with the URL that the provider calls its issuer".into());
            checker.error(config, "ERR_NGROK_387", "`issuer_url` is missing".into(), help);
        }
        Some(url) => {
            if let Err(wrong) = login::issuer(url.as_str().unwrap_or_default()) {
                let message =
                    format!("`issuer_url` is no URL that a provider can describe itself at: {wrong}");
                checker.error(url, "ERR_NGROK_2226", message, None);
            }
        }
    }
    for (name, code) in [("client_id", "ERR_NGROK_385"), ("client_secret", "ERR_NGROK_386")] {
        if !fields::is_filled(config, name) {
            let help = Some("register this server at the provider, which gives it an id and a secret".into());
            let at = config.get(name).map_or(config.location(), |field| field.location());
            checker.error(at, code, format!("`{name}` is missing"), help);
        }
    }
    if let (Some(_), Some(other)) = (config.get("idle_session_duration"), config.get("idle_session_timeout"))
    {
        let message = "`idle_session_timeout` is another name of `idle_session_duration`".to_owned();
        checker.error(other, "ERR_NGROK_2203", message, Some("remove it".into()));
    }
    fields::check(config, checker);
}

#[cfg(test)]
mod tests {
    use crate::testing::loads;

    const GOOD: &str = "issuer_url: https://id.example.com, client_id: me, client_secret: s";

    fn load(config: &str) -> Result<String, String> {
        loads(&format!("on_http_request:\n  - type: openid-connect\n    config: {{{config}}}\n"))
    }

    #[test]
    fn every_field_is_taken() {
        let all = format!(
            "{GOOD}, scopes: [groups, 'https://a.example/b'], auth_id: staff-1, max_session_duration: 12h, idle_session_duration: 30m, \
             userinfo_refresh_interval: 10m, authz_url_params: {{prompt: consent, max_age: 60}}, allow_cors_preflight: true, \
             auth_cookie_domain: .example.com, public_url: 'https://app.example.com'"
        );
        assert_eq!(load(&all), Ok(String::new()));
        assert!(load(&format!("{GOOD}, idle_session_timeout: 5m")).is_ok());
        assert!(load("issuer_url: 'http://127.0.0.1:9000', client_id: me, client_secret: s").is_ok());
        assert!(
            load("issuer_url: 'http://localhost', client_id: \"${'a'}\", client_secret: \"${'b'}\"").is_ok()
        );
    }

    #[test]
    fn what_is_wrong_is_said_where_it_stands() {
        for (config, code, words) in [
            ("client_id: me, client_secret: s", "387", "issuer_url"),
            ("issuer_url: '', client_id: me, client_secret: s", "387", "issuer_url"),
            ("issuer_url: https://a.example, client_secret: s", "385", "client_id"),
            ("issuer_url: https://a.example, client_id: me", "386", "client_secret"),
            ("issuer_url: https://a.example, client_id: '', client_secret: s", "385", "client_id"),
            ("issuer_url: a.example, client_id: me, client_secret: s", "2226", "http://"),
            ("issuer_url: http://a.example, client_id: me, client_secret: s", "2226", "https://"),
            ("issuer_url: 'https://a.example/?b', client_id: me, client_secret: s", "2226", "query"),
            ("issuer_url: 'https://u:p@a.example', client_id: me, client_secret: s", "2226", "user name"),
            ("issuer_url: [a], client_id: me, client_secret: s", "2203", "issuer_url"),
        ] {
            let said = load(config).expect_err(config);
            assert!(said.contains(&format!("ERR_NGROK_{code}")) && said.contains(words), "{config}: {said}");
            assert!(said.contains("test.yml:2:") || said.contains("test.yml:3:"), "{said}");
        }
    }

    #[test]
    fn fields_that_both_logins_have_are_checked_too() {
        for (more, code, words) in [
            ("auth_id: 'a.b'", "2204", "auth_id"),
            ("auth_id: ''", "2204", "auth_id"),
            ("scopes: 'openid'", "2203", "scopes"),
            ("scopes: ['a b']", "2204", "scope"),
            ("scopes: ['']", "2204", "scope"),
            ("authz_url_params: {state: x}", "2219", "state"),
            ("authz_url_params: {Redirect_Uri: x}", "2219", "Redirect_Uri"),
            ("authz_url_params: {scope: x}", "2219", "scopes"),
            ("authz_url_params: [a]", "2203", "authz_url_params"),
            ("max_session_duration: 0s", "", "max_session_duration"),
            ("max_session_duration: 9000h", "", "max_session_duration"),
            ("max_session_duration: soon", "", "max_session_duration"),
            ("idle_session_duration: -1s", "", "idle_session_duration"),
            ("idle_session_duration: 1m, idle_session_timeout: 1m", "2203", "another name"),
            ("userinfo_refresh_interval: 1", "", "userinfo_refresh_interval"),
            ("allow_cors_preflight: maybe", "", "allow_cors_preflight"),
            ("auth_cookie_domain: localhost", "2243", "auth_cookie_domain"),
            ("auth_cookie_domain: bücher.example", "2242", "Punycode"),
            ("auth_cookie_domain: b.example, public_url: 'https://a.example'", "2241", "public_url"),
            ("public_url: 'http://a.example'", "2226", "https://"),
            ("public_url: 'https://a.example/path'", "2226", "path"),
            ("provider: google", "2203", "provider"),
        ] {
            let said = load(&format!("{GOOD}, {more}")).expect_err(more);
            assert!(said.contains(&format!("ERR_NGROK_{code}")) && said.contains(words), "{more}: {said}");
            assert!(said.contains("test.yml:3:"), "{said}");
        }
    }

    #[test]
    fn there_are_limits() {
        let many: Vec<String> = (0..51).map(|n| format!("s{n}")).collect();
        assert!(
            load(&format!("{GOOD}, scopes: [{}]", many.join(", ")))
                .expect_err("too many")
                .contains("ERR_NGROK_388")
        );
        let long = "x".repeat(257);
        assert!(load(&format!("{GOOD}, scopes: [{long}]")).expect_err("too long").contains("ERR_NGROK_392"));
        assert!(
            load(&format!("{GOOD}, authz_url_params: {{{long}: a}}"))
                .expect_err("too long")
                .contains("ERR_NGROK_2245")
        );
        let value = "x".repeat(2049);
        assert!(
            load(&format!("{GOOD}, authz_url_params: {{a: {value}}}"))
                .expect_err("too long")
                .contains("ERR_NGROK_2246")
        );
        let many: Vec<String> = (0..33).map(|n| format!("p{n}: v")).collect();
        let said = load(&format!("{GOOD}, authz_url_params: {{{}}}", many.join(", "))).expect_err("too many");
        assert!(said.contains("ERR_NGROK_2244"), "{said}");
    }

    #[test]
    fn it_belongs_to_requests_and_stands_once() {
        let action = format!("type: openid-connect\n    config: {{{GOOD}}}\n");
        let said = loads(&format!("on_http_response:\n  - {action}")).expect_err("another phase");
        assert!(said.contains("ERR_NGROK_2202") && said.contains("on_http_request"), "{said}");
        let said = loads(&format!("on_http_request:\n  - {action}  - {action}")).expect_err("twice");
        assert!(said.contains("ERR_NGROK_2239") && said.contains("test.yml:4:"), "{said}");
        let oauth = "type: oauth\n    config: {provider: github, client_id: a, client_secret: b}\n";
        let said = loads(&format!("on_http_request:\n  - {oauth}  - {action}")).expect_err("two logins");
        assert!(said.contains("ERR_NGROK_2239"), "{said}");
    }

    #[test]
    fn it_has_a_short_name() {
        let said = loads(&format!("on_http_request:\n  - type: oidc\n    config: {{{GOOD}}}\n"));
        assert!(
            said.as_ref().is_ok_and(|said| said.contains("warning") && said.contains("openid-connect")),
            "{said:?}"
        );
    }

    #[test]
    fn saml_is_refused_by_name() {
        let said =
            loads("on_http_request:\n  - type: saml\n    config: {idp_metadata: x}\n").expect_err("refused");
        assert!(said.contains("`saml` is not supported") && said.contains("openid-connect"), "{said}");
    }
}
