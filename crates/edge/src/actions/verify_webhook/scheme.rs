//! How signatures of webhooks are made: what is signed, with which hash, and where the result stands.

use super::delivery::Delivery;
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::hmac;
use std::time::Duration;
use subtle::{Choice, ConstantTimeEq};

/// Why a webhook is not taken for genuine; shown to rules, never with a value in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong(pub(super) String);

/// A signature that is an HMAC (RFC 2104).
#[derive(Debug)]
pub(super) struct Hmac {
    pub(super) hash: Hash,
    pub(super) key: Key,
    /// Where the signature stands.
    pub(super) place: Place,
    pub(super) encoding: Encoding,
    /// What is signed, one after the other.
    pub(super) signed: &'static [Part],
    /// Where the time stands that is signed, too.
    pub(super) time: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

/// How the secret becomes the key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    /// As it is written.
    Text,
    /// Decoded from Base64, without `whsec_` before it.
    Base64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Encoding {
    Hex,
    Base64,
}

/// Where a signature stands. Of several, one must be right.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// All of a header, behind some text.
    Header(&'static str, &'static str),
    /// Any of these headers.
    Headers(&'static [&'static str]),
    /// Headers that are numbered from 1 to 100.
    Numbered(&'static str),
    /// A header with fields `name=value`, separated by commas: the name of the field.
    Field(&'static str, &'static str),
    /// A header with signatures `v1,<signature>`, separated by spaces.
    Versions(&'static [&'static str]),
}

/// A part of what is signed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Text(&'static str),
    Body,
    /// The time, as it is written.
    Time,
    /// The first of these headers that is there.
    Header(&'static [&'static str]),
    Method,
    /// The whole URL, as it was asked for.
    Url,
    /// The same, with some characters decoded.
    DecodedUrl,
    /// Names and values of a form, sorted by name.
    Form,
}

/// Where the time of a signature stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Time {
    /// The first of these headers that is there.
    Header(&'static [&'static str]),
    /// A field of the header that has the signature, too.
    Field(&'static str, &'static str),
}

/// How old, or how far ahead, a signature may be.
pub(super) const TOLERANCE: Duration = Duration::from_secs(300);

impl Hmac {
    pub(super) fn verify(&self, delivery: &Delivery<'_>, secret: &str) -> Result<(), Wrong> {
        let sent = self.place.signatures(delivery)?;
        let time = match self.time {
            None => "",
            Some(time) => {
                let text = time.read(delivery)?;
                delivery.check_time(text, TOLERANCE)?;
                text
            }
        };
        let key = self.key.bytes(secret)?;
        let sent: Vec<Vec<u8>> = sent.iter().filter_map(|text| self.encoding.decode(text)).collect();
        // Who signs a URL signs the public one: behind a proxy that ends TLS it begins differently here.
        let schemes: &[&str] = if self.signs_url() { &["https", "http"] } else { &[""] };
        let mut right = Choice::from(0);
        for scheme in schemes {
            let tag = self.tag(&key, delivery, time, scheme)?;
            for signature in &sent {
                right |= tag.as_ref().ct_eq(signature);
            }
        }
        if right.into() { Ok(()) } else { Err(Wrong("the signature is wrong".into())) }
    }

    fn signs_url(&self) -> bool {
        self.signed.iter().any(|part| matches!(part, Part::Url | Part::DecodedUrl))
    }

    fn tag(&self, key: &[u8], delivery: &Delivery<'_>, time: &str, scheme: &str) -> Result<hmac::Tag, Wrong> {
        let mut context = hmac::Context::with_key(&hmac::Key::new(self.hash.algorithm(), key));
        for part in self.signed {
            match part {
                Part::Text(text) => context.update(text.as_bytes()),
                Part::Body => context.update(delivery.body),
                Part::Time => context.update(time.as_bytes()),
                Part::Header(names) => context.update(delivery.header(names)?.as_bytes()),
                Part::Method => context.update(delivery.method.as_str().as_bytes()),
                Part::Url => context.update(delivery.url(scheme).as_bytes()),
                Part::DecodedUrl => context.update(decoded(&delivery.url(scheme)).as_bytes()),
                Part::Form => context.update(delivery.sorted_form().as_bytes()),
            }
        }
        Ok(context.sign())
    }
}

/// HMAC-SHA256 of a text, for answers to challenges.
pub(super) fn sha256(secret: &str, text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes())
}

/// Whether two texts are the same; takes the same time whatever differs.
pub(super) fn same(left: &str, right: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"comparison");
    let tag = |text: &str| hmac::sign(&key, text.as_bytes());
    tag(left).as_ref().ct_eq(tag(right).as_ref()).into()
}

/// Decodes Base64 of either alphabet, with or without padding.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decode = |alphabet| GeneralPurpose::new(alphabet, LENIENT).decode(text).ok();
    decode(&STANDARD).or_else(|| decode(&URL_SAFE))
}

/// Lower-case hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// HubSpot signs URLs with these characters decoded ("Validating requests", signature version 3).
fn decoded(url: &str) -> String {
    const CODES: [(&str, &str); 12] = [
        ("%3A", ":"),
        ("%2F", "/"),
        ("%3F", "?"),
        ("%40", "@"),
        ("%21", "!"),
        ("%24", "$"),
        ("%27", "'"),
        ("%28", "("),
        ("%29", ")"),
        ("%2A", "*"),
        ("%2C", ","),
        ("%3B", ";"),
    ];
    CODES.iter().fold(url.to_owned(), |url, (code, character)| {
        url.replace(code, character).replace(&code.to_ascii_lowercase(), character)
    })
}

impl Hash {
    fn algorithm(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

impl Key {
    fn bytes(self, secret: &str) -> Result<Vec<u8>, Wrong> {
        match self {
            Self::Text => Ok(secret.as_bytes().to_vec()),
            Self::Base64 => base64(secret.strip_prefix("whsec_").unwrap_or(secret))
                .filter(|key| !key.is_empty())
                .ok_or_else(|| Wrong("the secret is not Base64, as this provider's secrets are".into())),
        }
    }
}

impl Encoding {
    fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Base64 => base64(text),
            Self::Hex => {
                let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
                let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
                digits.chunks(2).map(|two| u8::try_from(two.iter().fold(0, |n, d| n * 16 + d)).ok()).collect()
            }
        }
    }
}

impl Place {
    /// All signatures; at least one.
    fn signatures<'d>(self, delivery: &'d Delivery<'_>) -> Result<Vec<&'d str>, Wrong> {
        let found: Vec<&str> = match self {
            Self::Header(name, prefix) => {
                delivery.header(&[name])?.strip_prefix(prefix).into_iter().collect()
            }
            Self::Headers(names) => names.iter().filter_map(|name| delivery.header(&[name]).ok()).collect(),
            Self::Numbered(prefix) => {
                let numbered = (1..=100).map(|number| format!("{prefix}{number}"));
                numbered.filter_map(|name| delivery.header(&[&name]).ok()).collect()
            }
            Self::Field(header, field) => fields(delivery.header(&[header])?, field).collect(),
            Self::Versions(names) => {
                let all = delivery.header(names)?.split(' ');
                all.filter_map(|one| one.strip_prefix("v1,")).collect()
            }
        };
        if found.is_empty() {
            return Err(Wrong(format!("there is no signature in {}", self.name())));
        }
        Ok(found)
    }

    fn name(self) -> String {
        match self {
            Self::Header(name, _) | Self::Field(name, _) => format!("`{name}`"),
            Self::Headers(names) | Self::Versions(names) => format!("`{}`", names.join("` or `")),
            Self::Numbered(prefix) => format!("`{prefix}1`"),
        }
    }
}

impl Time {
    fn read<'d>(self, delivery: &'d Delivery<'_>) -> Result<&'d str, Wrong> {
        match self {
            Self::Header(names) => delivery.header(names),
            Self::Field(header, field) => {
                let mut found = fields(delivery.header(&[header])?, field);
                found.next().ok_or_else(|| Wrong(format!("there is no `{field}` in `{header}`")))
            }
        }
    }
}

/// The values of a name in `name=value,name=value`.
pub(super) fn fields<'h>(header: &'h str, name: &'h str) -> impl Iterator<Item = &'h str> {
    header.split(',').filter_map(move |field| field.trim().strip_prefix(name)?.strip_prefix('='))
}
