//! Strategies as tiers.
//!
//! Each strategy is run over the models a request can use. What it gives, less what the policy does not allow, what
//! the client did not name and what an earlier strategy gave, is its tier. Without names the tiers one after another
//! are the plan. With names each name keeps its place, and what belongs to one name is ordered by tier.

use super::evaluate::{entities, reads_request, reads_tokens};
use super::{Candidate, Fallthrough, OnFailure, Order, Selection, Strategy, StrategyReport, chosen};
use crate::entity::{AiScope, ModelEntity, request_value};
use crate::error::SelectError;
use crate::resolve::{Ask, Member, Resolved};
use crate::universe::Universe;
use std::sync::Arc;
use tollgate_expr::{Activation, Entity, Program, Value};

/// Tier, and position in what its strategy gave.
type Place = (usize, usize);

/// The run of all strategies of one request.
pub(super) struct Tiers<'r> {
    universe: &'r Universe,
    ask: &'r Ask<'r>,
    selection: &'r Selection,
    resolved: &'r Resolved<'r>,
    detail: bool,
    placed: Placed,
    /// Entries that were given before, where the choice is open.
    seen: Vec<bool>,
    reports: Vec<StrategyReport>,
    error: Option<SelectError>,
    /// `ai.request`, once it was looked at; inside `None` when no strategy reads it.
    request: Option<Option<Value>>,
    /// `ai` with everything, and with what the client named; made when first needed.
    everything: Option<Value>,
    named: Option<Value>,
}

/// Where everything that was given came to stand.
pub(super) struct Placed {
    /// For each member of the resolution.
    pub(super) members: Vec<Option<Place>>,
    /// What the client did not name, in order of place.
    others: Vec<(Place, Arc<ModelEntity>)>,
}

/// What became of one model that a strategy gave.
enum Fate {
    New,
    Known,
    NotNamed,
    NotAllowed,
}

impl<'r> Tiers<'r> {
    pub(super) fn new(
        universe: &'r Universe,
        ask: &'r Ask<'r>,
        selection: &'r Selection,
        resolved: &'r Resolved<'r>,
        detail: bool,
    ) -> Self {
        let open = resolved.is_auto() || resolved.auto.is_some();
        Self {
            universe,
            ask,
            selection,
            resolved,
            detail,
            placed: Placed { members: vec![None; resolved.members.len()], others: Vec::new() },
            seen: vec![false; if open { universe.len() } else { 0 }],
            reports: Vec::new(),
            error: None,
            request: None,
            everything: None,
            named: None,
        }
    }

    /// Runs strategies until one ends the list, or nothing more can change.
    pub(super) fn run(&mut self, activation: &Activation<'_>) {
        for (tier, strategy) in self.selection.strategies.iter().enumerate() {
            let fresh = match self.evaluate(&strategy.program, activation) {
                Ok(given) => self.place(tier, strategy, &given),
                Err(error) => {
                    self.fail(strategy, error);
                    0
                }
            };
            let stop = strategy.on_failure == OnFailure::Stop
                || self.selection.fallthrough == Fallthrough::FirstMatch;
            if (fresh > 0 && stop) || self.is_settled() {
                break;
            }
        }
    }

    /// Where everything stands, and the first error.
    pub(super) fn finish(self, reports: &mut Vec<StrategyReport>) -> (Placed, Option<SelectError>) {
        *reports = self.reports;
        (self.placed, self.error)
    }

    fn is_open(&self) -> bool {
        self.resolved.is_auto() || self.resolved.auto.is_some()
    }

    /// Whether later strategies cannot change anything, and nobody wants to hear of them.
    fn is_settled(&self) -> bool {
        !self.detail && !self.is_open() && self.placed.members.iter().all(Option::is_some)
    }

    fn evaluate(
        &mut self,
        program: &Program,
        activation: &Activation<'_>,
    ) -> Result<Vec<usize>, SelectError> {
        let narrow = !self.detail && !self.is_open() && program.facts().elementwise;
        let ai = self.scope(narrow);
        let activation = Activation { ai: Some(ai), ..*activation };
        let value = program.eval(&activation).map_err(|error| SelectError::Strategy {
            expression: program.source().to_owned(),
            message: error.to_string(),
        })?;
        let index =
            |entity: &dyn Entity| entity.as_any().downcast_ref::<ModelEntity>().map(|model| model.index);
        entities(&value, index)
            .map_err(|actual| SelectError::WrongType { expression: program.source().to_owned(), actual })
    }

    /// `ai`, over everything or over what the client named.
    fn scope(&mut self, narrow: bool) -> &Value {
        let (universe, surface, resolved) = (self.universe, self.ask.surface, self.resolved);
        let request = self.request.get_or_insert_with(|| request_for(self.selection, self.ask));
        let slot = if narrow { &mut self.named } else { &mut self.everything };
        slot.get_or_insert_with(|| {
            let models = if narrow {
                named_list(resolved)
            } else if resolved.unknown == 0 {
                Arc::clone(universe.list(surface))
            } else {
                let known = universe.list(surface).iter().cloned();
                known.chain(unknown(universe, resolved)).collect()
            };
            let (providers, authors) = universe.others();
            AiScope {
                models: Some(Value::Entities(models)),
                providers: Some(providers),
                authors: Some(authors),
                keys: None,
                request: request.clone(),
            }
            .value()
        })
    }

    /// Gives everything that is new its place. Answers how much that is.
    fn place(&mut self, tier: usize, strategy: &Strategy, given: &[usize]) -> usize {
        let mut fresh = 0;
        let mut report = StrategyReport::default();
        for (position, index) in given.iter().enumerate() {
            let fate = self.place_one((tier, position), *index);
            fresh += usize::from(matches!(fate, Fate::New));
            if !self.detail {
                continue;
            }
            let label = self.label(*index);
            let steps = match fate {
                Fate::NotAllowed => 1,
                Fate::NotNamed => 2,
                Fate::Known => 3,
                Fate::New => 4,
            };
            let lists = [
                &mut report.candidates_returned,
                &mut report.candidates_after_allowed_filter,
                &mut report.candidates_after_client_filter,
                &mut report.models_to_try,
            ];
            lists.into_iter().take(steps).for_each(|list| list.push(label.clone()));
        }
        if self.detail {
            report.strategy = strategy.program.source().to_owned();
            self.reports.push(report);
        }
        fresh
    }

    fn place_one(&mut self, place: Place, index: usize) -> Fate {
        let entry = self.universe.entry(index);
        if entry.is_some_and(|entry| entry.denied.is_some()) {
            return Fate::NotAllowed;
        }
        let (mut named, mut new) = (false, false);
        for (member, slot) in self.resolved.members.iter().zip(&mut self.placed.members) {
            if member.entity.index == index {
                named = true;
                new |= slot.is_none();
                slot.get_or_insert(place);
            }
        }
        match (named, new, entry) {
            (true, true, _) => Fate::New,
            (true, false, _) => Fate::Known,
            (false, _, Some(entry)) if self.is_open() => match self.seen.get_mut(index) {
                Some(seen) if !*seen => {
                    *seen = true;
                    self.placed.others.push((place, Arc::clone(entry)));
                    Fate::New
                }
                _ => Fate::Known,
            },
            _ => Fate::NotNamed,
        }
    }

    fn label(&self, index: usize) -> String {
        let member = || self.resolved.members.iter().find(|member| member.entity.index == index);
        let entity = self.universe.entry(index).or_else(|| member().map(|member| &member.entity));
        entity.map_or_else(String::new, |entity| entity.label())
    }

    fn fail(&mut self, strategy: &Strategy, error: SelectError) {
        if self.detail {
            self.reports.push(StrategyReport {
                strategy: strategy.program.source().to_owned(),
                error: Some(error.message()),
                ..StrategyReport::default()
            });
        }
        self.error.get_or_insert(error);
    }
}

impl Placed {
    /// The candidates in the order in which they are tried.
    pub(super) fn arrange(self, resolved: Resolved<'_>, order: Order, candidates: &mut Vec<Candidate>) {
        let auto = resolved.auto.unwrap_or(0);
        let members = resolved.members.into_iter().zip(self.members);
        let members =
            members.filter_map(|(member, place)| place.map(|place| (member.name, place, Err(member))));
        let others = self.others.into_iter().map(|(place, entity)| (auto, place, Ok(entity)));
        let mut all: Vec<(usize, Place, Result<Arc<ModelEntity>, Member<'_>>)> =
            members.chain(others).collect();
        match order {
            Order::Client => all.sort_by_key(|(name, place, _)| (*name, *place)),
            Order::Strategy => all.sort_by_key(|(name, place, _)| (*place, *name)),
        }
        candidates.extend(all.into_iter().map(|(_, _, one)| match one {
            Ok(entity) => chosen(&entity),
            Err(member) => Candidate::from(member),
        }));
    }
}

/// `ai.request`, if a strategy may read it.
fn request_for(selection: &Selection, ask: &Ask<'_>) -> Option<Value> {
    let programs = || selection.strategies.iter().map(|strategy| &strategy.program);
    programs().any(reads_request).then(|| request_value(ask, programs().any(reads_tokens)))
}

/// The pass-through models of a request.
fn unknown<'r>(
    universe: &Universe,
    resolved: &'r Resolved<'_>,
) -> impl Iterator<Item = Arc<dyn Entity>> + 'r {
    let known = universe.len();
    let members = resolved.members.iter().filter(move |member| member.entity.index >= known);
    members.map(|member| Arc::clone(&member.entity) as Arc<dyn Entity>)
}

/// What the client named, once each, in the order in which `ai.models` would have it.
fn named_list(resolved: &Resolved<'_>) -> Arc<[Arc<dyn Entity>]> {
    let mut members: Vec<&Arc<ModelEntity>> = resolved.members.iter().map(|member| &member.entity).collect();
    members.sort_by_key(|entity| entity.index);
    members.dedup_by_key(|entity| entity.index);
    members.into_iter().map(|entity| Arc::clone(entity) as Arc<dyn Entity>).collect()
}
