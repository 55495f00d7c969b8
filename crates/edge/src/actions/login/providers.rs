//! The providers of `oauth`: where they are, what has to be asked of them, and how they say who somebody is. What they
//! have in common is OAuth 2.0 (RFC 6749); the rest is data from their own pages.

use super::session::User;
use serde_json::Value;

/// A provider.
#[derive(Debug)]
pub(crate) struct Provider {
    /// Its name in a policy.
    pub(super) id: &'static str,
    pub(super) authorize: &'static str,
    pub(super) token: &'static str,
    pub(super) userinfo: &'static str,
    /// Behind the path of `userinfo`: the user's addresses, and the scopes with which they can be asked for.
    pub(super) emails: Option<(&'static str, &'static [&'static str])>,
    /// What is always asked for.
    pub(super) scopes: &'static [&'static str],
    /// Whether its documentation has PKCE (RFC 7636). To others it is not sent.
    pub(super) pkce: bool,
    /// What makes it ask the user again.
    pub(super) again: Option<(&'static str, &'static str)>,
    /// Whether it wants the client's id beside the token (`client-id`).
    pub(super) client_header: bool,
    /// Where the parts of an identity are in its answer: JSON pointers (RFC 6901), the first that has text counts.
    pub(super) subject: &'static str,
    pub(super) email: &'static str,
    pub(super) names: &'static [&'static str],
}

/// Where providers say whether they have seen that an address is the user's. Not saying so is no `no`.
const VERIFIED: [&str; 2] = ["/email_verified", "/verified_email"];

/// All of them, in the order of the alphabet.
pub(crate) const PROVIDERS: &[Provider] = &[
    // https://developer.amazon.com/docs/login-with-amazon/authorization-code-grant.html
    // https://developer.amazon.com/docs/login-with-amazon/obtain-customer-profile.html
    Provider {
        id: "amazon",
        authorize: "https://www.amazon.com/ap/oa",
        token: "https://api.amazon.com/auth/o2/token",
        userinfo: "https://api.amazon.com/user/profile",
        scopes: &["profile"],
        pkce: true,
        subject: "/user_id",
        ..PLAIN
    },
    // https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow
    // https://developers.facebook.com/docs/facebook-login/guides/advanced/re-authentication
    // An address is in the answer only when it is valid: https://developers.facebook.com/docs/graph-api/reference/user
    Provider {
        id: "facebook",
        authorize: "https://www.facebook.com/v21.0/dialog/oauth",
        token: "https://graph.facebook.com/v21.0/oauth/access_token",
        userinfo: "https://graph.facebook.com/v21.0/me?fields=id,name,email",
        scopes: &["email"],
        again: Some(("auth_type", "reauthenticate")),
        subject: "/id",
        ..PLAIN
    },
    // https://docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
    // https://docs.github.com/rest/users/users and https://docs.github.com/rest/users/emails
    Provider {
        id: "github",
        authorize: "https://github.com/login/oauth/authorize",
        token: "https://github.com/login/oauth/access_token",
        userinfo: "https://api.github.com/user",
        emails: Some(("/emails", &["user:email", "user"])),
        scopes: &["read:org", "read:user"],
        pkce: true,
        again: Some(("prompt", "select_account")),
        subject: "/id",
        names: &["/name", "/login"],
        ..PLAIN
    },
    // https://docs.gitlab.com/api/oauth2/ and https://docs.gitlab.com/integration/openid_connect_provider/
    Provider {
        id: "gitlab",
        authorize: "https://gitlab.com/oauth/authorize",
        token: "https://gitlab.com/oauth/token",
        userinfo: "https://gitlab.com/oauth/userinfo",
        scopes: &["openid", "profile", "email"],
        pkce: true,
        names: &["/name", "/nickname"],
        ..PLAIN
    },
    // https://developers.google.com/identity/protocols/oauth2/web-server
    // https://developers.google.com/identity/openid-connect/openid-connect#discovery
    Provider {
        id: "google",
        authorize: "https://accounts.google.com/o/oauth2/v2/auth",
        token: "https://oauth2.googleapis.com/token",
        userinfo: "https://openidconnect.googleapis.com/v1/userinfo",
        scopes: &[
            "https://www.googleapis.com/auth/userinfo.email",
            "https://www.googleapis.com/auth/userinfo.profile",
        ],
        pkce: true,
        again: Some(("prompt", "select_account")),
        ..PLAIN
    },
    // https://learn.microsoft.com/linkedin/consumer/integrations/self-serve/sign-in-with-linkedin-v2
    // `r_liteprofile` and `r_emailaddress` belong to a product that new applications have not got since August 2023.
    Provider {
        id: "linkedin",
        authorize: "https://www.linkedin.com/oauth/v2/authorization",
        token: "https://www.linkedin.com/oauth/v2/accessToken",
        userinfo: "https://api.linkedin.com/v2/userinfo",
        scopes: &["openid", "profile", "email"],
        ..PLAIN
    },
    // https://learn.microsoft.com/graph/auth-v2-user and https://learn.microsoft.com/graph/api/user-get
    // The sign-in name stands for the address, because its domain is one that the tenant has proved to be its own; whoever
    // administers any tenant at all can write what he likes into `mail`:
    // https://learn.microsoft.com/entra/identity-platform/migrate-off-email-claim-authorization
    Provider {
        id: "microsoft",
        authorize: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
        token: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        userinfo: "https://graph.microsoft.com/v1.0/me",
        scopes: &["User.Read"],
        pkce: true,
        again: Some(("prompt", "login")),
        subject: "/id",
        email: "/userPrincipalName",
        names: &["/displayName"],
        ..PLAIN
    },
    // https://dev.twitch.tv/docs/authentication/getting-tokens-oauth/ and https://dev.twitch.tv/docs/api/reference/#get-users
    Provider {
        id: "twitch",
        authorize: "https://id.twitch.tv/oauth2/authorize",
        token: "https://id.twitch.tv/oauth2/token",
        userinfo: "https://api.twitch.tv/helix/users",
        scopes: &["user:read:email"],
        again: Some(("force_verify", "true")),
        client_header: true,
        subject: "/data/0/id",
        email: "/data/0/email",
        names: &["/data/0/display_name", "/data/0/login"],
        ..PLAIN
    },
];

/// What most have in common: the claims of OpenID Connect (Core 1.0, section 5.1).
const PLAIN: Provider = Provider {
    id: "",
    authorize: "",
    token: "",
    userinfo: "",
    emails: None,
    scopes: &[],
    pkce: false,
    again: None,
    client_header: false,
    subject: "/sub",
    email: "/email",
    names: &["/name"],
};

/// Their names in a policy.
pub(crate) const PROVIDER_NAMES: &[&str] =
    &["amazon", "facebook", "github", "gitlab", "google", "linkedin", "microsoft", "twitch"];

/// The provider of this name.
pub(crate) fn provider(id: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.id == id)
}

/// Claims of OpenID Connect as an identity; `None` without `sub`.
pub(super) fn user_of_claims(claims: &Value) -> Option<User> {
    const OPENID: Provider =
        Provider { names: &["/name", "/preferred_username", "/nickname", "/given_name"], ..PLAIN };
    OPENID.user(claims)
}

impl Provider {
    /// What its answer says of the user; `None` without an id.
    pub(super) fn user(&self, answer: &Value) -> Option<User> {
        let text = |pointer: &str| match answer.pointer(pointer) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Number(number)) if number.is_u64() => Some(number.to_string()),
            _ => None,
        };
        let said = VERIFIED.iter().filter_map(|pointer| answer.pointer(pointer));
        let verified =
            said.map(|said| matches!(said, Value::Bool(true)) || said == "true").reduce(|a, b| a && b);
        // The name of a guest of a Microsoft tenant has `#EXT#` in it, and is no address.
        let email = text(self.email).filter(|email| verified != Some(false) && is_address(email));
        let name = self.names.iter().find_map(|pointer| text(pointer));
        Some(User {
            subject: text(self.subject)?,
            email: email.unwrap_or_default(),
            name: name.unwrap_or_default(),
            verified,
        })
    }
}

/// The address in a list of GitHub's that is both the user's first one and proved to be his.
pub(super) fn first_address(list: &Value) -> Option<String> {
    let entries = list.as_array()?;
    let good = |entry: &&Value| {
        entry.get("primary") == Some(&Value::Bool(true)) && entry.get("verified") == Some(&Value::Bool(true))
    };
    let email = entries.iter().find(good)?.get("email")?.as_str()?;
    is_address(email).then(|| email.to_owned())
}

/// Something before one `@`, something behind it, and nothing that rules comparing the end could stumble over.
fn is_address(text: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && !part.chars().any(|c| c.is_control() || c.is_whitespace() || "#<>,;".contains(c))
    };
    text.rsplit_once('@').is_some_and(|(name, host)| plain(name) && plain(host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn user(id: &str, answer: Value) -> Option<(String, String, String)> {
        let user = provider(id).expect("a provider").user(&answer)?;
        Some((user.subject, user.email, user.name))
    }

    #[test]
    fn the_table_is_whole() {
        let ids: Vec<&str> = PROVIDERS.iter().map(|provider| provider.id).collect();
        assert_eq!(ids, PROVIDER_NAMES);
        for provider in PROVIDERS {
            for url in [provider.authorize, provider.token, provider.userinfo] {
                assert!(crate::web_url::parse(url).is_ok_and(|url| url.https), "{url}");
            }
            assert!(!provider.scopes.is_empty(), "{}", provider.id);
        }
    }

    #[test]
    fn every_provider_says_in_its_own_way_who_it_is() {
        let ann =
            |id: &str, email: &str, name: &str| Some((id.to_owned(), email.to_owned(), name.to_owned()));
        for (provider, answer, expected) in [
            (
                "amazon",
                json!({"user_id": "amzn1.account.X", "email": "ann@example.com", "name": "Ann"}),
                ann("amzn1.account.X", "ann@example.com", "Ann"),
            ),
            (
                "facebook",
                json!({"id": "10", "name": "Ann", "email": "ann@example.com"}),
                ann("10", "ann@example.com", "Ann"),
            ),
            ("facebook", json!({"id": "10", "name": "Ann"}), ann("10", "", "Ann")),
            (
                "github",
                json!({"id": 583231, "login": "ann", "name": null, "email": null}),
                ann("583231", "", "ann"),
            ),
            (
                "github",
                json!({"id": 583231, "login": "ann", "name": "Ann", "email": "ann@example.com"}),
                ann("583231", "ann@example.com", "Ann"),
            ),
            (
                "gitlab",
                json!({"sub": "7", "nickname": "ann", "email": "ann@example.com", "email_verified": true}),
                ann("7", "ann@example.com", "ann"),
            ),
            (
                "google",
                json!({"sub": "1", "name": "Ann", "email": "ann@example.com", "email_verified": true}),
                ann("1", "ann@example.com", "Ann"),
            ),
            (
                "linkedin",
                json!({"sub": "l", "name": "Ann", "email": "ann@example.com", "email_verified": "true"}),
                ann("l", "ann@example.com", "Ann"),
            ),
            (
                "microsoft",
                json!({"id": "m", "displayName": "Ann", "mail": "boss@victim.example", "userPrincipalName": "ann@example.com"}),
                ann("m", "ann@example.com", "Ann"),
            ),
            (
                "microsoft",
                json!({"id": "m", "displayName": "Ann", "userPrincipalName": "ann_a.b#EXT#@tenant.example"}),
                ann("m", "", "Ann"),
            ),
            (
                "twitch",
                json!({"data": [{"id": "141", "login": "ann", "display_name": "Ann", "email": "ann@example.com"}]}),
                ann("141", "ann@example.com", "Ann"),
            ),
        ] {
            assert_eq!(user(provider, answer.clone()), expected, "{provider}: {answer}");
        }
    }

    #[test]
    fn without_an_id_there_is_nobody() {
        for (provider, answer) in [
            ("twitch", json!({"data": []})),
            ("google", json!({"name": "Ann"})),
            ("google", json!({"sub": ""})),
            ("google", json!([])),
        ] {
            assert_eq!(user(provider, answer.clone()), None, "{provider}: {answer}");
        }
    }

    #[test]
    fn an_address_that_the_provider_does_not_vouch_for_is_none() {
        for (name, said) in [
            ("email_verified", json!(false)),
            ("email_verified", json!("false")),
            ("email_verified", json!(null)),
            ("verified_email", json!(false)),
        ] {
            let mut answer = json!({"sub": "1", "email": "ann@example.com"});
            answer[name] = said;
            assert_eq!(user_of_claims(&answer).expect("an identity").email, "", "{answer}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for bad in ["", "ann", "@example.com", "ann@", "ann@evil.example\n@example.com", "a b@c", "a@b, c@d"]
        {
            let claims = json!({"sub": "1", "email": bad});
            assert_eq!(user_of_claims(&claims).expect("an identity").email, "", "{bad:?}");
        }
    }

    #[test]
    fn of_githubs_addresses_the_first_proved_one() {
        let list = json!([
            {"email": "old@example.com", "primary": false, "verified": true},
            {"email": "ann@example.com", "primary": true, "verified": true},
        ]);
        assert_eq!(first_address(&list).as_deref(), Some("ann@example.com"));
        let unproved = json!([{"email": "ann@example.com", "primary": true, "verified": false}]);
        assert_eq!(first_address(&unproved), None);
        assert_eq!(first_address(&json!({"message": "Not Found"})), None);
    }
}
