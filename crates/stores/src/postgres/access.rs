//! Who may call: keys, and the secrets that nodes share.

use async_trait::async_trait;
use postroom_core::access::{ApiKey, SecretHash};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::id::{KeyId, TenantId};
use postroom_core::ports::AccessStore;
use postroom_core::time::Timestamp;

use super::PostgresStore;
use super::column::Rows;
use super::error::Fault;
use super::queries::Query;
use super::row::RowReader;
use crate::sql::encode::Row;
use crate::sql::{Columns, decode};

#[async_trait]
impl AccessStore for PostgresStore {
    async fn add_key(&self, key: ApiKey) -> Result<(), StoreError> {
        let add = async |session: &super::Session| {
            let mut rows = Rows::default();
            Row::into(rows.row()).with_key(&key)?;
            session.execute(Query::KeyAdd, &rows.values()).await
        };
        if self.read(add).await? == 1 {
            return Ok(());
        }
        Err(Refusal::Invalid { reason: "there is a key of this id already" }.into())
    }

    async fn key(&self, id: &KeyId) -> Result<Option<ApiKey>, StoreError> {
        let id = id.to_string();
        self.read(async |session| {
            let rows = session.query(Query::Key, &[&id]).await?;
            let key = rows.first().map(|row| decode::key(&mut RowReader::of(row)));
            Ok(key.transpose()?)
        })
        .await
    }

    async fn keys(&self, tenant: Option<&TenantId>) -> Result<Vec<ApiKey>, StoreError> {
        let read = async |session: &super::Session| -> Result<Vec<ApiKey>, Fault> {
            let rows = session.query(Query::Keys, &[]).await?;
            rows.iter().map(|row| Ok(decode::key(&mut RowReader::of(row))?)).collect()
        };
        let mut keys = self.read(read).await?;
        keys.retain(|key| tenant.is_none_or(|tenant| key.tenant == *tenant));
        Ok(keys)
    }

    async fn revoke_key(&self, id: &KeyId, at: Timestamp) -> Result<bool, StoreError> {
        let id = id.to_string();
        let found = self
            .read(async |session| session.execute(Query::KeyRevoke, &[&id, &at.0]).await)
            .await?;
        Ok(found == 1)
    }

    async fn keys_used(&self, used: Vec<(KeyId, Timestamp)>) -> Result<(), StoreError> {
        let ids: Vec<String> = used.iter().map(|(id, _)| id.to_string()).collect();
        let times: Vec<i64> = used.iter().map(|(_, at)| at.0).collect();
        self.read(async |session| session.execute(Query::KeysUsed, &[&ids, &times]).await).await?;
        Ok(())
    }

    async fn secret(&self, name: &str, proposed: [u8; 32]) -> Result<[u8; 32], StoreError> {
        let proposed = SecretHash(proposed).to_hex();
        self.read(async |session| {
            session.execute(Query::SecretAdd, &[&name, &proposed]).await?;
            let rows = session.query(Query::Secret, &[&name]).await?;
            let kept = rows.first().map(|row| RowReader::of(row).take::<SecretHash>());
            let missing = || Fault::Damaged("a secret is not there".to_owned());
            Ok(kept.transpose()?.ok_or_else(missing)?.0)
        })
        .await
    }
}
