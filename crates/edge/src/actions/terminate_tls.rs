//! `terminate-tls`: completes a connection's TLS handshake, with settings of its own.

use super::gate;
use crate::action::{Action, ActionType, BuildContext, BuildError, ConnectCx, ConnectFlow};
use crate::answer::Fault;
use crate::tls::{Identity, Strategy, Terms, TlsError, Version, authorities};
use async_trait::async_trait;
use secrecy::SecretString;
use std::sync::Arc;
use tollgate_expr::{Activation, Certificate, Template, TlsFacts, Value};
use tollgate_policy::{ActionSpec, Checker, Config, Field, Holds, Phase, ResultVar, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType { spec: &SPEC, build };

const VERSIONS: &[&str] = &["1.2", "1.3"];
const MIN: &str = "min_version";
const MAX: &str = "max_version";
const KEY: &str = "server_private_key";
const CHAIN: &str = "server_certificate";
const AUTHORITIES: &str = "mutual_tls_certificate_authorities";
const STRATEGY: &str = "mutual_tls_verification_strategy";

static SPEC: ActionSpec = ActionSpec {
    name: "terminate-tls",
    result_name: "terminate_tls",
    summary: "Completes the TLS handshake at this place, with versions, a certificate and checks of clients' certificates of \
              its own; a client that does not keep to them gets an alert of TLS, and the connection is closed.",
    phases: &[Phase::TcpConnect],
    terminating: Terminating::Never,
    results: &[
        ResultVar::new("cipher_suite", Holds::Text, "IANA's name of the cipher suite."),
        ResultVar::new("sni", Holds::Text, "The server's name that the client asked for."),
        ResultVar::new("version", Holds::Text, "`1.2` or `1.3`."),
        ResultVar::new("client", Holds::Map, "The client's certificate: the fields of `conn.tls.client` without `pem`."),
        ResultVar::new("server", Holds::Map, "The certificate that was shown: the fields of `conn.tls.server`."),
        ResultVar::new("warnings", Holds::List, "Always empty."),
        ResultVar::ERROR_CODE,
        ResultVar::ERROR_MESSAGE,
    ],
    differences: &[
        "Ids of certificate authorities are refused when the policy is loaded, as none can be stored here; ngrok warns of \
         those it does not find.",
        "`require-any` and `request` need no authorities. Neither looks at the chain or the dates of a certificate; that \
         the client has its key is checked always.",
        "Certificates must be of X.509's version 3; `openssl x509 -req` makes version 1 where no extension is asked for.",
        "Where clients are asked for certificates no TLS session is resumed, so that each connection is checked anew.",
        "It also runs on endpoints of protocol `tcp`. A second one on the same connection closes it.",
        "`error` is always empty: a handshake that failed leaves no connection for later rules.",
    ],
    fields: &[
        Field::optional(MIN, Shape::Enum(VERSIONS), "The oldest version of TLS.").or("1.2"),
        Field::optional(MAX, Shape::Enum(VERSIONS), "The newest version of TLS.").or("1.3"),
        Field::optional(
            KEY,
            Shape::Template,
            "The private key of `server_certificate`, PEM (PKCS#8, PKCS#1 or SEC1), not encrypted. It belongs into a \
             secret: `${secrets.get('tls', 'key')}`. Without both, the endpoint's own certificate is shown.",
        ),
        Field::optional(
            CHAIN,
            Shape::Template,
            "The certificate that is shown to clients, PEM, with the certificates between it and the authority after it.",
        ),
        Field::optional(
            AUTHORITIES,
            Shape::List { item: &Shape::Template, min: 0, max: 100 },
            "Certificates of authorities, PEM: clients must show a certificate that one of them has signed. Ids of \
             authorities stored at ngrok mean nothing here and are refused.",
        )
        .or("[]"),
        Field::optional(
            STRATEGY,
            Shape::Enum(Strategy::WORDS),
            "`require-and-verify`: a client must show a certificate that is valid now and that one of the authorities \
             signed. `require-any`: it must show one, of whoever, also out of date. `request`: it may show one. Clients \
             prove in each case that they have the key of what they show. `require-any` and `request` work without \
             authorities, too.",
        )
        .or("require-and-verify"),
    ],
    check: Some(check),
    example: "- type: terminate-tls\n  config:\n    min_version: \"1.3\"\n    mutual_tls_certificate_authorities:\n      - \
              ${secrets.get('tls', 'clients-ca')}\n",
};

struct TerminateTls {
    min: Version,
    max: Version,
    identity: Option<(Template, Template)>,
    client: Option<Strategy>,
    authorities: Vec<Template>,
}

fn version(config: &Config<'_>, field: &str, or: Version) -> Version {
    config.get(field).and_then(|value| Version::parse(value.as_str()?)).unwrap_or(or)
}

fn listed<'a>(config: &Config<'a>) -> Vec<Config<'a>> {
    config.get(AUTHORITIES).map(|list| list.as_list()).unwrap_or_default()
}

fn strategy(config: &Config<'_>) -> Option<Strategy> {
    config.get(STRATEGY).and_then(|value| Strategy::parse(value.as_str()?))
}

fn build(config: &Config<'_>, cx: &BuildContext<'_>) -> Result<Box<dyn Action>, BuildError> {
    let template = |value: Config<'_>| {
        value.template().ok_or_else(|| BuildError {
            at: cx.def.at,
            code: "ERR_NGROK_2203",
            message: "the `config` of `terminate-tls` cannot be read".into(),
            help: None,
        })
    };
    let identity = match (config.get(CHAIN), config.get(KEY)) {
        (Some(chain), Some(key)) => Some((template(chain)?, template(key)?)),
        _ => None,
    };
    let authorities = listed(config).into_iter().map(template).collect::<Result<Vec<_>, _>>()?;
    // Who names authorities wants clients to be checked.
    let unsaid = (!authorities.is_empty()).then_some(Strategy::RequireAndVerify);
    Ok(Box::new(TerminateTls {
        min: version(config, MIN, Version::Tls12),
        max: version(config, MAX, Version::Tls13),
        identity,
        client: strategy(config).or(unsaid),
        authorities,
    }))
}

/// The text of a field that holds no expression.
fn literal<'a>(value: &Config<'a>) -> Option<&'a str> {
    value.as_str().filter(|text| !text.contains("${"))
}

fn check(config: &Config<'_>, checker: &mut Checker) {
    let (min, max) = (version(config, MIN, Version::Tls12), version(config, MAX, Version::Tls13));
    if min > max
        && let Some(at) = config.get(MIN).or_else(|| config.get(MAX))
    {
        let message = "`min_version` must not be newer than `max_version`".to_owned();
        let help = "no client could connect; leave one of them out".to_owned();
        checker.error(at, "ERR_NGROK_2204", message, Some(help));
    }
    for (given, missing) in [(KEY, CHAIN), (CHAIN, KEY)] {
        if let Some(value) = config.get(given).filter(|_| config.get(missing).is_none()) {
            let message = format!("`{given}` also needs `{missing}`");
            checker.error(value, "ERR_NGROK_2240", message, None);
        }
    }
    if let (Some(chain), Some(key)) = (config.get(CHAIN), config.get(KEY)) {
        check_identity(&chain, &key, checker);
    }
    let authorities_given = listed(config);
    for authority in &authorities_given {
        if let Some(wrong) = literal(authority).and_then(|text| authorities([text]).err()) {
            checker.error(authority, "ERR_NGROK_2204", wrong.to_string(), None);
        }
    }
    if let Some(value) = config.get(STRATEGY)
        && strategy(config) == Some(Strategy::RequireAndVerify)
        && authorities_given.is_empty()
    {
        let message = format!("`require-and-verify` also needs `{AUTHORITIES}`");
        checker.error(value, "ERR_NGROK_2240", message, Some("nobody could be verified".into()));
    }
}

/// Certificate and key that are written out: that they are what they should be, and fit.
fn check_identity(chain: &Config<'_>, key: &Config<'_>, checker: &mut Checker) {
    use crate::tls::BadPem;
    let secret = |text: &str| SecretString::from(text.to_owned());
    let wrong = match (literal(chain), literal(key)) {
        (Some(chain), Some(key)) => Identity::parse(chain, &secret(key)).err(),
        (Some(chain), None) => authorities([chain]).err().map(|_| BadPem::Certificate),
        (None, Some(key)) => crate::tls::private_key(&secret(key)).err(),
        (None, None) => None,
    };
    let Some(wrong) = wrong else { return };
    let at = if wrong == BadPem::Certificate { chain } else { key };
    checker.error(at, "ERR_NGROK_2204", wrong.to_string(), None);
}

impl TerminateTls {
    fn terms(&self, activation: &Activation<'_>) -> Result<Terms, Fault> {
        let render = |field: &str, template: &Template| {
            template
                .render(activation)
                .map(std::borrow::Cow::into_owned)
                .map_err(|error| Fault::interpolation(field, &error))
        };
        let identity = match &self.identity {
            Some((chain, key)) => Some((render(CHAIN, chain)?, SecretString::from(render(KEY, key)?))),
            None => None,
        };
        let authorities: Result<_, _> =
            self.authorities.iter().map(|text| render(AUTHORITIES, text)).collect();
        Ok(Terms { min: self.min, max: self.max, identity, client: self.client, authorities: authorities? })
    }
}

/// What the action leaves for later rules.
pub(super) fn results(facts: &TlsFacts) -> Value {
    let shown = |certificate: Option<&Arc<Certificate>>| match certificate {
        Some(certificate) => certificate.value(),
        // Every field is there, and empty.
        None => Certificate::from_der(Vec::new()).value(),
    };
    gate::results([
        ("cipher_suite", Value::from(facts.cipher_suite.as_str())),
        ("sni", Value::from(facts.sni.as_str())),
        ("version", Value::from(facts.version.as_str())),
        // Ids of authorities that cannot be read are refused when a policy is loaded.
        ("warnings", Value::List(Arc::new([]))),
        ("client", shown(facts.client.as_ref())),
        ("server", shown(facts.server.as_ref())),
        gate::error(None),
    ])
}

#[async_trait]
impl Action for TerminateTls {
    async fn on_connect(&self, cx: &mut ConnectCx<'_>) -> Result<ConnectFlow, Fault> {
        let terms = self.terms(&cx.exchange.activation())?;
        let error = match cx.tls.complete(&terms).await {
            Ok(facts) => {
                cx.exchange.set_result(SPEC.result_name, || results(&facts));
                Arc::make_mut(&mut cx.exchange.connection).tls = Some(facts);
                return Ok(ConnectFlow::Continue);
            }
            // Such clients are counted; each in the log would be an invitation to fill it.
            Err(TlsError::Client(_)) => return Ok(ConnectFlow::Close),
            Err(error) => error,
        };
        let number = if matches!(error, TlsError::Pem(_)) { 2204 } else { 2205 };
        Err(Fault::policy(number, format!("`terminate-tls` cannot go on: {error}")))
    }

    fn needs_certificate(&self) -> bool {
        self.identity.is_none()
    }
}

#[cfg(test)]
mod tests;
