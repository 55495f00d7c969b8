//! The providers: how each signs its webhooks, after its own documentation.

use super::delivery::Delivery;
use super::scheme::{Encoding, Hash, Hmac, Key, Part, Place, Time, Wrong};
use super::special;
use Encoding::{Base64, Hex};
use Hash::{Sha1, Sha256, Sha512};
use Part::Body;

/// How a webhook is checked.
type Verify = fn(&Delivery<'_>, &str) -> Result<(), Wrong>;

/// A provider whose webhooks can be verified.
#[derive(Debug)]
pub(super) struct Provider {
    /// Its id in policies.
    pub(super) id: &'static str,
    scheme: Scheme,
}

#[derive(Debug)]
enum Scheme {
    Hmac(Hmac),
    /// The same, and something more about the request.
    Also(Hmac, fn(&Delivery<'_>) -> Result<(), Wrong>),
    Other(Verify),
}

impl Provider {
    /// Whether a request comes from this provider.
    pub(super) fn verify(&self, delivery: &Delivery<'_>, secret: &str) -> Result<(), Wrong> {
        match &self.scheme {
            Scheme::Hmac(hmac) => hmac.verify(delivery, secret),
            Scheme::Also(hmac, more) => {
                hmac.verify(delivery, secret)?;
                more(delivery)
            }
            Scheme::Other(verify) => verify(delivery, secret),
        }
    }
}

/// The provider of this id.
pub(super) fn find(id: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.id == id)
}

/// Providers of the language whose webhooks cannot be verified here: what they sign is not published, is out of
/// service, or takes more than a secret.
pub(super) const UNSUPPORTED: &[&str] = &[
    "castle",
    "contentful",
    "go1",
    "hostedhooks",
    "mongodb",
    "orbit",
    "plivo",
    "signal_sciences",
    "sns",
    "trendmicro_conformity",
    "vmware",
];

/// The body, signed with SHA-256.
const fn body(id: &'static str, place: Place, encoding: Encoding) -> Provider {
    hashed(id, Sha256, place, encoding)
}

/// The body, signed with another hash.
const fn hashed(id: &'static str, hash: Hash, place: Place, encoding: Encoding) -> Provider {
    Provider { id, scheme: Scheme::Hmac(plain(hash, place, encoding)) }
}

const fn plain(hash: Hash, place: Place, encoding: Encoding) -> Hmac {
    Hmac { hash, key: Key::Text, place, encoding, signed: &[Body], time: None }
}

/// Signed with SHA-256, with a time in it.
const fn timed(
    id: &'static str,
    place: Place,
    encoding: Encoding,
    time: Time,
    signed: &'static [Part],
) -> Provider {
    let hmac = Hmac { hash: Sha256, key: Key::Text, place, encoding, signed, time: Some(time) };
    Provider { id, scheme: Scheme::Hmac(hmac) }
}

/// The URL and what else.
const fn url(id: &'static str, hash: Hash, header: &'static str, signed: &'static [Part]) -> Provider {
    let place = Place::Header(header, "");
    let hmac = Hmac { hash, key: Key::Text, place, encoding: Base64, signed, time: None };
    Provider { id, scheme: Scheme::Hmac(hmac) }
}

/// <https://www.standardwebhooks.com>; Svix has names of its own for the headers.
const fn standard(id: &'static str) -> Provider {
    let place = Place::Versions(&["svix-signature", "webhook-signature"]);
    let time = Some(Time::Header(&["svix-timestamp", "webhook-timestamp"]));
    let hmac = Hmac { hash: Sha256, key: Key::Base64, place, encoding: Base64, signed: SVIX, time };
    Provider { id, scheme: Scheme::Hmac(hmac) }
}

const fn other(id: &'static str, verify: Verify) -> Provider {
    Provider { id, scheme: Scheme::Other(verify) }
}

const DOT: &[Part] = &[Part::Time, Part::Text("."), Body];
const COLON: &[Part] = &[Part::Time, Part::Text(":"), Body];
const SVIX: &[Part] =
    &[Part::Header(&["svix-id", "webhook-id"]), Part::Text("."), Part::Time, Part::Text("."), Body];
const V0: &[Part] = &[Part::Text("v0:"), Part::Time, Part::Text(":"), Body];

/// Facebook's platforms ("Webhooks", "Validate payloads").
const fn meta(id: &'static str) -> Provider {
    body(id, Place::Header("x-hub-signature-256", "sha256="), Hex)
}

/// `t=<seconds>,v1=<hex>` over `<seconds>.<body>`, as Stripe began it.
const fn stripe_like(
    id: &'static str,
    header: &'static str,
    time: &'static str,
    field: &'static str,
) -> Provider {
    timed(id, Place::Field(header, field), Hex, Time::Field(header, time), DOT)
}

/// The providers, in the order of the alphabet.
pub(super) static PROVIDERS: &[Provider] = &[
    body("aftership", Place::Header("aftership-hmac-sha256", ""), Base64),
    timed("airship", Place::Header("x-ua-signature", ""), Hex, Time::Header(&["x-ua-timestamp"]), COLON),
    body("alchemy", Place::Header("x-alchemy-signature", ""), Hex),
    hashed("autodesk", Sha1, Place::Header("x-adsk-signature", "sha1hash="), Hex),
    body("bitbucket", Place::Header("x-hub-signature", "sha256="), Hex),
    body("bolt", Place::Header("x-bolt-hmac-sha256", ""), Base64),
    timed(
        "box",
        Place::Headers(&["box-signature-primary", "box-signature-secondary"]),
        Base64,
        Time::Header(&["box-delivery-timestamp"]),
        &[Body, Part::Time],
    ),
    standard("brex"),
    stripe_like("buildkite", "x-buildkite-signature", "timestamp", "signature"),
    stripe_like("calendly", "calendly-webhook-signature", "t", "v1"),
    body("chargify", Place::Header("x-chargify-webhook-signature-hmac-sha-256", ""), Hex),
    body("circleci", Place::Field("circleci-signature", "v1"), Hex),
    hashed("clearbit", Sha1, Place::Header("x-request-signature", "sha1="), Hex),
    standard("clerk"),
    body("coinbase", Place::Header("x-cc-webhook-signature", ""), Hex),
    body("docusign", Place::Numbered("x-docusign-signature-"), Base64),
    body("dropbox", Place::Header("x-dropbox-signature", ""), Hex),
    meta("facebook_graph_api"),
    meta("facebook_messenger"),
    timed(
        "frameio",
        Place::Header("x-frameio-signature", "v0="),
        Hex,
        Time::Header(&["x-frameio-request-timestamp"]),
        V0,
    ),
    body("github", Place::Header("x-hub-signature-256", "sha256="), Hex),
    other("gitlab", special::gitlab),
    other("graphcms", special::graphcms),
    body("heroku", Place::Header("heroku-webhook-hmac-sha256", ""), Base64),
    timed(
        "hubspot",
        Place::Header("x-hubspot-signature-v3", ""),
        Base64,
        Time::Header(&["x-hubspot-request-timestamp"]),
        &[Part::Method, Part::DecodedUrl, Body, Part::Time],
    ),
    meta("instagram"),
    hashed("intercom", Sha1, Place::Header("x-hub-signature", "sha1="), Hex),
    body("jira", Place::Header("x-hub-signature", "sha256="), Hex),
    body("launch_darkly", Place::Header("x-ld-signature", ""), Hex),
    Provider {
        id: "linear",
        scheme: Scheme::Also(plain(Sha256, Place::Header("linear-signature", ""), Hex), special::linear_time),
    },
    url("mailchimp", Sha1, "x-mandrill-signature", &[Part::Url, Part::Form]),
    other("mailgun", special::mailgun),
    Provider {
        id: "microsoft_teams",
        scheme: Scheme::Hmac(Hmac {
            key: Key::Base64,
            ..plain(Sha256, Place::Header("authorization", "HMAC "), Base64)
        }),
    },
    body("modern_treasury", Place::Header("x-signature", ""), Hex),
    stripe_like("mux", "mux-signature", "t", "v1"),
    timed(
        "orb",
        Place::Field("x-orb-signature", "v1"),
        Hex,
        Time::Header(&["x-orb-timestamp"]),
        &[Part::Text("v1:"), Part::Time, Part::Text(":"), Body],
    ),
    body("pagerduty", Place::Field("x-pagerduty-signature", "v1"), Hex),
    timed(
        "pinwheel",
        Place::Header("x-pinwheel-signature", "v2="),
        Hex,
        Time::Header(&["x-timestamp"]),
        &[Part::Text("v2:"), Part::Time, Part::Text(":"), Body],
    ),
    body("pusher", Place::Header("x-pusher-signature", ""), Hex),
    other("sendgrid", special::sendgrid),
    body("sentry", Place::Header("sentry-hook-signature", ""), Hex),
    body("shopify", Place::Header("x-shopify-hmac-sha256", ""), Base64),
    timed(
        "slack",
        Place::Header("x-slack-signature", "v0="),
        Hex,
        Time::Header(&["x-slack-request-timestamp"]),
        V0,
    ),
    hashed("sonatype", Sha1, Place::Header("x-nexus-webhook-signature", ""), Hex),
    url("square", Sha256, "x-square-hmacsha256-signature", &[Part::Url, Body]),
    stripe_like("stripe", "stripe-signature", "t", "v1"),
    standard("svix"),
    hashed("terraform", Sha512, Place::Header("x-tfe-notification-signature", ""), Hex),
    stripe_like("tiktok", "tiktok-signature", "t", "s"),
    other("twilio", twilio),
    body("twitter", Place::Header("x-twitter-webhooks-signature", "sha256="), Base64),
    body("typeform", Place::Header("typeform-signature", "sha256="), Base64),
    hashed("webex", Sha1, Place::Header("x-spark-signature", ""), Hex),
    meta("whatsapp"),
    body("worldline", Place::Header("x-gcs-signature", ""), Base64),
    body("xero", Place::Header("x-xero-signature", ""), Base64),
    timed(
        "zendesk",
        Place::Header("x-zendesk-webhook-signature", ""),
        Base64,
        Time::Header(&["x-zendesk-webhook-signature-timestamp"]),
        &[Part::Time, Body],
    ),
    timed("zoom", Place::Header("x-zm-signature", "v0="), Hex, Time::Header(&["x-zm-request-timestamp"]), V0),
];

/// "Security", "Validating requests are coming from Twilio".
fn twilio(delivery: &Delivery<'_>, secret: &str) -> Result<(), Wrong> {
    let form = special::is_form(delivery);
    let signed: &'static [Part] = if form { &[Part::Url, Part::Form] } else { &[Part::Url] };
    let place = Place::Header("x-twilio-signature", "");
    let hmac = Hmac { hash: Sha1, key: Key::Text, place, encoding: Base64, signed, time: None };
    hmac.verify(delivery, secret)?;
    if form || delivery.body.is_empty() { Ok(()) } else { special::twilio_body(delivery) }
}
