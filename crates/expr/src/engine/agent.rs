//! `req.user_agent.*`: a short reading of the header, good for rules. No database: those there are either stood still
//! before there were crawlers of AI companies, or compile their patterns for a fifth of a second.

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
    const BROWSERS: [(&str, &str); 10] = [
        ("Edg/", "Edge"),
        ("EdgA/", "Edge"),
        ("EdgiOS/", "Edge"),
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
    let bot = words(agent).find(|word| is_bot_word(word)).or_else(|| before_url(agent));
    let first = bot.or_else(|| agent.split([' ', ';']).next()).unwrap_or_default();
    first.split_once('/').unwrap_or((first, ""))
}

fn words(agent: &str) -> impl Iterator<Item = &str> {
    agent.split([' ', ';', '(', ')', ','])
}

/// The product in a comment such as `(...; compatible; ChatGPT-User/1.0; +https://...)`.
fn before_url(agent: &str) -> Option<&str> {
    let (before, _) = agent.split_once("+http")?;
    let (_, comment) = before.rsplit_once('(')?;
    comment.split(';').map(str::trim).rfind(|part| part.contains('/') && !part.contains(' '))
}

fn is_bot_word(word: &str) -> bool {
    let name = word.split('/').next().unwrap_or_default().to_ascii_lowercase();
    ["bot", "crawler", "spider", "slurp"].iter().any(|mark| name.ends_with(mark) || name.starts_with(mark))
}

fn system(agent: &str) -> (&str, String) {
    const WINDOWS: [(&str, &str); 4] = [("10.0", "10"), ("6.3", "8.1"), ("6.2", "8"), ("6.1", "7")];
    let after = |token: &str| version(agent, token).unwrap_or_default().replace('_', ".");
    if agent.contains("iPhone OS ") {
        ("iOS", after("iPhone OS "))
    } else if agent.contains("iPad") {
        ("iOS", after("CPU OS "))
    } else if agent.contains("Android") {
        ("Android", after("Android "))
    } else if agent.contains("Windows NT") {
        let kernel = after("Windows NT ");
        let known = WINDOWS.iter().find(|(nt, _)| *nt == kernel).map(|(_, name)| (*name).to_owned());
        ("Windows", known.unwrap_or(kernel))
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

/// The device: Apple's by name, Android's by what follows the version in `(Linux; Android 14; Pixel 8)`.
fn device(agent: &str) -> &str {
    if let Some(name) = ["iPhone", "iPad", "iPod", "Macintosh"].into_iter().find(|name| agent.contains(name))
    {
        return name;
    }
    let comment = agent.split_once("; Android ").and_then(|(_, rest)| rest.split_once(')'));
    let model = comment.and_then(|(comment, _)| comment.split(';').nth(1)).unwrap_or_default();
    let model = model.split(" Build/").next().unwrap_or_default().trim();
    // Chrome hides the model behind this letter.
    if model == "K" { "" } else { model }
}

fn url(agent: &str) -> &str {
    let start = agent.find("http://").or_else(|| agent.find("https://"));
    let rest = start.and_then(|start| agent.get(start..)).unwrap_or_default();
    rest.split([' ', ')', ';']).next().unwrap_or_default()
}

fn form(agent: &str) -> Form {
    if words(agent).any(is_bot_word) || agent.contains("+http") {
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

#[cfg(test)]
mod tests {
    use super::{Form, device, form, product, system, url};

    const CHROME: &str = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0";

    #[test]
    fn browsers() {
        #[rustfmt::skip]
        let rows = [
            ("(Macintosh; Intel Mac OS X 10_12_6) AppleWebKit/603.3.8 (KHTML, like Gecko) Version/10.1.2 Safari/603.3.8",
             "Safari", "10.1.2", "macOS", "10.12.6", "Macintosh", Form::Desktop),
            ("(X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0", "Firefox", "115.0", "Linux", "", "", Form::Desktop),
            (&format!("(Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/124.0.2478.51"),
             "Edge", "124.0.2478.51", "Windows", "10", "", Form::Desktop),
            (&format!("(Windows NT 6.1) {CHROME} Safari/537.36"), "Chrome", "124.0.0.0", "Windows", "7", "", Form::Desktop),
            (&format!("(X11; CrOS x86_64 14541.0.0) {CHROME} Safari/537.36"), "Chrome", "124.0.0.0", "ChromeOS", "", "", Form::Desktop),
            (&format!("(Linux; Android 14; Pixel 8 Pro Build/UD1A) {CHROME} Mobile Safari/537.36"),
             "Chrome", "124.0.0.0", "Android", "14", "Pixel 8 Pro", Form::Mobile),
            (&format!("(Linux; Android 10; K) {CHROME} Mobile Safari/537.36"), "Chrome", "124.0.0.0", "Android", "10", "", Form::Mobile),
            (&format!("(Linux; Android 13; SM-X906C) SamsungBrowser/24.0 {CHROME} Safari/537.36"),
             "Samsung Browser", "24.0", "Android", "13", "SM-X906C", Form::Tablet),
            ("(iPad; CPU OS 16_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.5 Mobile/15E148 Safari/604.1",
             "Safari", "16.5", "iOS", "16.5", "iPad", Form::Tablet),
            ("(iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/124.0.6367.88 Mobile/15E148 Safari/604.1",
             "Chrome", "124.0.6367.88", "iOS", "17.4", "iPhone", Form::Mobile),
        ];
        for (rest, name, version, os, os_version, model, shape) in rows {
            let agent = format!("Mozilla/5.0 {rest}");
            assert_eq!(product(&agent), (name, version), "{agent}");
            assert_eq!(system(&agent), (os, os_version.to_owned()), "{agent}");
            assert_eq!(device(&agent), model, "{agent}");
            assert!(form(&agent) == shape, "{agent}");
        }
    }

    #[test]
    fn crawlers() {
        let webkit = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible;";
        for (agent, name, version, link) in [
            (
                &*format!("{webkit} GPTBot/1.2; +https://openai.com/gptbot)"),
                "GPTBot",
                "1.2",
                "https://openai.com/gptbot",
            ),
            (
                &format!("{webkit} ChatGPT-User/1.0; +https://openai.com/bot"),
                "ChatGPT-User",
                "1.0",
                "https://openai.com/bot",
            ),
            (&format!("{webkit} ClaudeBot/1.0; +claudebot@anthropic.com)"), "ClaudeBot", "1.0", ""),
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                "Googlebot",
                "2.1",
                "http://www.google.com/bot.html",
            ),
            ("CCBot/2.0 (https://commoncrawl.org/faq/)", "CCBot", "2.0", "https://commoncrawl.org/faq/"),
            (
                "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 (compatible; Bytespider; x@y.example)",
                "Bytespider",
                "",
                "",
            ),
            (
                "facebookexternalhit/1.1 (+http://www.facebook.com/x.php)",
                "facebookexternalhit",
                "1.1",
                "http://www.facebook.com/x.php",
            ),
            (
                "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
                "Slackbot-LinkExpanding",
                "",
                "https://api.slack.com/robots",
            ),
        ] {
            assert_eq!((product(agent), url(agent)), ((name, version), link), "{agent}");
            assert!(form(agent) == Form::Bot, "{agent}");
        }
    }

    #[test]
    fn programs() {
        for (agent, name, version) in [
            ("curl/8.4.0", "curl", "8.4.0"),
            ("OpenAI/Python 1.30.1", "OpenAI", "Python"),
            ("claude-cli/1.0.24 (external, cli)", "claude-cli", "1.0.24"),
            ("python-requests/2.31.0", "python-requests", "2.31.0"),
            ("", "", ""),
        ] {
            assert_eq!(product(agent), (name, version), "{agent}");
            assert!(form(agent) == Form::Other, "{agent}");
        }
    }
}
