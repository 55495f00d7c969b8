//! Everything that touches Pingora: the service of a listener, its sessions, and calls to providers.

pub mod admin;
pub mod checker;
pub mod connections;
pub mod handshake;
pub mod headers;
mod joined;
mod log;
pub mod plain;
pub mod pools;
pub mod provider;
pub mod request;
pub mod service;
pub mod session;
pub mod targets;
