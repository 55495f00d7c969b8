//! The proxy: listeners, phase runner, actions, attempt loop. The only crate that names Pingora, and only in
//! [`proxy`] and [`server`].

mod accounts;
pub mod action;
pub mod actions;
mod addressing;
pub mod answer;
pub mod client;
pub mod clock;
mod collector;
mod descriptors;
pub mod direct;
pub mod dry;
mod encoding;
pub mod engine;
pub mod events;
pub mod exchange;
pub mod explain;
mod fetch;
pub mod fit;
mod forward;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod gates;
pub mod gateway;
pub mod internal;
mod inward;
mod jwks;
mod late_costs;
mod levels;
pub mod limits;
pub mod listener;
mod lists;
pub mod load;
mod outbound;
pub mod phase;
pub mod pool;
pub mod proxy;
pub mod reload;
pub mod response;
pub mod server;
#[cfg(test)]
mod testing;
pub mod tls;
pub mod upstream;
pub mod watch;
mod web_url;

pub use accounts::Accounts;
pub use actions::login::{LoginCookies, Logins};
pub use addressing::{AddressFiles, Addressing, IpPolicies, IpPolicySet, Opened};
pub use collector::start_traces;
pub use gates::Gates;
pub use jwks::Jwks;
pub use late_costs::LateCosts;
pub use lists::{Lists, ReadLists};
pub use outbound::{BadTarget, Outbound};
pub use tollgate_cloud::TokenCache;
