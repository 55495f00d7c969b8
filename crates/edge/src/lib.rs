//! The proxy: listeners, phase runner, actions, attempt loop. The only crate that names Pingora, and only in
//! [`proxy`] and [`server`].

pub mod action;
pub mod actions;
pub mod answer;
pub mod client;
pub mod dry;
pub mod engine;
pub mod exchange;
pub mod explain;
pub mod gateway;
pub mod limits;
pub mod listener;
pub mod phase;
pub mod proxy;
pub mod reload;
pub mod server;
#[cfg(test)]
mod testing;
pub mod upstream;
