//! Keys, and the secrets that nodes share.

use std::sync::Arc;

use postroom_core::access::{ApiKey, Scope, SecretHash};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::id::{KeyId, TenantId};
use postroom_core::ports::AccessStore;
use postroom_core::time::Timestamp;

type Store = Arc<dyn AccessStore>;

fn id(name: &str) -> KeyId {
    KeyId::parse(name).expect("a name")
}

fn key(name: &str, tenant: &str) -> ApiKey {
    ApiKey {
        id: id(name),
        tenant: TenantId::parse(tenant).expect("a name"),
        scope: Scope::Write,
        label: "for \"tests\", ü".to_owned(),
        secret: SecretHash(std::array::from_fn(|place| u8::try_from(place * 8).unwrap_or(255))),
        created_at: Timestamp(1_000),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    }
}

async fn add(store: &Store, key: &ApiKey) {
    store.add_key(key.clone()).await.expect("it is added");
}

async fn known(store: &Store, name: &str) -> ApiKey {
    store.key(&id(name)).await.expect("a read").expect("it is there")
}

/// A key comes back as it was made; one that nobody made is not there.
pub async fn a_key_is_kept_whole(store: Store) {
    let plain = key("plain", "default");
    let whole = ApiKey {
        scope: Scope::Admin,
        label: String::new(),
        expires_at: Some(Timestamp(9_000)),
        revoked_at: Some(Timestamp(3_000)),
        last_used_at: Some(Timestamp(2_000)),
        ..key("whole", "red")
    };
    for key in [&plain, &whole] {
        add(&store, key).await;
        assert_eq!(store.key(&key.id).await.expect("a read").as_ref(), Some(key));
    }
    assert_eq!(store.key(&id("nobody")).await.expect("a read"), None);
}

/// A second key of the same id is refused, and the first stays.
pub async fn a_key_is_made_once(store: Store) {
    let first = key("k", "red");
    add(&store, &first).await;
    let second = ApiKey { scope: Scope::Admin, ..key("k", "blue") };
    let refused = store.add_key(second).await;
    assert!(matches!(refused, Err(StoreError::Refused(Refusal::Invalid { .. }))), "{refused:?}");
    assert_eq!(known(&store, "k").await, first);
}

/// A key that was revoked keeps the time when it first was.
pub async fn a_revoked_key_stays_revoked(store: Store) {
    add(&store, &key("k", "red")).await;
    assert!(known(&store, "k").await.is_valid(Timestamp(5_000)));
    for at in [5_000, 6_000] {
        assert!(store.revoke_key(&id("k"), Timestamp(at)).await.expect("a write"));
        assert_eq!(known(&store, "k").await.revoked_at, Some(Timestamp(5_000)));
    }
    assert!(!known(&store, "k").await.is_valid(Timestamp(5_000)));
    assert!(!store.revoke_key(&id("nobody"), Timestamp(1)).await.expect("a write"));
}

/// Lists have the oldest first: all, or a tenant's.
pub async fn keys_are_listed_by_tenant(store: Store) {
    for (name, tenant) in [("z", "red"), ("a", "default"), ("m", "red")] {
        add(&store, &key(name, tenant)).await;
    }
    let names = async |tenant: Option<&str>| -> Vec<String> {
        let tenant = tenant.map(|name| TenantId::parse(name).expect("a name"));
        let keys = store.keys(tenant.as_ref()).await.expect("a read");
        keys.iter().map(|key| key.id.to_string()).collect()
    };
    assert_eq!(names(None).await, ["z", "a", "m"]);
    assert_eq!(names(Some("red")).await, ["z", "m"]);
    assert_eq!(names(Some("default")).await, ["a"]);
    assert!(names(Some("nobody")).await.is_empty());
}

/// The newest use counts, in whatever order nodes tell of them.
pub async fn uses_are_noted(store: Store) {
    add(&store, &key("a", "red")).await;
    add(&store, &key("b", "red")).await;
    let used = |name, at| (id(name), Timestamp(at));
    store.keys_used(vec![used("a", 7), used("nobody", 9)]).await.expect("a write");
    store.keys_used(vec![used("a", 5), used("b", 6)]).await.expect("a write");
    store.keys_used(Vec::new()).await.expect("a write");
    assert_eq!(known(&store, "a").await.last_used_at, Some(Timestamp(7)));
    assert_eq!(known(&store, "b").await.last_used_at, Some(Timestamp(6)));
}

/// All who propose one get the same.
pub async fn a_secret_is_the_first_that_was_proposed(store: Store) {
    let proposed = async |name: &str, byte| store.secret(name, [byte; 32]).await.expect("a secret");
    assert_eq!(proposed("a", 1).await, [1; 32]);
    assert_eq!(proposed("a", 2).await, [1; 32]);
    assert_eq!(proposed("b", 0xfe).await, [0xfe; 32]);
}
