//! `ai.authors[i]`.

use super::fields::{Fields, same_name, texts};
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use tollgate_catalog::Author;
use tollgate_expr::{Entity, EntityKind, Object, Value};

/// Who makes models.
pub(crate) struct AuthorEntity {
    author: Author,
    fields: Fields,
}

impl AuthorEntity {
    pub(crate) fn new(author: &Author) -> Self {
        let mut fields = Fields::default();
        fields.set("id", author.id.as_str());
        fields.set("id_aliases", texts(&author.aliases));
        fields.set("display_name", author.display_name.as_str());
        Self { author: author.clone(), fields }
    }
}

impl fmt::Debug for AuthorEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AIAuthor({})", self.author.id)
    }
}

impl Object for AuthorEntity {
    fn field(&self, name: &str) -> Option<Value> {
        self.fields.get(name).cloned()
    }
    fn fields(&self) -> Vec<Arc<str>> {
        self.fields.names().collect()
    }
}

impl Entity for AuthorEntity {
    fn kind(&self) -> EntityKind {
        EntityKind::Author
    }
    fn id(&self) -> &str {
        &self.author.id
    }
    fn named(&self, name: &str) -> bool {
        same_name(&self.author.id, name) || self.author.aliases.iter().any(|alias| same_name(alias, name))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
