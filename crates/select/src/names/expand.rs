//! The names of a request, after every rule about names.

use super::alias::Hit;
use super::params::{self, BadParam, UriParams};
use super::selector::{has_operator, parts, split_query};
use super::{NameTrace, Names, Replaced};
use crate::resolve::Ask;
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};
use tollgate_catalog::Provider;

/// Longest text in which a client lists names, in bytes.
const MAX_TEXT: usize = 4096;
/// The name that stands for "whatever the policy chooses".
const AUTO: &str = "ngrok/auto";

/// No parameters, once for all names.
static NO_PARAMS: LazyLock<Arc<UriParams>> = LazyLock::new(Arc::default);

/// No parameters. Costs a count, not an allocation.
pub(crate) fn no_params() -> Arc<UriParams> {
    Arc::clone(&NO_PARAMS)
}

/// One name to be looked up.
#[derive(Debug)]
pub(crate) struct Name<'a> {
    /// What the client wrote; `None` when the name is not the client's.
    pub(crate) asked: Option<&'a str>,
    /// What is looked up, without parameters.
    pub(crate) text: Cow<'a, str>,
    pub(crate) params: Arc<UriParams>,
    /// The alias that made it.
    pub(crate) alias: Option<usize>,
    /// The option that chose it.
    pub(crate) by: Option<&'static str>,
    /// Without a prefix it goes to the default backend, whatever the catalogue knows.
    pub(crate) backend_first: bool,
    /// Parameters that are not sent.
    pub(crate) ignored: Vec<BadParam>,
    /// Why it is no name at all.
    pub(crate) fault: Option<String>,
    /// Where it goes because it has no prefix and nothing knows it.
    pub(crate) backends: Vec<Arc<Provider>>,
}

/// The names of a request.
#[derive(Debug, Default)]
pub(crate) struct Expanded<'a> {
    /// In order, without duplicates. Empty: the choice is the policy's.
    pub(crate) names: Vec<Name<'a>>,
    /// Where `ngrok/auto` stands among others.
    pub(crate) auto: Option<usize>,
    /// The first name that was one too many.
    pub(crate) too_many: Option<&'a str>,
}

impl<'a> Name<'a> {
    fn new(asked: Option<&'a str>, text: Cow<'a, str>) -> Self {
        Self {
            asked,
            text,
            params: no_params(),
            alias: None,
            by: None,
            backend_first: false,
            ignored: Vec::new(),
            fault: None,
            backends: Vec::new(),
        }
    }

    fn faulty(asked: &'a str, why: String) -> Self {
        Self { fault: Some(why), ..Self::new(Some(asked), Cow::Borrowed(asked)) }
    }

    /// The name for people: the client's own.
    pub(crate) fn label(&self) -> &str {
        self.asked.unwrap_or(&self.text)
    }

    pub(crate) fn trace(&self) -> NameTrace {
        let at: Vec<String> =
            self.backends.iter().map(|backend| format!("{}:{}", backend.id, self.text)).collect();
        NameTrace {
            asked: self.asked.unwrap_or_default().to_owned(),
            becomes: if at.is_empty() { self.text.clone().into_owned() } else { at.join("|") },
            alias: self.alias,
            by: self.by,
            params: Arc::clone(&self.params),
            ignored: self.ignored.clone(),
        }
    }
}

/// Applies the rules to the names of a request: a replacement for all of them; else for each its parts, its alias,
/// its parameters; without any the models of the default backend.
///
/// `knows` says whether a whole text is the name of a model: it is then taken as it stands, `|` and `?` included.
pub(crate) fn expand<'a>(
    rules: &Names,
    ask: &Ask<'a>,
    most: usize,
    is_backend: &dyn Fn(&str) -> bool,
    knows: &dyn Fn(&str) -> bool,
) -> Expanded<'a> {
    let mut out = Expanded::default();
    match &rules.replaced {
        Some(replaced) => replace(rules, replaced, ask, most, &mut out),
        None => from_client(rules, ask, most, is_backend, knows, &mut out),
    }
    if out.auto.is_some() && out.names.len() == 1 {
        out.names.clear();
        out.auto = None;
    }
    out
}

/// The names of the client, or those for a client that gives none.
fn from_client<'a>(
    rules: &Names,
    ask: &Ask<'a>,
    most: usize,
    is_backend: &dyn Fn(&str) -> bool,
    knows: &dyn Fn(&str) -> bool,
    out: &mut Expanded<'a>,
) {
    let first = ask.model.map(|name| (name.trim(), true));
    let others = ask.models.iter().map(|name| (name.trim(), false));
    let mut fresh = Vec::new();
    let mut silent = true;
    for (text, is_first) in first.into_iter().chain(others).filter(|(text, _)| !text.is_empty()) {
        silent = false;
        one(rules, text, knows, &mut fresh);
        // In the place of the one model `ngrok/auto` says no more than nothing does.
        for name in fresh.drain(..).filter(|name| !(is_first && is_auto(&name.text))) {
            out.push(text, name, most);
        }
        if out.too_many.is_some() {
            break;
        }
    }
    if let (true, Some(backend)) = (silent, &rules.default_backend) {
        for leaf in backend.leaves().iter().filter(|leaf| !is_backend(&leaf.name)) {
            let name = Name {
                params: Arc::clone(&leaf.params),
                by: Some("default-backend"),
                ..Name::new(None, Cow::Owned(leaf.name.clone()))
            };
            out.push("", name, most);
        }
    }
}

pub(crate) fn is_auto(name: &str) -> bool {
    name.eq_ignore_ascii_case(AUTO)
}

impl<'a> Expanded<'a> {
    fn push(&mut self, text: &'a str, name: Name<'a>, most: usize) {
        let twice = |other: &Name<'_>| other.text == name.text && other.fault.is_none();
        if name.fault.is_none() && self.names.iter().any(twice) {
            return;
        }
        if is_auto(&name.text) {
            if self.auto.is_some() {
                return;
            }
            self.auto = Some(self.names.len());
        }
        if self.names.len() >= most {
            self.too_many.get_or_insert(text);
            return;
        }
        self.names.push(name);
    }
}

/// The names that stand in the place of the client's. Parameters of the client's own name count where these leave
/// them open.
fn replace<'a>(rules: &Names, replaced: &Replaced, ask: &Ask<'a>, most: usize, out: &mut Expanded<'a>) {
    let query = ask.model.filter(|text| rules.uri_params.enabled && text.len() <= MAX_TEXT);
    let query = query.filter(|text| parts(text).is_ok_and(|parts| parts.len() == 1));
    let query = query.and_then(|text| split_query(text).1);
    let (own, mut ignored) = query.map(params::parse).unwrap_or_default();
    for leaf in replaced.selector().leaves() {
        let name = Name {
            params: if own.is_empty() { Arc::clone(&leaf.params) } else { Arc::new(leaf.params.or(&own)) },
            by: Some(replaced.option()),
            backend_first: matches!(replaced, Replaced::Model(_)),
            ignored: std::mem::take(&mut ignored),
            ..Name::new(None, Cow::Owned(leaf.name.clone()))
        };
        out.push("", name, most);
    }
}

/// The parts of one of the client's texts, each after its alias.
fn one<'a>(rules: &Names, text: &'a str, knows: &dyn Fn(&str) -> bool, out: &mut Vec<Name<'a>>) {
    if text.len() > MAX_TEXT {
        return out.push(Name::faulty(text, format!("longer than {MAX_TEXT} bytes")));
    }
    let plain = !has_operator(text) || knows(text);
    let sides = if plain { Ok(vec![text]) } else { parts(text) };
    let sides = match sides {
        Ok(sides) => sides,
        Err(why) => return out.push(Name::faulty(text, why)),
    };
    for side in sides {
        let (base, query) = if plain || knows(side) { (side, None) } else { split_query(side) };
        if base.is_empty() {
            out.push(Name::faulty(side, "no name before the `?`".to_owned()));
            continue;
        }
        if query.is_some() && !rules.uri_params.enabled {
            let why = "parameters behind a name are turned off here; send them in the body".to_owned();
            out.push(Name::faulty(side, why));
            continue;
        }
        match rules.aliases.apply(base, query) {
            Some(hit) => aliased(side, query, &hit, out),
            None => out.push(with_params(Name::new(Some(side), Cow::Borrowed(base)), query)),
        }
    }
}

/// What an alias made of a name. It is not matched again.
fn aliased<'a>(side: &'a str, query: Option<&str>, hit: &Hit, out: &mut Vec<Name<'a>>) {
    let sides = match parts(&hit.text) {
        Ok(sides) => sides,
        Err(why) => {
            let fault = format!("{why} (made by model_aliases[{}])", hit.rule);
            return out.push(Name { alias: Some(hit.rule), ..Name::faulty(side, fault) });
        }
    };
    for made in sides {
        let (base, own) = split_query(made);
        let query = own.or(query.filter(|_| !hit.with_query));
        let name = Name { alias: Some(hit.rule), ..Name::new(Some(side), Cow::Owned(base.to_owned())) };
        out.push(with_params(name, query));
    }
}

fn with_params<'a>(mut name: Name<'a>, query: Option<&str>) -> Name<'a> {
    if let Some(query) = query {
        let (params, ignored) = params::parse(query);
        name.params = Arc::new(params);
        name.ignored = ignored;
    }
    name
}
