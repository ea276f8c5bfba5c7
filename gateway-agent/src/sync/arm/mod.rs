//! The management API (Azure Resource Manager) as a source of configuration.
//!
//! A round reads the lists, which show most changes, and looks at what lists do not show (documents, operations, keys)
//! in turns, the longest unseen first. Every call is paced: the service's own limits are shared with everybody who
//! uses the same identity. What was read stays when a round ends early, so that the next one goes on from there.
//! Source: `config-plane.md` §4-§8.

mod access;
mod ask;
mod pace;
mod round;
#[cfg(test)]
mod tests;
mod units;
mod vault;

use std::{sync::Arc, time::Duration};

use gateway_config::{
    FileTree,
    events::{Revision, TreeBounds},
};
use sha2::{Digest as _, Sha256};

use super::{
    backup::{Backup, Origin},
    http::Client,
    remote::{Fetched, Polling, Remote, RemoteError},
};
use crate::{identity::Source, telemetry::Metrics};

pub(crate) use access::Access;
use ask::Ask;
use round::Reading;

/// Letters and digits of a data set's identifier, as hubs have them.
const DATASET_LENGTH: usize = 15;

/// The clouds and their addresses (`config-plane.md` §5.1, §8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cloud {
    /// Management API.
    pub management: &'static str,
    /// Host names of Key Vaults end with it.
    pub vault: &'static str,
}

/// Azure's public cloud.
pub const PUBLIC: Cloud = Cloud {
    management: "https://management.azure.com",
    vault: "vault.azure.net",
};
/// Azure US Government.
pub const US_GOVERNMENT: Cloud = Cloud {
    management: "https://management.usgovcloudapi.net",
    vault: "vault.usgovcloudapi.net",
};
/// Azure China.
pub const CHINA: Cloud = Cloud {
    management: "https://management.chinacloudapi.cn",
    vault: "vault.azure.cn",
};

/// Which service is read, and how.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its cloud, for the audiences of tokens.
    pub cloud: Cloud,
    /// Address of the management API, without a slash at the end.
    pub endpoint: String,
    /// `/subscriptions/…/service/{name}`
    pub service: String,
    /// The gateway entity; `None`: all of them, for a hub.
    pub gateway: Option<Arc<str>>,
    /// Host (and port) that Key Vault addresses end with; tokens are never sent elsewhere.
    pub vault: String,
    /// Calls a second.
    pub rate: f64,
    /// How often a document that lists do not show is looked at.
    pub sweep: Duration,
    /// How often keys, secret values and certificates are fetched again.
    pub secrets: Duration,
}

impl Place {
    /// The id of a service.
    pub fn service_id(subscription: &str, group: &str, name: &str) -> String {
        format!(
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ApiManagement/service/{name}"
        )
    }
}

/// A service that is followed.
pub struct Arm {
    ask: Ask,
    reading: Reading,
    bounds: TreeBounds,
    dataset: String,
    revision: Revision,
    /// What was handed out last, or what the backup held.
    files: Option<FileTree>,
}

impl Arm {
    /// Follows the service at `place` with the tokens of `identity`.
    pub fn new(
        client: Client,
        identity: Source,
        place: Place,
        bounds: TreeBounds,
        metrics: Arc<Metrics>,
    ) -> Self {
        let dataset = dataset(&place);
        Self {
            ask: Ask::new(client, identity, place, metrics),
            reading: Reading::default(),
            bounds,
            dataset,
            revision: Revision(0),
            files: None,
        }
    }

    async fn read(&mut self) -> Result<Option<Fetched>, RemoteError> {
        let files = self.reading.round(&mut self.ask).await?;
        let bytes: u64 = files.values().map(|bytes| bytes.len() as u64).sum();
        if files.len() > self.bounds.files || bytes > self.bounds.bytes {
            return Err(RemoteError::Refused(format!(
                "the service holds {} files of {bytes} bytes, more than the bound of a configuration",
                files.len()
            )));
        }
        if self.files.as_ref() == Some(&files) {
            return Ok(None);
        }
        self.revision = Revision(self.revision.0.wrapping_add(1).max(1));
        self.files = Some(files.clone());
        Ok(Some(Fetched {
            files,
            version: (self.dataset.clone(), self.revision),
        }))
    }
}

/// The same service and gateway are the same data set after a restart.
fn dataset(place: &Place) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let seed = format!("{} {:?}", place.service.to_ascii_lowercase(), place.gateway);
    let digest = Sha256::digest(seed.as_bytes());
    digest
        .iter()
        .take(DATASET_LENGTH)
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect()
}

impl Remote for Arm {
    fn describe(&self) -> String {
        let place = self.ask.place();
        let name = place.service.rsplit('/').next().unwrap_or_default();
        match &place.gateway {
            Some(gateway) => format!(
                "management API {}, service {name}, gateway {gateway}",
                place.endpoint
            ),
            None => format!("management API {}, service {name}", place.endpoint),
        }
    }

    fn poll(&mut self) -> Polling<'_> {
        Box::pin(self.read())
    }

    fn restore(&mut self, backup: &Backup) {
        let Origin {
            dataset, revision, ..
        } = &backup.origin;
        if *dataset == self.dataset {
            self.revision = *revision;
            self.files = Some(backup.files.clone());
        }
    }

    fn remedy(&self, error: &RemoteError) -> Option<&'static str> {
        Some(match error {
            RemoteError::Unauthorised(_) => {
                "see that the identity has the role `API Management Service Reader Role` on the service, and the actions \
                 subscriptions/listSecrets and namedValues/listValue (docs/arm.md); traffic goes on"
            }
            RemoteError::Refused(_) => {
                "see config.arm.subscription, config.arm.resource-group, config.arm.service and gateway.name"
            }
            _ => return None,
        })
    }
}
