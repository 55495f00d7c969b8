//! Writes databases in MaxMind's format (<https://maxmind.github.io/MaxMind-DB/>): small ones, of tests.

use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// A tree of 128 bits, in which IPv4 is `::/96`, with records of 24 bits.
#[derive(Debug)]
pub(crate) struct Mmdb {
    kind: String,
    nodes: Vec<[Record; 2]>,
    data: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Record {
    Empty,
    Node(usize),
    Data(usize),
}

impl Mmdb {
    /// An empty database of a type such as `GeoLite2-City`.
    pub(crate) fn new(kind: &str) -> Self {
        Self { kind: kind.into(), nodes: vec![[Record::Empty; 2]], data: Vec::new() }
    }

    /// Sets the record of a network, `10.0.0.0/8`. Networks in others are given after these.
    pub(crate) fn with(mut self, network: &str, record: &Value) -> Self {
        let (address, prefix) = network.split_once('/').unwrap();
        let prefix: usize = prefix.parse().unwrap();
        let (bits, length) = match address.parse().unwrap() {
            IpAddr::V4(address) => (u128::from(address.to_bits()), prefix + 96),
            IpAddr::V6(address) => (address.to_bits(), prefix),
        };
        let at = self.data.len();
        encode(record, &mut self.data);
        let side = |depth: usize| usize::from(bits >> (127 - depth) & 1 == 1);
        let mut node = 0;
        for depth in 0..length - 1 {
            node = match self.nodes[node][side(depth)] {
                Record::Node(next) => next,
                whole => {
                    self.nodes.push([whole; 2]);
                    let next = self.nodes.len() - 1;
                    self.nodes[node][side(depth)] = Record::Node(next);
                    next
                }
            };
        }
        self.nodes[node][side(length - 1)] = Record::Data(at);
        self
    }

    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let count = self.nodes.len();
        let mut file = Vec::new();
        for record in self.nodes.iter().flatten() {
            let number = match record {
                Record::Empty => count,
                Record::Node(node) => *node,
                Record::Data(at) => count + 16 + at,
            };
            file.extend_from_slice(&u32::try_from(number).unwrap().to_be_bytes()[1..]);
        }
        file.extend_from_slice(&[0; 16]);
        file.extend_from_slice(&self.data);
        file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
        let metadata = json!({
            "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": 1_700_000_000,
            "database_type": self.kind, "description": {"en": "of a test"}, "ip_version": 6, "languages": ["en"],
            "node_count": count, "record_size": 24,
        });
        encode(&metadata, &mut file);
        file
    }
}

/// A record of a City database, as MaxMind has it, for a country and a city.
pub(crate) fn city(country_code: &str, country: &str, city: &str, is_eu: bool) -> Value {
    let mut place =
        json!({"iso_code": country_code, "names": {"en": country, "fr": "autre"}, "geoname_id": 7});
    if is_eu {
        place["is_in_european_union"] = json!(true);
    }
    json!({
        "city": {"geoname_id": 8, "names": {"de": "anders", "en": city}},
        "continent": {"code": "XX", "names": {"en": "Somewhere"}},
        "country": place,
        "location": {
            "accuracy_radius": 20, "latitude": 52.52, "longitude": -13.25, "metro_code": 807, "time_zone": "Europe/Berlin",
        },
        "postal": {"code": "10115"},
        "registered_country": {"iso_code": "FR", "is_in_european_union": true, "names": {"en": "France"}},
        "subdivisions": [{"iso_code": "BE", "names": {"en": "Land Berlin"}}, {"names": {"en": "Mitte"}}],
    })
}

/// A record of an ASN database.
pub(crate) fn system(number: u32, organization: &str) -> Value {
    json!({"autonomous_system_number": number, "autonomous_system_organization": organization})
}

fn encode(value: &Value, out: &mut Vec<u8>) {
    encode_as(6, value, out);
}

/// Numbers of 16 and 64 bits, by name; the others have 32.
fn width(name: &str) -> u8 {
    match name {
        "accuracy_radius" | "metro_code" | "record_size" | "ip_version" => 5,
        "binary_format_major_version" | "binary_format_minor_version" => 5,
        "build_epoch" => 9,
        _ => 6,
    }
}

fn encode_as(kind: u8, value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => {
            control(2, text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Number(number) => match number.as_u64() {
            Some(whole) => {
                let bytes = whole.to_be_bytes();
                let used = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
                control(kind, used.len(), out);
                out.extend_from_slice(used);
            }
            None => {
                control(3, 8, out);
                out.extend_from_slice(&number.as_f64().unwrap().to_be_bytes());
            }
        },
        Value::Bool(value) => control(14, usize::from(*value), out),
        Value::Array(items) => {
            control(11, items.len(), out);
            items.iter().for_each(|item| encode(item, out));
        }
        Value::Object(members) => encode_map(members, out),
        Value::Null => panic!("the format has no null"),
    }
}

fn encode_map(members: &Map<String, Value>, out: &mut Vec<u8>) {
    control(7, members.len(), out);
    for (name, value) in members {
        encode(&Value::from(name.as_str()), out);
        encode_as(width(name), value, out);
    }
}

/// A type and a size below 285.
fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (size, more) = match u8::try_from(size) {
        Ok(size) if size < 29 => (size, None),
        _ => (29, Some(u8::try_from(size - 29).unwrap())),
    };
    match kind {
        1..=7 => out.push(kind << 5 | size),
        _ => out.extend_from_slice(&[size, kind - 7]),
    }
    out.extend(more);
}
