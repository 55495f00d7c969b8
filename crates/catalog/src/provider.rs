//! What a provider serves, where, and with which kind of credential.

use crate::model::{AuthStyle, Model, Provider};
use tollgate_dialect::{Format, Surface};

/// Hosts that want Azure's `api-key` header.
const AZURE_HOSTS: [&str; 3] =
    [".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"];

impl Provider {
    /// Whether `name` is the provider's id or one of its aliases; case does not count.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        let name = name.trim();
        self.id.eq_ignore_ascii_case(name)
            || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    }

    /// Whether it speaks `format` at all.
    #[must_use]
    pub fn speaks(&self, format: Format) -> bool {
        self.surfaces.iter().any(|entry| entry.format == format)
    }

    /// Whether requests of `surface` may go to it.
    ///
    /// A policy's `supported_api_surfaces` can name only surfaces of conversations. The others (embeddings, legacy
    /// completions, token counts) are therefore open under such a list, if it has their format.
    #[must_use]
    pub fn serves(&self, surface: Surface) -> bool {
        let format = surface.format();
        let mut entries = self.surfaces.iter().filter(|entry| entry.format == format);
        let listed = entries.any(|entry| entry.surface.is_none_or(|named| named == surface));
        listed || (!self.surfaces_complete && !can_be_listed(surface) && self.speaks(format))
    }

    /// The only top-level body keys that may be sent on `surface`; empty means no restriction.
    #[must_use]
    pub fn supported_params(&self, surface: Surface) -> &[String] {
        if !can_be_listed(surface) {
            return &[];
        }
        let entry = self.surfaces.iter().find(|entry| entry.surface == Some(surface));
        entry.map_or(&[], |entry| entry.supported_params.as_slice())
    }

    /// Whether a limit of output tokens goes into `max_completion_tokens` of a chat body; `None` for a model that is
    /// not known. `OpenAI`'s reasoning models refuse `max_tokens`, and so may whatever it offers tomorrow; other
    /// makers' APIs may know the older name only.
    #[must_use]
    pub fn wants_completion_tokens(&self, model: Option<&Model>) -> bool {
        let model = model.filter(|model| model.known);
        let reasons =
            model.is_some_and(|m| m.supported_features.iter().any(|feature| feature == "reasoning"));
        match self.id.as_str() {
            "openai" => reasons || model.is_none(),
            _ => reasons && (self.custom || model.is_some_and(|model| model.author_id == "openai")),
        }
    }

    /// The base URL for requests of `format`.
    #[must_use]
    pub fn base_url_for(&self, format: Format) -> &str {
        let own = self.format_base_urls.iter().find(|(of, _)| *of == format);
        own.map_or(self.base_url.as_str(), |(_, url)| url)
    }

    /// The ways a key is sent in a request of `format` to `host` (a name, without a port). All are used.
    ///
    /// Azure's hosts take a key as `api-key` and an Entra token as bearer, so they get both.
    #[must_use]
    pub fn auth_for(&self, format: Format, host: &str) -> Vec<AuthStyle> {
        if self.auth_forced || self.auth != AuthStyle::Bearer {
            return vec![self.auth.clone()];
        }
        match format {
            Format::Anthropic => vec![AuthStyle::XApiKey],
            Format::Gemini => vec![AuthStyle::Header("x-goog-api-key".to_owned())],
            _ if is_azure(host) => vec![AuthStyle::ApiKey, AuthStyle::Bearer],
            _ => vec![AuthStyle::Bearer],
        }
    }
}

/// Whether a policy can name `surface` in `supported_api_surfaces`, and so filter its parameters.
pub(crate) fn can_be_listed(surface: Surface) -> bool {
    surface.is_conversation()
}

fn is_azure(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    AZURE_HOSTS.iter().any(|suffix| host.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ApiSurface;

    fn entry(format: Format, surface: Option<Surface>, params: &[&str]) -> ApiSurface {
        ApiSurface { format, surface, supported_params: params.iter().map(|p| (*p).to_owned()).collect() }
    }

    fn provider(surfaces: Vec<ApiSurface>) -> Provider {
        Provider {
            id: "p".to_owned(),
            base_url: "https://p.test/v1".to_owned(),
            surfaces,
            ..Provider::default()
        }
    }

    #[test]
    fn surfaces_follow_the_list() {
        use Surface::{ChatCompletions, CountTokens, Embeddings, Messages, Responses};
        let any = provider(vec![entry(Format::OpenAi, None, &[])]);
        let chat = provider(vec![entry(Format::OpenAi, Some(ChatCompletions), &[])]);
        let complete = Provider { surfaces_complete: true, ..chat.clone() };
        let messages = provider(vec![entry(Format::Anthropic, Some(Messages), &[])]);
        let table = [
            (&any, [true, true, true, false, false]),
            (&chat, [true, false, true, false, false]),
            (&complete, [true, false, false, false, false]),
            (&messages, [false, false, false, true, true]),
            (&provider(vec![]), [false, false, false, false, false]),
        ];
        for (number, (provider, expected)) in table.into_iter().enumerate() {
            let got =
                [ChatCompletions, Responses, Embeddings, Messages, CountTokens].map(|s| provider.serves(s));
            assert_eq!(got, expected, "row {number}");
        }
    }

    #[test]
    fn parameters_are_filtered_on_listable_surfaces_only() {
        let provider = provider(vec![
            entry(Format::OpenAi, Some(Surface::ChatCompletions), &["model", "messages"]),
            entry(Format::OpenAi, Some(Surface::Responses), &[]),
            entry(Format::OpenAi, Some(Surface::Embeddings), &["input"]),
            entry(Format::OpenAi, None, &["ignored"]),
        ]);
        assert_eq!(provider.supported_params(Surface::ChatCompletions), ["model", "messages"]);
        assert!(provider.supported_params(Surface::Responses).is_empty());
        assert!(provider.supported_params(Surface::Embeddings).is_empty());
        assert!(provider.supported_params(Surface::Messages).is_empty());
    }

    #[test]
    fn credentials_follow_format_and_host() {
        use AuthStyle::{ApiKey, Bearer, None, XApiKey};
        let bearer = provider(vec![]);
        let forced = Provider { auth_forced: true, ..bearer.clone() };
        let none = Provider { auth: None, ..bearer.clone() };
        let header = Provider { auth: AuthStyle::Header("x-key".to_owned()), ..bearer.clone() };
        let azure = "East.OpenAI.Azure.com";
        let table = [
            (&bearer, Format::OpenAi, "api.openai.com", vec![Bearer]),
            (&bearer, Format::Anthropic, "api.anthropic.com", vec![XApiKey]),
            (&bearer, Format::OpenAi, azure, vec![ApiKey, Bearer]),
            (&bearer, Format::OpenAi, "openai.azure.com.evil.test", vec![Bearer]),
            (&forced, Format::Anthropic, "openrouter.ai", vec![Bearer]),
            (&forced, Format::OpenAi, azure, vec![Bearer]),
            (&none, Format::Anthropic, "localhost", vec![None]),
            (&header, Format::OpenAi, azure, vec![AuthStyle::Header("x-key".to_owned())]),
        ];
        for (provider, format, host, expected) in table {
            assert_eq!(provider.auth_for(format, host), expected, "{format:?} {host}");
        }
    }

    #[test]
    fn a_format_may_have_its_own_base_url() {
        let mut provider = provider(vec![]);
        provider.format_base_urls = vec![(Format::Anthropic, "https://p.test/anthropic/v1".to_owned())];
        assert_eq!(provider.base_url_for(Format::OpenAi), "https://p.test/v1");
        assert_eq!(provider.base_url_for(Format::Anthropic), "https://p.test/anthropic/v1");
    }
}
