//! Which source over a network a node follows, by its settings.

use std::path::Path;

use gateway_config::{Settings, events::TreeBounds, settings::Auth};

use super::{StartError, certificates};
use crate::{
    sync::{
        self,
        backup::Store,
        http::Client,
        remote::{Hub, HubSettingError, Remote, Unusable},
        tree::Bounds,
    },
    tls,
    upstream::tls::ClientTls,
};

/// Makes `task` follow what the settings name. A folder of artifacts wins: it needs no network.
pub(super) fn follow(settings: &Settings, task: sync::Task) -> Result<sync::Task, StartError> {
    let config = &settings.config;
    let Some(endpoint) = config
        .endpoint
        .as_deref()
        .filter(|_| config.artifacts_path.is_none())
    else {
        return Ok(task);
    };
    let authorities = certificates::authorities(&settings.client);
    let (roots, ignored) = ClientTls::roots(authorities.iter().map(|der| &**der));
    if ignored > 0 {
        tracing::warn!(
            event = "AuthoritiesUnreadable",
            ignored,
            "some certificate authorities cannot be used"
        );
    }
    let client = Client::new(
        &tls::provider(),
        roots,
        !config.disable_certificate_validation,
        config.timeout,
    )
    .map_err(|error| StartError::System {
        what: "TLS cannot be set up",
        source: std::io::Error::other(error),
    })?;
    let bounds = Bounds::default();
    let bounds = TreeBounds {
        files: bounds.files,
        bytes: bounds.total_bytes,
    };
    let hub = token(&config.auth).and_then(|token| Hub::new(client, endpoint, token, bounds));
    let remote: Box<dyn Remote> = match hub {
        Ok(hub) => Box::new(hub),
        Err(error) => Box::new(Unusable(error)),
    };
    let store = config
        .backup_path
        .as_deref()
        .map(|folder| {
            Store::open(
                Path::new(folder),
                config.backup_key_path.as_deref().map(Path::new),
            )
        })
        .transpose();
    Ok(task.following(remote, store))
}

fn token(auth: &Auth) -> Result<&str, HubSettingError> {
    let needs = |why: &str| Err(HubSettingError::Token(why.to_owned()));
    match auth {
        Auth::GatewayKey(token) => Ok(token.expose()),
        Auth::None => needs("it is missing; give the token of this gateway, `GatewayKey …`"),
        Auth::AzureAdApp | Auth::WorkloadIdentity => {
            needs("hubs know gateways by their token; give `GatewayKey …`")
        }
    }
}
