//! A policy ready to run, and the state that outlives it.

use crate::action::{Action, BuildContext, Seen, Warnings};
use crate::actions;
use crate::gateway::Gateway;
use crate::phase::Rule;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::SystemTime;
use tollgate_catalog::Catalog;
use tollgate_expr::SecretSource;
use tollgate_policy::{ActionDef, Diagnostic, Diagnostics, Severity, Source};

/// The actions of which a policy may have one.
const LOGINS: [&str; 2] = ["oauth", "openid-connect"];

/// What every policy of the process shares.
pub struct Shared {
    /// The built-in providers and models, with OpenRouter's list once it was read.
    pub catalog: ArcSwap<Catalog>,
    /// Which servers actions may call beside those the policy names.
    pub outbound: Arc<crate::Outbound>,
    /// The endpoints that only others of the process can reach.
    pub internal: Arc<crate::internal::Directory>,
    /// What logins share.
    pub logins: Arc<crate::Logins>,
    /// Public keys of who issues tokens.
    pub jwks: Arc<crate::Jwks>,
    /// Whether and when that list is read.
    pub lists: crate::Lists,
    /// Costs that OpenRouter says when an answer is over.
    pub late_costs: crate::LateCosts,
    /// What providers say of the accounts behind keys.
    pub accounts: Arc<crate::Accounts>,
    /// Rolling metrics per model and key; survive reloads.
    pub stats: tollgate_select::Metrics,
    /// What `/metrics` shows.
    pub metrics: Arc<tollgate_observe::Metrics>,
    /// Tokens that keys of clouds were exchanged for.
    pub tokens: tollgate_cloud::TokenCache,
    /// Who stores which answer.
    pub ledger: Arc<crate::gateway::Ledger>,
    /// Where `secrets.get` looks.
    pub secrets: Arc<dyn SecretSource + Send + Sync>,
    /// What gates count, kept over reloads.
    pub gates: crate::Gates,
    /// Random per process: makes key ids useless to whoever finds one in a log of another process.
    pub key_salt: [u8; 16],
    /// Rules for the names of models; a policy may have its own.
    pub names: tollgate_select::Names,
    /// Who is said to be behind requests; a policy may say something else.
    pub identity: crate::gateway::identity::Identity,
    /// Facts about addresses, this place's name, IP policies.
    pub addressing: crate::Addressing,
}

impl Shared {
    /// A name for this process that others cannot guess.
    #[must_use]
    pub fn instance(&self) -> String {
        use sha2::Digest;
        let hash = sha2::Sha256::digest(self.key_salt);
        hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// One policy, compiled. Immutable; a request keeps the one it began with.
pub struct Engine {
    /// Short hash of the policy's text.
    pub revision: Arc<str>,
    /// The file it came from.
    pub file: Arc<str>,
    /// `on_tcp_connect`
    pub connect: Vec<Rule>,
    /// `on_http_request`
    pub request: Vec<Rule>,
    /// `on_http_response`
    pub response: Vec<Rule>,
    /// `on_event_stream_message`
    pub events: Vec<Rule>,
    /// Whether some rule may read or change the body of a response, or the messages of a stream.
    pub works_on_bodies: bool,
    /// The cookies of the policy's login, if it has one.
    pub login: Option<Arc<crate::LoginCookies>>,
    /// Whether anything reads `actions.*`.
    pub wants_results: bool,
    /// Whether anything reads `conn.bytes_in` or `conn.bytes_out`; if not, nobody counts.
    pub wants_traffic: bool,
    /// When it was loaded.
    pub loaded: SystemTime,
}

/// An engine and what is worth saying about its policy.
pub struct LoadedEngine {
    /// The engine; `None` when the policy has errors.
    pub engine: Option<Engine>,
    /// Errors and warnings, in the order of the file.
    pub diagnostics: Diagnostics,
}

impl Engine {
    /// Loads, checks and builds a policy.
    #[must_use]
    pub fn load(source: &Source, shared: &Shared) -> LoadedEngine {
        let loaded = tollgate_policy::load(source, actions::specs());
        let Some(policy) = loaded.policy else {
            return LoadedEngine { engine: None, diagnostics: loaded.diagnostics };
        };
        let mut found = Vec::new();
        let wants_results = mentions_results(&source.text);
        let (seen, warnings) = (Seen::default(), Warnings::default());
        let mut build = |rules: &[tollgate_policy::Rule]| -> Vec<Rule> {
            rules
                .iter()
                .map(|rule| build_rule(rule, (shared, &seen, &warnings), source, &mut found))
                .collect()
        };
        let response = build(&policy.on_http_response);
        let events = build(&policy.on_event_stream_message);
        let bodies = response.iter().flat_map(|rule| &rule.actions).any(|action| action.works_on_bodies());
        let request = build(&policy.on_http_request);
        let engine = Engine {
            connect: build(&policy.on_tcp_connect),
            login: request.iter().flat_map(|rule| &rule.actions).find_map(|a| a.as_login().cloned()),
            request,
            works_on_bodies: bodies || !events.is_empty(),
            response,
            events,
            revision: policy.revision.as_str().into(),
            file: source.name.as_str().into(),
            wants_results,
            wants_traffic: ["bytes_in", "bytes_out"].iter().any(|name| source.text.contains(name)),
            loaded: SystemTime::now(),
        };
        for (severity, what) in warnings.take() {
            found.push(diagnostic(source, what.at, severity, what.code, what.message, what.help));
        }
        if let Some(second) = policy.actions().filter(|(_, def)| LOGINS.contains(&def.spec.name)).nth(1) {
            let message = "there is a login in this policy already; it can have one".to_owned();
            let help = "remove one: both would own `/ngrok/login` and `/ngrok/oauth2/callback`".to_owned();
            let (_, ActionDef { at, .. }) = second;
            found.push(diagnostic(source, *at, Severity::Error, "ERR_NGROK_2239", message, Some(help)));
        }
        for (vault, name, at) in policy.secrets() {
            if let Err(missing) = shared.secrets.secret(&vault, &name) {
                let help = format!(
                    "requests that need it will fail; `tollgate secrets create --vault {vault} --name {name} --value -` stores it"
                );
                found.push(diagnostic(
                    source,
                    at,
                    Severity::Warning,
                    "missing-secret",
                    missing.to_string(),
                    Some(help),
                ));
            }
        }
        let diagnostics = loaded.diagnostics.with(found);
        let engine = (!diagnostics.has_errors()).then_some(engine);
        LoadedEngine { engine, diagnostics }
    }

    /// The gateways of the policy, in the order of the file.
    pub fn gateways(&self) -> impl Iterator<Item = &Gateway> {
        self.request.iter().flat_map(|rule| &rule.actions).filter_map(|action| action.as_gateway())
    }
}

fn build_rule(
    rule: &tollgate_policy::Rule,
    (shared, seen, warnings): (&Shared, &Seen, &Warnings),
    source: &Source,
    found: &mut Vec<Diagnostic>,
) -> Rule {
    let mut built: Vec<Box<dyn Action>> = Vec::new();
    let mut kinds = Vec::new();
    for def in &rule.actions {
        let Some(kind) = actions::find(def.spec.name) else { continue };
        let rule = rule.name.as_deref();
        match (kind.build)(&def.read(), &BuildContext { shared, def, rule, seen, warnings }) {
            Ok(action) => {
                built.push(action);
                kinds.push((def.spec.name, def.at));
            }
            Err(e) => found.push(diagnostic(source, e.at, Severity::Error, e.code, e.message, e.help)),
        }
    }
    let label = rule.name.as_ref().map_or_else(|| rule.id.clone(), |name| format!("{} ({name})", rule.id));
    Rule {
        label,
        expressions: rule.expressions.iter().map(|e| e.program.clone()).collect(),
        actions: built,
        at: rule.at,
        kinds,
    }
}

pub(crate) fn diagnostic(
    source: &Source,
    at: tollgate_policy::Location,
    severity: Severity,
    code: &'static str,
    message: String,
    help: Option<String>,
) -> Diagnostic {
    Diagnostic { severity, file: source.name.clone(), at, code, message, help }
}

/// Whether the text reads `actions.…` or `actions[…]` anywhere; the key `actions:` does not count.
fn mentions_results(text: &str) -> bool {
    text.match_indices("actions").any(|(at, word)| {
        let rest = text.get(at + word.len()..).unwrap_or("").trim_start();
        rest.starts_with('.')
            || rest.starts_with('[') && !text.get(..at).unwrap_or("").ends_with(['"', '\n', ' '])
            || rest.starts_with("[\"")
            || rest.starts_with("['")
    })
}
