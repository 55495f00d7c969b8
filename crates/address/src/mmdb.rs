//! Databases in MaxMind's format (<https://maxmind.github.io/MaxMind-DB/>): MaxMind's own, and DB-IP's, which have the same
//! fields.

mod record;

use self::record::{Place as PlaceRecord, System};
use maxminddb::{LookupResult, MaxMindDbError, Reader, WithinOptions};
use std::net::IpAddr;
use tollgate_expr::{AddressFacts, Place};

/// What is read from a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Places: the databases City, Country and Enterprise.
    Places,
    /// Autonomous systems: the databases ASN and ISP.
    Systems,
}

/// A database, in memory.
#[derive(Debug)]
pub struct Database {
    reader: Reader<Vec<u8>>,
    holds: Holds,
}

/// Why a file is not used as a database.
#[derive(Debug, thiserror::Error)]
pub enum BadDatabase {
    /// It is not whole, or something else.
    #[error("is no MMDB file, or a damaged one: {0}")]
    Damaged(#[from] MaxMindDbError),
    /// It has other facts.
    #[error("is a database of the type `{found}`; {wanted}")]
    OtherType {
        /// What it says it is.
        found: String,
        /// What is wanted in its place.
        wanted: &'static str,
    },
    /// Its records have other fields.
    #[error(
        "is a database of the type `{found}`, and none of its first records has {wanted} where MaxMind's databases have it"
    )]
    OtherFields {
        /// What it says it is.
        found: String,
        /// What was looked for.
        wanted: &'static str,
    },
}

/// Records that are looked at for fields.
const SAMPLE: usize = 1000;

impl Database {
    /// Reads a database and checks the whole of it, in a time that grows with its size. All of it stays in memory.
    ///
    /// # Errors
    /// It is damaged, or has other facts than it should hold.
    pub fn new(bytes: Vec<u8>, holds: Holds) -> Result<Self, BadDatabase> {
        let reader = Reader::from_source(bytes)?;
        let found = &reader.metadata().database_type;
        let (types, wanted): (&[&str], _) = match holds {
            Holds::Places => (
                &["City", "Country", "Enterprise"],
                "places are in databases whose type has City, Country or Enterprise in its name",
            ),
            Holds::Systems => {
                (&["ASN", "ISP"], "autonomous systems are in databases whose type has ASN or ISP in its name")
            }
        };
        if !types.iter().any(|name| found.contains(name)) {
            return Err(BadDatabase::OtherType { found: found.clone(), wanted });
        }
        reader.verify()?;
        let database = Self { reader, holds };
        let wanted = match holds {
            Holds::Places => "a country",
            Holds::Systems => "the number of an autonomous system",
        };
        match database.is_of_use()? {
            true => Ok(database),
            false => Err(BadDatabase::OtherFields { found: database.kind().to_owned(), wanted }),
        }
    }

    /// Whether something can be read of one of the first records, if there is any. Other publishers have databases with
    /// such types and other fields, of which nothing would ever be known.
    fn is_of_use(&self) -> Result<bool, MaxMindDbError> {
        let mut empty = true;
        for network in self.reader.networks(WithinOptions::default())?.take(SAMPLE) {
            let mut facts = AddressFacts::default();
            self.read(&network?, &mut facts);
            if !facts.location.country_code.is_empty()
                || !facts.location.country.is_empty()
                || facts.as_number != 0
            {
                return Ok(true);
            }
            empty = false;
        }
        Ok(empty)
    }

    /// Its type, as it names itself: `GeoLite2-City`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.reader.metadata().database_type
    }

    /// When it was made, in seconds since 1970.
    #[must_use]
    pub fn built(&self) -> u64 {
        self.reader.metadata().build_epoch
    }

    /// Adds what it knows of an address; an address that it does not have, or a record that cannot be read, adds nothing.
    pub fn add(&self, address: IpAddr, facts: &mut AddressFacts) {
        // An error is an IPv6 address in a database of IPv4, or a record of another form.
        if let Ok(found) = self.reader.lookup(address) {
            self.read(&found, facts);
        }
    }

    fn read(&self, found: &LookupResult<'_, Vec<u8>>, facts: &mut AddressFacts) {
        match self.holds {
            Holds::Places => {
                if let Ok(Some(record)) = found.decode::<PlaceRecord<'_>>() {
                    (facts.location, facts.registered) = places(&record);
                }
            }
            Holds::Systems => {
                if let Ok(Some(system)) = found.decode::<System<'_>>() {
                    facts.as_number = system.autonomous_system_number.text().parse().unwrap_or(0);
                    facts.as_organization = text(system.autonomous_system_organization);
                }
            }
        }
    }
}

/// Where an address is used and where it is registered. Of the latter these databases know the country only.
fn places(record: &PlaceRecord<'_>) -> (Place, Place) {
    let at = &record.location;
    let used = Place {
        city: text(record.city.names.en),
        continent: text(record.continent.names.en),
        country: text(record.country.names.en),
        country_code: text(record.country.iso_code),
        latitude: at.latitude.text(),
        longitude: at.longitude.text(),
        metro_code: at.metro_code.text(),
        postal_code: text(record.postal.code),
        radius: at.accuracy_radius.text(),
        // The largest one comes first.
        subdivision: text(record.subdivisions.first().and_then(|part| part.names.en)),
        timezone: text(at.time_zone),
        is_eu: record.country.is_in_european_union,
    };
    let country = &record.registered_country;
    let registered = Place {
        country: text(country.names.en),
        country_code: text(country.iso_code),
        is_eu: country.is_in_european_union,
        ..Place::default()
    };
    (used, registered)
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or("").to_owned()
}
