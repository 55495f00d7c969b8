//! Black-box tests: the built binary between real sockets, mock providers behind it.

#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;

#[cfg(test)]
mod addresses;
#[cfg(test)]
mod admin;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod bound_state;
#[cfg(test)]
mod bytes;
#[cfg(test)]
mod clocks;
mod clouds;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod compare;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod cost;
mod cost_attempts;
#[cfg(test)]
mod crowd;
#[cfg(test)]
mod dashboard;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod desync;
#[cfg(test)]
mod desync_h2;
#[cfg(test)]
mod desync_table;
#[cfg(test)]
mod endpoints;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod floods;
#[cfg(test)]
mod forwarding;
#[cfg(test)]
mod forwarding_attacks;
#[cfg(test)]
mod forwarding_config;
#[cfg(test)]
mod gaps;
#[cfg(test)]
mod gates;
#[cfg(test)]
mod health;
#[cfg(test)]
mod hedge;
#[cfg(test)]
mod http_request;
#[cfg(test)]
mod ip_policies;
#[cfg(test)]
mod jwt;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod leaving;
#[cfg(test)]
mod life_handover;
#[cfg(test)]
mod life_machine;
#[cfg(test)]
mod life_reload;
#[cfg(test)]
mod life_stop;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod login;
#[cfg(test)]
mod naming;
#[cfg(test)]
mod observed;
#[cfg(test)]
mod odd;
#[cfg(test)]
mod openrouter;
#[cfg(test)]
mod openrouter_errors;
#[cfg(test)]
mod openrouter_streams;
#[cfg(test)]
mod order;
#[cfg(test)]
mod parameters;
#[cfg(test)]
mod params;
#[cfg(test)]
mod passing;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod protocols;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod reserved;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod serving;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod translation;
#[cfg(test)]
mod translation_bodies;
#[cfg(test)]
mod translation_errors;
#[cfg(test)]
mod translation_paths;
#[cfg(test)]
mod uploads;
#[cfg(test)]
mod upstream_h2;
#[cfg(test)]
mod urls;
#[cfg(test)]
mod waf;
#[cfg(test)]
mod webhooks;
