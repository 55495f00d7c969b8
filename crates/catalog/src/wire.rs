//! In which dialect a request goes to a provider, and to which path.

use crate::model::{Model, Provider};
use tollgate_dialect::{FieldPath, Format, Surface};

/// The dialects a conversation is translated to, most common first.
const PREFERENCE: [Surface; 5] = [
    Surface::ChatCompletions,
    Surface::Messages,
    Surface::GenerateContent,
    Surface::Converse,
    Surface::Responses,
];

impl Provider {
    /// The surface on which a request of the client's surface goes to `model`: the client's own if provider and model
    /// serve it. A conversation can otherwise be translated, to [`Provider::translate_to`] or to the first surface that
    /// is served. `None` when the request cannot go there.
    #[must_use]
    pub fn wire_for(&self, client: Surface, model: &Model) -> Option<Surface> {
        let served = |surface: &Surface| self.serves(*surface) && model.serves(*surface);
        if served(&client) {
            return Some(client);
        }
        if !client.is_conversation() {
            return None;
        }
        self.translate_to.into_iter().chain(PREFERENCE).find(served)
    }

    /// Fields of a body that the provider ignores or refuses on `surface` ([`Provider::surface_gaps`]).
    #[must_use]
    pub fn gaps(&self, surface: Surface) -> &[FieldPath] {
        let own = self.surface_gaps.iter().find(|(of, _)| *of == surface);
        own.map_or(&[], |(_, paths)| paths)
    }

    /// The surface on which a conversation goes to `model` when the client's own has a gap that the request falls into:
    /// [`Provider::translate_to`], else the first that is served of another format. `None` when there is no other.
    #[must_use]
    pub fn wire_around(&self, client: Surface, model: &Model) -> Option<Surface> {
        let other = |surface: &Surface| *surface != client && self.serves(*surface) && model.serves(*surface);
        // A server that speaks OpenAI's API is rarely meant to have all of its operations.
        let foreign = PREFERENCE.into_iter().filter(|surface| surface.format() != client.format());
        self.translate_to.into_iter().chain(foreign).filter(|_| client.is_conversation()).find(other)
    }

    /// The path of an operation below the base URL. `{model}` stands for the model's name.
    #[must_use]
    pub fn path(&self, surface: Surface) -> &str {
        own(&self.paths, surface).unwrap_or(surface.path())
    }

    /// The path of an operation's stream, with what its query needs.
    #[must_use]
    pub fn stream_path(&self, surface: Surface) -> &str {
        // Where streams have no path of their own, the operation's holds for both.
        let one = surface.path() == surface.stream_path();
        let path = own(&self.stream_paths, surface).or_else(|| own(&self.paths, surface).filter(|_| one));
        path.unwrap_or(surface.stream_path())
    }

    /// What stands between base URL and path, for `tollgate_dialect::url::join`: what the policy says, else what
    /// clients of the format put there when the base URL is only a host.
    #[must_use]
    pub fn prefix_for(&self, format: Format) -> Option<&str> {
        if self.path_prefix.is_some() {
            return self.path_prefix.as_deref();
        }
        let rest = self.base_url_for(format).split_once("://").map_or("", |(_, rest)| rest);
        let rest = rest.split('?').next().unwrap_or_default();
        let bare = rest.trim_end_matches('/').find('/').is_none();
        match format {
            Format::Gemini if bare => Some("/v1beta"),
            Format::Bedrock if bare => Some(""),
            _ => None,
        }
    }
}

fn own(paths: &[(Surface, String)], surface: Surface) -> Option<&str> {
    paths.iter().find(|(of, _)| *of == surface).map(|(_, path)| path.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ApiSurface;
    use Surface::{ChatCompletions, Converse, CountTokens, Embeddings, GenerateContent, Messages, Responses};

    fn provider(surfaces: &[Surface]) -> Provider {
        let entry = |surface: &Surface| ApiSurface {
            format: surface.format(),
            surface: Some(*surface),
            supported_params: Vec::new(),
        };
        Provider {
            surfaces: surfaces.iter().map(entry).collect(),
            surfaces_complete: true,
            ..Provider::default()
        }
    }

    #[test]
    fn the_clients_own_surface_or_a_translation() {
        let any = Model::default();
        let chat_only = Model { surfaces: vec![ChatCompletions], ..Model::default() };
        let embeds = Model { surfaces: vec![Embeddings], ..Model::default() };
        let to = |surface, provider: Provider| Provider { translate_to: Some(surface), ..provider };
        let openai = provider(&[ChatCompletions, Responses, Embeddings]);
        let anthropic = to(Messages, provider(&[ChatCompletions, Messages, CountTokens]));
        let google = to(GenerateContent, provider(&[ChatCompletions, GenerateContent]));
        let bedrock = provider(&[Converse]);
        let responses = provider(&[Responses]);
        let wrong = to(Converse, provider(&[Responses, Messages]));
        for (provider, client, model, expected) in [
            (&openai, ChatCompletions, &any, Some(ChatCompletions)),
            (&openai, Responses, &any, Some(Responses)),
            (&openai, Messages, &any, Some(ChatCompletions)),
            (&openai, GenerateContent, &any, Some(ChatCompletions)),
            (&openai, CountTokens, &any, None),
            (&openai, Responses, &chat_only, Some(ChatCompletions)),
            (&openai, Embeddings, &embeds, Some(Embeddings)),
            (&openai, ChatCompletions, &embeds, None),
            (&openai, Embeddings, &chat_only, None),
            (&anthropic, ChatCompletions, &any, Some(ChatCompletions)),
            (&anthropic, Responses, &any, Some(Messages)),
            (&anthropic, GenerateContent, &any, Some(Messages)),
            (&anthropic, Embeddings, &any, None),
            (&anthropic, Responses, &chat_only, Some(ChatCompletions)),
            (&google, Messages, &any, Some(GenerateContent)),
            (&bedrock, ChatCompletions, &any, Some(Converse)),
            (&responses, Messages, &any, Some(Responses)),
            (&wrong, ChatCompletions, &any, Some(Messages)),
        ] {
            assert_eq!(provider.wire_for(client, model), expected, "{client:?} {:?}", provider.surfaces);
        }
        assert_eq!(provider(&[]).wire_for(ChatCompletions, &any), None);
    }

    #[test]
    fn around_a_gap() {
        let any = Model::default();
        let chat_only = Model { surfaces: vec![ChatCompletions], ..Model::default() };
        let both = provider(&[ChatCompletions, Messages, CountTokens]);
        let three = provider(&[ChatCompletions, Messages, Responses]);
        let to = |surface, provider: Provider| Provider { translate_to: Some(surface), ..provider };
        for (provider, client, model, expected) in [
            (&both, ChatCompletions, &any, Some(Messages)),
            (&both, Messages, &any, Some(ChatCompletions)),
            (&both, CountTokens, &any, None),
            (&both, ChatCompletions, &chat_only, None),
            (&to(Responses, three.clone()), ChatCompletions, &any, Some(Responses)),
            (&to(ChatCompletions, three.clone()), ChatCompletions, &any, Some(Messages)),
            (&to(Converse, three), ChatCompletions, &any, Some(Messages)),
            (&provider(&[ChatCompletions]), ChatCompletions, &any, None),
            (&provider(&[ChatCompletions, Responses]), ChatCompletions, &any, None),
        ] {
            assert_eq!(provider.wire_around(client, model), expected, "{client:?} {:?}", provider.surfaces);
        }
        let paths: Vec<FieldPath> = vec!["seed".parse().unwrap()];
        let gappy = Provider { surface_gaps: vec![(ChatCompletions, paths.clone())], ..both };
        assert_eq!((gappy.gaps(ChatCompletions), gappy.gaps(Messages)), (&paths[..], &[][..]));
    }

    #[test]
    fn paths_of_ones_own() {
        let mut provider = provider(&[ChatCompletions]);
        assert_eq!(provider.path(ChatCompletions), "/chat/completions");
        assert_eq!(provider.stream_path(Converse), "/model/{model}/converse-stream");
        provider.paths = vec![(ChatCompletions, "/deployments/{model}/chat/completions".to_owned())];
        assert_eq!(provider.path(ChatCompletions), "/deployments/{model}/chat/completions");
        assert_eq!(provider.stream_path(ChatCompletions), "/deployments/{model}/chat/completions");
        provider.stream_paths = vec![(ChatCompletions, "/stream".to_owned())];
        assert_eq!(provider.stream_path(ChatCompletions), "/stream");
        provider.paths = vec![(Converse, "/c/{model}".to_owned())];
        assert_eq!(provider.stream_path(Converse), "/model/{model}/converse-stream");
    }

    #[test]
    fn a_host_alone_gets_its_formats_prefix() {
        for (base, prefix, format, expected) in [
            ("https://g.test", None, Format::Gemini, Some("/v1beta")),
            ("https://g.test/?a=b/c", None, Format::Gemini, Some("/v1beta")),
            ("https://g.test/v1", None, Format::Gemini, None),
            ("https://g.test", Some("/v9"), Format::Gemini, Some("/v9")),
            ("https://b.test", None, Format::Bedrock, Some("")),
            ("https://o.test", None, Format::OpenAi, None),
        ] {
            let provider = Provider {
                base_url: base.to_owned(),
                path_prefix: prefix.map(str::to_owned),
                ..Provider::default()
            };
            assert_eq!(provider.prefix_for(format), expected, "{base}");
        }
    }
}
