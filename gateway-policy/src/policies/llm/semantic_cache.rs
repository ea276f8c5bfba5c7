//! `llm-semantic-cache-lookup` and `-store`, and their older `azure-openai-` names.
//!
//! Source: "Get cached responses of large language model API requests" policy pages; `policies.md` §8. They need
//! an external Redis with vector search, which this gateway does not connect to yet. As all cache policies of a
//! self-hosted gateway without an external cache, they then do nothing: every lookup misses. Loading says so
//! and every pass is noted.

use std::sync::Arc;

use crate::{
    compile::{Compiler, Finding, Node},
    policies::{
        PolicyDef,
        def::{AttributeDef, Child, Content, ElementDef, attr},
    },
    program::Op,
    scope::{Scopes, Sections},
    setting::{Bounded, FromValue, Setting},
};

static VARY_BY: ElementDef = ElementDef::new("vary-by", "Makes different entries.").content(Content::Text);
static LOOKUP_ATTRIBUTES: &[AttributeDef] = &[
    attr(
        "score-threshold",
        "How far apart prompts may be, 0 to 1; lower is stricter.",
    )
    .required()
    .expression(),
    attr("embeddings-backend-id", "Backend entity of the embeddings model.")
        .required()
        .expression(),
    attr("embeddings-backend-auth", "How the embeddings model is called.").expression(),
    attr(
        "ignore-system-messages",
        "Leave system messages out of the comparison.",
    )
    .expression()
    .default("false"),
    attr(
        "max-message-count",
        "Prompts with more messages are not looked up.",
    )
    .expression(),
];
static LOOKUP_CHILDREN: &[Child] = &[Child::any(&VARY_BY)];
static STORE_ATTRIBUTES: &[AttributeDef] = &[
    attr("duration", "How long an answer is kept, in seconds.")
        .required()
        .expression(),
    attr("cache-response", "Keep it whatever its status.").expression(),
];

macro_rules! definitions {
    ($($id:ident = $name:literal, $doc:literal, $attributes:ident, $children:expr, $section:expr, $example:literal, $build:ident;)*) => {
        $(pub(crate) static $id: PolicyDef = PolicyDef {
            element: ElementDef::new($name, $doc).attributes($attributes).children($children),
            sections: $section,
            tolerated: $section,
            scopes: Scopes::ALL,
            once: true,
            example: $example,
            build: $build,
        };)*
    };
}

definitions! {
    LOOKUP = "llm-semantic-cache-lookup", "Looks for the answer to a similar prompt; does nothing without an external cache.",
        LOOKUP_ATTRIBUTES, LOOKUP_CHILDREN, Sections::I,
        r#"<llm-semantic-cache-lookup score-threshold="0.05" embeddings-backend-id="embeddings" />"#, build_lookup;
    AZURE_LOOKUP = "azure-openai-semantic-cache-lookup", "The older name of `llm-semantic-cache-lookup`.",
        LOOKUP_ATTRIBUTES, LOOKUP_CHILDREN, Sections::I,
        r#"<azure-openai-semantic-cache-lookup score-threshold="0.05" embeddings-backend-id="embeddings" />"#, build_lookup;
    STORE = "llm-semantic-cache-store", "Keeps the answer for similar prompts; does nothing without an external cache.",
        STORE_ATTRIBUTES, &[], Sections::O, r#"<llm-semantic-cache-store duration="60" />"#, build_store;
    AZURE_STORE = "azure-openai-semantic-cache-store", "The older name of `llm-semantic-cache-store`.",
        STORE_ATTRIBUTES, &[], Sections::O, r#"<azure-openai-semantic-cache-store duration="60" />"#, build_store;
}

/// A distance between prompts.
#[derive(Clone, Copy, Debug)]
struct Score;

impl FromValue for Score {
    fn literal(text: &str) -> Result<Self, String> {
        let score: Result<f64, _> = text.trim().parse();
        match score {
            Ok(score) if (0.0..=1.0).contains(&score) => Ok(Score),
            _ => Err("a number from 0 to 1".into()),
        }
    }
}

fn build_lookup(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let _: Setting<Score> = compiler.attribute(node, "score-threshold")?;
    let _: Setting<Arc<str>> = compiler.attribute(node, "embeddings-backend-id")?;
    let _: Option<Setting<bool>> = compiler.attribute(node, "ignore-system-messages");
    let _: Option<Setting<Bounded<0, { i32::MAX as i64 }>>> = compiler.attribute(node, "max-message-count");
    for vary in node.children("vary-by") {
        let _: Option<Setting<Arc<str>>> = compiler.text(vary);
    }
    pass_over(compiler, node);
    Some(())
}

fn build_store(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let _: Setting<Bounded<0, { i32::MAX as i64 }>> = compiler.attribute(node, "duration")?;
    let _: Option<Setting<bool>> = compiler.attribute(node, "cache-response");
    pass_over(compiler, node);
    Some(())
}

/// Checked, and then only noted when it runs; what its expressions would need is not asked for.
fn pass_over(compiler: &mut Compiler<'_>, node: Node<'_>) {
    let message = format!(
        "`{}` does nothing: there is no external cache with vector search",
        node.def.name
    );
    let finding = Finding::on(node.element, "no-external-cache", message).warning();
    compiler
        .report(finding.help("every lookup misses, as on a self-hosted gateway without an external cache"));
    compiler.take_needs();
    let site = compiler.current();
    compiler.emit(Op::Skip, site);
}

#[cfg(test)]
mod tests {
    use crate::{
        check::{CheckOptions, check_document},
        test_support::{check, check_load, notes},
        trace::Note,
    };

    const LOOKUP: &str = "<llm-semantic-cache-lookup score-threshold='0.1' embeddings-backend-id='e'/>";

    #[test]
    fn without_an_external_cache_it_misses_and_says_so() {
        check("inbound", LOOKUP, &[], "forward; 200");
        assert_eq!(
            notes("inbound", LOOKUP),
            [Note::Skipped {
                policy: "llm-semantic-cache-lookup"
            }]
        );
        let text = format!("<policies><inbound>{LOOKUP}</inbound></policies>");
        let report = check_document("d.xml", &text, &CheckOptions::default());
        assert!(report.ok);
        assert_eq!(report.diagnostics[0].code, "no-external-cache");
    }

    #[test]
    fn mistakes_refuse_the_document_all_the_same() {
        check_load(
            "inbound",
            "<llm-semantic-cache-lookup score-threshold='5' embeddings-backend-id='e'/>",
            "bad-value: `score-threshold` of `llm-semantic-cache-lookup` must be a number from 0 to 1",
        );
        check_load(
            "outbound",
            "<llm-semantic-cache-store/>",
            "missing-attribute: `llm-semantic-cache-store` needs the attribute `duration`",
        );
    }
}
