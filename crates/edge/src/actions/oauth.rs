//! `oauth`: lets pass who has logged in at one of some well-known providers; sends browsers there.

use super::login;
use super::login::fields;
use super::login::providers::PROVIDER_NAMES;
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
        ResultVar::new("identity.current_provider_session_id", Holds::Text, "Of this login."),
        access,
        refresh,
        expires,
        idle,
        age,
        asked,
        ResultVar::ERROR_CODE,
        ResultVar::ERROR_MESSAGE,
    ]
};

static SPEC: ActionSpec = ActionSpec {
    name: "oauth",
    result_name: "oauth",
    summary: "Lets a request pass when its user has logged in at Amazon, Facebook, GitHub, GitLab, Google, LinkedIn, Microsoft or \
              Twitch. Browsers are sent there and come back to the page they wanted; what is no browser's way to a page gets \
              401. Anybody with an account there passes: who may go on is for rules behind it. Once a policy. [How to set it \
              up](../login.md).",
    phases: &[Phase::HttpRequest],
    terminating: Terminating::Gate,
    results: RESULTS,
    differences: &[
        "`client_id` and `client_secret` must be there: ngrok's own applications at the providers cannot be used.",
        "Sessions are cookies that the gateway alone can read: they are not listed, and not revoked one by one. They last 14 days unless the policy says otherwise.",
        "Browsers come back to `/ngrok/oauth2/callback` on the same host; what is no browser's way to a page gets 401.",
        "An address that the provider says is not verified is left out of `identity.email`.",
        "Upstreams are sent no tokens by themselves; `add-headers` sends them.",
        "`linkedin` asks for `openid`, `profile` and `email`, because new applications are not given `r_liteprofile` and `r_emailaddress`.",
        "`identity.email` of `microsoft` is the sign-in name, because anybody can write another's address into the one of a tenant of his own.",
    ],
    fields: &[
        Field::required("provider", Shape::Enum(PROVIDER_NAMES), "Where users log in."),
        fields::CLIENT_ID,
        fields::CLIENT_SECRET,
        Field::optional(
            "scopes",
            fields::SCOPES,
            "What is asked for beside what is needed to know who it is. With `user:email` GitHub also tells addresses that are \
             not public.",
        )
        .or("[]"),
        fields::AUTH_ID,
        fields::MAX_SESSION,
        fields::idle("idle_session_timeout"),
        fields::REFRESH,
        fields::PARAMETERS,
        fields::PREFLIGHT,
        fields::COOKIE_DOMAIN,
        Field::optional(
            "endpoints",
            Shape::Object(&[
                Field::optional("authorize", Shape::Text, "The page that browsers are sent to.").ours(),
                Field::optional("token", Shape::Text, "Where a code becomes tokens.").ours(),
                Field::optional("userinfo", Shape::Text, "Where it is asked who a token belongs to.").ours(),
            ]),
            "Other addresses than the provider's usual ones: of a GitLab or GitHub Enterprise of your own, of one tenant at \
             Microsoft. `https`, or `http` on this machine.",
        )
        .ours(),
        fields::PUBLIC_URL,
    ],
    check: Some(check),
    example: "- type: oauth\n  config:\n    provider: google\n    client_id: 1234567890.apps.googleusercontent.com\n    \
              client_secret: ${secrets.get('login', 'client-secret')}\n    authz_url_params: {hd: example.com}\n",
};

fn check(config: &Config<'_>, checker: &mut Checker) {
    let at = |name: &str| config.get(name).map_or(config.location(), |field| field.location());
    match (fields::is_filled(config, "client_id"), fields::is_filled(config, "client_secret")) {
        (true, true) => {}
        (true, false) => {
            let help = Some("add `client_secret:` with the secret that the provider gave".into());
            checker.error(at("client_secret"), "ERR_NGROK_383", "`client_secret` is missing".into(), help);
        }
        (false, true) => {
            let help = Some("add `client_id:` with the id that the provider gave".into());
            checker.error(at("client_id"), "ERR_NGROK_384", "`client_id` is missing".into(), help);
        }
        (false, false) => {
            let message = "`client_id` and `client_secret` are missing: ngrok's own applications at the providers cannot be used here";
            let help = Some("register an application at the provider; docs/login.md says how".into());
            checker.error(config, "ERR_NGROK_389", message.into(), help);
        }
    }
    for (name, url) in config.get("endpoints").map(|map| map.entries()).unwrap_or_default() {
        if let Err(wrong) = login::endpoint(url.as_str().unwrap_or_default()) {
            checker.error(url, "ERR_NGROK_2226", format!("`endpoints.{name}` cannot be used: {wrong}"), None);
        }
    }
    fields::check(config, checker);
}

#[cfg(test)]
mod tests {
    use crate::testing::loads;

    fn load(config: &str) -> Result<String, String> {
        loads(&format!("on_http_request:\n  - type: oauth\n    config: {{{config}}}\n"))
    }

    #[test]
    fn every_provider_and_field_is_taken() {
        for provider in super::PROVIDER_NAMES {
            assert!(
                load(&format!("provider: {provider}, client_id: a, client_secret: b")).is_ok(),
                "{provider}"
            );
        }
        let all = "provider: gitlab, client_id: a, client_secret: b, scopes: [read_api], auth_id: x, max_session_duration: 1h, \
                   idle_session_timeout: 5m, userinfo_refresh_interval: 5m, authz_url_params: {a: b}, allow_cors_preflight: true, \
                   auth_cookie_domain: example.com, public_url: 'https://a.example.com', endpoints: {authorize: \
                   'https://git.example.com/oauth/authorize', token: 'https://git.example.com/oauth/token', userinfo: \
                   'http://127.0.0.1:1/oauth/userinfo'}";
        assert_eq!(load(all), Ok(String::new()));
    }

    #[test]
    fn what_is_wrong_is_said_where_it_stands() {
        for (config, code, words) in [
            ("provider: google", "389", "ngrok's own applications"),
            ("provider: google, client_id: '', client_secret: ''", "389", "ngrok's own applications"),
            ("provider: google, client_id: a", "383", "client_secret"),
            ("provider: google, client_secret: a", "384", "client_id"),
            ("client_id: a, client_secret: b", "2203", "provider"),
            ("provider: myspace, client_id: a, client_secret: b", "2222", "twitch"),
            ("provider: google, client_id: a, client_secret: b, issuer_url: https://a", "2203", "issuer_url"),
            (
                "provider: google, client_id: a, client_secret: b, endpoints: {token: 'http://a.example'}",
                "2226",
                "endpoints.token",
            ),
            (
                "provider: google, client_id: a, client_secret: b, endpoints: {keys: 'https://a'}",
                "2203",
                "keys",
            ),
            ("provider: google, client_id: a, client_secret: b, endpoints: x", "2203", "endpoints"),
            ("provider: google, client_id: a, client_secret: b, auth_id: 'a b'", "2204", "auth_id"),
        ] {
            let said = load(config).expect_err(config);
            assert!(said.contains(&format!("ERR_NGROK_{code}")) && said.contains(words), "{config}: {said}");
            assert!(said.contains("test.yml:2:") || said.contains("test.yml:3:"), "{said}");
        }
    }
}
