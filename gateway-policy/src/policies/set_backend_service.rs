//! `set-backend-service`: chooses where the request goes.
//!
//! Source: "Set backend service" policy page; `policies.md` §7.4. Scheme, host, port and base path change;
//! the operation's path (or the rewritten one) is appended.

use std::sync::Arc;

use super::{
    Flow, Policy, PolicyDef,
    def::{ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    context::Url,
    effect::{Effect, Outcome, SelectedBackend},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{FromValue, Setting, optional},
    url::{self, join_path, path_after},
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("set-backend-service", "Chooses the backend of the request.").attributes(&[
        attr(
            "base-url",
            "URL of the backend; the operation's path is appended.",
        )
        .expression(),
        attr("backend-id", "Id of a backend entity; `dapr` for the Dapr form.").expression(),
        attr("dapr-app-id", "Name of the target microservice.").expression(),
        attr("dapr-method", "Method of the microservice to call.").expression(),
        attr("dapr-namespace", "Namespace the microservice lives in.").expression(),
        attr("sf-resolve-condition", "Service Fabric; not supported.").expression(),
        attr("sf-service-instance-name", "Service Fabric; not supported.").expression(),
        attr("sf-partition-key", "Service Fabric; not supported.").expression(),
        attr("sf-replica-type", "Service Fabric; not supported.").expression(),
        attr("sf-listener-name", "Service Fabric; not supported.").expression(),
    ]),
    sections: Sections::I.and(Sections::B),
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<set-backend-service base-url="https://backend.example.com/v2" />"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    if let Some(fabric) = node.element.attributes.iter().find(|a| a.name.starts_with("sf-")) {
        let message = format!(
            "`{}`: Service Fabric backends are not supported by this gateway",
            fabric.name
        );
        let help = "give the service's address with `base-url`";
        compiler.report(Finding::on(node.element, "unsupported-attribute", message).help(help));
        return None;
    }
    let policy = match (node.has("base-url"), node.has("backend-id")) {
        (true, false) => SetBackendService::Url(compiler.attribute(node, "base-url")?),
        (false, true) if node.has("dapr-app-id") => {
            let app_id = compiler.attribute(node, "dapr-app-id");
            let method = compiler.attribute(node, "dapr-method");
            let namespace = compiler.attribute(node, "dapr-namespace");
            let Some(method) = method else {
                let message = "the Dapr form needs the attribute `dapr-method`";
                compiler.report(Finding::on(node.element, "missing-attribute", message));
                return None;
            };
            SetBackendService::Dapr {
                app_id: app_id?,
                method,
                namespace,
            }
        }
        (false, true) => SetBackendService::Backend(compiler.attribute(node, "backend-id")?),
        _ => {
            let message = "`set-backend-service` needs either `base-url` or `backend-id`";
            compiler
                .report(Finding::on(node.element, "missing-attribute", message).help("give one of the two"));
            return None;
        }
    };
    compiler.policy(policy);
    Some(())
}

#[derive(Debug)]
enum SetBackendService {
    Url(Setting<BaseUrl>),
    Backend(Setting<Arc<str>>),
    Dapr {
        app_id: Setting<Arc<str>>,
        method: Setting<Arc<str>>,
        namespace: Option<Setting<Arc<str>>>,
    },
}

/// A parsed `base-url`; the query of one is not used.
#[derive(Clone, Debug)]
struct BaseUrl(Url);

impl FromValue for BaseUrl {
    fn literal(text: &str) -> Result<Self, String> {
        url::parse(text).map(Self)
    }
}

/// Where the Dapr sidecar listens.
pub(super) const DAPR_PORT: u16 = 3500;

impl Policy for SetBackendService {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        match self {
            SetBackendService::Url(base) => {
                let BaseUrl(base) = base.get(run)?.into_owned();
                run.detail("base-url", || url::to_text(&base));
                // An inherited backend-id can only be overridden by another backend-id.
                let inherited = run.exchange.backend_scope.is_some_and(|s| s != run.scope);
                if !inherited {
                    run.context.backend = None;
                    run.exchange.backend_scope = None;
                    move_to(run, base);
                }
                Ok(Flow::Next)
            }
            SetBackendService::Backend(id) => {
                let id = id.get(run)?.into_owned();
                run.detail("backend-id", || id.to_string());
                Ok(Flow::Ask(Effect::SelectBackend(id)))
            }
            SetBackendService::Dapr {
                app_id,
                method,
                namespace,
            } => {
                let (app_id, method) = (app_id.get(run)?.into_owned(), method.get(run)?.into_owned());
                let namespace = optional(namespace.as_ref(), run)?;
                let target = namespace.map_or_else(|| app_id.to_string(), |n| format!("{app_id}.{}", *n));
                let port = run.context.deployment.dapr_port.unwrap_or(DAPR_PORT);
                let url = &mut run.context.request.url;
                (url.scheme, url.host, url.port) = ("http".into(), "localhost".into(), port);
                url.path = join_path(&format!("/v1.0/invoke/{target}/method"), &method);
                run.context.backend = None;
                Ok(Flow::Next)
            }
        }
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        match outcome {
            Outcome::Backend(SelectedBackend { backend, url }) => {
                run.context.backend = Some(backend);
                run.exchange.backend_scope = Some(run.scope);
                if let Some(base) = url {
                    move_to(run, base);
                }
                Ok(Flow::Next)
            }
            other => Err(run.unexpected(other)),
        }
    }
}

/// Replaces the base of the request's URL, keeping the operation's path and the query.
fn move_to(run: &mut Run<'_>, base: Url) {
    let old = match (&run.exchange.base, run.context.api.as_deref()) {
        (Some(base), _) => base.path.as_str(),
        (None, Some(api)) => api.service_url.as_ref().map_or("", |u| &u.path),
        (None, None) => "",
    };
    let path = join_path(&base.path, path_after(old, &run.context.request.url.path));
    let url = &mut run.context.request.url;
    (url.scheme, url.host, url.port, url.path) = (base.scheme.clone(), base.host.clone(), base.port, path);
    run.exchange.base = Some(Box::new(base));
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_documents, check_load, document};

    #[test]
    fn the_base_changes_and_path_and_query_stay() {
        for (base, expected) in [
            (
                "https://other.example.com",
                "https://other.example.com/items/42?x=1",
            ),
            ("http://other:8080/v2/", "http://other:8080/v2/items/42?x=1"),
            ("https://other/v2?ignored=1", "https://other/v2/items/42?x=1"),
        ] {
            let text = format!("<set-backend-service base-url='{base}'/>");
            check("inbound", &text, &[], &format!("forward {expected}; 200"));
        }
        check(
            "inbound",
            "<set-backend-service base-url='http://a/b'/><set-backend-service base-url='http://c'/>",
            &[],
            "forward http://c/items/42?x=1; 200",
        );
    }

    #[test]
    fn a_backend_entity_is_asked_for() {
        let text = "<set-backend-service backend-id='one'/>";
        check(
            "inbound",
            text,
            &["backend one"],
            "select one; forward http://one.example.com:8080/pool/items/42?x=1; 200",
        );
        check(
            "inbound",
            text,
            &["refused"],
            "select one; 500 set-backend-service/BackendConnectionFailure",
        );
    }

    #[test]
    fn an_inherited_backend_id_beats_a_url_but_not_another_id() {
        let api = document("inbound", "<set-backend-service backend-id='one'/>");
        for (policy, answers, expected) in [
            (
                "base-url='http://c'",
                &["backend one"][..],
                "select one; forward http://one.example.com:8080/pool/items/42?x=1; 200",
            ),
            (
                "backend-id='two'",
                &["backend one", "backend two"],
                "select one; select two; forward http://two.example.com:8080/pool/items/42?x=1; 200",
            ),
        ] {
            let operation = document("inbound", &format!("<base/><set-backend-service {policy}/>"));
            check_documents(
                [None, None, Some(&api), Some(&operation)],
                |_| {},
                answers,
                expected,
            );
        }
    }

    #[test]
    fn the_dapr_form_addresses_the_sidecar() {
        check(
            "inbound",
            "<set-backend-service backend-id='dapr' dapr-app-id='cart' dapr-method='list' dapr-namespace='shop'/>",
            &[],
            "forward http://localhost:3500/v1.0/invoke/cart.shop/method/list?x=1; 200",
        );
    }

    #[test]
    fn mistakes_refuse_the_document() {
        for (attributes, expected) in [
            (
                "",
                "missing-attribute: `set-backend-service` needs either `base-url` or `backend-id`",
            ),
            (
                "base-url='/x'",
                "bad-value: `base-url` of `set-backend-service` must be an absolute URL such as `https://host/path`",
            ),
            (
                "backend-id='dapr' dapr-app-id='x'",
                "missing-attribute: the Dapr form needs the attribute `dapr-method`",
            ),
            (
                "backend-id='f' sf-replica-type='primary'",
                "unsupported-attribute: `sf-replica-type`: Service Fabric backends are not supported by this gateway",
            ),
        ] {
            check_load(
                "inbound",
                &format!("<set-backend-service {attributes}/>"),
                expected,
            );
        }
    }
}
