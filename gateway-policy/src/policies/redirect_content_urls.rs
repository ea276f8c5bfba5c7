//! `redirect-content-urls`: makes links in a body point to the gateway instead of the backend, and back.
//!
//! Source: "Mask URLs in content" policy page; `policies.md` §7.11. In outbound the backend's base URL becomes the
//! gateway's; in inbound it is the reverse. Headers are not touched.

use super::{
    Flow, Policy, PolicyDef,
    def::ElementDef,
    find_and_replace::{contains, replace},
    set_body,
};
use crate::{
    compile::{Compiler, Node},
    context::{Body, Url},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    url::to_text,
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "redirect-content-urls",
        "Makes links in the body point to the gateway.",
    ),
    sections: Sections::I.and(Sections::O),
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: true,
    example: "<redirect-content-urls />",
    build,
};

fn build(compiler: &mut Compiler<'_>, _node: Node<'_>) -> Option<()> {
    compiler.need_current_body();
    compiler.policy(RedirectContentUrls);
    Some(())
}

#[derive(Debug)]
struct RedirectContentUrls;

/// A URL without query and closing slash: what links start with.
fn base(url: &Url, path: &str) -> String {
    let url = Url {
        path: path.trim_end_matches('/').to_owned(),
        query: String::new(),
        ..url.clone()
    };
    to_text(&url)
}

impl Policy for RedirectContentUrls {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let api = run.context.api.as_deref();
        let service = run
            .exchange
            .base
            .as_deref()
            .or(api.and_then(|a| a.service_url.as_ref()));
        let Some(service) = service else {
            return Ok(Flow::Next);
        };
        let backend = base(service, &service.path);
        let public_path = format!("/{}", api.map_or("", |a| &a.path));
        let gateway = base(&run.context.request.original_url, &public_path);
        let (from, to) = if run.section.edits_request() {
            (gateway, backend)
        } else {
            (backend, gateway)
        };
        run.detail("from", || from.clone());
        run.detail("to", || to.clone());
        let Body::Buffered(bytes) = run.body() else {
            return Ok(Flow::Next);
        };
        if !contains(bytes, from.as_bytes()) {
            return Ok(Flow::Next);
        }
        let replaced = replace(bytes, from.as_bytes(), to.as_bytes());
        set_body::frame(run.headers(), replaced.len());
        *run.body() = Body::Buffered(replaced.into());
        Ok(Flow::Next)
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_with};

    #[test]
    fn links_point_to_the_gateway_on_the_way_out_and_to_the_backend_on_the_way_in() {
        let text = "<redirect-content-urls/>";
        check(
            "outbound",
            text,
            &["200 see https://backend.example.com/base/items/1"],
            "forward; 200 content-length: 40 'see https://api.contoso.com/echo/items/1'",
        );
        check("outbound", text, &["200 nothing"], "forward; 200 'nothing'");
        check_with(
            "inbound",
            text,
            |c| c.request.body = crate::context::Body::Buffered("https://api.contoso.com/echo/1".into()),
            &[],
            "forward content-length: 34 'https://backend.example.com/base/1'; 200",
        );
    }
}
