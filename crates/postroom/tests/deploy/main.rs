//! What is shipped for running a server: files that parse, name metrics and settings that exist, and
//! fit the program.

#[path = "../support/mod.rs"]
mod support;

mod metrics;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(deploy(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands under `key`, at any depth.
fn all<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                if name == key {
                    found.push(inner);
                }
                all(inner, key, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|inner| all(inner, key, found)),
        _ => {}
    }
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    let mut found = Vec::new();
    all(value, key, &mut found);
    found.into_iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The words in an expression that begin as our metrics do.
fn metrics_in(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("postroom_")).map(str::to_owned).collect()
}

#[tokio::test]
async fn dashboards_and_alerts_name_series_that_exist() {
    let series = metrics::series().await;
    let dashboard: Value = serde_json::from_str(&text("grafana/postroom.json")).unwrap();
    let alerts = yaml("prometheus/alerts.yml");
    let mut expressions = texts(&dashboard, "expr");
    assert!(expressions.len() > 20, "{expressions:?}");
    let rules = texts(&alerts, "expr");
    assert_eq!(rules.len(), texts(&alerts, "alert").len());
    assert!(rules.len() >= 8);
    for rule in alerts["groups"][0]["rules"].as_array().unwrap() {
        let annotations = &rule["annotations"];
        assert!(annotations["summary"].is_string() && annotations["action"].is_string(), "{rule}");
        assert!(rule["labels"]["severity"].is_string(), "{rule}");
    }
    expressions.extend(rules);
    let used: BTreeSet<String> = expressions.iter().flat_map(|text| metrics_in(text)).collect();
    let unknown: Vec<&String> = used.difference(&series).collect();
    assert!(unknown.is_empty(), "they name {unknown:?}, which no server shows");
}

#[test]
fn the_dashboard_draws_every_panel_from_a_query() {
    let dashboard: Value = serde_json::from_str(&text("grafana/postroom.json")).unwrap();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels have one id");
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{}", panel["title"]);
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{panel}");
    }
}

/// The manifests' selectors fit their pods, and nothing is named that is not there.
#[test]
fn kubernetes_manifests_fit_together() {
    let kustomization = yaml("kubernetes/kustomization.yaml");
    let files = kustomization["resources"].as_array().unwrap();
    let resources: Vec<Value> =
        files.iter().map(|file| yaml(&format!("kubernetes/{}", file.as_str().unwrap()))).collect();
    let of = |kind: &str| resources.iter().find(|resource| resource["kind"] == kind).unwrap();
    let deployment = of("Deployment");
    let pod = &deployment["spec"]["template"];
    let labels = &pod["metadata"]["labels"];
    assert_eq!(deployment["spec"]["selector"]["matchLabels"], *labels);
    assert_eq!(of("Service")["spec"]["selector"], *labels);
    assert_eq!(of("PodDisruptionBudget")["spec"]["selector"]["matchLabels"], *labels);
    assert_eq!(of("NetworkPolicy")["spec"]["podSelector"]["matchLabels"], *labels);

    let container = &pod["spec"]["containers"][0];
    let drain_ms = drain_ms(&text("kubernetes/postroom.toml"));
    let grace = pod["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap();
    assert!(grace * 1000 > drain_ms, "it would be killed while it drains");
    let port = container["ports"][0]["containerPort"].to_string();
    assert!(text("kubernetes/postroom.toml").contains(&format!(":{port}\"")));
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], true);
    // The image's own user.
    let user = pod["spec"]["securityContext"]["runAsUser"].to_string();
    assert!(text("Dockerfile").contains(&format!("USER {user}:")));

    // Where there is a client that can build it, it must.
    let build = Command::new("kubectl").arg("kustomize").arg(deploy("kubernetes")).output();
    if let Ok(output) = build {
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("kind: ConfigMap"), "{output:?}");
    }
}

fn drain_ms(config: &str) -> i64 {
    let config: toml::Table = toml::from_str(config).unwrap();
    config["limits"]["drain_ms"].as_integer().unwrap()
}

#[tokio::test]
async fn the_settings_of_every_file_are_understood() {
    let home = support::Home::with_config(&text("kubernetes/postroom.toml"));
    let mut command = home.command(&["serve", "--print-config"]);
    command.env("POSTROOM_STORE__URL", "postgres://u@h/d");
    support::finish(command).await.ok();

    let compose = yaml("compose.yaml");
    let server = &compose["services"]["postroom"];
    let mut command = support::Home::new().command(&["serve", "--print-config"]);
    for (name, value) in server["environment"].as_object().unwrap() {
        // As Compose fills them in.
        let value = value
            .as_str()
            .unwrap()
            .replace("${POSTGRES_PASSWORD:?write it into deploy/.env}", "hush-of-the-test");
        if !value.contains("${") {
            command.env(name, value);
        }
    }
    let home = support::Home::new();
    command.current_dir(home.path(""));
    let said = support::finish(command).await.ok();
    assert!(
        said.stdout.contains("nats://nats:4222") && !said.stdout.contains("hush-of-the-test"),
        "{said:?}"
    );
    for port in server["ports"].as_array().unwrap() {
        let port = port.as_str().unwrap();
        assert!(port.starts_with("127.0.0.1:"), "keys travel without TLS: {port}");
    }
    for name in server["depends_on"].as_object().unwrap().keys() {
        assert!(compose["services"][name].is_object(), "{name}");
    }
}

/// A Dockerfile's instructions, continued lines joined.
#[test]
fn the_image_runs_as_nobody_and_knows_its_health() {
    let text = text("Dockerfile").replace("\\\n", " ");
    let instruction = |name: &str| -> Vec<String> {
        let rest = |line: &str| line.trim().strip_prefix(name).map(|rest| rest.trim().to_owned());
        text.lines().filter_map(rest).collect()
    };
    let stages = instruction("FROM ");
    assert_eq!(stages.len(), 2, "a small image is not the one that builds: {stages:?}");
    assert_eq!(instruction("USER ").last().map(String::as_str), Some("10001:10001"));
    assert!(text.contains("CMD [\"postroom\", \"health\"]"));
    let variables = instruction("ENV ").join(" ");
    assert!(variables.contains("POSTROOM_SERVER__LISTEN=0.0.0.0:8321"), "{variables}");
    let rust = std::fs::read_to_string(deploy("../rust-toolchain.toml")).unwrap();
    let version = stages[0].split(':').nth(1).unwrap().split('-').next().unwrap();
    assert!(rust.contains(version), "the image builds with {version}: {rust}");
}

/// What the unit leaves open is little, and systemd itself says so.
#[test]
fn the_unit_is_hardened_and_systemd_takes_it() {
    let unit = text("systemd/postroom.service");
    assert!(unit.contains("TimeoutStopSec=45"), "longer than limits.drain_ms");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("postroom.service");
    let installed = unit.replace("/usr/local/bin/postroom", env!("CARGO_BIN_EXE_postroom"));
    std::fs::write(&path, installed).unwrap();
    for line in
        ["User=postroom", "NoNewPrivileges=true", "ProtectSystem=strict", "CapabilityBoundingSet="]
    {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
    // Where systemd is, it must have nothing to say against it.
    let verified = Command::new("systemd-analyze").arg("verify").arg(&path).output();
    let Ok(verified) = verified else { return };
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success() && !said.contains("Unknown"), "{said}");
    // In tenths: 100 is all that there is.
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--offline=true", "--threshold=20"]).arg(&path);
    let open = command.output().unwrap();
    assert!(open.status.success(), "{}", String::from_utf8_lossy(&open.stdout));
}

/// Who can reach a server that was set up with these files needs a key: it does not start without one.
#[test]
fn nothing_that_is_shipped_serves_strangers() {
    for path in
        ["Dockerfile", "compose.yaml", "kubernetes/postroom.toml", "kubernetes/deployment.yaml"]
    {
        assert!(!text(path).replace('-', "_").contains("insecure_no_keys"), "{path}");
    }
    for path in ["Dockerfile", "compose.yaml", "kubernetes/kustomization.yaml"] {
        assert!(text(path).contains("keys create --scope admin"), "{path}");
    }
}
