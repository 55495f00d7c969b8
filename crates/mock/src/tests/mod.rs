//! Tests over sockets, with a client that shares no code with the server.

mod client;
mod clouds;
mod faults;
mod formats;
mod orders;
mod serving;
mod strict;
