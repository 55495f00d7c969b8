//! Methods of the lists in `ai`: models, providers, authors and keys.
//!
//! Names compare without regard to case and match an id or an alias; see [`crate::Entity`].

use super::{Args, Def, chance, method};
use crate::error::EvalError;
use crate::limits::charge;
use crate::ops::{self, double};
use crate::value::{Entity, EntityKind, Value};
use std::sync::Arc;

pub(super) const FUNCTIONS: &[Def] = &[
    method("only", 1, 1, |v| {
        keep("only", v, &[EntityKind::Model, EntityKind::Provider, EntityKind::Author], true)
    }),
    method("ignore", 1, 1, |v| {
        keep("ignore", v, &[EntityKind::Model, EntityKind::Provider, EntityKind::Author], false)
    }),
    method("onlyProviders", 1, 1, |v| by_names("onlyProviders", v, |m, name| m.provider_named(name), true)),
    method("ignoreProviders", 1, 1, |v| {
        by_names("ignoreProviders", v, |m, name| m.provider_named(name), false)
    }),
    method("onlyAuthors", 1, 1, |v| by_names("onlyAuthors", v, |m, name| m.author_named(name), true)),
    method("ignoreAuthors", 1, 1, |v| by_names("ignoreAuthors", v, |m, name| m.author_named(name), false)),
    method("inRegion", 1, 1, |v| {
        located("inRegion", v, |(_, region), wanted| region.eq_ignore_ascii_case(wanted))
    }),
    method("inCountryCode", 1, 1, |v| {
        located("inCountryCode", v, |(country, _), wanted| country.eq_ignore_ascii_case(wanted))
    }),
    method("underCost", 2, 2, under_cost),
    method("sortBy", 1, 1, sort_by_price),
    chance(method("random", 0, 0, random)),
    chance(method("randomize", 0, 0, randomize)),
    method("get", 1, 2, get),
    method("getModel", 1, 1, get_model),
    method("getMetadata", 1, 1, get_metadata),
];

type Entities = Arc<[Arc<dyn Entity>]>;

/// A list of entities of some kinds. The empty list is one of every kind.
fn entities(args: Args<'_>, kinds: &[EntityKind]) -> Result<Entities, EvalError> {
    let list = match args.value(0)? {
        Value::Entities(list) => list.clone(),
        Value::List(list) if list.is_empty() => Arc::from([]),
        Value::List(list) => {
            let entity = |value: &Value| match value {
                Value::Entity(entity) => Ok(entity.clone()),
                other => Err(args.wrong("a list of models, providers, authors or keys", other)),
            };
            list.iter().map(entity).collect::<Result<_, _>>()?
        }
        other => return Err(args.wrong("a list of models, providers, authors or keys", other)),
    };
    charge(list.len())?;
    match list.iter().find(|entity| !kinds.contains(&entity.kind())) {
        Some(entity) => Err(args.wrong("another kind of list", &Value::Entity(entity.clone()))),
        None => Ok(list),
    }
}

fn selected(list: &Entities, keep: impl Fn(&Arc<dyn Entity>) -> bool) -> Value {
    Value::Entities(list.iter().filter(|entity| keep(entity)).cloned().collect())
}

fn keep(
    name: &'static str,
    values: &[Value],
    kinds: &[EntityKind],
    wanted: bool,
) -> Result<Value, EvalError> {
    let args = Args::new(name, values);
    let (list, names) = (entities(args, kinds)?, args.texts(1)?);
    charge(list.len().saturating_mul(names.len()))?;
    Ok(selected(&list, |entity| names.iter().any(|name| entity.named(name)) == wanted))
}

fn by_names(
    name: &'static str,
    values: &[Value],
    named: fn(&dyn Entity, &str) -> bool,
    wanted: bool,
) -> Result<Value, EvalError> {
    let args = Args::new(name, values);
    let (list, names) = (entities(args, &[EntityKind::Model])?, args.texts(1)?);
    charge(list.len().saturating_mul(names.len()))?;
    Ok(selected(&list, |entity| names.iter().any(|name| named(&**entity, name)) == wanted))
}

fn located(
    name: &'static str,
    values: &[Value],
    at: fn(&(String, String), &str) -> bool,
) -> Result<Value, EvalError> {
    let args = Args::new(name, values);
    let (list, wanted) = (entities(args, &[EntityKind::Model])?, args.text(1)?);
    Ok(selected(&list, |entity| entity.datacenters().iter().any(|centre| at(centre, &wanted))))
}

/// Models whose price of a type is known and below a bound.
fn under_cost(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("underCost", values);
    let (list, kind) = (entities(args, &[EntityKind::Model])?, args.text(1)?);
    let bound =
        double(args.value(2)?).ok_or_else(|| EvalError::types("`underCost` takes a number as its bound"))?;
    if !PRICE_TYPES.contains(&&*kind) {
        return Err(args.fail("there is no such price type"));
    }
    let mut kept = Vec::new();
    for model in list.iter() {
        let price = model.price(&kind).map_err(|_| args.fail("there is no such price type"))?;
        if price.is_some_and(|price| price < bound) {
            kept.push(model.clone());
        }
    }
    Ok(Value::Entities(kept.into()))
}

/// The types of prices: dollars a million tokens, or a dollar amount a use of a tool.
pub(crate) const PRICE_TYPES: &[&str] = &[
    "text.input",
    "text.output",
    "text.input_cache_write",
    "text.input_cache_read",
    "text.input_batch",
    "text.output_batch",
    "tools.web_search.per_search_call",
    "tools.code_interpreter.per_execution_call",
    "tools.file_search.per_storage_gb",
    "tools.image_generation.per_image_generation",
];

/// `sortBy('price')`: by the price of input text, unknown prices last, stable.
fn sort_by_price(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("sortBy", values);
    let list = entities(args, &[EntityKind::Model])?;
    if args.text(1)? != "price" {
        return Err(args.fail("only 'price' is a field to sort by"));
    }
    let price = |model: &Arc<dyn Entity>| model.price("text.input").ok().flatten().unwrap_or(f64::INFINITY);
    let mut keyed: Vec<(f64, Arc<dyn Entity>)> =
        list.iter().map(|model| (price(model), model.clone())).collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(Value::Entities(keyed.into_iter().map(|(_, model)| model).collect()))
}

/// One element, any with the same chance; `null` of an empty list.
fn random(values: &[Value]) -> Result<Value, EvalError> {
    let list = Args::new("random", values).list(0)?;
    charge(list.len())?;
    Ok(fastrand::choice(&list).cloned().unwrap_or_default())
}

fn randomize(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("randomize", values);
    let mut list = args.list(0)?;
    charge(list.len())?;
    fastrand::shuffle(&mut list);
    Ok(match args.value(0)? {
        Value::Entities(_) if list.is_empty() => Value::Entities(Arc::from([])),
        _ => ops::pack(list),
    })
}

fn found(entity: Option<&Arc<dyn Entity>>) -> Value {
    entity.cloned().map_or(Value::Null, Value::Entity)
}

/// `get(id)` of providers and authors, `get(provider, model)` of models; `null` when there is none.
fn get(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("get", values);
    if args.len() > 2 {
        let list = entities(args, &[EntityKind::Model])?;
        let (provider, model) = (args.text(1)?, args.text(2)?);
        return Ok(found(
            list.iter().find(|entity| entity.provider_named(&provider) && entity.named(&model)),
        ));
    }
    let list = entities(args, &[EntityKind::Provider, EntityKind::Author])?;
    let id = args.text(1)?;
    Ok(found(list.iter().find(|entity| entity.named(&id))))
}

fn get_model(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("getModel", values);
    let id = args.text(1)?;
    match args.value(0)? {
        Value::Entity(provider) if provider.kind() == EntityKind::Provider => {
            let models = provider.field("models");
            let models = models.as_ref().and_then(ops::elements).unwrap_or_default();
            charge(models.len())?;
            let named = |value: &Value| matches!(value, Value::Entity(model) if model.named(&id));
            Ok(models.iter().find(|value| named(value)).cloned().unwrap_or_default())
        }
        Value::Null => Ok(Value::Null),
        other => Err(args.wrong("a provider", other)),
    }
}

/// The value at a dotted path of the metadata; `null` when there is none.
fn get_metadata(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("getMetadata", values);
    let path = args.text(1)?;
    match args.value(0)? {
        Value::Entity(entity) => {
            let metadata = entity.field("metadata").unwrap_or_default();
            if let Some(value) = metadata.path(&[&*path]) {
                return Ok(value);
            }
            Ok(metadata.path(&path.split('.').collect::<Vec<_>>()).unwrap_or_default())
        }
        Value::Null => Ok(Value::Null),
        other => Err(args.wrong("a model or provider", other)),
    }
}
