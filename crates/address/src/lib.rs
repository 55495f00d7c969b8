//! What is known of IP addresses: where they are and whose, by MMDB files; which lists they are on, by files of networks;
//! and what IP policies say of them. Pure: it is given bytes, and reads no file.

mod book;
mod ip_policy;
mod list;
mod map;
mod mmdb;
mod network;

pub use book::AddressBook;
pub use ip_policy::{IpPolicy, IpRule};
pub use list::{BadLine, BadList, NetworkList};
pub use map::{Matches, NetworkMap};
pub use mmdb::{BadDatabase, Database, Holds};
pub use network::Network;
