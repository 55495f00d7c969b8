//! CEL expressions and `${}` interpolation of a traffic policy. Pure: no I/O, no clock of its own.

mod activation;
mod value;

pub use activation::{
    Activation, ConnectionFacts, EndpointFacts, MissingSecret, NoSecrets, RequestFacts, ResponseFacts,
    SecretSource, TlsFacts,
};
pub use value::{Entity, EntityKind, Map, Object, UnknownPrice, Value};
