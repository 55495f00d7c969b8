//! What is known of addresses: `conn.client_ip.*`, `conn.server_ip.*`, `conn.geo.*`. Empty without data files.

use super::{Field, flag, int, record, text, texts};
use crate::activation::Activation;
use crate::facts::{AddressFacts, Place};
use crate::value::Value;

/// The fields below an address, read from the facts that `$facts` finds.
macro_rules! address {
    ($facts:ident) => {
        &[
            texts(
                "categories",
                "The lists that the address is on, such as `com.github`, each with its prefixes.",
                |a| {
                    Value::List($facts(a).map_or_else(Default::default, |facts| {
                        facts.categories().iter().map(|name| Value::String(name.clone())).collect()
                    }))
                },
            ),
            flag("is_on_blocklist", "Whether one of them is a blocklist.", |a| is_in($facts(a), "blocklist")),
            flag("is_tor_node", "Whether it is an exit of Tor.", |a| is_in($facts(a), "proxy.anonymous.tor")),
            record(
                "as",
                &[
                    int("number", "Its autonomous system.", |a| {
                        Value::Int($facts(a).map_or(0, |facts| i64::from(facts.as_number)))
                    }),
                    text("organization", "The name of that.", |a| {
                        Value::from($facts(a).map_or("", |facts| &facts.as_organization))
                    }),
                ],
            ),
            record(
                "geo",
                &[
                    record(
                        "location",
                        &[
                            text("city", "Where the address is likely used.", |a| {
                                used($facts(a), |p| &p.city)
                            }),
                            text("continent", "The continent's name.", |a| used($facts(a), |p| &p.continent)),
                            text("country", "The country's name.", |a| used($facts(a), |p| &p.country)),
                            text("country_code", "ISO 3166-1, two letters.", |a| {
                                used($facts(a), |p| &p.country_code)
                            }),
                            text("latitude", "A text: `double()` makes a number.", |a| {
                                used($facts(a), |p| &p.latitude)
                            }),
                            text("longitude", "As the latitude.", |a| used($facts(a), |p| &p.longitude)),
                            text("metro_code", "The metropolitan area's code, in the United States.", |a| {
                                used($facts(a), |p| &p.metro_code)
                            }),
                            text("postal_code", "The postal code.", |a| used($facts(a), |p| &p.postal_code)),
                            text("radius", "The accuracy in kilometres, a text.", |a| {
                                used($facts(a), |p| &p.radius)
                            }),
                            text("subdivision", "A state, province or the like.", |a| {
                                used($facts(a), |p| &p.subdivision)
                            }),
                            text("timezone", "IANA's name.", |a| used($facts(a), |p| &p.timezone)),
                            flag("is_eu", "Whether that is in the European Union.", |a| {
                                Value::Bool($facts(a).is_some_and(|facts| facts.location.is_eu))
                            }),
                        ],
                    ),
                    record(
                        "registered_location",
                        &[
                            text("city", "Where the address is registered.", |a| {
                                registered($facts(a), |p| &p.city)
                            }),
                            text("continent", "The continent's name.", |a| {
                                registered($facts(a), |p| &p.continent)
                            }),
                            text("country", "The country's name.", |a| registered($facts(a), |p| &p.country)),
                            text("country_code", "ISO 3166-1, two letters.", |a| {
                                registered($facts(a), |p| &p.country_code)
                            }),
                            text("metro_code", "The metropolitan area's code, in the United States.", |a| {
                                registered($facts(a), |p| &p.metro_code)
                            }),
                            text("subdivision", "A state, province or the like.", |a| {
                                registered($facts(a), |p| &p.subdivision)
                            }),
                            text("timezone", "IANA's name of the time zone.", |a| {
                                registered($facts(a), |p| &p.timezone)
                            }),
                            flag("is_eu", "Whether the country is in the European Union.", |a| {
                                Value::Bool($facts(a).is_some_and(|facts| facts.registered.is_eu))
                            }),
                        ],
                    ),
                ],
            ),
        ]
    };
}

pub(super) static CLIENT_ADDRESS: &[Field] = address!(client);
pub(super) static SERVER_ADDRESS: &[Field] = address!(server);

/// The older names of where the client is.
pub(super) static CLIENT_PLACE: &[Field] = &[
    text("city", "Where the client likely is.", |a| used(client(a), |p| &p.city)),
    text("country", "The country's name.", |a| used(client(a), |p| &p.country)),
    text("country_code", "ISO 3166-1, two letters.", |a| used(client(a), |p| &p.country_code)),
    text("latitude", "A text: `double()` makes a number.", |a| used(client(a), |p| &p.latitude)),
    text("longitude", "As the latitude.", |a| used(client(a), |p| &p.longitude)),
    text("radius", "The accuracy in kilometres, a text.", |a| used(client(a), |p| &p.radius)),
    text("subdivision", "A state, province or the like.", |a| used(client(a), |p| &p.subdivision)),
];

fn client<'a>(a: &Activation<'a>) -> Option<&'a AddressFacts> {
    a.connection.and_then(|connection| connection.client_facts())
}

fn server<'a>(a: &Activation<'a>) -> Option<&'a AddressFacts> {
    a.connection.and_then(|connection| connection.server_facts())
}

fn used(facts: Option<&AddressFacts>, read: impl Fn(&Place) -> &String) -> Value {
    Value::from(facts.map_or("", |facts| read(&facts.location).as_str()))
}

fn registered(facts: Option<&AddressFacts>, read: impl Fn(&Place) -> &String) -> Value {
    Value::from(facts.map_or("", |facts| read(&facts.registered).as_str()))
}

fn is_in(facts: Option<&AddressFacts>, category: &str) -> Value {
    Value::Bool(facts.is_some_and(|facts| facts.is_in(category)))
}
