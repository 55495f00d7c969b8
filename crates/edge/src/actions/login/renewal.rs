//! Sessions that go on for longer: the provider is asked again who it is, and for tokens in place of expired ones.

use super::asking::{Asking, Told};
use super::callback::merged;
use super::failure::Failure;
use super::known::Renewed;
use super::providers::user_of_claims;
use super::session::{Due, Session, Tokens, User};
use super::{Login, Turn};
use crate::upstream::Upstream;
use serde_json::Value;
use tollgate_cloud::Jws;

/// What became of one question.
enum Asked<T> {
    Got(T),
    /// The provider does not vouch for the user any more.
    Lost,
}

impl Login {
    /// Renews a session, once for all requests that come with it.
    pub(super) async fn renewed(
        &self,
        turn: &Turn,
        session: Session,
        due: Due,
        upstream: &dyn Upstream,
    ) -> Renewed {
        let key = format!("{}\n{}\n{}", turn.context, session.id, session.generation);
        let renew = async {
            match self.renew(turn, session, due, upstream).await {
                Ok(Asked::Got(session)) => Renewed::Session(Box::new(session)),
                Ok(Asked::Lost) => Renewed::Lost,
                Err(failure) => Renewed::Failed(failure),
            }
        };
        Box::pin(self.logins.renewed(&key, renew)).await
    }

    async fn renew(
        &self,
        turn: &Turn,
        session: Session,
        due: Due,
        upstream: &dyn Upstream,
    ) -> Result<Asked<Session>, Failure> {
        let asking = self.asking(turn, upstream).await?;
        let mut session = session;
        let mut tokens_are_new = false;
        // Who cannot be asked by token is asked by refresh token.
        let silent = due.user && asking.endpoints.userinfo.is_none();
        if due.tokens || silent {
            match self.other_tokens(&asking, &session).await? {
                Asked::Got(tokens) => session.tokens = tokens,
                Asked::Lost => return Ok(Asked::Lost),
            }
            tokens_are_new = true;
        }
        if due.user {
            let user = match self.same_user(&asking, &session.tokens, &session.user).await? {
                Asked::Lost if !tokens_are_new && session.tokens.refresh.is_some() => {
                    // The provider may have ended the token before its time.
                    match self.other_tokens(&asking, &session).await? {
                        Asked::Got(tokens) => session.tokens = tokens,
                        Asked::Lost => return Ok(Asked::Lost),
                    }
                    self.same_user(&asking, &session.tokens, &session.user).await?
                }
                asked => asked,
            };
            match user {
                Asked::Got(user) => session.user = user,
                Asked::Lost => return Ok(Asked::Lost),
            }
            session.asked = turn.now;
            session.config.clone_from(&self.config);
        }
        session.generation = session.generation.saturating_add(1);
        Ok(Asked::Got(session))
    }

    async fn other_tokens(&self, asking: &Asking<'_>, session: &Session) -> Result<Asked<Tokens>, Failure> {
        let Some(refresh) = &session.tokens.refresh else { return Ok(Asked::Lost) };
        let tokens = match asking.tokens_again(refresh).await {
            Ok(tokens) => tokens,
            // `invalid_grant`: revoked, expired, used before (RFC 6749 section 5.2).
            Err(failure) if failure.code == 3163 => return Ok(Asked::Lost),
            Err(failure) => return Err(failure),
        };
        self.verify_again(asking, &tokens, &session.user).await?;
        let id = match asking.endpoints.signed {
            Some(_) => tokens.id.or_else(|| session.tokens.id.clone()),
            None => None,
        };
        Ok(Asked::Got(Tokens { id, ..tokens }))
    }

    async fn same_user(
        &self,
        asking: &Asking<'_>,
        tokens: &Tokens,
        before: &User,
    ) -> Result<Asked<User>, Failure> {
        let signed = signed_user(asking, tokens, before);
        match asking.user(tokens).await? {
            // There is nobody to ask: that there were other tokens has to do.
            None => Ok(Asked::Got(signed)),
            Some(Told::Refused(failure)) => {
                tracing::info!("login: {}", failure.message);
                Ok(Asked::Lost)
            }
            Some(Told::User(user)) => merged(signed, user).map(Asked::Got),
        }
    }
}

/// What the newest identity token says, which was verified when it came. Some providers tell only an id when they are
/// asked, and the rest in tokens.
fn signed_user(asking: &Asking<'_>, tokens: &Tokens, before: &User) -> User {
    let signed = asking.endpoints.signed.as_ref().zip(tokens.id.as_deref());
    let jws = signed.and_then(|(signed, token)| Jws::parse(token, &signed.algorithms).ok());
    let user = jws.and_then(|jws| user_of_claims(&Value::Object(jws.payload().clone())));
    user.unwrap_or_else(|| User { subject: before.subject.clone(), ..User::default() })
}
