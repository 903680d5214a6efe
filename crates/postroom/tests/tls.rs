//! Encrypted connections to PostgreSQL and NATS, and whom they trust.

mod support;

use postroom_testbed::{Certificate, Nats, Postgres, Settings};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::json;
use support::Home;

/// Vouches for servers.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, name);
        let certificate = parameters.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: Issuer::new(parameters, key) }
    }

    fn vouch_for(&self, name: &str) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap().pem();
        Certificate { certificate, key: key.serialize_pem() }
    }
}

/// The servers have certificates of an authority that only `ca.pem` names.
struct House {
    home: Home,
    postgres: Postgres,
    authority: Authority,
}

impl House {
    fn new(name: &str) -> Self {
        let (home, authority) = (Home::new(), Authority::new("ours"));
        std::fs::write(home.path("ca.pem"), &authority.certificate).unwrap();
        std::fs::write(home.path("other.pem"), Authority::new("another").certificate).unwrap();
        let settings = Settings::default().with_tls(authority.vouch_for(name));
        let postgres = Postgres::with(settings).unwrap();
        Self { home, postgres, authority }
    }

    /// The address of its database; in `parameters`, `$` is the directory of the certificates.
    fn url(&self, parameters: &str) -> String {
        let directory = self.home.path("");
        let parameters = parameters.replace('$', directory.to_str().unwrap());
        format!("{}?{parameters}", self.postgres.url())
    }

    /// Whether the store can be opened there.
    async fn opens(&self, parameters: &str) -> Result<(), String> {
        let mut command = self.home.command(&["migrate"]);
        command.env("POSTROOM_STORE__URL", self.url(parameters));
        let said = support::finish(command).await;
        if said.code == Some(0) { Ok(()) } else { Err(said.stderr) }
    }
}

#[tokio::test]
async fn a_node_works_over_encrypted_connections_alone() {
    let house = House::new("127.0.0.1");
    let nats = Nats::with_tls(&house.authority.vouch_for("127.0.0.1")).unwrap();
    let command = |arguments: &[&str]| {
        let mut command = house.home.command(arguments);
        command.env("POSTROOM_STORE__URL", house.url("sslmode=verify-full&sslrootcert=$/ca.pem"));
        command.env("POSTROOM_SIGNALS__NATS_URL", nats.url().replace("nats://", "tls://"));
        command.env("SSL_CERT_FILE", house.home.path("ca.pem"));
        command
    };
    let server = house.home.start(command(&["serve", "--listen", "127.0.0.1:0"])).await;

    let run = json!({"messages": "hello"});
    let run = server.post("/v1/threads/t/runs?wait=true", &run).await;
    assert_eq!(run["status"], "done", "{run:#}");
    let doctor = support::finish(command(&["doctor"])).await;
    assert!(doctor.stdout.contains("with its stream and consumer"), "{doctor:?}");

    let plain = "select count(*) from pg_stat_ssl join pg_stat_activity using (pid) \
                 where application_name like 'postroom%' and not ssl";
    assert_eq!(house.postgres.sql("postgres", plain).unwrap(), "0");
    let encrypted = plain.replace("not ssl", "ssl");
    assert_ne!(house.postgres.sql("postgres", &encrypted).unwrap(), "0");
}

#[tokio::test]
async fn an_address_says_whom_to_trust() {
    let house = House::new("db.internal");
    for trusting in [
        "",
        "sslmode=prefer",
        "sslmode=disable",
        "sslmode=require",
        "sslmode=require&sslrootcert=$/ca.pem",
        "sslmode=verify-ca&sslrootcert=$/ca.pem",
    ] {
        assert_eq!(house.opens(trusting).await, Ok(()), "{trusting}");
    }
    for (suspicious, said) in [
        ("sslmode=require&sslrootcert=$/other.pem", "UnknownIssuer"),
        ("sslmode=verify-ca&sslrootcert=$/other.pem", "UnknownIssuer"),
        ("sslmode=verify-full", "UnknownIssuer"),
        ("sslmode=verify-full&sslrootcert=$/ca.pem", "not valid for name"),
        ("sslmode=verify-full&sslrootcert=$/none.pem", "name a file of certificates"),
        ("sslmode=verify-ca&sslrootcert=$/server.log", "name a file of certificates"),
        ("sslmode=verify-ca", "sslrootcert=PATH"),
    ] {
        std::fs::write(house.home.path("server.log"), "not a certificate").unwrap();
        let error = house.opens(suspicious).await.expect_err(suspicious);
        assert!(error.contains(said), "{suspicious}: {error}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_it_is_demanded() {
    let (home, postgres) = (Home::new(), Postgres::shared());
    let mut command = home.command(&["migrate"]);
    command.env("POSTROOM_STORE__URL", format!("{}?sslmode=require", postgres.url()));
    let said = support::finish(command).await;
    assert!(said.stderr.contains("TLS"), "{said:?}");
}
