//! A browser comes back from the provider: the code becomes tokens, the tokens a user, the user a session.

use super::asking::{Asking, Told};
use super::attempt::Attempt;
use super::cookies::Brought;
use super::failure::Failure;
use super::form::parameter;
use super::id_token::Expected;
use super::page;
use super::seal::unguessable;
use super::session::{Session, Tokens, User};
use super::{Login, Turn, with_cookies};
use crate::answer::Answer;
use crate::exchange::Exchange;
use crate::upstream::Upstream;

impl Login {
    /// Finishes a login.
    pub(super) async fn come_back(
        &self,
        exchange: &Exchange,
        turn: &Turn,
        upstream: &dyn Upstream,
    ) -> Result<Answer, Failure> {
        let query = exchange.request.raw_uri.query().unwrap_or_default();
        let read = |name: &str| {
            let twice = || {
                Failure::attempt(
                    3108,
                    "the identity provider sent you back with a parameter that is there twice",
                )
            };
            parameter(query, name).map_err(|()| twice())
        };
        let state = read("state")?;
        let brought = Brought(&turn.brought);
        let attempt = Attempt::back(state.as_deref(), &turn.seal, &self.names, &brought, turn.now)?;
        if attempt.redirect_uri != format!("{}{}", turn.origin, super::reserved::CALLBACK) {
            return Err(Failure::attempt(3124, "this login was begun at another address of this server"));
        }
        if !self.logins.first_use(&attempt.state) {
            return Err(Failure::attempt(3123, "this login was finished before; begin again"));
        }
        let asking = self.asking(turn, upstream).await?;
        // Where the provider says who it is, it must be the one that was asked (RFC 9207, section 2.4).
        if let (Some(named), Some(signed)) = (read("iss")?, &asking.endpoints.signed)
            && named != signed.issuer
        {
            return Err(Failure::attempt(
                3106,
                "another identity provider sent you back than the one you were sent to",
            ));
        }
        if let Some(error) = read("error")? {
            return Err(Failure::of_authorization(&error, &read("error_description")?.unwrap_or_default()));
        }
        let code = read("code")?.filter(|code| !code.is_empty());
        let code =
            code.ok_or_else(|| Failure::attempt(3106, "the identity provider sent you back without a code"))?;
        let tokens = asking.tokens_for_code(&code, &attempt.redirect_uri, &attempt.verifier).await?;
        let (user, tokens) = self.identify(&asking, tokens, Some(&attempt.nonce)).await?;
        let session = Session {
            id: unguessable().map_err(|_| Failure::no_random())?,
            generation: 0,
            begun: turn.now,
            used: turn.now,
            asked: turn.now,
            user,
            tokens,
            config: self.config.clone(),
            before: attempt.before,
        };
        let mut cookies = self.session_cookies(turn, &session)?;
        let jar = self.jar(turn);
        cookies.extend(jar.end(&self.names.attempt(&attempt.state)));
        let answer = page::redirect(&attempt.path)
            .ok_or_else(|| Failure::attempt(3106, "the page you wanted has no address"))?;
        Ok(with_cookies(answer, cookies))
    }

    /// Who the tokens of a login belong to.
    async fn identify(
        &self,
        asking: &Asking<'_>,
        tokens: Tokens,
        nonce: Option<&str>,
    ) -> Result<(User, Tokens), Failure> {
        let Some(signed) = &asking.endpoints.signed else {
            // What an OAuth provider signs beside is not verified, so it is not shown to anybody either.
            let tokens = Tokens { id: None, ..tokens };
            return match asking.user(&tokens).await? {
                Some(Told::User(user)) => Ok((user, tokens)),
                Some(Told::Refused(failure)) => Err(failure),
                None => Err(Failure::answer("the identity provider cannot be asked who you are")),
            };
        };
        let missing =
            || Failure::id_token("it is missing from the answer; `openid` must be among the `scopes`");
        let token = tokens.id.as_deref().ok_or_else(missing)?;
        let expected = Expected { signed, client_id: &asking.client.id, nonce, now: asking.now };
        let signed = expected.user(token, &self.jwks, &self.outbound, asking.upstream).await?;
        match asking.user(&tokens).await? {
            None => Ok((signed, tokens)),
            Some(Told::Refused(failure)) => Err(failure),
            Some(Told::User(told)) => Ok((merged(signed, told)?, tokens)),
        }
    }

    /// Who tokens belong to that came for a refresh token: the same user as before, or an error.
    pub(super) async fn verify_again(
        &self,
        asking: &Asking<'_>,
        tokens: &Tokens,
        before: &User,
    ) -> Result<(), Failure> {
        let (Some(signed), Some(token)) = (&asking.endpoints.signed, tokens.id.as_deref()) else {
            return Ok(());
        };
        let expected = Expected { signed, client_id: &asking.client.id, nonce: None, now: asking.now };
        let user = expected.user(token, &self.jwks, &self.outbound, asking.upstream).await?;
        merged(before.clone(), user).map(|_| ())
    }
}

/// What was signed, with what the provider told when asked; both must be of the same user (OpenID Connect Core 1.0,
/// section 5.3.2).
pub(super) fn merged(signed: User, told: User) -> Result<User, Failure> {
    if signed.subject != told.subject {
        return Err(Failure::id_token(
            "it is of another user than the provider's answer about the user (`sub`)",
        ));
    }
    let or = |one: String, other: String| if one.is_empty() { other } else { one };
    // What it says last of the address holds for the address of either answer.
    let verified = told.verified.or(signed.verified);
    let email = if verified == Some(false) { String::new() } else { or(told.email, signed.email) };
    Ok(User { subject: signed.subject, email, name: or(told.name, signed.name), verified })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(signed: (&str, Option<bool>), told: (&str, Option<bool>)) -> String {
        let user = |(email, verified): (&str, Option<bool>)| User {
            subject: "1".into(),
            email: email.into(),
            name: String::new(),
            verified,
        };
        merged(user(signed), user(told)).expect("the same user").email
    }

    #[test]
    fn an_address_counts_unless_the_provider_denies_it() {
        assert_eq!(email(("a@x", None), ("", None)), "a@x");
        assert_eq!(email(("a@x", None), ("b@x", None)), "b@x");
        assert_eq!(email(("a@x", None), ("", Some(false))), "", "the newer word");
        assert_eq!(email(("", Some(false)), ("b@x", None)), "", "the only word");
        assert_eq!(email(("", Some(false)), ("b@x", Some(true))), "b@x", "proved since");
    }
}
