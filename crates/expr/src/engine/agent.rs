//! `req.user_agent.*`: a short reading of the header, good for rules, no database.

use super::{Field, dual, flag, headers, text};
use crate::activation::Activation;
use crate::value::Value;
use std::sync::Arc;

pub(super) const AGENT: Field =
    dual("user_agent", "The header `User-Agent`.", |a| Value::String(raw(a)), FIELDS);

static FIELDS: &[Field] = &[
    text("name", "The program: `Safari`, `curl`, `GPTBot`.", |a| Value::from(product(&raw(a)).0)),
    text("version", "Its version.", |a| Value::from(product(&raw(a)).1)),
    text("os", "The system: `macOS`, `iOS`, `Android`, `Windows`.", |a| Value::from(system(&raw(a)).0)),
    text("os_version", "Its version.", |a| Value::from(system(&raw(a)).1)),
    text("device", "The device: `iPhone`, `iPad`, `Pixel`.", |a| Value::from(device(&raw(a)))),
    text("url", "The URL that a bot gives of itself.", |a| Value::from(url(&raw(a)))),
    flag("is_mobile", "A telephone.", |a| Value::Bool(form(&raw(a)) == Form::Mobile)),
    flag("is_tablet", "A tablet.", |a| Value::Bool(form(&raw(a)) == Form::Tablet)),
    flag("is_desktop", "A desktop browser.", |a| Value::Bool(form(&raw(a)) == Form::Desktop)),
    flag("is_bot", "A crawler, by its own word.", |a| Value::Bool(form(&raw(a)) == Form::Bot)),
];

#[derive(PartialEq, Eq)]
enum Form {
    Mobile,
    Tablet,
    Desktop,
    Bot,
    Other,
}

fn raw(a: &Activation<'_>) -> Arc<str> {
    headers::first(a.request.map(|request| &request.headers), http::header::USER_AGENT).unwrap_or_default()
}

/// The version after a product's token: digits and dots.
fn version<'t>(agent: &'t str, token: &str) -> Option<&'t str> {
    let (_, rest) = agent.split_once(token)?;
    let end = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
        .unwrap_or(rest.len());
    rest.get(..end)
}

/// Name and version. Browsers claim to be others too, so the order of the tokens matters.
fn product(agent: &str) -> (&str, &str) {
    const BROWSERS: [(&str, &str); 9] = [
        ("Edg/", "Edge"),
        ("EdgA/", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Browser"),
        ("FxiOS/", "Firefox"),
        ("Firefox/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("HeadlessChrome/", "Headless Chrome"),
        ("Chrome/", "Chrome"),
    ];
    if form(agent) != Form::Bot && agent.starts_with("Mozilla/") {
        for (token, name) in BROWSERS {
            if let Some(version) = version(agent, token) {
                return (name, version);
            }
        }
        if agent.contains("Safari/") {
            return ("Safari", version(agent, "Version/").unwrap_or_default());
        }
    }
    let bot = agent.split([' ', ';', '(', ')']).find(|word| is_bot_word(word));
    let first = bot.or_else(|| agent.split(' ').next()).unwrap_or_default();
    first.split_once('/').unwrap_or((first, ""))
}

fn is_bot_word(word: &str) -> bool {
    let name = word.split('/').next().unwrap_or_default().to_ascii_lowercase();
    ["bot", "crawler", "spider", "slurp"].iter().any(|mark| name.ends_with(mark) || name.starts_with(mark))
}

fn system(agent: &str) -> (&str, String) {
    let after = |token: &str| version(agent, token).unwrap_or_default().replace('_', ".");
    if agent.contains("iPhone OS ") {
        ("iOS", after("iPhone OS "))
    } else if agent.contains("iPad") {
        ("iOS", after("CPU OS "))
    } else if agent.contains("Android") {
        ("Android", after("Android "))
    } else if agent.contains("Windows NT") {
        ("Windows", after("Windows NT "))
    } else if agent.contains("Mac OS X") {
        ("macOS", after("Mac OS X "))
    } else if agent.contains("CrOS") {
        ("ChromeOS", String::new())
    } else if agent.contains("Linux") {
        ("Linux", String::new())
    } else {
        ("", String::new())
    }
}

fn device(agent: &str) -> &str {
    ["iPhone", "iPad", "iPod", "Pixel", "Macintosh"]
        .into_iter()
        .find(|name| agent.contains(name))
        .unwrap_or_default()
}

fn url(agent: &str) -> &str {
    let start = agent.find("http://").or_else(|| agent.find("https://"));
    let rest = start.and_then(|start| agent.get(start..)).unwrap_or_default();
    rest.split([' ', ')', ';']).next().unwrap_or_default()
}

fn form(agent: &str) -> Form {
    if agent.split([' ', ';', '(', ')']).any(is_bot_word) {
        Form::Bot
    } else if agent.contains("iPad") || (agent.contains("Android") && !agent.contains("Mobile")) {
        Form::Tablet
    } else if agent.contains("Mobile") || agent.contains("iPhone") {
        Form::Mobile
    } else if ["Windows NT", "Macintosh", "X11", "CrOS"].iter().any(|mark| agent.contains(mark)) {
        Form::Desktop
    } else {
        Form::Other
    }
}
