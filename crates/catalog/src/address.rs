//! Addresses that a policy completes: `https://{resource}.openai.azure.com`.

use crate::base_url;
use crate::check::Report;
use crate::model::{AuthStyle, Provider};
use crate::overlay::ProviderOverlay;
use std::collections::{BTreeMap, HashSet};

const FIELD: &str = "settings";
/// Longest value, in bytes: a label of a host name is shorter, a Google Cloud project too.
const MAX_VALUE: usize = 255;
/// Not a setting: every request fills it in.
const MODEL: &str = "model";

/// The setting that a signature of AWS needs; any provider with such signatures has it.
const REGION: &str = "region";
const AWS: &str = ".amazonaws.com";

impl Provider {
    /// The value of a setting.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name)?.as_deref()
    }

    /// The AWS region that requests are signed for: the setting `region`, else the one in the host's name.
    #[must_use]
    pub fn aws_region(&self) -> Option<&str> {
        let rest = self.base_url.split_once("://").map_or("", |(_, rest)| rest);
        let host = rest.split(['/', '?', ':']).next().unwrap_or_default();
        let named = host.strip_suffix(AWS).and_then(|host| host.rsplit_once('.')).map(|(_, region)| region);
        self.setting(REGION).or(named)
    }

    /// Whether a policy has to say something before the provider has an address.
    pub(crate) fn lacks_setting(&self) -> bool {
        !self.needed_settings().is_empty()
    }

    /// The settings without a value: a policy has to give one for each.
    #[must_use]
    pub fn needed_settings(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let missing = templates(self).into_iter().filter_map(|template| fill(template, &self.settings).err());
        for name in missing.flatten() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Says to people that the provider exists only in policies that list it, and how.
    #[must_use]
    pub fn how_to_list(&self) -> String {
        format!(
            "`{}` is built in, but exists only in a policy that lists it: `providers: [{}]`",
            self.id,
            self.entry()
        )
    }

    /// An entry of a policy's `providers` that brings the provider in, with examples for its settings:
    /// `{id: azure, settings: {resource: my-resource}}`.
    #[must_use]
    pub fn entry(&self) -> String {
        let needed = self.needed_settings();
        let settings = if needed.is_empty() {
            String::new()
        } else {
            format!(", settings: {{{}}}", examples(self, &needed))
        };
        format!("{{id: {}{settings}}}", self.id)
    }
}

/// Gives a provider another base URL. Paths and query go with the base path they are made for: Azure's
/// `/openai/v1` needs neither. A host alone gets that base path.
pub(crate) fn replace(provider: &mut Provider, url: &str) {
    replace_formats(provider, url);
    let usual = path_of(&provider.base_url).to_owned();
    let own = path_of(url);
    if provider.paths.is_empty() || own == usual {
        provider.base_url = url.to_owned();
    } else if own.is_empty() {
        let (address, query) = url.split_once('?').map_or((url, ""), |(address, query)| (address, query));
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        provider.base_url = format!("{}{usual}{query}", address.trim_end_matches('/'));
    } else {
        provider.paths.clear();
        provider.stream_paths.clear();
        provider.query.clear();
        provider.base_url = url.to_owned();
    }
}

/// Where a format's address is the provider's own without the end of its path (Google's without `/openai`), it is so
/// with another one too. Addresses that cannot be told are forgotten, and then there is no way around a gap.
fn replace_formats(provider: &mut Provider, url: &str) {
    let usual = provider.base_url.trim_end_matches('/');
    let told = |format_url: &str| {
        let end = usual.strip_prefix(format_url.trim_end_matches('/'))?;
        url.trim_end_matches('/').strip_suffix(end).filter(|_| end.starts_with('/')).map(str::to_owned)
    };
    let before = provider.format_base_urls.len();
    let formats = provider.format_base_urls.iter().filter_map(|(format, url)| Some((*format, told(url)?)));
    provider.format_base_urls = formats.collect();
    if provider.format_base_urls.len() < before {
        provider.surface_gaps.clear();
    }
}

/// Fills the settings of the overlay into the provider's addresses.
pub(crate) fn settle(provider: &mut Provider, overlay: &ProviderOverlay, report: &mut Report<'_>) {
    for (name, value) in &overlay.settings {
        let region = (provider.auth == AuthStyle::AwsSigV4).then_some(REGION);
        let region = region.filter(|region| !provider.settings.contains_key(*region));
        let known: Vec<&str> = provider.settings.keys().map(String::as_str).chain(region).collect();
        if !known.contains(&name.as_str()) {
            let message = format!("`{name}` is not a setting of `{}`", provider.id);
            let help = match known.as_slice() {
                [] => "it has none: write the value into `base_url`".to_owned(),
                known => format!("its settings are: {}", known.join(", ")),
            };
            report.add_at(FIELD, name, message, &help);
        } else if value.is_empty() || value.len() > MAX_VALUE || !value.chars().all(plain) {
            let message = format!("the setting `{name}` cannot be a part of an address");
            report.add_at(FIELD, name, message, "letters, digits, `-`, `_`, `.` and `:` can");
        }
        provider.settings.insert(name.clone(), Some(value.clone()));
    }
    except(provider, overlay);
    let mut missing: Vec<String> = Vec::new();
    let settings = provider.settings.clone();
    for template in templates_mut(provider) {
        match fill(template, &settings) {
            Ok(filled) => *template = filled,
            Err(names) => missing.extend(names),
        }
    }
    let mut seen = HashSet::new();
    missing.retain(|name| seen.insert(name.clone()));
    // A custom address may not name the region of the signature.
    if provider.auth == AuthStyle::AwsSigV4 && missing.is_empty() && provider.aws_region().is_none() {
        missing.push(REGION.to_owned());
    }
    let help = missing_help(provider, overlay, &missing);
    for name in &missing {
        report.add(FIELD, None, format!("`{}` needs the setting `{name}`", provider.id), &help);
    }
    let urls =
        std::iter::once(&provider.base_url).chain(provider.format_base_urls.iter().map(|(_, url)| url));
    let refused = urls.map(|url| base_url::check(url)).find_map(Result::err);
    if let Some(refusal) = refused.filter(|_| !overlay.settings.is_empty() && missing.is_empty()) {
        report.add(FIELD, None, format!("with these settings, {}", refusal.message), refusal.help);
    }
}

/// Replaces defaults by those that hold for what the policy says of other settings.
fn except(provider: &mut Provider, overlay: &ProviderOverlay) {
    for (name, others) in &provider.setting_exceptions {
        let holds = |(other, values): (&String, &BTreeMap<String, String>)| {
            values.get(overlay.settings.get(other)?).cloned()
        };
        if !overlay.settings.contains_key(name)
            && let Some(value) = others.iter().find_map(holds)
        {
            provider.settings.insert(name.clone(), Some(value));
        }
    }
}

/// How all settings that are missing are written.
fn missing_help(provider: &Provider, overlay: &ProviderOverlay, missing: &[String]) -> String {
    let entries = examples(provider, missing);
    if overlay.base_url.is_some() {
        format!("add `settings: {{{entries}}}`: requests are signed for a region")
    } else {
        format!("add `settings: {{{entries}}}`, with your own values, or its whole address as `base_url`")
    }
}

/// Settings with values as they may look: `project: my-project, location: europe-west4`.
fn examples(provider: &Provider, names: &[String]) -> String {
    let entry = |name: &String| {
        let usual = if name == REGION { "eu-central-1" } else { "…" };
        format!("{name}: {}", provider.setting_examples.get(name).map_or(usual, String::as_str))
    };
    names.iter().map(entry).collect::<Vec<_>>().join(", ")
}

/// What a template says with its placeholders filled, or all names that have no value. A value may hold
/// placeholders itself.
fn fill(template: &str, settings: &BTreeMap<String, Option<String>>) -> Result<String, Vec<String>> {
    let mut text = template.to_owned();
    let mut missing = Vec::new();
    // A value in a value is as deep as the data goes.
    for _ in 0..2 {
        text = pass(&text, settings, &mut missing);
    }
    if missing.is_empty() { Ok(text) } else { Err(missing) }
}

fn pass(template: &str, settings: &BTreeMap<String, Option<String>>, missing: &mut Vec<String>) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        filled.push_str(before);
        match settings.get(name) {
            _ if name == MODEL => filled.push_str("{model}"),
            Some(Some(value)) => filled.push_str(value),
            _ => missing.push(name.to_owned()),
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn templates(provider: &Provider) -> Vec<&String> {
    let urls = provider.format_base_urls.iter().map(|(_, url)| url);
    let paths = provider.paths.iter().chain(&provider.stream_paths).map(|(_, path)| path);
    let query = provider.query.iter().map(|(_, value)| value);
    std::iter::once(&provider.base_url).chain(urls).chain(paths).chain(query).collect()
}

fn templates_mut(provider: &mut Provider) -> impl Iterator<Item = &mut String> {
    let urls = provider.format_base_urls.iter_mut().map(|(_, url)| url);
    let paths = provider.paths.iter_mut().chain(&mut provider.stream_paths).map(|(_, path)| path);
    let query = provider.query.iter_mut().map(|(_, value)| value);
    std::iter::once(&mut provider.base_url).chain(urls).chain(paths).chain(query)
}

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':')
}

/// The path of a URL without slashes at its end.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let rest = rest.split('?').next().unwrap_or_default();
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default().trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<String>> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
    }

    #[test]
    fn placeholders() {
        let values = settings(&[
            ("a", Some("x")),
            ("host", Some("{a}.test")),
            ("open", None),
            ("deep", Some("{open}")),
        ]);
        for (template, expected) in [
            ("https://h.test", Ok("https://h.test")),
            ("https://{a}.test/{a}", Ok("https://x.test/x")),
            ("https://{host}/v1", Ok("https://x.test/v1")),
            ("/m/{model}/{a}", Ok("/m/{model}/x")),
            ("https://{open}.test", Err(&["open"][..])),
            ("https://{open}.test/{a}/{other}", Err(&["open", "other"])),
            ("https://{deep}/{other}", Err(&["other", "open"])),
            ("https://{a", Ok("https://{a")),
        ] {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let expected: Result<String, Vec<String>> = expected.map(str::to_owned).map_err(owned);
            assert_eq!(fill(template, &values), expected, "{template}");
        }
    }

    #[test]
    fn addresses_of_formats_follow() {
        use tollgate_dialect::{Format, Surface};
        let google = || Provider {
            base_url: "https://g.test/v1beta/openai/".to_owned(),
            format_base_urls: vec![(Format::Gemini, "https://g.test/v1beta".to_owned())],
            surface_gaps: vec![(Surface::ChatCompletions, Vec::new())],
            ..Provider::default()
        };
        for (url, gemini) in [
            ("https://me.test/google/openai", Some("https://me.test/google")),
            ("https://me.test/openai/", Some("https://me.test")),
            ("https://me.test/v1", None),
            ("https://me.test/openai?a=b", None),
        ] {
            let mut provider = google();
            replace(&mut provider, url);
            assert_eq!(provider.base_url, url);
            assert_eq!(provider.base_url_for(Format::Gemini), gemini.unwrap_or(url), "{url}");
            assert_eq!(provider.surface_gaps.is_empty(), gemini.is_none(), "{url}");
        }
        let mut other = Provider {
            base_url: "https://d.test".to_owned(),
            format_base_urls: vec![(Format::Anthropic, "https://d.test/anthropic/v1".to_owned())],
            ..Provider::default()
        };
        replace(&mut other, "https://me.test");
        assert!(other.format_base_urls.is_empty());
    }

    #[test]
    fn a_base_url_of_ones_own() {
        let azure = || Provider {
            base_url: "https://{resource}.test/openai".to_owned(),
            paths: vec![(tollgate_dialect::Surface::ChatCompletions, "/d/{model}".to_owned())],
            query: vec![("api-version".to_owned(), "1".to_owned())],
            ..Provider::default()
        };
        for (url, expected, keeps) in [
            ("https://me.test/openai", "https://me.test/openai", true),
            ("https://me.test/openai/", "https://me.test/openai/", true),
            ("https://me.test", "https://me.test/openai", true),
            ("https://me.test/?a=b", "https://me.test/openai?a=b", true),
            ("https://me.test/openai/v1", "https://me.test/openai/v1", false),
        ] {
            let mut provider = azure();
            replace(&mut provider, url);
            assert_eq!(provider.base_url, expected, "{url}");
            assert_eq!((provider.paths.is_empty(), provider.query.is_empty()), (!keeps, !keeps), "{url}");
        }
    }
}
