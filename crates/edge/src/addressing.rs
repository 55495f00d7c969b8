//! What the operator's files say of addresses: opened once, replaced when they change.

use crate::reload::{DataFile, read};
use arc_swap::ArcSwapOption;
use foldhash::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tollgate_address::{AddressBook, Database, Holds, IpPolicy, NetworkList};
use tollgate_expr::{AddressSource, Addresses, ConnectionFacts};

/// IP policies by their ids.
pub type IpPolicySet = HashMap<String, IpPolicy>;

/// Facts about addresses and about this place, for all listeners.
#[derive(Clone, Debug, Default)]
pub struct Addressing {
    /// Databases and lists, if there are any.
    pub source: Option<Arc<dyn AddressSource>>,
    /// `conn.server_region`
    pub region: Arc<str>,
    /// What `ip_policies` of `restrict-ips` refers to.
    pub ip_policies: Arc<IpPolicies>,
}

impl Addressing {
    /// A connection without TLS, as expressions see it.
    #[must_use]
    pub fn connection(&self, client: SocketAddr, server: SocketAddr, started: SystemTime) -> ConnectionFacts {
        let mut facts = ConnectionFacts::new(client, server, started);
        if !self.region.is_empty() {
            facts.region = Arc::clone(&self.region);
        }
        if let Some(source) = &self.source {
            facts.addresses = Addresses::new(Arc::clone(source));
        }
        facts
    }
}

/// The IP policies in force. A policy keeps this, and asks it for each request.
#[derive(Debug, Default)]
pub struct IpPolicies(ArcSwapOption<IpPolicySet>);

impl IpPolicies {
    /// The policies of an operator. Without any it is known that there are none.
    #[must_use]
    pub fn known(policies: IpPolicySet) -> Self {
        Self(ArcSwapOption::from_pointee(policies))
    }

    /// Puts others into force.
    pub fn replace(&self, policies: IpPolicySet) {
        self.0.store(Some(Arc::new(policies)));
    }

    /// What is in force; nothing where no configuration file was given, so that nobody can say which there are.
    #[must_use]
    pub fn current(&self) -> Option<Arc<IpPolicySet>> {
        self.0.load_full()
    }
}

/// What answers for addresses, if there is anything, and the files that are to be followed.
pub type Opened = (Option<Arc<dyn AddressSource>>, Vec<DataFile>);

/// The files under `addresses` of the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressFiles {
    /// `city`: where addresses are.
    pub city: Option<PathBuf>,
    /// `asn`: whose they are.
    pub asn: Option<PathBuf>,
    /// `categories`: names, and lists of networks.
    pub categories: Vec<(String, PathBuf)>,
}

impl AddressFiles {
    /// Opens the files: what answers for them, and what follows their changes.
    ///
    /// # Errors
    /// What is wrong with which file, a line each.
    pub fn open(&self) -> Result<Opened, String> {
        if *self == Self::default() {
            return Ok((None, Vec::new()));
        }
        let book = Arc::new(AddressBook::new(self.categories.iter().map(|(name, _)| name.as_str())));
        let mut opened = Vec::new();
        for (name, path, holds) in
            [("addresses.city", &self.city, Holds::Places), ("addresses.asn", &self.asn, Holds::Systems)]
        {
            let book = Arc::clone(&book);
            opened.extend(
                path.as_ref()
                    .map(|path| DataFile::open(name, path, move |path| set_database(&book, path, holds))),
            );
        }
        for (index, (category, path)) in self.categories.iter().enumerate() {
            let name = format!("addresses.categories[{index}] ({category})");
            let book = Arc::clone(&book);
            opened.push(DataFile::open(name, path, move |path| {
                let list = NetworkList::parse(&read(path)?).map_err(|bad| bad.in_file(path))?;
                let holds = match list.len() {
                    1 => "1 network".to_owned(),
                    count => format!("{count} networks"),
                };
                book.keep_list(index, list);
                Ok(holds)
            }));
        }
        let (good, bad): (Vec<_>, Vec<_>) = opened.into_iter().partition(Result::is_ok);
        if !bad.is_empty() {
            return Err(bad.into_iter().filter_map(Result::err).collect::<Vec<_>>().join("\n"));
        }
        let mut files: Vec<DataFile> = good.into_iter().flatten().collect();
        // Lists that change together are put into force together.
        book.build();
        if let Some(last) = files.pop() {
            let book = Arc::clone(&book);
            files.push(last.then(move || book.build()));
        }
        Ok((Some(book), files))
    }
}

fn set_database(book: &AddressBook, path: &Path, holds: Holds) -> Result<String, String> {
    let database = Database::new(read(path)?, holds).map_err(|bad| format!("{} {bad}", path.display()))?;
    let built = UNIX_EPOCH.checked_add(Duration::from_secs(database.built())).unwrap_or(UNIX_EPOCH);
    let day = tollgate_observe::rfc3339_millis(built);
    let said = format!("{} of {}", database.kind(), day.split('T').next().unwrap_or(""));
    book.set_database(database, holds);
    Ok(said)
}
