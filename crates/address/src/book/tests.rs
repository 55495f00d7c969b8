//! What is known of an address, from files that the tests make.

#[path = "../../../../tests/support/mmdb.rs"]
mod mmdb;

use self::mmdb::{Mmdb, city, system};
use crate::{AddressBook, BadDatabase, Database, Holds, NetworkList};
use serde_json::json;
use std::sync::Arc;
use tollgate_expr::{AddressFacts, AddressSource, Place};

fn places() -> Mmdb {
    Mmdb::new("GeoLite2-City")
        .with("10.0.0.0/8", &city("DE", "Germany", "Berlin", true))
        .with("10.9.0.0/16", &json!({"country": {"iso_code": "CH", "names": {"en": "Switzerland"}}}))
        .with("2001:db8::/32", &json!({}))
}

fn book() -> AddressBook {
    let book = AddressBook::new(["proxy.anonymous.tor", "blocklist.own", "blocklist.own"]);
    book.set_database(Database::new(places().bytes(), Holds::Places).unwrap(), Holds::Places);
    let systems = Mmdb::new("GeoLite2-ASN").with("10.1.0.0/16", &system(7922, "COMCAST-7922"));
    book.set_database(Database::new(systems.bytes(), Holds::Systems).unwrap(), Holds::Systems);
    for (index, list) in
        ["10.1.2.3\n", "10.1.0.0/16 ; X1\n2001:db8::/48", "10.1.2.0/24"].into_iter().enumerate()
    {
        book.keep_list(index, NetworkList::parse(list.as_bytes()).unwrap());
    }
    book.build();
    book
}

fn facts(book: &AddressBook, address: &str) -> Arc<AddressFacts> {
    book.look_up(address.parse().unwrap())
}

#[test]
fn every_field_is_filled() {
    let facts = facts(&book(), "10.1.2.3");
    let used = Place {
        city: "Berlin".into(),
        continent: "Somewhere".into(),
        country: "Germany".into(),
        country_code: "DE".into(),
        latitude: "52.52".into(),
        longitude: "-13.25".into(),
        metro_code: "807".into(),
        postal_code: "10115".into(),
        radius: "20".into(),
        subdivision: "Land Berlin".into(),
        timezone: "Europe/Berlin".into(),
        is_eu: true,
    };
    let registered =
        Place { country: "France".into(), country_code: "FR".into(), is_eu: true, ..Place::default() };
    assert_eq!((&facts.location, &facts.registered), (&used, &registered));
    assert_eq!((facts.as_number, facts.as_organization.as_str()), (7922, "COMCAST-7922"));
    let names: Vec<&str> = facts.categories().iter().map(|name| &**name).collect();
    assert_eq!(names, ["blocklist", "blocklist.own", "proxy", "proxy.anonymous", "proxy.anonymous.tor"]);
}

#[test]
fn what_a_file_does_not_know_is_empty() {
    let book = book();
    assert_eq!(*facts(&book, "11.0.0.1"), AddressFacts::default());
    let swiss = facts(&book, "10.9.0.1");
    assert_eq!((swiss.location.country.as_str(), swiss.location.city.as_str()), ("Switzerland", ""));
    assert_eq!((swiss.as_number, &swiss.registered), (0, &Place::default()));
    assert!(!swiss.location.is_eu && swiss.categories().is_empty());
    let six = facts(&book, "2001:db8::1");
    assert!(six.is_in("blocklist.own") && six.location == Place::default());
    assert_eq!(*facts(&AddressBook::new([""; 0]), "10.1.2.3"), AddressFacts::default());
}

#[test]
fn a_part_that_is_replaced_counts_for_the_next_look_up() {
    let book = book();
    let other = Mmdb::new("DBIP-Country-Lite").with("10.0.0.0/8", &city("PL", "Poland", "Poznan", true));
    book.set_database(Database::new(other.bytes(), Holds::Places).unwrap(), Holds::Places);
    book.keep_list(0, NetworkList::parse(b"# nobody").unwrap());
    book.build();
    let facts = facts(&book, "10.1.2.3");
    assert_eq!((facts.location.country_code.as_str(), facts.as_number), ("PL", 7922));
    assert!(facts.is_in("blocklist.own") && !facts.is_in("proxy"));
}

#[test]
fn what_is_no_database_is_refused() {
    let whole = places().bytes();
    let bad = |bytes: Vec<u8>, holds| Database::new(bytes, holds).map(|_| ()).expect_err("bad");
    for bytes in
        [Vec::new(), b"<html>".to_vec(), whole[..whole.len() / 2].to_vec(), whole[..whole.len() - 9].to_vec()]
    {
        assert!(matches!(bad(bytes, Holds::Places), BadDatabase::Damaged(_)));
    }
    // The beginning of a new file over the end of the old one.
    let mut mixed = whole.clone();
    mixed[..400].fill(0xff);
    assert!(matches!(bad(mixed, Holds::Places), BadDatabase::Damaged(_)));
    let said = bad(whole, Holds::Systems).to_string();
    assert!(said.contains("`GeoLite2-City`") && said.contains("ASN"), "{said}");
    let said =
        bad(Mmdb::new("GeoLite2-ASN").with("1.0.0.0/8", &system(1, "")).bytes(), Holds::Places).to_string();
    assert!(said.contains("City, Country or Enterprise"), "{said}");
}

#[test]
fn numbers_may_have_any_width() {
    let odd = Mmdb::new("X-City").with(
        "10.0.0.0/8",
        &json!({
            "country": {"iso_code": "DE"}, "location": {"latitude": 52, "longitude": 7, "accuracy_radius": 2.5},
        }),
    );
    let book = AddressBook::new([""; 0]);
    book.set_database(Database::new(odd.bytes(), Holds::Places).unwrap(), Holds::Places);
    let facts = facts(&book, "10.1.2.3");
    let place = &facts.location;
    assert_eq!((&*place.latitude, &*place.longitude, &*place.radius), ("52", "7", "2.5"));
}

#[test]
fn a_database_with_other_fields_is_refused() {
    for record in [json!({"country_code": "DE", "city": "Berlin"}), json!({"country": "DE"})] {
        let odd = Mmdb::new("x-City").with("10.0.0.0/8", &record);
        let said =
            Database::new(odd.bytes(), Holds::Places).map(|_| ()).expect_err("other fields").to_string();
        assert!(said.contains("`x-City`") && said.contains("a country"), "{said}");
    }
    let odd = Mmdb::new("x-ASN").with("10.0.0.0/8", &json!({"asn": "AS1"}));
    assert!(matches!(Database::new(odd.bytes(), Holds::Systems), Err(BadDatabase::OtherFields { .. })));
    // Nothing in it at all is no mistake.
    assert!(Database::new(Mmdb::new("x-ASN").bytes(), Holds::Systems).is_ok());
}

#[test]
fn a_record_of_another_form_adds_nothing() {
    let odd = places().with("11.0.0.0/8", &json!({"country": "DE", "location": {"latitude": "north"}}));
    let book = AddressBook::new([""; 0]);
    book.set_database(Database::new(odd.bytes(), Holds::Places).unwrap(), Holds::Places);
    assert_eq!(*facts(&book, "11.1.2.3"), AddressFacts::default());
    assert_eq!(facts(&book, "10.1.2.3").location.country_code, "DE");
}
