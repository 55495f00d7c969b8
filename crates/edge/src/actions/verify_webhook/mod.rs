//! `verify-webhook`: lets pass what a provider has signed.

mod challenge;
mod delivery;
mod providers;
mod scheme;
mod special;
#[cfg(test)]
mod tests;

use self::delivery::Delivery;
use self::providers::{PROVIDERS, Provider, UNSUPPORTED};
use self::scheme::Wrong;
use super::gate;
use crate::action::{Action, ActionType, BuildError, Flow, RequestCx};
use crate::answer::Fault;
use async_trait::async_trait;
use http::StatusCode;
use tollgate_expr::{Template, nearest};
use tollgate_policy::{ActionSpec, Checker, Config, Field, Holds, Phase, ResultVar, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, _| {
        let id = config.get("provider").and_then(|c| c.as_str()).unwrap_or_default();
        let provider = providers::find(id).ok_or_else(|| BuildError {
            at: config.location(),
            code: "ERR_NGROK_364",
            message: format!("webhooks of `{id}` cannot be verified"),
            help: None,
        })?;
        Ok(Box::new(VerifyWebhook {
            provider,
            secret: config.get("secret").and_then(|c| c.template()).unwrap_or_else(|| Template::literal("")),
            enforce: config.get("enforce").and_then(|c| c.as_bool()).unwrap_or(true),
        }))
    },
};

static SPEC: ActionSpec = ActionSpec {
    name: "verify-webhook",
    result_name: "verify_webhook",
    summary: "Lets pass what a provider has signed, at most five minutes ago where it signs the time, too; 403 for the \
              rest. Questions of `twitter`, `worldline`, `xero` and `zoom` whether the URL is yours are answered.",
    phases: &[Phase::HttpRequest],
    terminating: Terminating::Gate,
    results: &[ResultVar::new("verified", Holds::Bool, "Whether the signature, and the time where it is signed, are right."), ResultVar::ERROR_CODE, ResultVar::ERROR_MESSAGE],
    differences: &["Times may be five minutes off; ngrok does not say how many.", "A header of the signature that is there twice is refused: what is behind may read the other.", "Providers whose scheme is not public, or needs more than a secret, are refused by name when the policy is loaded; so is `sns`."],
    fields: &[
        Field::required(
            "provider",
            Shape::Text,
            "One of `aftership`, `airship`, `alchemy`, `autodesk`, `bitbucket`, `bolt`, `box`, `brex`, `buildkite`, \
             `calendly`, `chargify`, `circleci`, `clearbit`, `clerk`, `coinbase`, `docusign`, `dropbox`, \
             `facebook_graph_api`, `facebook_messenger`, `frameio`, `github`, `gitlab`, `graphcms`, `heroku`, `hubspot`, \
             `instagram`, `intercom`, `jira`, `launch_darkly`, `linear`, `mailchimp`, `mailgun`, `microsoft_teams`, \
             `modern_treasury`, `mux`, `orb`, `pagerduty`, `pinwheel`, `pusher`, `sendgrid`, `sentry`, `shopify`, \
             `slack`, `sonatype`, `square`, `stripe`, `svix`, `terraform`, `tiktok`, `twilio`, `twitter`, `typeform`, \
             `webex`, `whatsapp`, `worldline`, `xero`, `zendesk`, `zoom`. `hubspot`, `mailchimp`, `square` and `twilio` \
             sign the URL: the host that clients use must arrive here.",
        ),
        Field::required(
            "secret",
            Shape::Template,
            "What the provider signs with; of `sendgrid`, its public key. Best from a vault: `${secrets.get(..)}`.",
        ),
        Field::optional(
            "enforce",
            Shape::Bool,
            "`false`: nothing is refused; `actions.ngrok.verify_webhook.verified` says whether the signature was right.",
        )
        .or("true"),
    ],
    check: Some(check),
    example: "- type: verify-webhook\n  config:\n    provider: github\n    secret: ${secrets.get('webhooks', 'github')}\n",
};

fn check(config: &Config<'_>, checker: &mut Checker) {
    if let Some(provider) = config.get("provider") {
        let id = provider.as_str().unwrap_or_default();
        let known = || PROVIDERS.iter().map(|provider| provider.id);
        if UNSUPPORTED.contains(&id) {
            let help = Some("let what is behind verify it, or compare a header in `expressions`".into());
            let message = format!("webhooks of `{id}` cannot be verified here");
            checker.error(provider, "ERR_NGROK_364", message, help);
        } else if !known().any(|known| known == id) {
            let help = nearest(id, known()).map(|near| format!("did you mean `{near}`?"));
            checker.error(provider, "ERR_NGROK_364", format!("there is no provider `{id}`"), help);
        }
    }
    if let Some(secret) = config.get("secret").filter(|secret| secret.as_str() == Some("")) {
        checker.error(secret, "ERR_NGROK_7026", "`secret` is empty".into(), None);
    }
}

struct VerifyWebhook {
    provider: &'static Provider,
    secret: Template,
    enforce: bool,
}

/// Whatever a request says, no provider's signature is right without the secret.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(uri: &http::Uri, headers: &http::HeaderMap, body: &[u8]) {
    let method = http::Method::POST;
    let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let delivery = Delivery { method: &method, host: "hooks.example", uri, headers, body, now };
    for provider in providers::PROVIDERS {
        let verified = provider.verify(&delivery, "a secret that nobody guesses").is_ok();
        assert!(!verified, "{} took a forged signature", provider.id);
        let _ = challenge::answer(provider.id, &delivery, "a secret that nobody guesses", verified);
    }
}

#[async_trait]
impl Action for VerifyWebhook {
    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        let body = cx.body().await?;
        let exchange = &*cx.exchange;
        let secret =
            self.secret.render(&exchange.activation()).map_err(|e| Fault::interpolation("secret", &e))?;
        if secret.is_empty() {
            // Everybody knows the empty secret.
            return Err(Fault::policy(7026, "the secret of verify-webhook is empty"));
        }
        let delivery = Delivery {
            method: &exchange.request.method,
            host: &exchange.request.host,
            uri: &exchange.request.raw_uri,
            headers: &exchange.request.headers,
            body: &body,
            now: exchange.now,
        };
        let verified = self.provider.verify(&delivery, &secret);
        let challenge = challenge::answer(self.provider.id, &delivery, &secret, verified.is_ok());
        let fault = verified.err().map(|Wrong(why)| Fault {
            code: 3204,
            status: StatusCode::FORBIDDEN,
            message: format!("this is no webhook of {}: {why}", self.provider.id),
        });
        cx.exchange.set_result(SPEC.result_name, || {
            gate::results([("verified", fault.is_none().into()), gate::error(fault.as_ref())])
        });
        match (challenge, fault) {
            (Some(answer), _) => Ok(Flow::Respond(answer)),
            (None, Some(fault)) if self.enforce => Ok(Flow::Respond(gate::refused(cx.exchange, &fault))),
            _ => Ok(Flow::Continue),
        }
    }
}
