//! `emit-metric`: counts something of the policy author's own.
//!
//! Source: "Emit custom metrics" policy page; `policies.md` §3. Default dimensions are filled in here.

use std::sync::Arc;

use super::{
    Flow, Policy, PolicyDef,
    def::{Child, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    context::Context,
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{FromValue, Setting, optional},
    trace::Note,
};

pub(super) static DIMENSION: ElementDef = ElementDef::new("dimension", "A dimension of the metric.")
    .attributes(&[
        attr("name", "Its name.").required().expression(),
        attr("value", "Its value; absent only for the default dimensions.").expression(),
    ]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("emit-metric", "Emits a custom metric.")
        .attributes(&[
            attr("name", "Name of the metric.").required(),
            attr("namespace", "Namespace of the metric.").default("API Management"),
            attr("value", "What is added.").expression().default("1"),
            attr("default-dimensions", "Add all default dimensions.").default("false"),
        ])
        .children(&[Child::some(&DIMENSION)]),
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<emit-metric name="orders" namespace="shop" value="1">
    <dimension name="API ID" />
    <dimension name="tier" value="gold" />
</emit-metric>"#,
    build,
};

/// Custom dimensions of one metric, by the page of 2025. Default dimensions are not counted.
const DIMENSIONS_DOCUMENTED: usize = 5;
/// What older pages allow, and real documents use: so many still load, with a warning.
const DIMENSIONS_MAX: usize = 10;

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let name = compiler.literal(node, "name");
    let namespace = compiler.literal(node, "namespace");
    let value = compiler.attribute(node, "value");
    let dimensions = dimensions(compiler, node);
    let defaults = compiler.literal(node, "default-dimensions");
    compiler.policy(EmitMetric {
        defaults: defaults?,
        name: name?,
        namespace: namespace?,
        value: value?,
        dimensions: dimensions?,
    });
    Some(())
}

/// The `dimension` children of a metric.
pub(super) fn dimensions(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Vec<Dimension>> {
    let mut dimensions = Vec::new();
    for child in node.children("dimension") {
        let name: Option<Setting<Arc<str>>> = compiler.attribute(child, "name");
        let value = compiler.attribute(child, "value");
        if let Some(Setting::Literal(name)) = &name
            && !child.has("value")
            && !is_default(name)
        {
            let message = format!("the dimension `{name}` needs a value");
            let help = format!(
                "only the default dimensions have one of their own: {}",
                DEFAULTS.join(", ")
            );
            compiler.report(Finding::on(child.element, "missing-attribute", message).help(help));
        }
        dimensions.push(name.map(|n| (n, value)));
    }
    let custom = dimensions
        .iter()
        .filter(|one| !matches!(one, Some((Setting::Literal(name), _)) if is_default(name)))
        .count();
    if custom > DIMENSIONS_DOCUMENTED {
        let message =
            format!("a metric takes at most {DIMENSIONS_DOCUMENTED} custom dimensions, here are {custom}");
        let finding = Finding::on(node.element, "too-many-dimensions", message).help("remove some");
        compiler.report(if custom > DIMENSIONS_MAX {
            finding
        } else {
            finding.warning()
        });
    }
    dimensions.into_iter().collect()
}

/// Names and values for this exchange, default dimensions filled in.
pub(super) fn evaluate_dimensions(
    dimensions: &[Dimension],
    run: &mut Run<'_>,
) -> Result<Vec<(Arc<str>, String)>, Failure> {
    let mut evaluated = Vec::with_capacity(dimensions.len());
    for (name, value) in dimensions {
        let name = name.get(run)?.into_owned();
        let value = match optional(value.as_ref(), run)? {
            Some(value) => value.to_string(),
            None => default_dimension(&name, run.context),
        };
        evaluated.push((name, value));
    }
    Ok(evaluated)
}

/// Dimensions that have a value of their own.
const DEFAULTS: &[&str] = &[
    "API ID",
    "Operation ID",
    "Product ID",
    "User ID",
    "Subscription ID",
    "Location",
    "Gateway ID",
];

/// Has the dimension a value of its own? One of them has two names in the pages.
fn is_default(name: &str) -> bool {
    DEFAULTS.contains(&name) || name == "Location ID"
}

/// The value of a default dimension.
fn default_dimension(name: &str, context: &Context) -> String {
    let id = |id: Option<&Arc<str>>| id.map_or_else(String::new, |i| i.to_string());
    match name {
        "API ID" => id(context.api.as_ref().map(|a| &a.id)),
        "Operation ID" => id(context.operation.as_ref().map(|o| &o.id)),
        "Product ID" => id(context.product.as_ref().map(|p| &p.id)),
        "User ID" => id(context.user.as_ref().map(|u| &u.id)),
        "Subscription ID" => id(context.subscription.as_ref().map(|s| &s.id)),
        "Location" | "Location ID" => context.deployment.region.to_string(),
        "Gateway ID" => context.deployment.gateway_id.to_string(),
        _ => String::new(),
    }
}

/// A number with a fraction.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Number(f64);

impl FromValue for Number {
    fn literal(text: &str) -> Result<Self, String> {
        let number: Result<f64, _> = text.trim().parse();
        number
            .ok()
            .filter(|n| n.is_finite())
            .map(Self)
            .ok_or_else(|| "a number".into())
    }
}

/// Name, and value unless it is a default dimension.
pub(super) type Dimension = (Setting<Arc<str>>, Option<Setting<Arc<str>>>);

#[derive(Debug)]
struct EmitMetric {
    defaults: bool,
    name: Arc<str>,
    namespace: Arc<str>,
    value: Setting<Number>,
    dimensions: Vec<Dimension>,
}

impl Policy for EmitMetric {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let value = self.value.get(run)?.0;
        let mut dimensions = evaluate_dimensions(&self.dimensions, run)?;
        for name in DEFAULTS.iter().filter(|_| self.defaults) {
            if dimensions.iter().all(|(n, _)| &**n != *name) {
                dimensions.push(((*name).into(), default_dimension(name, run.context)));
            }
        }
        run.detail("name", || self.name.to_string());
        run.detail("value", || value.to_string());
        let (name, namespace) = (Arc::clone(&self.name), Arc::clone(&self.namespace));
        run.exchange.note(Note::Metric {
            name,
            namespace,
            value,
            dimensions,
        });
        Ok(Flow::Next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{check, check_load, notes};

    #[test]
    fn a_metric_becomes_a_note_with_its_default_dimensions_filled() {
        let text = "<emit-metric name='calls' value='2.5'><dimension name='API ID'/><dimension name='tier' value='gold'/></emit-metric>";
        let expected = Note::Metric {
            name: "calls".into(),
            namespace: "API Management".into(),
            value: 2.5,
            dimensions: vec![
                ("API ID".into(), "echo-api".into()),
                ("tier".into(), "gold".into()),
            ],
        };
        assert_eq!(notes("inbound", text), [expected]);
        check("inbound", text, &[], "forward; 200");
    }

    #[test]
    fn all_default_dimensions_may_be_asked_for() {
        let text = "<emit-metric name='m' default-dimensions='true'><dimension name='API ID' value='own'/></emit-metric>";
        let notes = notes("inbound", text);
        let [Note::Metric { dimensions, .. }] = notes.as_slice() else {
            panic!("{notes:?}");
        };
        assert_eq!(dimensions.len(), DEFAULTS.len());
        assert_eq!(dimensions[0].1, "own");
        assert_eq!(dimensions[1], ("Operation ID".into(), "get-item".to_owned()));
    }

    #[track_caller]
    fn check_count(defaults: usize, custom: usize, expected: &str) {
        let mut text = "<emit-metric name='a'>".to_owned();
        for name in &DEFAULTS[..defaults] {
            text += &format!("<dimension name='{name}'/>");
        }
        for n in 0..custom {
            text += &format!("<dimension name='d{n}' value='1'/>");
        }
        check_load("inbound", &(text + "</emit-metric>"), expected);
    }

    #[test]
    fn custom_dimensions_are_counted() {
        check_count(7, 5, "loads");
        // More than the newer page allows, as many as the older one does: a warning.
        check_count(7, 10, "loads");
        check_count(
            0,
            11,
            "too-many-dimensions: a metric takes at most 5 custom dimensions, here are 11",
        );
    }

    #[test]
    fn mistakes_refuse_the_document() {
        check_load(
            "inbound",
            "<emit-metric name='a'/>",
            "missing-element: `<emit-metric>` needs a child element `<dimension>`",
        );
        check_load(
            "inbound",
            "<emit-metric name='a'><dimension name='x'/></emit-metric>",
            "missing-attribute: the dimension `x` needs a value",
        );
        check_load(
            "inbound",
            "<emit-metric name='a' value='NaN'><dimension name='x' value='1'/></emit-metric>",
            "bad-value: `value` of `emit-metric` must be a number",
        );
    }
}
