//! Which of a model's names a request used, and what is sent upstream for it.

use crate::model::{AliasKind, Model, Provider};
use tollgate_dialect::Surface;

/// Which of a model's names matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    /// The id.
    Id,
    /// An alias of this kind.
    Alias(AliasKind),
    /// The provider's own spelling, where that differs from the id.
    Upstream,
}

impl Model {
    /// What the provider calls the model.
    #[must_use]
    pub fn upstream(&self) -> &str {
        self.upstream_id.as_deref().unwrap_or(&self.id)
    }

    /// The name to send upstream when a client wrote `client_text` and it matched as `matched`.
    ///
    /// A snapshot goes out as itself, so that a pinned version stays pinned, but in the catalogue's
    /// capitalisation, because providers compare exactly. Every other name becomes [`Model::upstream`].
    #[must_use]
    pub fn sent_name(&self, matched: Matched, client_text: &str) -> String {
        let Matched::Alias(AliasKind::Snapshot) = matched else { return self.upstream().to_owned() };
        let text = client_text.trim();
        let known = self.aliases.iter().find(|alias| alias.name.eq_ignore_ascii_case(text));
        known.map_or(text, |alias| alias.name.as_str()).to_owned()
    }

    /// Whether the model itself can do `surface`; [`Provider::serves`] answers for the provider.
    ///
    /// A model limited to surfaces does those. A catalogued model that gives text does no embeddings.
    /// Of a custom model nothing is known, so it may do anything.
    #[must_use]
    pub fn serves(&self, surface: Surface) -> bool {
        if !self.surfaces.is_empty() {
            return self.surfaces.contains(&surface);
        }
        let trusted = self.known && !self.custom && !self.output_modalities.is_empty();
        surface != Surface::Embeddings
            || !trusted
            || self.output_modalities.iter().any(|modality| modality == "embedding")
    }
}

impl Provider {
    /// The record of a model the catalogue does not know: its name goes through unchanged.
    #[must_use]
    pub fn pass_through(&self, name: &str) -> Model {
        Model {
            id: name.to_owned(),
            display_name: name.to_owned(),
            provider_id: self.id.clone(),
            thinking: self.thinking,
            metadata: self.metadata.clone(),
            disabled: self.disabled,
            ..Model::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Alias;

    fn model() -> Model {
        let alias = |name: &str, kind| Alias { name: name.to_owned(), kind };
        Model {
            id: "meta-llama/llama-9".to_owned(),
            upstream_id: Some("llama-9".to_owned()),
            aliases: vec![
                alias("llama-9-2026-01-01", AliasKind::Snapshot),
                alias("llama nine", AliasKind::Nickname),
                alias("house-llama", AliasKind::Configured),
            ],
            known: true,
            ..Model::default()
        }
    }

    #[test]
    fn only_snapshots_go_out_as_written() {
        let table = [
            (Matched::Id, "META-LLAMA/llama-9", "llama-9"),
            (Matched::Upstream, "LLAMA-9", "llama-9"),
            (Matched::Alias(AliasKind::Snapshot), "llama-9-2026-01-01", "llama-9-2026-01-01"),
            (Matched::Alias(AliasKind::Snapshot), " LLAMA-9-2026-01-01 ", "llama-9-2026-01-01"),
            (Matched::Alias(AliasKind::Nickname), "llama nine", "llama-9"),
            (Matched::Alias(AliasKind::Configured), "house-llama", "llama-9"),
        ];
        for (matched, text, sent) in table {
            assert_eq!(model().sent_name(matched, text), sent, "{matched:?} {text}");
        }
    }

    #[test]
    fn text_models_do_no_embeddings_unless_nothing_is_known() {
        let text = Model { output_modalities: vec!["text".to_owned()], ..model() };
        assert!(text.serves(Surface::ChatCompletions));
        assert!(!text.serves(Surface::Embeddings));
        assert!(model().serves(Surface::Embeddings), "modalities unknown");
        assert!(Model { custom: true, ..text.clone() }.serves(Surface::Embeddings));
        let limited = Model { surfaces: vec![Surface::Embeddings], ..text };
        assert!(limited.serves(Surface::Embeddings));
        assert!(!limited.serves(Surface::ChatCompletions));
    }

    #[test]
    fn pass_through_keeps_the_name_and_inherits() {
        let provider = Provider { id: "openrouter".to_owned(), disabled: true, ..Provider::default() };
        let model = provider.pass_through("Meta-Llama/x:free");
        assert_eq!((model.upstream(), model.provider_id.as_str()), ("Meta-Llama/x:free", "openrouter"));
        assert!(!model.known && model.disabled);
    }
}
