//! Tests over sockets, with a client that shares no code with the server.

mod client;
mod faults;
mod formats;
mod serving;
