//! Who may call: keys, and the secrets that nodes share.

use async_trait::async_trait;
use postroom_core::access::{ApiKey, SecretHash};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::id::{KeyId, TenantId};
use postroom_core::ports::AccessStore;
use postroom_core::time::Timestamp;

use super::columns::only;
use super::error::Fault;
use super::queries::{Query, Statements};
use super::work::{Answer, Unit};
use super::{SqliteStore, mismatch};
use crate::sql::decode;

/// A key that is there already; the ids are ours, so that it is a defect.
const KNOWN: StoreError =
    StoreError::Refused(Refusal::Invalid { reason: "there is a key of this id already" });

#[async_trait]
impl AccessStore for SqliteStore {
    async fn add_key(&self, key: ApiKey) -> Result<(), StoreError> {
        match self.carry_out_one(Unit::AddKey(key)).await? {
            Answer::Done => Ok(()),
            _ => mismatch(),
        }
    }

    async fn key(&self, id: &KeyId) -> Result<Option<ApiKey>, StoreError> {
        let id = id.clone();
        self.readers
            .read(move |statements| {
                statements.get(Query::Key)?.with(&id)?.one(|row| decode::key(row))
            })
            .await
    }

    async fn keys(&self, tenant: Option<&TenantId>) -> Result<Vec<ApiKey>, StoreError> {
        let all = self
            .readers
            .read(|statements| statements.get(Query::Keys)?.all(|row| decode::key(row)))
            .await?;
        let wanted = |key: &ApiKey| tenant.is_none_or(|tenant| key.tenant == *tenant);
        Ok(all.into_iter().filter(wanted).collect())
    }

    async fn revoke_key(&self, id: &KeyId, at: Timestamp) -> Result<bool, StoreError> {
        match self.carry_out_one(Unit::RevokeKey(id.clone(), at)).await? {
            Answer::Found(found) => Ok(found),
            _ => mismatch(),
        }
    }

    async fn keys_used(&self, used: Vec<(KeyId, Timestamp)>) -> Result<(), StoreError> {
        match self.carry_out_one(Unit::KeysUsed(used)).await? {
            Answer::Done => Ok(()),
            _ => mismatch(),
        }
    }

    async fn secret(&self, name: &str, proposed: [u8; 32]) -> Result<[u8; 32], StoreError> {
        match self.carry_out_one(Unit::Secret(name.to_owned(), proposed)).await? {
            Answer::Secret(secret) => Ok(secret),
            _ => mismatch(),
        }
    }
}

pub(super) fn add_key(
    statements: &mut Statements<'_>,
    key: &ApiKey,
) -> Result<Result<(), StoreError>, Fault> {
    let values = statements.get(Query::KeyAdd)?.with(&key.id)?.with(&key.tenant)?;
    let values = values.with(&key.scope)?.with(&key.label)?.with(&key.secret)?;
    let values = values.with(&key.created_at)?.with(&key.expires_at)?.with(&key.revoked_at)?;
    let added = values.with(&key.last_used_at)?.execute()?;
    Ok(if added == 1 { Ok(()) } else { Err(KNOWN) })
}

pub(super) fn revoke_key(
    statements: &mut Statements<'_>,
    id: &KeyId,
    at: Timestamp,
) -> Result<bool, Fault> {
    Ok(statements.get(Query::KeyRevoke)?.with(id)?.with(&at)?.execute()? == 1)
}

pub(super) fn keys_used(
    statements: &mut Statements<'_>,
    used: &[(KeyId, Timestamp)],
) -> Result<(), Fault> {
    used.iter().try_for_each(|(id, at)| {
        statements.get(Query::KeyUsed)?.with(id)?.with(at)?.execute().map(drop)
    })
}

pub(super) fn secret(
    statements: &mut Statements<'_>,
    name: &str,
    proposed: [u8; 32],
) -> Result<[u8; 32], Fault> {
    let values = statements.get(Query::SecretAdd)?.with(name)?;
    values.with(&SecretHash(proposed))?.execute()?;
    let kept: Option<SecretHash> = statements.get(Query::Secret)?.with(name)?.one(only)?;
    let kept = kept.ok_or_else(|| Fault::Damaged("a secret is not there".to_owned()))?;
    Ok(kept.0)
}
