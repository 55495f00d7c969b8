//! Facts that are found out only when an expression asks: addresses and certificates, and what a connection holds.

mod address;
mod certificate;
mod connection;

pub use address::{AddressFacts, AddressSource, Addresses, Place};
pub use certificate::{Certificate, DistinguishedName, Extension, ParsedCertificate};
pub(crate) use certificate::{moment, texts};
pub use connection::{ConnectionFacts, PodFacts, TlsFacts, Traffic};
