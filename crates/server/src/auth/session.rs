//! Sessions of the dashboard: a cookie that says which key began it and until when it holds, signed
//! with a secret that all nodes share. Any node knows it without asking another, and it ends with its
//! key.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use postroom_core::access::ApiKey;
use postroom_core::error::StoreError;
use postroom_core::id::KeyId;
use postroom_core::ports::AccessStore;
use postroom_core::time::Timestamp;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::sync::OnceCell;

use super::Access;
use super::secret::{Secret, random};

/// The cookie's name.
pub(crate) const COOKIE_NAME: &str = "postroom_session";
/// How long a session holds.
pub(crate) const HOLDS_FOR_MS: i64 = 12 * 60 * 60 * 1000;

/// The name of the secret in the store.
const SECRET_NAME: &str = "dashboard sessions";
/// What is signed begins with its purpose: a signature for one is none for another.
const SESSION: &str = "session:";
const CSRF: &str = "csrf:";

/// What signs sessions, once the store has said it.
#[derive(Default)]
pub(crate) struct Sessions {
    secret: OnceCell<[u8; 32]>,
}

impl Sessions {
    pub(super) async fn secret(&self, store: &dyn AccessStore) -> Result<&[u8; 32], StoreError> {
        let ask = || async {
            let proposed = random::<32>()
                .map_err(|error| StoreError::Unavailable { reason: error.to_string() })?;
            store.secret(SECRET_NAME, proposed).await
        };
        self.secret.get_or_try_init(ask).await
    }
}

/// A session that holds.
pub(crate) struct Session {
    /// The key that it was begun with.
    pub(crate) key: Arc<ApiKey>,
    /// What its changes must present.
    pub(crate) csrf_token: Secret,
}

impl Session {
    /// Whether `token` is the session's.
    pub(crate) fn knows(&self, token: &[u8]) -> bool {
        self.csrf_token.expose().as_bytes().ct_eq(token).into()
    }
}

impl Access {
    /// Begins a session of `key`; gives the cookie's value.
    pub(crate) async fn begin_session(
        &self,
        key: Arc<ApiKey>,
    ) -> Result<(Secret, Session), StoreError> {
        let secret = self.session_secret().await?;
        let until = self.now().0.saturating_add(HOLDS_FOR_MS);
        let payload = URL_SAFE_NO_PAD.encode(format!("{until}:{}", key.id));
        let cookie = format!("{payload}.{}", signature(secret, SESSION, &payload));
        let csrf_token = Secret::new(signature(secret, CSRF, &cookie));
        Ok((Secret::new(cookie), Session { key, csrf_token }))
    }

    /// The session of a cookie, if it holds.
    pub(crate) async fn session(&self, cookie: &str) -> Result<Option<Session>, StoreError> {
        let secret = self.session_secret().await?;
        let Some(id) = key_of(secret, cookie, self.now()) else { return Ok(None) };
        let csrf_token = Secret::new(signature(secret, CSRF, cookie));
        Ok(self.keys().valid(&id).await?.map(|key| Session { key, csrf_token }))
    }
}

/// The key that began the session, if the cookie is ours and its time is not over.
fn key_of(secret: &[u8; 32], cookie: &str, now: Timestamp) -> Option<KeyId> {
    let (payload, signed) = cookie.split_once('.')?;
    let expected = signature(secret, SESSION, payload);
    if !bool::from(expected.as_bytes().ct_eq(signed.as_bytes())) {
        return None;
    }
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let (until, id) = payload.split_once(':')?;
    let until = Timestamp(until.parse().ok()?);
    KeyId::parse(id).ok().filter(|_| now < until)
}

fn signature(secret: &[u8; 32], purpose: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length is a key");
    mac.update(purpose.as_bytes());
    mac.update(text.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

/// The session's cookie among those that a request carries.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim() == COOKIE_NAME).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_good_as_it_was_given_and_for_its_time() {
        let (secret, now) = ([7; 32], Timestamp(1_000));
        let payload = URL_SAFE_NO_PAD.encode("2000:pr_1");
        let cookie = format!("{payload}.{}", signature(&secret, SESSION, &payload));
        assert_eq!(key_of(&secret, &cookie, now), KeyId::parse("pr_1").ok());
        assert_eq!(key_of(&secret, &cookie, Timestamp(2_000)), None);
        assert_eq!(key_of(&[8; 32], &cookie, now), None);
        let other = URL_SAFE_NO_PAD.encode("9000:pr_1");
        let signed = cookie.split_once('.').unwrap().1;
        for forged in
            [format!("{other}.{signed}"), payload.clone(), format!("{payload}."), String::new()]
        {
            assert_eq!(key_of(&secret, &forged, now), None, "{forged}");
        }
        // A token for changes is no session.
        let token = signature(&secret, CSRF, &payload);
        assert_eq!(key_of(&secret, &format!("{payload}.{token}"), now), None);
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        assert_eq!(cookie(&headers), None);
        headers.append(COOKIE, "a=b; postroom_sessionx=1".parse().unwrap());
        assert_eq!(cookie(&headers), None);
        headers.append(COOKIE, "c=d; postroom_session=x.y".parse().unwrap());
        assert_eq!(cookie(&headers), Some("x.y"));
    }
}
