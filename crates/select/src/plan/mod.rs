//! The plan of a request: its candidates, in the order in which they are tried.

mod evaluate;
mod tiers;

#[cfg(test)]
mod tests;

pub(crate) use evaluate::{entities, reads_tokens};

use crate::entity::ModelEntity;
use crate::error::{Refusal, SelectError, kind_of_rejections, reject_list};
use crate::metrics::ModelStats;
use crate::names::{BadParam, Name, NameTrace, OnInvalid, UriParams, no_params};
use crate::resolve::{Ask, Member, RejectKind, Rejected, Resolved, resolve, suggest};
use crate::universe::{Universe, is_native};
use std::sync::Arc;
use tiers::Tiers;
use tollgate_catalog::{Model, Provider};
use tollgate_expr::{Activation, Program};

/// One strategy of `model_selection`.
#[derive(Clone, Debug)]
pub struct Strategy {
    /// The expression.
    pub program: Program,
    /// What happens when all its models were tried in vain.
    pub on_failure: OnFailure,
}

/// What happens when all models of a strategy were tried in vain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Later strategies have their turn.
    #[default]
    Next,
    /// Nothing more is tried. A strategy that gives no model still hands over to the next one.
    Stop,
}

/// `model_selection` of an `ai-gateway` action.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The strategies, in order; none means the default order.
    pub strategies: Vec<Strategy>,
    /// What several strategies mean together.
    pub fallthrough: Fallthrough,
    /// Whose order counts when the client names models.
    pub order: Order,
}

/// What several strategies mean together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fallthrough {
    /// Each gives a tier; a tier is tried when the earlier ones are used up.
    #[default]
    Tiers,
    /// The first that gives something usable gives everything.
    FirstMatch,
}

/// Whose order counts when the client names models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The client's; strategies order what belongs to one name.
    #[default]
    Client,
    /// The strategies'.
    Strategy,
}

/// One thing to try, with every key of its provider.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Where.
    pub provider: Arc<Provider>,
    /// What; for a pass-through model a bare record with `known: false`.
    pub model: Arc<Model>,
    /// The model name to send.
    pub upstream_model: String,
    /// The client's name for it; `None` when it was not the client that named it.
    pub requested: Option<String>,
    /// Parameters behind the name. They win over the client's body, and the policy's `body` over them.
    pub params: Arc<UriParams>,
    /// Where its outcome is counted.
    pub stats: Arc<ModelStats>,
}

/// Everything one request will try.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In order. No two have the same provider and upstream model.
    pub candidates: Vec<Candidate>,
    /// Names of the client that were turned down.
    pub rejected: Vec<Rejected>,
    /// What each strategy did; empty unless details were asked for.
    pub reports: Vec<StrategyReport>,
    /// What became of each name; empty unless details were asked for or a parameter is not sent.
    pub names: Vec<NameTrace>,
}

/// What one strategy did. Models are named by id, or `provider:id` where that is not clear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StrategyReport {
    /// Its text.
    pub strategy: String,
    /// What went wrong.
    pub error: Option<String>,
    /// What it gave.
    pub candidates_returned: Vec<String>,
    /// What of it the policy allows.
    pub candidates_after_allowed_filter: Vec<String>,
    /// What of that the client asked for.
    pub candidates_after_client_filter: Vec<String>,
    /// What of that no earlier strategy gave.
    pub models_to_try: Vec<String>,
}

impl Candidate {
    /// Whether the model is one of OpenRouter's free ones, which share one cap.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.upstream_model.split(':').skip(1).any(|variant| variant.eq_ignore_ascii_case("free"))
    }

    /// Whether a request to either goes to the same model at the same provider.
    #[must_use]
    pub fn same_target(&self, other: &Self) -> bool {
        self.upstream_model == other.upstream_model && self.provider.id == other.provider.id
    }
}

/// Makes the plan of a request. What it reads of metrics is what holds at the time their clock was last set to: the caller
/// sets it, as it need not be the time of day that expressions see.
///
/// With `detail` every strategy is run over everything and reported on. Without, only as much is evaluated as the
/// request can reach: the candidates are the same, unless a strategy fails for a model the client did not name.
///
/// # Errors
/// When nothing is left to try. The refusal says which names were turned down, and, with `detail`, what each
/// strategy did.
pub fn plan(
    universe: &Universe,
    ask: &Ask<'_>,
    selection: &Selection,
    activation: &Activation<'_>,
    detail: bool,
) -> Result<Plan, Box<Refusal>> {
    let mut resolved = resolve(universe, ask);
    let mut plan = Plan { rejected: std::mem::take(&mut resolved.rejected), ..Plan::default() };
    if detail || resolved.names.iter().any(|name| !name.ignored.is_empty()) {
        plan.names = resolved.names.iter().map(Name::trace).collect();
    }
    let outcome = if let Some(list) = bad_params(universe, &plan.names) {
        Err(SelectError::BadParams { list })
    } else if !resolved.is_auto() && resolved.members.is_empty() && resolved.auto.is_none() {
        Err(unmatched(ask, &plan.rejected))
    } else if selection.strategies.is_empty() {
        by_default(universe, ask, resolved, &mut plan)
    } else {
        by_strategies(universe, ask, selection, activation, detail, resolved, &mut plan)
    };
    if detail || outcome.is_err() {
        suggest(universe.catalog(), &mut plan.rejected);
    }
    match outcome {
        Ok(()) => Ok(plan),
        Err(error) => {
            let error = match error {
                // The list was made before suggestions were looked up.
                SelectError::NoMatch { kind, .. } if !plan.rejected.is_empty() => {
                    SelectError::NoMatch { list: reject_list(&plan.rejected), kind }
                }
                error => error,
            };
            let Plan { rejected, reports, names, .. } = plan;
            Err(Box::new(Refusal { error, rejected, reports, names }))
        }
    }
}

/// The parameters for which a request is refused, one each line.
fn bad_params(universe: &Universe, names: &[NameTrace]) -> Option<String> {
    if universe.names().uri_params.on_invalid == OnInvalid::Ignore {
        return None;
    }
    let line = |bad: &BadParam| format!("the parameter `{}` {}", bad.name, bad.reason);
    let lines: Vec<String> = names.iter().flat_map(|name| &name.ignored).map(line).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// None of the client's names is of use.
fn unmatched(ask: &Ask<'_>, rejected: &[Rejected]) -> SelectError {
    if !rejected.is_empty() && rejected.iter().all(|one| one.kind == RejectKind::Format) {
        return SelectError::Format { format: ask.format.name(), list: reject_list(rejected) };
    }
    SelectError::NoMatch { list: reject_list(rejected), kind: kind_of_rejections(rejected) }
}

/// Without strategies: client order; within a name those with a key first, then those that speak the client's dialect,
/// then the order of providers.
fn by_default(
    universe: &Universe,
    ask: &Ask<'_>,
    resolved: Resolved<'_>,
    plan: &mut Plan,
) -> Result<(), SelectError> {
    let mut open = if resolved.is_auto() || resolved.auto.is_some() {
        usable_entries(universe, ask, &resolved)
    } else {
        Ok(Vec::new())
    };
    let mut members = resolved.members;
    members.sort_by_cached_key(|member| {
        let entity = &member.entity;
        let native = is_native(&entity.provider, &entity.model, ask.surface);
        (member.name, member.turn, !(ask.has_key)(&entity.provider), !native, entity.rank, entity.index)
    });
    let mut members = members.into_iter().peekable();
    if let Some(auto) = resolved.auto {
        while let Some(member) = members.next_if(|member| member.name < auto) {
            plan.candidates.push(member.into());
        }
    }
    if let Ok(entries) = &mut open {
        plan.candidates.extend(entries.drain(..).map(|entry| chosen(&entry)));
    }
    plan.candidates.extend(members.map(Candidate::from));
    if plan.candidates.is_empty() { Err(open.err().unwrap_or(SelectError::NoKey)) } else { Ok(()) }
}

/// What the gateway may choose by itself: allowed, with a key, not named by the client.
fn usable_entries(
    universe: &Universe,
    ask: &Ask<'_>,
    resolved: &Resolved<'_>,
) -> Result<Vec<Arc<ModelEntity>>, SelectError> {
    let serving = || {
        (0..universe.len()).filter_map(|at| universe.entry(at)).filter(|e| universe.serves(e, ask.surface))
    };
    if serving().next().is_none() {
        return Err(SelectError::Format { format: ask.format.name(), list: String::new() });
    }
    let mut allowed = serving().filter(|entry| entry.denied.is_none()).peekable();
    if allowed.peek().is_none() {
        let list = "the gateway configuration allows no model".to_owned();
        return Err(SelectError::NoMatch { list, kind: "model_not_allowed" });
    }
    let mut judged: Option<(usize, bool)> = None;
    let entries = allowed.filter(|entry| {
        let has_key = match judged {
            Some((rank, has_key)) if rank == entry.rank => has_key,
            _ => (ask.has_key)(&entry.provider),
        };
        judged = Some((entry.rank, has_key));
        has_key && !resolved.members.iter().any(|member| member.entity.index == entry.index)
    });
    let mut entries: Vec<Arc<ModelEntity>> = entries.cloned().collect();
    // Nobody has asked for a translation here: what needs none comes first.
    entries.sort_by_key(|entry| !is_native(&entry.provider, &entry.model, ask.surface));
    if entries.is_empty() { Err(SelectError::NoKey) } else { Ok(entries) }
}

/// With strategies: tiers.
fn by_strategies(
    universe: &Universe,
    ask: &Ask<'_>,
    selection: &Selection,
    activation: &Activation<'_>,
    detail: bool,
    resolved: Resolved<'_>,
    plan: &mut Plan,
) -> Result<(), SelectError> {
    if resolved.is_auto() && universe.list(ask.surface).is_empty() {
        return Err(SelectError::Format { format: ask.format.name(), list: String::new() });
    }
    let mut tiers = Tiers::new(universe, ask, selection, &resolved, detail);
    tiers.run(activation);
    let (placed, error) = tiers.finish(&mut plan.reports);
    reject_unplaced(&resolved, &placed.members, &mut plan.rejected);
    placed.arrange(resolved, selection.order, &mut plan.candidates);
    if !plan.candidates.is_empty() {
        return Ok(());
    }
    Err(error.unwrap_or_else(|| {
        let list = reject_list(&plan.rejected);
        let list = if list.is_empty() { "no strategy returned a usable model".to_owned() } else { list };
        SelectError::NoResults { list }
    }))
}

/// Notes the names of which no strategy gave a model.
fn reject_unplaced(resolved: &Resolved<'_>, places: &[Option<(usize, usize)>], rejected: &mut Vec<Rejected>) {
    let members = || resolved.members.iter().zip(places);
    for (at, name) in resolved.names.iter().enumerate() {
        let mut own = members().filter(|(member, _)| member.name == at).peekable();
        if own.peek().is_some() && own.all(|(_, place)| place.is_none()) {
            rejected.push(Rejected {
                model: name.label().to_owned(),
                reason: "filtered out by model selection strategy".to_owned(),
                kind: RejectKind::Strategy,
            });
        }
    }
}

impl From<Member<'_>> for Candidate {
    fn from(member: Member<'_>) -> Self {
        Self {
            provider: Arc::clone(&member.entity.provider),
            model: Arc::clone(&member.entity.model),
            upstream_model: member.upstream,
            requested: member.requested.map(str::to_owned),
            params: member.params,
            stats: Arc::clone(&member.entity.stats),
        }
    }
}

/// A candidate the client did not name.
fn chosen(entity: &ModelEntity) -> Candidate {
    Candidate {
        provider: Arc::clone(&entity.provider),
        model: Arc::clone(&entity.model),
        upstream_model: entity.model.upstream().to_owned(),
        requested: None,
        params: no_params(),
        stats: Arc::clone(&entity.stats),
    }
}
