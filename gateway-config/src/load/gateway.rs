//! Which gateway entity this node is, and which APIs it serves.

use std::{collections::HashSet, sync::Arc};

use crate::{
    artifacts::{Artifacts, GatewayFolder},
    overlay::Overlay,
    problem::Problem,
    settings::{Auth, Settings},
    snapshot::GatewayEntity,
};

/// The gateway and its APIs.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) entity: GatewayEntity,
    /// Lower-case names of the APIs served; `None`: all.
    apis: Option<HashSet<String>>,
}

impl Gateway {
    /// The folder of this gateway, when there is one.
    pub(super) fn folder<'a>(&self, artifacts: &'a Artifacts) -> Option<&'a GatewayFolder> {
        let mut known = artifacts.gateways.iter();
        known
            .find(|(name, _)| name.eq_ignore_ascii_case(&self.entity.id))
            .map(|(_, folder)| folder)
    }

    /// Is the API (name without revision) served here?
    pub(super) fn serves(&self, name: &str) -> bool {
        self.apis
            .as_ref()
            .is_none_or(|apis| apis.contains(&name.to_lowercase()))
    }
}

/// Chooses the gateway: by setting, or by the name a gateway token carries. With `gateways/{name}` in the folder only
/// its APIs are served, else all, with a note.
pub(super) fn select(
    artifacts: &Artifacts,
    overlay: &Overlay,
    settings: &Settings,
    problems: &mut Vec<Problem>,
) -> Gateway {
    let name = name(settings);
    let service_name = overlay
        .service_name
        .clone()
        .or_else(|| service_name(settings))
        .unwrap_or_default();
    let mut out = Gateway {
        entity: GatewayEntity {
            id: name.clone().unwrap_or_default(),
            region: "".into(),
            service_name,
        },
        apis: None,
    };
    let Some(name) = name else {
        if !artifacts.gateways.is_empty() {
            let names: Vec<&str> = artifacts.gateways.keys().map(String::as_str).collect();
            let message = format!(
                "gateway.name is not set, so all APIs are served; set it to one of {} to serve only its APIs",
                names.join(", ")
            );
            problems.push(Problem::warning("no-gateway-name", "gateways", message));
        }
        return out;
    };
    let Some((id, folder)) = artifacts
        .gateways
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case(&name))
    else {
        let message = format!("the folder has no `gateways/{name}`, so all its APIs are served");
        problems.push(Problem::warning("gateway-not-in-folder", "gateways", message));
        return out;
    };
    if let Some(properties) = folder.info.as_ref().and_then(|i| i.properties.as_ref()) {
        let region = properties
            .get("locationData")
            .and_then(|l| l.get("name"))
            .and_then(|n| n.as_text());
        out.entity.region = region.unwrap_or("").into();
    }
    let known: HashSet<String> = artifacts.apis.keys().map(|a| a.to_lowercase()).collect();
    for (api, path) in &folder.apis {
        if !known.contains(&api.to_lowercase()) {
            let message = format!("there is no API `{api}` in the folder, so the link has no effect");
            problems.push(Problem::warning("dangling-link", path, message));
        }
    }
    if folder.apis.is_empty() {
        let message = format!("no API is assigned to gateway `{id}`, so everything answers 404");
        problems.push(Problem::warning("no-apis", &format!("gateways/{id}"), message));
    }
    out.apis = Some(folder.apis.keys().map(|a| a.to_lowercase()).collect());
    out
}

/// The setting, else the name inside `GatewayKey <name>&<expiry>&<signature>`.
fn name(settings: &Settings) -> Option<Arc<str>> {
    settings
        .gateway_name
        .clone()
        .or_else(|| match &settings.config.auth {
            Auth::GatewayKey(token) => {
                let (name, _) = token.expose().split_once('&')?;
                // A token is often copied together with its scheme, which then stands twice.
                Some(name.rsplit(' ').next().unwrap_or(name).into())
            }
            _ => None,
        })
}

/// `contoso` of `https://contoso.configuration.azure-api.net`.
fn service_name(settings: &Settings) -> Option<Arc<str>> {
    if let Some(service) = &settings.config.arm.service {
        return Some(Arc::clone(service));
    }
    let endpoint = settings.config.endpoint.as_deref()?;
    let host = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let name = host.split(['.', ':', '/']).next()?;
    (!name.is_empty()).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn names_from_setting_token_and_endpoint() {
        for (setting, token, endpoint, name_, service) in [
            (Some("g"), Some("other&x&y"), None, Some("g"), None),
            (None, Some("edge-1&202701010000&c2ln"), None, Some("edge-1"), None),
            (
                None,
                Some("GatewayKey edge-1&202701010000&c2ln"),
                None,
                Some("edge-1"),
                None,
            ),
            (None, Some("no ampersand"), None, None, None),
            (
                None,
                None,
                Some("https://contoso.configuration.azure-api.net/"),
                None,
                Some("contoso"),
            ),
            (
                None,
                None,
                Some("contoso.configuration.azure-api.net"),
                None,
                Some("contoso"),
            ),
            (None, None, Some("localhost:8443"), None, Some("localhost")),
            (None, None, None, None, None),
        ] {
            let mut settings = Settings {
                gateway_name: setting.map(Into::into),
                ..Settings::default()
            };
            settings.config.endpoint = endpoint.map(Into::into);
            if let Some(token) = token {
                settings.config.auth = Auth::GatewayKey(Secret::new(token));
            }
            assert_eq!(name(&settings).as_deref(), name_);
            assert_eq!(service_name(&settings).as_deref(), service);
        }
    }
}
