//! What data files say about an address: where it is, whose it is, and which lists it is on.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

/// Where facts about addresses come from, such as an MMDB file and lists of networks.
///
/// Asked at most once a connection and side, and only when an expression reads one of the facts.
pub trait AddressSource: fmt::Debug + Send + Sync {
    /// What is known of the address. An address that no file has gives the default: every fact empty.
    fn look_up(&self, address: IpAddr) -> Arc<AddressFacts>;
}

/// `conn.client_ip.*` or `conn.server_ip.*`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressFacts {
    /// `.categories`, sorted; see [`Self::set_categories`].
    categories: Arc<[Arc<str>]>,
    /// `.as.number`, 0 when it is not known.
    pub as_number: u32,
    /// `.as.organization`, such as `COMCAST-7922`.
    pub as_organization: String,
    /// `.geo.location`: where the address is likely used. For a client also `conn.geo`.
    pub location: Place,
    /// `.geo.registered_location`: where it is registered.
    pub registered: Place,
}

/// A place. Names are English; numbers are text, as the language has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// `.city`
    pub city: String,
    /// `.continent`
    pub continent: String,
    /// `.country`
    pub country: String,
    /// `.country_code`, ISO 3166-1 alpha-2.
    pub country_code: String,
    /// `.latitude`, degrees.
    pub latitude: String,
    /// `.longitude`, degrees.
    pub longitude: String,
    /// `.metro_code`
    pub metro_code: String,
    /// `.postal_code`
    pub postal_code: String,
    /// `.radius`: the accuracy, in kilometres.
    pub radius: String,
    /// `.subdivision`: a state, province or the like.
    pub subdivision: String,
    /// `.timezone`, IANA name.
    pub timezone: String,
    /// `.is_eu`: whether the country is in the European Union.
    pub is_eu: bool,
}

impl AddressFacts {
    /// The categories of the address. A category's dotted prefixes are categories too: an address in
    /// `com.cloudflare.ipv4` is also in `com.cloudflare` and `com`.
    pub fn set_categories<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) {
        let mut all: Vec<Arc<str>> = Vec::new();
        for name in names {
            let prefixes = name.match_indices('.').filter_map(|(at, _)| name.get(..at));
            all.extend(prefixes.chain([name]).filter(|part| !part.is_empty()).map(Arc::from));
        }
        all.sort_unstable();
        all.dedup();
        self.categories = all.into();
    }

    /// `.categories`, sorted, with their prefixes.
    #[must_use]
    pub fn categories(&self) -> &[Arc<str>] {
        &self.categories
    }

    /// Whether the address is in a category, by its own name or one that begins with it.
    #[must_use]
    pub fn is_in(&self, category: &str) -> bool {
        self.categories.binary_search_by(|name| (**name).cmp(category)).is_ok()
    }
}

/// The facts about the two addresses of a connection, looked up when they are first read.
#[derive(Clone, Default)]
pub struct Addresses {
    source: Option<Arc<dyn AddressSource>>,
    client: OnceLock<Arc<AddressFacts>>,
    server: OnceLock<Arc<AddressFacts>>,
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addresses").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Addresses {
    /// Facts from a source.
    #[must_use]
    pub fn new(source: Arc<dyn AddressSource>) -> Self {
        Self { source: Some(source), ..Self::default() }
    }

    pub(super) fn client(&self, address: IpAddr) -> Option<&AddressFacts> {
        self.known(&self.client, address)
    }

    pub(super) fn server(&self, address: IpAddr) -> Option<&AddressFacts> {
        self.known(&self.server, address)
    }

    fn known<'f>(&self, kept: &'f OnceLock<Arc<AddressFacts>>, address: IpAddr) -> Option<&'f AddressFacts> {
        let source = self.source.as_ref()?;
        Some(kept.get_or_init(|| source.look_up(address.to_canonical())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_brings_its_prefixes() {
        let mut facts = AddressFacts::default();
        facts.set_categories(["com.cloudflare.ipv4", "com.github", "proxy.anonymous.tor"]);
        let names: Vec<&str> = facts.categories().iter().map(|name| &**name).collect();
        assert_eq!(
            names,
            [
                "com",
                "com.cloudflare",
                "com.cloudflare.ipv4",
                "com.github",
                "proxy",
                "proxy.anonymous",
                "proxy.anonymous.tor"
            ]
        );
        assert!(facts.is_in("com.cloudflare") && !facts.is_in("com.cloud") && !facts.is_in(""));
    }
}
