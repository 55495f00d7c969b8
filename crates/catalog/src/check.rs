//! What a policy's `providers` list may say, field by field. Each rule gives one error with its place.

use crate::base_url;
use crate::catalog::fold;
use crate::model::{ApiSurface, AuthStyle, Provider};
use crate::overlay::{ModelOverlay, ProviderOverlay};
use crate::provider::can_be_listed;
use std::collections::HashMap;
use thiserror::Error;

/// Longest id, alias or parameter name, in bytes: the limit of ngrok's API.
const MAX_NAME: usize = 255;
/// Most entries of a list of parameters: the limit of ngrok's API for `unsupported_params`.
const MAX_PARAMS: usize = 100;
/// The name that means "choose for me".
const AUTO: &str = "ngrok/auto";

/// A mistake in a policy's `providers`. The policy is to blame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {message}", self.path())]
pub struct OverlayError {
    /// Which provider.
    pub index: usize,
    /// Which of its models, when it is about one.
    pub model: Option<usize>,
    /// Which field.
    pub field: &'static str,
    /// Which element, when the field is a list.
    pub item: Option<usize>,
    /// Which entry, when the field is a map and the entry is there.
    pub key: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl OverlayError {
    /// The place, below the action's configuration: `providers[0].models[1].id`.
    #[must_use]
    pub fn path(&self) -> String {
        let model = self.model.map_or_else(String::new, |model| format!(".models[{model}]"));
        let item = self.item.map_or_else(String::new, |item| format!("[{item}]"));
        format!("providers[{}]{model}.{}{item}", self.index, self.field)
    }
}

/// Collects the errors of one provider.
pub(crate) struct Report<'a> {
    errors: &'a mut Vec<OverlayError>,
    index: usize,
    model: Option<usize>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(errors: &'a mut Vec<OverlayError>, index: usize) -> Self {
        Self { errors, index, model: None }
    }

    /// An error about one entry of a field that is a map.
    pub(crate) fn add_at(&mut self, field: &'static str, key: &str, message: impl Into<String>, help: &str) {
        self.add(field, None, message, help);
        if let Some(added) = self.errors.last_mut() {
            added.key = Some(key.to_owned());
        }
    }

    pub(crate) fn add(
        &mut self,
        field: &'static str,
        item: Option<usize>,
        message: impl Into<String>,
        help: &str,
    ) {
        let help = (!help.is_empty()).then(|| help.to_owned());
        let (index, model, message) = (self.index, self.model, message.into());
        self.errors.push(OverlayError { index, model, field, item, key: None, message, help });
    }
}

/// Checks all that needs no other provider.
pub(crate) fn provider(overlay: &ProviderOverlay, report: &mut Report<'_>) {
    name("id", None, &overlay.id, report);
    no_colon("id", None, &overlay.id, report);
    for (item, alias) in overlay.aliases.iter().enumerate() {
        name("id_aliases", Some(item), alias, report);
        no_colon("id_aliases", Some(item), alias, report);
    }
    if let Some(Err(refusal)) = overlay.base_url.as_deref().map(base_url::check) {
        report.add("base_url", None, refusal.message, refusal.help);
    }
    if overlay.path_prefix.as_deref().is_some_and(|prefix| prefix.contains(['?', '#', ' '])) {
        report.add("path_prefix", None, "the path prefix is not a path", "write it like /v1");
    }
    auth(overlay.auth.as_ref(), report);
    params("drop_params", overlay.drop_params.as_deref().unwrap_or_default(), report);
    params("extensions", overlay.extensions.as_deref().unwrap_or_default(), report);
    surfaces(overlay.surfaces.as_deref().unwrap_or_default(), report);
    models(&overlay.models, report);
}

/// Checks what needs the provider as it is with the overlay on it.
pub(crate) fn laid(provider: &Provider, overlay: &ProviderOverlay, report: &mut Report<'_>) {
    for (surface, _) in overlay.surface_gaps.iter().filter(|(surface, _)| !provider.serves(*surface)) {
        let message =
            format!("`{}` does not serve `{}`, so nothing can be missing there", provider.id, surface.name());
        report.add("surface_gaps", None, message, "list the fields below a surface it serves");
    }
    let Some(surface) = overlay.translate_to else { return };
    let name = surface.name();
    if !surface.is_conversation() {
        let message = format!("nothing can be translated to `{name}`");
        report.add(
            "translate_to",
            None,
            message,
            "name a surface of conversations, such as `chat-completions`",
        );
    } else if !provider.serves(surface) {
        let message = format!("`{}` does not serve `{name}`", provider.id);
        report.add(
            "translate_to",
            None,
            message,
            "name one of its surfaces, or add it to `supported_api_surfaces`",
        );
    }
}

fn models(models: &[ModelOverlay], report: &mut Report<'_>) {
    // Ids come first, so that a collision is reported at the alias.
    let mut taken: HashMap<String, usize> = HashMap::new();
    for (at, model) in models.iter().enumerate() {
        report.model = Some(at);
        name("id", None, &model.id, report);
        if let Some(first) = taken.get(fold(&model.id).as_ref()) {
            let message =
                format!("the model `{}` is listed twice (first as models[{first}])", model.id.trim());
            report.add(
                "id",
                None,
                message,
                "ids are compared without regard to case; keep one of the entries",
            );
        } else {
            taken.insert(fold(&model.id).into_owned(), at);
        }
    }
    for (at, model) in models.iter().enumerate() {
        report.model = Some(at);
        for (item, alias) in model.aliases.iter().enumerate() {
            name("id_aliases", Some(item), alias, report);
            let owner = *taken.entry(fold(alias).into_owned()).or_insert(at);
            if owner != at {
                let message = format!("`{}` already names models[{owner}] of this provider", alias.trim());
                report.add("id_aliases", Some(item), message, "names are unique inside a provider");
            }
        }
        params("unsupported_params", model.unsupported_params.as_deref().unwrap_or_default(), report);
        if let Some(fault) = model.pricing.as_ref().and_then(|pricing| pricing.fault()) {
            report.add(
                "pricing",
                None,
                fault,
                "a price override says when it holds, and what is different then",
            );
        }
    }
    report.model = None;
}

fn params(field: &'static str, params: &[String], report: &mut Report<'_>) {
    if params.len() > MAX_PARAMS {
        let message = format!("{} parameters are listed, at most 100 may be", params.len());
        report.add(field, None, message, "");
    }
    for (item, param) in params.iter().enumerate() {
        if param.is_empty() || param.len() > MAX_NAME {
            let message = "a parameter name is empty or longer than 255 bytes";
            report.add(field, Some(item), message, "");
        } else if params.iter().take(item).any(|other| other == param) {
            report.add(field, Some(item), format!("`{param}` is listed twice"), "");
        }
    }
}

fn surfaces(surfaces: &[ApiSurface], report: &mut Report<'_>) {
    const FIELD: &str = "supported_api_surfaces";
    for (item, entry) in surfaces.iter().enumerate() {
        match entry.surface {
            None if !entry.supported_params.is_empty() => report.add(
                FIELD,
                Some(item),
                "`supported_params` needs a `surface`",
                "add the `surface` the list is for",
            ),
            Some(surface) if surface.format() != entry.format => report.add(
                FIELD,
                Some(item),
                format!("the surface `{}` is not of the format `{}`", surface.name(), entry.format.name()),
                "`messages` belongs to `anthropic`, `generate-content` to `gemini`, `converse` to `bedrock`, \
                 `chat-completions` and `responses` to `openai`",
            ),
            Some(surface) if !can_be_listed(surface) => report.add(
                FIELD,
                Some(item),
                format!("`{}` is not a surface a policy can list", surface.name()),
                "use `chat-completions`, `responses`, `messages`, `generate-content` or `converse`; the other paths \
                 are open anyway",
            ),
            _ => {}
        }
    }
}

fn auth(auth: Option<&AuthStyle>, report: &mut Report<'_>) {
    // RFC 9110, section 5.6.2.
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let valid = match auth {
        Some(AuthStyle::Header(header)) => !header.is_empty() && header.chars().all(token),
        Some(AuthStyle::Query(parameter)) => {
            !parameter.is_empty() && !parameter.contains(['&', '=', '#', '?', ' '])
        }
        _ => true,
    };
    if !valid {
        report.add("auth", None, "the header or query parameter name is not valid", "");
    }
}

fn name(field: &'static str, item: Option<usize>, text: &str, report: &mut Report<'_>) {
    let text = text.trim();
    if text.is_empty() {
        report.add(field, item, "the name is empty", "");
    } else if text.len() > MAX_NAME {
        report.add(field, item, "the name is longer than 255 bytes", "");
    } else if text.chars().any(char::is_control) {
        report.add(field, item, "the name holds a control character", "");
    } else if text.eq_ignore_ascii_case(AUTO) {
        report.add(field, item, "`ngrok/auto` is reserved: it lets the gateway choose", "use another name");
    }
}

fn no_colon(field: &'static str, item: Option<usize>, text: &str, report: &mut Report<'_>) {
    if text.contains(':') {
        let help = "in `provider:model` the provider ends at the first colon; use `-` or `.`";
        report.add(field, item, "a provider's name cannot hold a colon", help);
    }
}
