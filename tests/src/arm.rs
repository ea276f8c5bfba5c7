//! The stand-in for the management API (`tests/arm/stand_in.py`) and the Python environment that it and Microsoft's
//! SDKs run in.
//!
//! The stand-in is not Azure: it holds real entities (an artifact folder) and behaves as the documented surface does.
//! That it does is checked by the SDKs, in `tests/tests/arm.rs`.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{
    certs::{Authority, Leaf},
    client::{Ask, curl},
    lab::Host,
    process::{Process, find, run},
    scene::workspace,
    wait,
};

/// What the environment needs from PyPI: the SDKs, a reader of YAML, and what makes certificates out of PFX.
const PACKAGES: [&str; 6] = [
    "azure-mgmt-apimanagement",
    "azure-identity",
    "azure-keyvault-secrets",
    "azure-keyvault-certificates",
    "cryptography",
    "pyyaml",
];
/// A Python on a busy machine takes its time to import.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// Subscription of the stand-in's service.
pub const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
/// Its resource group.
pub const GROUP: &str = "rg";
/// Its name.
pub const SERVICE: &str = "contoso";
/// The tenant whose tokens it takes.
pub const TENANT: &str = "11111111-1111-1111-1111-111111111111";
/// An application of that tenant, and its secret.
pub const CLIENT: (&str, &str) = ("app", "s3cr&t=");
/// What the application's federated token says.
pub const FEDERATED: &str = "the.federated.token";

/// The Python of an environment under `target/`, made on first use; the error is the reason to skip.
pub fn python() -> std::result::Result<PathBuf, String> {
    static MADE: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    MADE.get_or_init(make_python).clone()
}

fn make_python() -> std::result::Result<PathBuf, String> {
    let folder = workspace().join("target/venv-azure");
    let python = folder.join("bin/python");
    let whole = folder.join("whole");
    if whole.exists() {
        return Ok(python);
    }
    let base = find("python3").ok_or("python3 is not installed (package python3)")?;
    let made = run(Command::new(base).args(["-m", "venv"]).arg(&folder));
    made.map_err(|error| format!("no Python environment can be made (package python3-venv): {error:#}"))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    run(pip.args(PACKAGES)).map_err(|error| format!("PyPI cannot be reached: {error:#}"))?;
    std::fs::write(&whole, "").map_err(|error| error.to_string())?;
    Ok(python)
}

/// A running stand-in.
#[derive(Debug)]
pub struct StandIn {
    /// The process.
    pub process: Process,
    /// Where it answers.
    pub port: u16,
    /// Its own host.
    pub host: Host,
    authority: PathBuf,
}

/// How a stand-in is started.
#[derive(Debug)]
pub struct Start<'a> {
    /// Where it runs.
    pub host: &'a Host,
    /// Port; 0: any.
    pub port: u16,
    /// The artifact folder that is the service.
    pub folder: &'a Path,
    /// The file with keys and secret values.
    pub secrets: &'a Path,
    /// Scratch for its log and certificates.
    pub scratch: &'a Path,
    /// Who signs its certificate.
    pub authority: &'a Authority,
    /// The certificate that the application signs in with.
    pub application: Option<&'a Path>,
    /// Items of a page.
    pub page: u32,
}

impl StandIn {
    /// Starts it and waits until it listens.
    pub fn start(start: &Start<'_>) -> Result<Self> {
        let python = python().map_err(anyhow::Error::msg)?;
        let address = start.host.address.to_string();
        let Leaf { chain, key } = start.authority.leaf("stand-in", &["localhost", &address])?;
        let (client, secret) = CLIENT;
        let arguments = json!({
            "folder": start.folder, "secrets": start.secrets, "address": address, "port": start.port,
            "certificate": chain, "key": key, "page": start.page, "tenant": TENANT,
            "arc_folder": start.scratch,
            "clients": { client: { "secret": secret, "certificate": start.application, "federated": FEDERATED } },
        });
        let mut command = start.host.command(python);
        command
            .arg(workspace().join("tests/arm/stand_in.py"))
            .arg(arguments.to_string());
        let log = start.scratch.join("stand-in.log");
        let mut process = Process::spawn("stand-in", command, &log)?;
        let port = wait::until("the stand-in to listen", START_DEADLINE, || {
            if process.ended().is_some() {
                return Some(None);
            }
            let line = process.output().lines().next()?.to_owned();
            let told: Value = serde_json::from_str(&line).ok()?;
            Some(u16::try_from(told["port"].as_u64()?).ok())
        })?;
        let Some(port) = port else {
            bail!("the stand-in ended: {}", process.tail(20));
        };
        Ok(Self {
            process,
            port,
            host: start.host.clone(),
            authority: start.authority.certificate(),
        })
    }

    /// Its address, as settings name it.
    pub fn endpoint(&self) -> String {
        format!("https://{}:{}", self.host.address, self.port)
    }

    /// The settings of a node or a hub that reads it with a client secret.
    pub fn settings(&self) -> Vec<(String, String)> {
        [
            ("config.arm.service", SERVICE.to_owned()),
            ("config.arm.subscription", SUBSCRIPTION.to_owned()),
            ("config.arm.resource-group", GROUP.to_owned()),
            ("config.arm.endpoint", self.endpoint()),
            ("config.arm.vault", format!("{}:{}", self.host.address, self.port)),
            ("config.arm.rate", "200".to_owned()),
            ("config.arm.sweep.interval", "1s".to_owned()),
            ("config.arm.secrets.interval", "1s".to_owned()),
            ("config.service.auth.azureAd.tenantId", TENANT.to_owned()),
            ("config.service.auth.azureAd.clientId", CLIENT.0.to_owned()),
            ("config.service.auth.azureAd.clientSecret", CLIENT.1.to_owned()),
            ("config.service.auth.azureAd.authority", self.endpoint()),
            ("certificates.local.ca.enabled", "true".to_owned()),
            ("certificates.local.ca.path", self.authority.display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Changes how it behaves.
    pub fn control(&self, change: &Value) -> Result<()> {
        let answer = self.ask("POST", &["--data".to_owned(), change.to_string()])?;
        anyhow::ensure!(answer.status == 200, "{}", answer.body);
        Ok(())
    }

    /// What it was asked so far.
    pub fn report(&self) -> Result<Value> {
        serde_json::from_str(&self.ask("GET", &[])?.body).context("the report is not JSON")
    }

    fn ask(&self, method: &'static str, options: &[String]) -> Result<crate::client::Answer> {
        let mut all = options.to_vec();
        all.extend(["--cacert".to_owned(), self.authority.display().to_string()]);
        curl(
            &self.host,
            &Ask {
                method,
                url: format!("{}/stand-in", self.endpoint()),
                options: all,
                ..Ask::default()
            },
        )
    }
}
