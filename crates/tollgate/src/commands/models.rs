//! `tollgate models`: the catalogue.

use crate::cli::ModelsArgs;
use crate::commands::check;
use crate::error::CliError;
use crate::naming::Naming;
use crate::secrets::StandIns;
use crate::table::Table;
use crate::{output, wiring};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use tollgate_catalog::{Catalog, Model, PRICE_KINDS, Price, PriceSource, Pricing, Provider, Tier};

/// Prints the models: a table, or JSON.
///
/// # Errors
/// There is no such provider; a policy with errors.
pub(crate) fn run(args: &ModelsArgs) -> Result<ExitCode, CliError> {
    let catalog = match &args.policy {
        None => Catalog::builtin(),
        Some(path) => of_policy(path)?,
    };
    let wanted = |provider: &Provider| args.provider.as_deref().is_none_or(|name| provider.is_named(name));
    let mut providers: Vec<&Provider> =
        catalog.providers().iter().map(|p| &**p).filter(|p| wanted(p)).collect();
    let listed = |provider: &Provider| catalog.providers().iter().any(|other| other.id == provider.id);
    let unlisted: Vec<&Provider> =
        catalog.unlisted().iter().map(|p| &**p).filter(|p| wanted(p) && !listed(p)).collect();
    if let Some(name) = &args.provider {
        if providers.is_empty() {
            providers.clone_from(&unlisted);
        }
        if providers.is_empty() {
            return Err(CliError::failed(wiring::no_provider(&catalog, name)));
        }
    }
    let models = || providers.iter().flat_map(|p| p.models.iter().map(move |m| (*p, &**m)));
    if args.json {
        let all: Vec<Value> = models().map(|(provider, model)| entry(provider, model)).collect();
        let shown: BTreeSet<&str> = providers.iter().map(|provider| provider.id.as_str()).collect();
        let more = unlisted.iter().filter(|provider| !shown.contains(provider.id.as_str()));
        let about = |provider: &&Provider| about(provider, listed(provider));
        let about: Vec<Value> = providers.iter().chain(more).map(about).collect();
        output::say(&format!("{:#}", json!({ "models": all, "providers": about })));
    } else {
        let page = table(&providers) + &notes(&providers, &unlisted, args.provider.is_some());
        output::print(page.trim_start());
    }
    Ok(ExitCode::SUCCESS)
}

/// The catalogue as the first gateway of a policy sees it.
fn of_policy(path: &Path) -> Result<Arc<Catalog>, CliError> {
    let source = wiring::source(path)?;
    let secrets = StandIns::new(tollgate_expr::NoSecrets);
    let shared = wiring::shared(Arc::new(secrets), &Naming::default())?;
    let engine = check::good(&source, &shared)?;
    let gateway = engine.gateways().next().map(|gateway| Arc::clone(gateway.catalog()));
    gateway.ok_or_else(|| CliError::failed(format!("{} has no `ai-gateway`", path.display())))
}

fn table(providers: &[&Provider]) -> String {
    let titles = ["provider", "model", "author", "context", "$/M in", "$/M out", "features"];
    let mut table = Table::new(&titles).right(&["context", "$/M in", "$/M out"]);
    for provider in providers {
        for model in &provider.models {
            table.row([
                provider.id.clone(),
                model.id.clone(),
                model.author_id.clone(),
                tokens(model.max_context_window),
                price(model.pricing.input.map(Price::dollars_per_million)),
                price(model.pricing.output.map(Price::dollars_per_million)),
                model.supported_features.join(" "),
            ]);
        }
    }
    let mut out = String::new();
    if !table.is_empty() {
        out.push_str(&table.render(0));
    }
    for provider in providers.iter().filter(|p| p.models.is_empty() && p.models_note.is_none()) {
        out.push_str(&format!("{}: no model is known; any name passes through\n", provider.id));
    }
    out
}

/// What there is to know beside the table: how names are written, and which providers only a policy brings in.
fn notes(shown: &[&Provider], unlisted: &[&Provider], one: bool) -> String {
    let mut out = String::new();
    for provider in shown {
        if let Some(note) = &provider.models_note {
            out.push_str(&format!("\n{}: {note}\n", provider.id));
        }
    }
    if one {
        for provider in unlisted {
            out.push_str(&format!("\n{}\n", provider.how_to_list()));
        }
    } else if !unlisted.is_empty() {
        out.push_str(
            "\nOnly in policies that list them (`tollgate models --provider ID` has their models):\n",
        );
        let mut table = Table::new(&["provider", "", "models", "entry of `providers`"]).right(&["models"]);
        for provider in unlisted {
            let count = provider.models.len();
            let count = if count == 0 { String::new() } else { count.to_string() };
            table.row([provider.id.clone(), provider.display_name.clone(), count, provider.entry()]);
        }
        out.push_str(&table.render(2));
    }
    out.push_str("\nA model is named `provider:model`; a name that only one provider has needs no prefix.\n");
    out
}

/// What programs can know of a provider.
fn about(provider: &Provider, listed: bool) -> Value {
    json!({
        "id": provider.id,
        "aliases": provider.aliases,
        "display_name": provider.display_name,
        "models": provider.models.len(),
        "key_variable": provider.key_env,
        "only_when_listed": !listed,
        "needed_settings": provider.needed_settings(),
        "note": provider.models_note,
    })
}

/// `128k`, `1.05M`; nothing when it is not known.
fn tokens(count: u64) -> String {
    match count {
        0 => String::new(),
        1_000_000.. => format!("{}M", short(count as f64 / 1e6)),
        1_000.. => format!("{}k", short(count as f64 / 1e3)),
        _ => count.to_string(),
    }
}

fn price(price: Option<f64>) -> String {
    price.map(|price| format!("{price}")).unwrap_or_default()
}

/// Two decimals at most.
fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn entry(provider: &Provider, model: &Model) -> Value {
    let some = |count: u64| (count > 0).then_some(count);
    json!({
        "provider": provider.id,
        "id": model.id,
        "name": format!("{}:{}", provider.id, model.id),
        "aliases": model.aliases.iter().map(|alias| &alias.name).collect::<Vec<_>>(),
        "author": model.author_id,
        "display_name": model.display_name,
        "input_modalities": model.input_modalities,
        "output_modalities": model.output_modalities,
        "supported_features": model.supported_features,
        "max_context_window": some(model.max_context_window),
        "max_output_tokens": some(model.max_output_tokens),
        "thinking": model.thinking,
        "deprecated_at": model.deprecated_at,
        "custom": model.custom,
        "disabled": model.disabled,
        "pricing": prices(&model.pricing),
        "price_overrides": overrides(&model.pricing),
        "prices": model.price_source.as_ref().or(provider.prices.as_ref()).map(source),
    })
}

/// Where prices are from. Those that a policy states are of no day.
fn source(prices: &PriceSource) -> Value {
    let day = Some(prices.as_of.as_str()).filter(|day| !day.is_empty());
    json!({"source": prices.source, "as_of": day})
}

/// The prices that are known, by kind: a million tokens, or a unit.
fn prices(pricing: &Pricing) -> Map<String, Value> {
    let known =
        PRICE_KINDS.iter().filter_map(|(kind, read)| Some(((*kind).to_owned(), read(pricing)?.into())));
    known.collect()
}

fn overrides(pricing: &Pricing) -> Vec<Value> {
    let tier = |tier: &Tier| {
        let conditions = [
            ("min_prompt_tokens", tier.min_prompt_tokens.map(Value::from)),
            ("utc_start", tier.utc_start.map(Value::from)),
            ("utc_end", tier.utc_end.map(Value::from)),
        ];
        let mut entry: Map<String, Value> =
            conditions.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        entry.insert("pricing".to_owned(), prices(&tier.price).into());
        entry.into()
    };
    pricing.overrides.iter().map(tier).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (count, text) in
            [(0, ""), (512, "512"), (128_000, "128k"), (1_050_000, "1.05M"), (1_000_000, "1M")]
        {
            assert_eq!(tokens(count), text);
        }
    }

    #[test]
    fn an_entry_has_the_prices_that_are_known() {
        let catalog = Catalog::builtin();
        let (provider, model, _) = catalog.models_named("gpt-4o").into_iter().next().unwrap();
        let entry = entry(&provider, &model);
        assert!(entry["pricing"]["text.input"].as_f64().is_some_and(|price| price > 0.0), "{entry}");
        assert_eq!(entry["name"], format!("{}:gpt-4o", provider.id));
        assert_eq!(entry["thinking"], "none");
        assert!(entry["prices"]["source"].is_string() && entry["prices"]["as_of"].is_string(), "{entry}");
    }

    #[test]
    fn an_entry_has_the_prices_of_long_prompts() {
        let catalog = Catalog::builtin();
        let (provider, model, _) = catalog.models_named("gemini-2.5-pro").into_iter().next().unwrap();
        let entry = entry(&provider, &model);
        assert_eq!(entry["thinking"], "budget");
        let [tier] = entry["price_overrides"].as_array().unwrap().as_slice() else { panic!("{entry}") };
        assert_eq!(tier["min_prompt_tokens"], 200_001);
        assert!(tier["pricing"]["text.input"].as_f64() > entry["pricing"]["text.input"].as_f64(), "{entry}");
    }
}
