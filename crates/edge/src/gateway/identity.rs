//! What providers are told of the application behind a request: its name, its address, its program.
//!
//! OpenRouter shows them in its rankings and its activity page (openrouter.ai/docs/app-attribution); others read
//! `User-Agent` at most.

use http::header::{HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, header};
use tollgate_dialect::headers as wire;

/// The provider that knows these headers by its own names.
const OPENROUTER: &str = "openrouter";
const OPENROUTER_TITLE: HeaderName = HeaderName::from_static("x-openrouter-title");
const TITLE: HeaderName = HeaderName::from_static("x-title");
const URL: HeaderName = HeaderName::from_static("http-referer");
const CATEGORIES: HeaderName = HeaderName::from_static("x-openrouter-categories");
/// Longest value, in bytes. Servers refuse heads of 8 KiB; these are names.
const MAX_VALUE: usize = 512;

/// `identity`: who is said to be behind a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `User-Agent`
    pub user_agent: Option<IdentityRule>,
    /// `X-Title`; for OpenRouter also `X-OpenRouter-Title`.
    pub title: Option<IdentityRule>,
    /// `HTTP-Referer`
    pub url: Option<IdentityRule>,
    /// `X-OpenRouter-Categories`, for OpenRouter only.
    pub categories: Option<IdentityRule>,
}

/// Where the value of one header comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityRule {
    /// From the client.
    Passthrough {
        /// The client's header, where it is not the usual one.
        name: Option<HeaderName>,
        /// The value when the client sends none.
        default: Option<HeaderValue>,
    },
    /// Always this.
    Fixed(HeaderValue),
}

/// The fields of a rule, as they are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdentityFields<'a> {
    /// `passthrough`, `override` or `default`; `passthrough` when left out.
    pub mode: Option<&'a str>,
    /// `override_value`
    pub override_value: Option<&'a str>,
    /// `default_value`
    pub default_value: Option<&'a str>,
    /// `passthrough_name`
    pub passthrough_name: Option<&'a str>,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityError {
    /// The field.
    pub field: &'static str,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: &'static str,
}

impl IdentityRule {
    /// Checks the fields of a rule.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(fields: &IdentityFields<'_>) -> Result<Self, IdentityError> {
        let wrong = |field, message: &str, help| IdentityError { field, message: message.to_owned(), help };
        let read = |field, text: Option<&str>| text.map(|text| value(field, text)).transpose();
        let fixed = read("override_value", fields.override_value)?;
        let default = read("default_value", fields.default_value)?;
        let name = fields.passthrough_name.map(passthrough_name).transpose()?;
        let mode = fields.mode.unwrap_or("passthrough");
        let unused = match mode {
            "passthrough" => fixed.is_some().then_some("override_value"),
            "override" | "default" => name.is_some().then_some("passthrough_name"),
            _ => {
                let message = format!("`{mode}` is no mode");
                return Err(wrong("mode", &message, "write passthrough, override or default"));
            }
        };
        if let Some(field) = unused {
            let message = format!("has no effect with the mode `{mode}`");
            return Err(wrong(field, &message, "leave it out, or change `mode`"));
        }
        let needed = "give the value that is to be sent";
        match mode {
            "override" => fixed
                .or(default)
                .map(Self::Fixed)
                .ok_or_else(|| wrong("override_value", "is missing", needed)),
            "default" if fixed.is_some() => Err(wrong(
                "override_value",
                "has no effect with the mode `default`",
                "leave it out, or change `mode`",
            )),
            "default" => default.map(Self::Fixed).ok_or_else(|| wrong("default_value", "is missing", needed)),
            _ => Ok(Self::Passthrough { name, default }),
        }
    }

    /// The value to send, if there is one. The client's is looked for under `usual`, the first that is there.
    fn value(&self, from: &HeaderMap, usual: &[HeaderName]) -> Option<HeaderValue> {
        match self {
            Self::Fixed(value) => Some(value.clone()),
            Self::Passthrough { name: Some(name), default } => from.get(name).or(default.as_ref()).cloned(),
            Self::Passthrough { name: None, default } => {
                usual.iter().find_map(|name| from.get(name)).or(default.as_ref()).cloned()
            }
        }
    }
}

impl Identity {
    /// This, and of `other` what this says nothing about.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Self {
            user_agent: self.user_agent.or_else(|| other.user_agent.clone()),
            title: self.title.or_else(|| other.title.clone()),
            url: self.url.or_else(|| other.url.clone()),
            categories: self.categories.or_else(|| other.categories.clone()),
        }
    }

    /// Sets the headers on a request to `provider`. `out` holds what goes on of the client's headers already.
    pub fn apply(&self, provider: &str, from_client: &HeaderMap, out: &mut HeaderMap) {
        let openrouter = provider == OPENROUTER;
        if let Some(rule) = &self.user_agent {
            set(out, USER_AGENT, rule.value(from_client, &[USER_AGENT]));
        }
        if let Some(rule) = &self.url {
            set(out, URL, rule.value(from_client, &[URL]));
        }
        if let Some(rule) = self.categories.as_ref().filter(|_| openrouter) {
            set(out, CATEGORIES, rule.value(from_client, &[CATEGORIES]));
        }
        const PASS: IdentityRule = IdentityRule::Passthrough { name: None, default: None };
        let title = self.title.as_ref().unwrap_or(&PASS).value(from_client, &[OPENROUTER_TITLE, TITLE]);
        set(out, OPENROUTER_TITLE, title.clone().filter(|_| openrouter));
        set(out, TITLE, title);
    }
}

/// One header that tells a provider who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The header.
    pub header: HeaderName,
    /// Its value.
    pub value: String,
    /// Where the value is from, for people.
    pub from: String,
}

impl Identity {
    /// What a request whose headers are `sent` tells its provider, and where each value is from. `policy` is the part of
    /// the rules that the policy itself has; `last` says which headers it sets after them.
    pub(super) fn told(
        &self,
        policy: &Self,
        from_client: &HeaderMap,
        sent: &HeaderMap,
        last: &dyn Fn(&HeaderName) -> bool,
    ) -> Vec<Told> {
        let parts = [
            (USER_AGENT, "user_agent", &self.user_agent, &policy.user_agent),
            (TITLE, "title", &self.title, &policy.title),
            (OPENROUTER_TITLE, "title", &self.title, &policy.title),
            (URL, "url", &self.url, &policy.url),
            (CATEGORIES, "categories", &self.categories, &policy.categories),
        ];
        let told =
            |(header, part, rule, own): (HeaderName, &str, &Option<IdentityRule>, &Option<IdentityRule>)| {
                let value = sent.get(&header)?.to_str().ok()?.to_owned();
                let place =
                    if own.is_some() { "the policy" } else { "flag, environment or configuration file" };
                let usual: &[HeaderName] =
                    if part == "title" { &[OPENROUTER_TITLE, TITLE] } else { std::slice::from_ref(&header) };
                let of_client =
                    |names: &[HeaderName]| names.iter().find(|name| from_client.contains_key(*name)).cloned();
                let from = match rule {
                    _ if last(&header) => "headers of the policy".to_owned(),
                    Some(IdentityRule::Fixed(_)) => format!("identity.{part}, {place}"),
                    Some(IdentityRule::Passthrough { name, .. }) => {
                        match of_client(name.as_ref().map_or(usual, std::slice::from_ref)) {
                            Some(name) => format!("the client's {name}"),
                            None => format!("identity.{part}.default_value, {place}"),
                        }
                    }
                    None => format!("the client's {}", of_client(usual).unwrap_or_else(|| header.clone())),
                };
                Some(Told { header, value, from })
            };
        parts.into_iter().filter_map(told).collect()
    }
}

fn set(out: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    match value {
        Some(value) => drop(out.insert(name, value)),
        None => drop(out.remove(name)),
    }
}

fn value(field: &'static str, text: &str) -> Result<HeaderValue, IdentityError> {
    let wrong = |message: &str, help| IdentityError { field, message: message.to_owned(), help };
    if text.trim().is_empty() {
        return Err(wrong("is empty", "leave it out to send nothing"));
    }
    if text.len() > MAX_VALUE {
        return Err(wrong("is longer than 512 bytes", "shorten it"));
    }
    let visible = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    match HeaderValue::try_from(text.trim()) {
        Ok(value) if visible => Ok(value),
        _ => Err(wrong("has characters a header cannot carry", "use visible ASCII characters, on one line")),
    }
}

fn passthrough_name(text: &str) -> Result<HeaderName, IdentityError> {
    let wrong =
        |message: &str, help| IdentityError { field: "passthrough_name", message: message.to_owned(), help };
    let name = HeaderName::try_from(text.trim())
        .map_err(|_| wrong("is not the name of a header", "use letters, digits and `-`"))?;
    let kept = wire::is_client_credential(name.as_str())
        || wire::is_stripped(name.as_str())
        || matches!(name, header::COOKIE | header::AUTHORIZATION);
    if kept {
        Err(wrong("names a header that never goes on to a provider", "name another header"))
    } else {
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
        };
        list.iter().map(pair).collect()
    }

    fn rule(
        mode: &str,
        fixed: Option<&str>,
        default: Option<&str>,
        name: Option<&str>,
    ) -> Option<IdentityRule> {
        let fields = IdentityFields {
            mode: Some(mode),
            override_value: fixed,
            default_value: default,
            passthrough_name: name,
        };
        Some(IdentityRule::read(&fields).expect("a good rule"))
    }

    /// The headers that go to a provider when the client sends these, as `name: value` in order of name.
    fn sent(identity: &Identity, provider: &str, client: &[(&str, &str)]) -> Vec<String> {
        let from = headers(client);
        let mut out = from.clone();
        identity.apply(provider, &from, &mut out);
        let mut all: Vec<String> = out.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        all.sort();
        all
    }

    const CLIENT: &[(&str, &str)] =
        &[("user-agent", "c/1"), ("http-referer", "https://c.example"), ("x-title", "C")];

    #[test]
    fn without_rules_the_client_is_passed_on() {
        let nobody = Identity::default();
        let same = ["http-referer: https://c.example", "user-agent: c/1", "x-title: C"];
        assert_eq!(sent(&nobody, "openai", CLIENT), same);
        let both =
            ["http-referer: https://c.example", "user-agent: c/1", "x-openrouter-title: C", "x-title: C"];
        assert_eq!(sent(&nobody, "openrouter", CLIENT), both);
        assert!(sent(&nobody, "openrouter", &[]).is_empty(), "nothing of ours");
        assert_eq!(sent(&nobody, "openai", &[("x-openrouter-title", "T")]), ["x-title: T"]);
    }

    #[test]
    fn modes() {
        let table = [
            (rule("passthrough", None, None, None), "client", Some("client")),
            (rule("passthrough", None, Some("d"), None), "client", Some("client")),
            (rule("passthrough", None, Some("d"), None), "", Some("d")),
            (rule("passthrough", None, None, None), "", None),
            (rule("override", Some("o"), None, None), "client", Some("o")),
            (rule("override", Some("o"), Some("d"), None), "", Some("o")),
            (rule("override", None, Some("d"), None), "client", Some("d")),
            (rule("default", None, Some("d"), None), "client", Some("d")),
        ];
        for (rule, client, expected) in table {
            let all = Identity {
                user_agent: rule.clone(),
                title: rule.clone(),
                url: rule.clone(),
                categories: rule.clone(),
            };
            for (name, provider) in [
                ("user-agent", "openai"),
                ("x-title", "openai"),
                ("http-referer", "openai"),
                ("x-openrouter-title", "openrouter"),
                ("x-openrouter-categories", "openrouter"),
            ] {
                let from: HeaderMap =
                    if client.is_empty() { HeaderMap::new() } else { headers(&[(name, client)]) };
                let mut out = from.clone();
                all.apply(provider, &from, &mut out);
                assert_eq!(out.get(name).map(|v| v.to_str().unwrap()), expected, "{name} {rule:?}");
            }
        }
    }

    #[test]
    fn another_header_of_the_client() {
        let identity =
            Identity { title: rule("passthrough", None, Some("d"), Some("X-App")), ..Identity::default() };
        assert_eq!(
            sent(&identity, "openai", &[("x-app", "A"), ("x-title", "T")]),
            ["x-app: A", "x-title: A"]
        );
        assert_eq!(sent(&identity, "openai", &[("x-title", "T")]), ["x-title: d"]);
    }

    #[test]
    fn categories_are_for_openrouter_only() {
        let identity =
            Identity { categories: rule("override", Some("cli-agent"), None, None), ..Identity::default() };
        assert_eq!(sent(&identity, "openrouter", &[]), ["x-openrouter-categories: cli-agent"]);
        assert!(sent(&identity, "openai", &[]).is_empty());
    }

    #[test]
    fn the_nearer_rule_wins_part_by_part() {
        let far = Identity {
            title: rule("override", Some("far"), None, None),
            url: rule("override", Some("https://far.example"), None, None),
            ..Identity::default()
        };
        let near = Identity { title: rule("override", Some("near"), None, None), ..Identity::default() };
        assert_eq!(
            sent(&near.or(&far), "openai", CLIENT),
            ["http-referer: https://far.example", "user-agent: c/1", "x-title: near"]
        );
    }

    #[test]
    fn bad_rules_are_refused() {
        let wrong = |mode, fixed, default_value, passthrough_name| {
            let fields = IdentityFields { mode, override_value: fixed, default_value, passthrough_name };
            IdentityRule::read(&fields).expect_err("wrong").field
        };
        assert_eq!(wrong(Some("always"), None, None, None), "mode");
        assert_eq!(wrong(Some("override"), None, None, None), "override_value");
        assert_eq!(wrong(Some("default"), None, None, None), "default_value");
        assert_eq!(wrong(Some("default"), Some("x"), Some("d"), None), "override_value");
        assert_eq!(wrong(None, Some("x"), None, None), "override_value");
        assert_eq!(wrong(Some("override"), Some("x"), None, Some("x-app")), "passthrough_name");
        for bad in ["", "a\r\nb: c", "größe", "a\tb"] {
            assert_eq!(wrong(Some("override"), Some(bad), None, None), "override_value", "{bad:?}");
        }
        let long = "x".repeat(513);
        assert_eq!(wrong(None, None, Some(long.as_str()), None), "default_value");
        for bad in ["not a name", "authorization", "x-api-key", "cookie", "host", "connection"] {
            assert_eq!(wrong(None, None, None, Some(bad)), "passthrough_name", "{bad}");
        }
    }
}
