//! `cross-domain`: serves the cross-domain policy file to Flash and Silverlight clients.
//!
//! Source: "Allow cross-domain calls" policy page; `policies.md` §5. Its content is Adobe's file format. It stands at
//! global scope and answers `GET /crossdomain.xml`, which belongs to no API; other requests pass it by.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};

use super::{
    Flow, Policy, PolicyDef,
    def::{Child, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Node},
    context::{Body, Response},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
};

static SITE_CONTROL: ElementDef = ElementDef::new("site-control", "Which other policy files count.")
    .attributes(&[attr("permitted-cross-domain-policies", "Which ones.")]);
static ACCESS: ElementDef =
    ElementDef::new("allow-access-from", "A domain that may read data.").attributes(&[
        attr("domain", "The domain, `*` for all.").required(),
        attr("to-ports", "Ports, for sockets."),
        attr("secure", "Only clients loaded over HTTPS."),
    ]);
static HEADERS: ElementDef = ElementDef::new(
    "allow-http-request-headers-from",
    "A domain that may send headers.",
)
.attributes(&[
    attr("domain", "The domain, `*` for all.").required(),
    attr("headers", "Their names, `*` for all.").required(),
    attr("secure", "Only clients loaded over HTTPS."),
]);
static CERTIFICATE: ElementDef = ElementDef::new("certificate", "Fingerprint of a signer.").attributes(&[
    attr("fingerprint", "The fingerprint.").required(),
    attr("fingerprint-algorithm", "Its algorithm.").required(),
]);
static SIGNATORY: ElementDef =
    ElementDef::new("signatory", "Who signs.").children(&[Child::optional(&CERTIFICATE)]);
static IDENTITY: ElementDef = ElementDef::new(
    "allow-access-from-identity",
    "Signed documents that may read data.",
)
.children(&[Child::any(&SIGNATORY)]);

static FILE_CHILDREN: &[Child] = &[
    Child::optional(&SITE_CONTROL),
    Child::any(&ACCESS),
    Child::any(&HEADERS),
    Child::any(&IDENTITY),
];
static FILE: ElementDef =
    ElementDef::new("cross-domain-policy", "The root of the file.").children(FILE_CHILDREN);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("cross-domain", "Serves `/crossdomain.xml`.").children(&[
        Child::optional(&FILE),
        Child::optional(&SITE_CONTROL),
        Child::any(&ACCESS),
        Child::any(&HEADERS),
        Child::any(&IDENTITY),
    ]),
    sections: Sections::I,
    tolerated: Sections::I,
    scopes: Scopes::GLOBAL,
    once: false,
    example: r#"<cross-domain>
    <cross-domain-policy>
        <allow-http-request-headers-from domain="*" headers="*" />
    </cross-domain-policy>
</cross-domain>"#,
    build,
};

/// Where clients look for the file.
const PATH: &str = "/crossdomain.xml";

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let root = node.child("cross-domain-policy").unwrap_or(node);
    let mut file = String::from("<?xml version=\"1.0\"?>\n<cross-domain-policy>");
    for child in &root.element.children {
        write(compiler, child, &mut file);
    }
    file.push_str("</cross-domain-policy>");
    compiler.policy(CrossDomain { file: file.into() });
    Some(())
}

/// The element as it stands, named values put in. The tables bound how deep it nests.
fn write(compiler: &mut Compiler<'_>, element: &crate::document::Element, out: &mut String) {
    out.push('<');
    out.push_str(&element.name);
    for attribute in element.attributes.iter().filter(|a| a.name != "id") {
        let value = compiler.substituted(element, &attribute.value);
        out.push(' ');
        out.push_str(&attribute.name);
        out.push_str("=\"");
        for c in value.as_str().chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '"' => out.push_str("&quot;"),
                c => out.push(c),
            }
        }
        out.push('"');
    }
    out.push('>');
    for child in &element.children {
        write(compiler, child, out);
    }
    out.push_str("</");
    out.push_str(&element.name);
    out.push('>');
}

#[derive(Debug)]
struct CrossDomain {
    file: Arc<str>,
}

impl Policy for CrossDomain {
    /// Requests of an API have nothing to do with the file.
    fn run(&self, _run: &mut Run<'_>) -> Result<Flow, Failure> {
        Ok(Flow::Next)
    }

    fn file(&self, path: &str) -> Option<Response> {
        if path != PATH {
            return None;
        }
        let mut response = Response {
            status: StatusCode::OK,
            body: Body::Buffered(self.file.as_bytes().to_vec().into()),
            ..Response::default()
        };
        let kind = HeaderValue::from_static("text/x-cross-domain-policy");
        response.headers.insert(header::CONTENT_TYPE, kind);
        Some(response)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::{
        context::Body,
        program::Program,
        scope::Scope,
        test_support::{check_documents, check_load, compile, document},
    };

    const FILE: &str = "<cross-domain-policy><allow-access-from domain='a&amp;b'/></cross-domain-policy>";

    fn file(text: &str, path: &str) -> Option<String> {
        let doc = compile(&document("inbound", text), Scope::Global).unwrap();
        let program = Program::compose([Some(Arc::new(doc)), None, None, None]);
        program.file(path).map(|response| match response.body {
            Body::Buffered(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn the_file_is_served_at_its_path_only() {
        let expected = "<?xml version=\"1.0\"?>\n<cross-domain-policy><allow-access-from domain=\"a&amp;b\"></allow-access-from></cross-domain-policy>";
        let text = format!("<cross-domain>{FILE}</cross-domain>");
        assert_eq!(file(&text, "/crossdomain.xml").as_deref(), Some(expected));
        assert_eq!(file(&text, "/other"), None);
        assert_eq!(file("", "/crossdomain.xml"), None);
        let bare = "<cross-domain><allow-access-from domain='a&amp;b'/></cross-domain>";
        assert_eq!(file(bare, "/crossdomain.xml").as_deref(), Some(expected));
    }

    #[test]
    fn requests_of_apis_pass_it_by() {
        let text = document("inbound", &format!("<cross-domain>{FILE}</cross-domain>"));
        check_documents([Some(&text), None, None, None], |_| {}, &[], "forward; 200");
    }

    #[test]
    fn it_stands_at_global_scope() {
        check_load(
            "inbound",
            "<cross-domain/>",
            "not-allowed-here: `cross-domain` is not allowed at api scope",
        );
    }
}
