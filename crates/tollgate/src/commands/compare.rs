//! `tollgate compare`: one prompt to several models through the gateway, side by side.

mod answer;
pub(crate) mod args;
mod figures;
mod keys;
mod progress;
mod prompt;
mod show;

use crate::cli::SecretArgs;
use crate::commands::check;
use crate::commands::run::start_error;
use crate::error::CliError;
use crate::naming::Naming;
use crate::secrets::Secrets;
use crate::{output, wiring};
use args::CompareArgs;
use figures::{Compared, Run};
use http::{HeaderMap, HeaderValue, Method, Uri};
use progress::Progress;
use prompt::Prompt;
use serde_json::json;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::task::JoinSet;
use tollgate_catalog::Catalog;
use tollgate_edge::direct::deliver;
use tollgate_edge::engine::{Engine, Shared};
use tollgate_edge::explain::DryRequest;
use tollgate_edge::server::providers;
use tollgate_edge::upstream::Upstream;

/// What a shell says of a program that Ctrl-C ended: 128 and the number of the signal.
const INTERRUPTED: u8 = 130;

/// What every request needs.
struct Gateway {
    engine: Arc<Engine>,
    shared: Shared,
    upstream: Arc<dyn Upstream>,
    prompt: Prompt,
    /// The catalogue the policy sees.
    catalog: Arc<Catalog>,
}

/// Compares; exit code 1 when a model failed.
///
/// # Errors
/// A policy with errors, a prompt that is none.
pub(crate) fn run(args: &CompareArgs) -> Result<ExitCode, CliError> {
    let from_stdin = |path: &std::path::Path| path.as_os_str() == "-";
    if from_stdin(&args.prompt_file) && args.policy.as_deref().is_some_and(from_stdin) {
        return Err(CliError::usage("only one of prompt and --policy can come from standard input"));
    }
    let prompt = Prompt::read(args)?;
    let (gateway, lacking) = gateway(args, prompt)?;
    let all = args.models.iter().zip(lacking);
    let mut results: Vec<Compared> =
        all.map(|(model, lacking)| Compared { model: model.clone(), runs: Vec::new(), lacking }).collect();
    let runtime = wiring::runtime()?;
    let finished = runtime.block_on(async {
        tokio::select! {
            () = ask_all(Arc::new(gateway), args, &mut results) => true,
            _ = tokio::signal::ctrl_c() => false,
        }
    });
    if !finished {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if args.json {
        let list: Vec<_> = results.iter().map(Compared::json).collect();
        let all = json!({ "prompt_file": args.prompt_file.display().to_string(), "results": list });
        output::say(&format!("{all:#}"));
    } else {
        output::print(&show::render(&results, style(args.full)));
    }
    let good = results.iter().all(|result| result.error().is_none());
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The gateway, and for each model why it need not be asked.
fn gateway(args: &CompareArgs, prompt: Prompt) -> Result<(Gateway, Vec<Option<String>>), CliError> {
    let secrets = open_secrets(&args.secrets)?;
    let (source, lacking) = match &args.policy {
        Some(path) => (wiring::source(path)?, vec![None; args.models.len()]),
        None => {
            let built = keys::built_in(&args.models, &Catalog::builtin(), &secrets);
            (built.policy, built.lacking)
        }
    };
    let shared = wiring::shared(Arc::new(secrets), &Naming::default())?;
    let engine = check::good(&source, &shared)?;
    let catalog =
        engine.gateways().next().map_or_else(Catalog::builtin, |gateway| Arc::clone(gateway.catalog()));
    let upstream = providers(&shared.outbound).map_err(start_error)?;
    Ok((Gateway { engine, shared, upstream, prompt, catalog }, lacking))
}

fn open_secrets(args: &SecretArgs) -> Result<Secrets, CliError> {
    let secrets = Secrets::open(args, None, &Catalog::builtin())?;
    for problem in secrets.problems() {
        output::complain(&format!("warning: {problem}"));
    }
    Ok(secrets)
}

/// Asks every model as often as wanted: all of them once, then all of them again.
async fn ask_all(gateway: Arc<Gateway>, args: &CompareArgs, results: &mut [Compared]) {
    let asked: Vec<usize> =
        (0..results.len()).filter(|at| results.get(*at).is_some_and(|r| r.lacking.is_none())).collect();
    let mut waiting = (0..args.repeat).flat_map(|_| asked.iter().copied());
    let mut progress = Progress::new(asked.len() * usize::from(args.repeat));
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < usize::from(args.parallel) {
            let Some(at) = waiting.next() else { break };
            let Some(result) = results.get(at) else { break };
            progress.begin(&result.model);
            let (gateway, model) = (Arc::clone(&gateway), result.model.clone());
            under_way.spawn(async move { (at, gateway.ask(&model).await) });
        }
        let Some(ended) = under_way.join_next().await else { break };
        // Nothing cancels a request; one that panicked is found below.
        let Ok((at, run)) = ended else { continue };
        if let Some(result) = results.get_mut(at) {
            progress.end(&result.model, &run);
            result.runs.push(run);
        }
    }
    progress.clear();
    for result in results.iter_mut().filter(|result| result.lacking.is_none()) {
        let lost = Run { error: Some("a mistake of the gateway ended the request".into()), ..Run::default() };
        result.runs.resize(usize::from(args.repeat), lost);
    }
}

impl Gateway {
    async fn ask(&self, model: &str) -> Run {
        let mut headers = HeaderMap::new();
        let agent = HeaderValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION")));
        headers.insert(http::header::USER_AGENT, agent);
        super::explain::complete(&mut headers, true);
        let request = DryRequest {
            method: Method::POST,
            uri: Uri::from_static("/v1/chat/completions"),
            headers,
            body: self.prompt.body_for(model, &self.catalog),
            client_ip: [127, 0, 0, 1].into(),
        };
        Run::of(&deliver(&self.engine, &self.shared, &*self.upstream, request).await)
    }
}

/// As wide as the terminal, and in colour if it is one and nobody minds (<https://no-color.org>).
fn style(full: bool) -> show::Style {
    let terminal = std::io::stdout().is_terminal();
    let said = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let colour = terminal && said("NO_COLOR").is_none() && said("TERM").is_none_or(|term| term != "dumb");
    let measured =
        terminal.then(|| console::Term::stdout().size_checked()).flatten().map(|(_, columns)| columns);
    let columns = measured.or_else(|| said("COLUMNS")?.parse().ok()).filter(|columns| *columns > 0);
    show::Style { width: columns.unwrap_or(show::USUAL_WIDTH), colour, full }
}
