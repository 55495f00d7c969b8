//! Everything that touches Pingora: the service of a listener, its sessions, and calls to providers.

pub mod admin;
pub mod checker;
pub mod connections;
mod counted;
mod crowded;
pub mod doors;
mod frames;
pub mod framing;
mod guarded;
pub mod h2;
pub mod headers;
mod incoming;
mod joined;
mod log;
pub mod passing;
pub mod plain;
pub mod pools;
mod preface;
pub mod provider;
mod pulse;
pub mod request;
mod secure;
pub mod service;
pub mod session;
pub mod targets;
