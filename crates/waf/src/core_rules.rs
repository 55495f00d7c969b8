//! The core rule set: read from the files of its package, and asked about requests and responses.

use crate::line;
use crate::rule_set::RuleSet;
use crate::transaction::{EngineError, Transaction};
use crate::verdict::{MatchedRule, Request, Response, Verdict};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What comes before the rules of the core rule set: how the library works, and what the set's own `crs-setup.conf` would
/// say. Rule 10000 is the first to log, and compares nothing. The rules only ever count (`DetectionOnly`, `pass`): who asks decides.
///
/// `auditlog` is there because in version 3 of the library `noauditlog` also silences `log`.
const BEFORE: &str = r#"
SecRuleEngine DetectionOnly
SecAuditEngine Off
SecRequestBodyAccess On
SecRequestBodyJsonDepthLimit 512
SecResponseBodyAccess On
SecDefaultAction "phase:1,log,auditlog,pass"
SecDefaultAction "phase:2,log,auditlog,pass"
SecDefaultAction "phase:3,log,auditlog,pass"
SecDefaultAction "phase:4,log,auditlog,pass"
SecAction "id:10000,phase:1,pass,t:none,log,auditlog,msg:'begin',setvar:tx.crs_setup_version=334,\
  setvar:tx.paranoia_level=1,setvar:tx.executing_paranoia_level=1,\
  setvar:tx.blocking_paranoia_level=1,setvar:tx.detection_paranoia_level=1,\
  setvar:tx.inbound_anomaly_score_threshold=5,setvar:tx.outbound_anomaly_score_threshold=4"
SecRule REQUEST_HEADERS:Content-Type "@rx ^application/(?:[^;]*\+)?json\s*(?:;|$)" \
  "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQUEST_HEADERS:Content-Type "@rx ^(?:application|text)/(?:[^;]*\+)?xml\s*(?:;|$)" \
  "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
"#;

/// What comes after them: the sums are logged, under the names of versions 3 and 4 of the set, and whether a body was not
/// understood to its end.
const AFTER: &str = r#"
SecRule REQBODY_ERROR "!@eq 0" "id:10003,phase:2,pass,t:none,log,auditlog,msg:'not parsed',chain"
  SecRule REQBODY_PROCESSOR "@streq JSON" "chain"
    SecRule REQUEST_BODY_LENGTH "@gt 0" "t:none"
SecAction "id:10001,phase:2,pass,t:none,log,auditlog,msg:'inbound',\
  logdata:'%{tx.anomaly_score} %{tx.blocking_inbound_anomaly_score}'"
SecAction "id:10002,phase:4,pass,t:none,log,auditlog,msg:'outbound',\
  logdata:'%{tx.outbound_anomaly_score} %{tx.blocking_outbound_anomaly_score}'"
"#;

/// The rule of [`AFTER`] that logs the score of a request.
const INBOUND: u32 = 10_001;
/// The rule of [`AFTER`] that logs the score of a response.
const OUTBOUND: u32 = 10_002;
/// The rule of [`AFTER`] that logs that a body was not parsed.
const NOT_PARSED: u32 = 10_003;

/// How far a regular expression may search from each place before it gives up, as if it had not matched (`LIMIT_MATCH` in
/// pcre2pattern(3)). The library sets no limit of its own, and PCRE2's is ten million: with it a body of 4 KiB that repeats
/// `${` keeps a processor busy for six seconds, with this one for four milliseconds.
const MATCH_LIMIT: u32 = 20_000;
/// How long the first line and the headers of a request may be together, in bytes. Time grows with the number of
/// parameters and cookies: at worst about a third of a second at this length.
const MAX_HEAD: usize = 16 << 10; // 16 KiB

/// Rules of the set that match because others did: they compare sums.
const OF_SUMS: [std::ops::RangeInclusive<u32>; 3] = [949_000..=949_999, 959_000..=959_999, 980_000..=980_999];
/// Severities with a score.
const WITH_SCORE: [&str; 4] = ["critical", "error", "warning", "notice"];

/// The core rule set at paranoia level 1, without the rules somebody excluded.
#[derive(Debug)]
pub struct CoreRules(RuleSet);

/// Sets that are in use, by folder and excluded rules: one has about 16 MiB.
type InUse = HashMap<(PathBuf, Vec<u32>), Weak<CoreRules>>;
static IN_USE: Mutex<Option<InUse>> = Mutex::new(None);

impl CoreRules {
    /// The score from which a request is to be refused.
    pub const INBOUND_THRESHOLD: u32 = 5;
    /// The score from which a response is to be refused.
    pub const OUTBOUND_THRESHOLD: u32 = 4;

    /// Reads the rules of a folder: its `*.conf` in the order of their names. A set that is in use is not read again.
    ///
    /// # Errors
    /// The folder cannot be read or has no rules, or the library cannot read a file.
    pub fn load(folder: &Path, excluded: &[u32]) -> Result<Arc<Self>, String> {
        let mut excluded = excluded.to_vec();
        excluded.sort_unstable();
        excluded.dedup();
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        let in_use = in_use.get_or_insert_default();
        in_use.retain(|_, set| set.strong_count() > 0);
        let key = (folder.to_owned(), excluded);
        if let Some(set) = in_use.get(&key).and_then(Weak::upgrade) {
            return Ok(set);
        }
        let set = Arc::new(Self(RuleSet::load(&parts(folder, &key.1)?)?));
        in_use.insert(key, Arc::downgrade(&set));
        Ok(set)
    }

    /// Judges a request.
    ///
    /// # Errors
    /// The library failed, or did not say the score.
    pub fn request(&self, request: &Request) -> Result<Verdict, EngineError> {
        let mut transaction = self.begin(request)?;
        transaction.request_body(request.body.as_ref().map_or(&[], |body| body.bytes()))?;
        verdict(&transaction.logged(), 0, INBOUND)
    }

    /// Judges a response. Rules of the request's headers run first, because those of responses rest on what they set up.
    ///
    /// # Errors
    /// The library failed, or did not say the score.
    pub fn response(&self, request: &Request, response: &Response) -> Result<Verdict, EngineError> {
        let mut transaction = self.begin(request)?;
        let before = transaction.logged().len();
        for (name, value) in &response.headers {
            transaction.response_header(name.as_bytes(), value)?;
        }
        transaction.response_headers_end(response.status, &format!("HTTP {}", request.version))?;
        transaction.response_body(response.body.as_ref().map_or(&[], |body| body.bytes()))?;
        verdict(&transaction.logged(), before, OUTBOUND)
    }

    /// A transaction after phase 1.
    fn begin(&self, request: &Request) -> Result<Transaction<'_>, EngineError> {
        let headers = request.headers.iter().map(|(name, value)| name.len() + value.len() + 4);
        if request.target.len() + headers.sum::<usize>() > MAX_HEAD {
            return Err(EngineError::HeadTooLong { most: MAX_HEAD });
        }
        let mut transaction = Transaction::new(&self.0)?;
        transaction.connection(request.client, request.server)?;
        transaction.request_line(&request.target, &request.method, request.version)?;
        for (name, value) in &request.headers {
            transaction.request_header(name.as_bytes(), value)?;
        }
        transaction.request_headers_end()?;
        Ok(transaction)
    }
}

fn parts(folder: &Path, excluded: &[u32]) -> Result<Vec<String>, String> {
    let shown = folder.display();
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{shown} cannot be read: {e}"))?;
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "conf")).collect();
    files.sort();
    let named = |part: &str| files.iter().any(|f| f.to_string_lossy().contains(part));
    if !named("-901-") || !named("-949-") || !named("-959-") {
        return Err(format!("{shown} is not a folder of the core rule set's rules"));
    }
    let mut parts = vec![BEFORE.to_owned()];
    for file in files {
        let text =
            std::fs::read_to_string(&file).map_err(|e| format!("{} cannot be read: {e}", file.display()))?;
        parts.push(bounded(&text, folder));
    }
    parts.extend(excluded.iter().map(|id| format!("SecRuleRemoveById {id}")));
    parts.push(AFTER.to_owned());
    Ok(parts)
}

/// A file of rules as it is read here: each regular expression gives up after [`MATCH_LIMIT`] steps, and files of words are
/// named with their folder.
fn bounded(text: &str, folder: &Path) -> String {
    let limit = format!("@rx (*LIMIT_MATCH={MATCH_LIMIT})");
    let words = format!("@pmFromFile {}/", folder.display());
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        out.push_str(&line.replacen("@rx ", &limit, 1).replacen("@pmFromFile ", &words, 1));
        out.push('\n');
    }
    out
}

/// Reads what was logged, from a line on. Without the line of the score the rules did not run to their end.
fn verdict(logged: &[String], from: usize, score_rule: u32) -> Result<Verdict, EngineError> {
    let mut verdict = Verdict::default();
    let mut score = None;
    let ending = logged.first().and_then(|first| line::ending(first)).ok_or(EngineError::NoVerdict)?;
    for rule in logged.iter().skip(from).filter_map(|logged| line::read(logged, ending)) {
        if rule.id == score_rule {
            score = rule.data.split_whitespace().filter_map(|n| n.parse::<u32>().ok()).max();
        } else if rule.id == NOT_PARSED {
            return Err(EngineError::BodyNotParsed);
        } else if scores(&rule) && verdict.matched.iter().all(|known| known.id != rule.id) {
            verdict.matched.push(rule);
        }
    }
    verdict.score = score.ok_or(EngineError::NoVerdict)?;
    Ok(verdict)
}

fn scores(rule: &MatchedRule) -> bool {
    (900_000..=999_999).contains(&rule.id)
        && !OF_SUMS.iter().any(|range| range.contains(&rule.id))
        && WITH_SCORE.contains(&rule.severity)
}
