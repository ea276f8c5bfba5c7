//! Which source over a network a node or a hub follows, by its settings.

use std::{path::Path, sync::Arc};

use gateway_config::{
    Settings,
    events::TreeBounds,
    settings::{ArmCloud, Auth},
};

use super::{StartError, certificates, identity};
use crate::{
    identity::Source,
    sync::{
        self,
        arm::{self, Access, Arm, Cloud, Place},
        backup::{BackupError, Store},
        http::Client,
        remote::{Hub, HubSettingError, Remote, Unusable},
        tree::Bounds,
    },
    telemetry::Metrics,
    tls,
    upstream::tls::ClientTls,
};

/// Makes `task` follow what the settings name. A folder of artifacts wins: it needs no network.
pub(super) fn follow(
    settings: &Settings,
    task: sync::Task,
    metrics: &Arc<Metrics>,
) -> Result<sync::Task, StartError> {
    if settings.config.artifacts_path.is_some() {
        return Ok(task);
    }
    let remote = match management(settings, metrics)? {
        Some(remote) => Some(remote),
        None => hub(settings, metrics)?,
    };
    Ok(match remote {
        Some(remote) => task.following(remote, store(settings, settings.config.backup_path.as_deref())),
        None => task,
    })
}

/// The sealed store in `folder`.
pub(crate) fn store(settings: &Settings, folder: Option<&str>) -> Result<Option<Store>, BackupError> {
    let key = settings.config.backup_key_path.as_deref().map(Path::new);
    folder
        .map(|folder| Store::open(Path::new(folder), key))
        .transpose()
}

/// The management API, when the settings name a service.
pub(crate) fn management(
    settings: &Settings,
    metrics: &Arc<Metrics>,
) -> Result<Option<Box<dyn Remote>>, StartError> {
    let Some(place) = place(settings) else {
        return Ok(None);
    };
    let identity = identity::config(settings)?.source;
    let client = client(settings, true)?;
    let arm = Arm::new(client, identity, place, bounds(), Arc::clone(metrics));
    Ok(Some(Box::new(arm)))
}

fn place(settings: &Settings) -> Option<Place> {
    let given = &settings.config.arm;
    let cloud: Cloud = match given.cloud {
        ArmCloud::Public => arm::PUBLIC,
        ArmCloud::UsGovernment => arm::US_GOVERNMENT,
        ArmCloud::China => arm::CHINA,
    };
    let endpoint = given.endpoint.as_deref().unwrap_or(cloud.management);
    Some(Place {
        cloud,
        endpoint: endpoint.trim_end_matches('/').to_owned(),
        service: Place::service_id(
            given.subscription.as_deref()?,
            given.resource_group.as_deref()?,
            given.service.as_deref()?,
        ),
        gateway: settings.gateway_name.clone(),
        vault: given.vault.as_deref().unwrap_or(cloud.vault).to_ascii_lowercase(),
        rate: f64::from(given.rate),
        sweep: given.sweep,
        secrets: given.secrets,
    })
}

/// A hub, when the settings name an endpoint. What cannot be followed says why for as long as the node runs.
fn hub(settings: &Settings, metrics: &Arc<Metrics>) -> Result<Option<Box<dyn Remote>>, StartError> {
    let config = &settings.config;
    let Some(endpoint) = config.endpoint.as_deref() else {
        return Ok(None);
    };
    let client = client(settings, !config.disable_certificate_validation)?;
    let hub = match &config.auth {
        Auth::GatewayKey(token) => Hub::new(client, endpoint, token.expose(), bounds()),
        Auth::None => Err(HubSettingError::Token(
            "it is missing; give the token of this gateway, `GatewayKey …`, or azureAdApp or workloadIdentity".to_owned(),
        )),
        Auth::AzureAdApp | Auth::WorkloadIdentity => {
            let identity = signing_in(settings)?;
            let access = Access::new(client.clone(), identity, Arc::clone(metrics));
            let name = settings.gateway_name.as_deref().unwrap_or_default();
            Hub::with_identity(client, endpoint, name, access, &config.token_audience, bounds())
        }
    };
    Ok(Some(match hub {
        Ok(hub) => Box::new(hub),
        Err(error) => Box::new(Unusable(error)),
    }))
}

/// Who signs in to a hub: the application of the settings, or the pod.
fn signing_in(settings: &Settings) -> Result<Source, StartError> {
    let config = identity::config(settings)?;
    Ok(match settings.config.auth {
        Auth::WorkloadIdentity => config.workload.unwrap_or(config.source),
        _ => identity::application(settings)?.unwrap_or(config.source),
    })
}

fn bounds() -> TreeBounds {
    let bounds = Bounds::default();
    TreeBounds {
        files: bounds.files,
        bytes: bounds.total_bytes,
    }
}

/// A client that trusts the public authorities and those of `certificates.local.ca.path`.
pub(crate) fn client(settings: &Settings, validate: bool) -> Result<Client, StartError> {
    let authorities = certificates::authorities(&settings.client);
    let (roots, ignored) = ClientTls::roots(authorities.iter().map(|der| &**der));
    if ignored > 0 {
        tracing::warn!(
            event = "AuthoritiesUnreadable",
            ignored,
            "some certificate authorities cannot be used"
        );
    }
    Client::new(&tls::provider(), roots, validate, settings.config.timeout).map_err(|error| {
        StartError::System {
            what: "TLS cannot be set up",
            source: std::io::Error::other(error),
        }
    })
}

#[cfg(test)]
mod tests {
    use gateway_config::settings::{self, RawSetting};

    use super::*;

    #[track_caller]
    fn described(given: &[(&str, &str)]) -> String {
        let raw: Vec<RawSetting> = given
            .iter()
            .map(|(name, value)| RawSetting {
                origin: settings::ENVIRONMENT.into(),
                name: (*name).to_owned(),
                value: (*value).to_owned(),
                line: 0,
            })
            .collect();
        let (settings, problems) = settings::parse(&raw);
        if let Some(problem) = problems.first() {
            return problem.message.clone();
        }
        let metrics = Metrics::new().unwrap();
        let remote = management(&settings, &metrics).unwrap();
        let remote = remote.or_else(|| hub(&settings, &metrics).unwrap());
        remote.map_or_else(|| "none".to_owned(), |remote| remote.describe())
    }

    #[test]
    fn the_settings_choose_the_source() {
        let service = [
            ("config.arm.service", "contoso"),
            ("AZURE_SUBSCRIPTION_ID", "s"),
            ("AZURE_RESOURCE_GROUP_NAME", "g"),
        ];
        let cloud = |name| [service[0], service[1], service[2], ("config.arm.cloud", name)];
        let named = [service[0], service[1], service[2], ("gateway.name", "edge")];
        let closed = ("config.service.endpoint", "contoso.configuration.azure-api.net");
        for (given, expected) in [
            (
                &service[..],
                "management API https://management.azure.com, service contoso",
            ),
            (&named[..], "gateway edge"),
            (
                &cloud("AzureChinaCloud")[..],
                "https://management.chinacloudapi.cn",
            ),
            (
                &cloud("AzureUSGovernment")[..],
                "https://management.usgovcloudapi.net",
            ),
            (&cloud("AzureMoonCloud")[..], "none of AzurePublicCloud"),
            (&service[..1], "config.arm.service needs config.arm.subscription"),
            (
                &service[..2],
                "config.arm.service needs config.arm.resource-group",
            ),
            (&[closed][..], "none that can be followed"),
            (
                &[closed, service[0], service[1], service[2]][..],
                "management API",
            ),
            (&[][..], "none"),
        ] {
            let found = described(given);
            assert!(found.contains(expected), "{given:?}: {found}");
        }
    }
}
