//! What the generic checks say, where they say it, and that nothing gets through by being too much.

use std::sync::Arc;

use crate::{
    check::{CheckOptions, check_document},
    names::{Fragment, NamedValue, Names},
    program::Options,
    scope::Scope,
};

/// Findings as `line:column code element`.
fn findings(text: &str, options: &CheckOptions) -> Vec<String> {
    let report = check_document("d.xml", text, options);
    let line = |d: &crate::Diagnostic| {
        format!(
            "{}:{} {} {}",
            d.line,
            d.column,
            d.code,
            d.element.as_deref().unwrap_or("-")
        )
    };
    report.diagnostics.iter().map(line).collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(findings(text, &CheckOptions::default()), expected, "{text}");
}

#[test]
fn structure_is_checked() {
    for (text, expected) in [
        ("<policies/>", &[][..]),
        ("<policy/>", &["1:1 unknown-root policy"]),
        ("<policies><inbond/></policies>", &["1:11 unknown-section inbond"]),
        (
            "<policies><set-body/></policies>",
            &["1:11 unknown-section set-body"],
        ),
        (
            "<policies><inbound/><inbound/></policies>",
            &["1:21 duplicate-section inbound"],
        ),
        (
            "<policies><inbound><base/><base/></inbound></policies>",
            &["1:27 not-allowed-here base"],
        ),
        (
            "<policies><inbound>\n text <base/></inbound></policies>",
            &["2:2 unexpected-text inbound"],
        ),
        ("<policies x='1'/>", &["1:11 unknown-attribute policies"]),
        ("<fragment><base/></fragment>", &["1:11 not-allowed-here base"]),
        (
            "<policies><inbound><trace source='a' sorce='b'><message/></trace></inbound></policies>",
            &["1:38 unknown-attribute trace"],
        ),
        (
            "<policies>\n<inbound>\n\t<nope/></inbound></policies>",
            &["3:2 unknown-element nope"],
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn all_mistakes_are_reported_together_in_document_order() {
    check(
        "<policies><inbound>\n<nope/>\n<set-header/>\n<set-status code='x'/>\n</inbound><outbound>\n<ip-filter action='allow'/></outbound></policies>",
        &[
            "2:1 unknown-element nope",
            "3:1 missing-attribute set-header",
            "4:19 bad-value set-status",
            "6:1 not-allowed-here ip-filter",
            "6:1 missing-element ip-filter",
        ],
    );
}

#[test]
fn scopes_are_checked_when_they_are_known() {
    let text = "<policies><inbound><rate-limit calls='1' renewal-period='1'/></inbound></policies>";
    for (scope, expected) in [(None, 0), (Some(Scope::Api), 0), (Some(Scope::Global), 1)] {
        let options = CheckOptions {
            scope,
            ..CheckOptions::default()
        };
        assert_eq!(findings(text, &options).len(), expected, "{scope:?}");
    }
}

#[test]
fn places_hold_through_entities_and_named_values() {
    let mut options = CheckOptions::default();
    options.names.named_values.insert(
        "n".into(),
        NamedValue {
            value: "a long value".into(),
            secret: false,
        },
    );
    let text = "<policies><inbound>\n<set-method>{{n}} &lt; {{missing}}</set-method>\n</inbound></policies>";
    assert_eq!(
        findings(text, &options),
        ["2:24 unknown-named-value set-method", "2:13 bad-value set-method"]
    );
}

#[test]
fn what_a_named_value_holds_decides_literal_or_expression() {
    let mut options = CheckOptions::default();
    for (name, value) in [("code", "@(404)"), ("open", "@(")] {
        options.names.named_values.insert(
            name.into(),
            NamedValue {
                value: value.into(),
                secret: false,
            },
        );
    }
    let document =
        |value: &str| format!("<policies><outbound><set-status code='{value}'/></outbound></policies>");
    assert_eq!(findings(&document("{{code}}"), &options), Vec::<String>::new());
    assert_eq!(
        findings(&document("{{open}}"), &options),
        ["1:39 expression-not-closed set-status"]
    );
}

#[test]
fn an_error_counts_however_many_warnings_came_before_it() {
    let warnings = "<set-header name='Content-Length'><value>1</value></set-header>".repeat(300);
    let text = format!("<policies><inbound>{warnings}<nope/></inbound></policies>");
    let report = check_document("d.xml", &text, &CheckOptions::default());
    assert!(!report.ok);
    assert!(report.diagnostics.len() < 300);
    assert!(report.diagnostics.iter().any(|d| d.code == "unknown-element"));
}

#[test]
fn repeated_fragments_and_values_are_bounded() {
    let mut names = Names::default();
    let statement = "<set-method>GET</set-method>";
    let text: Arc<str> = format!("<fragment>{}</fragment>", statement.repeat(1000)).into();
    names.fragments.insert(
        "f".into(),
        Fragment {
            path: "f.xml".into(),
            text,
        },
    );
    names.named_values.insert(
        "v".into(),
        NamedValue {
            value: "x".repeat(4096).into(),
            secret: false,
        },
    );
    let options = CheckOptions {
        names,
        ..CheckOptions::default()
    };
    let includes = "<include-fragment fragment-id='f'/>".repeat(60);
    let text = format!("<policies><inbound>{includes}</inbound></policies>");
    let found = findings(&text, &options);
    assert!(found.iter().any(|f| f.contains("too-large")), "{found:?}");
    let text = format!(
        "<policies><inbound><set-body>{}</set-body></inbound></policies>",
        "{{v}}".repeat(2000)
    );
    let found = findings(&text, &options);
    assert!(found.iter().any(|f| f.contains("too-large")), "{found:?}");
}

#[test]
fn policies_that_do_not_run_here_warn_or_refuse() {
    let text = "<policies><inbound><get-authorization-context/></inbound></policies>";
    let report = check_document("d.xml", text, &CheckOptions::default());
    assert!(report.ok);
    assert_eq!(report.diagnostics[0].code, "not-on-self-hosted");
    let options = Options {
        refuse_unsupported: true,
        ..Options::default()
    };
    let options = CheckOptions {
        options,
        ..CheckOptions::default()
    };
    assert!(!check_document("d.xml", text, &options).ok);
}

#[test]
fn cache_policies_warn_where_there_is_no_cache() {
    let text = "<policies><inbound><cache-lookup-value key='k' variable-name='v'/></inbound></policies>";
    assert_eq!(
        findings(text, &CheckOptions::default()),
        ["1:20 no-external-cache cache-lookup-value"]
    );
    let options = Options {
        has_cache: true,
        ..Options::default()
    };
    let options = CheckOptions {
        options,
        ..CheckOptions::default()
    };
    assert_eq!(findings(text, &options), Vec::<String>::new());
}

#[test]
fn a_stand_in_does_not_make_an_expression_wrong() {
    let options = Options {
        named_value_default: Some("x".into()),
        ..Options::default()
    };
    let options = CheckOptions {
        options,
        ..CheckOptions::default()
    };
    for (condition, ok) in [
        ("@({{limit}} &gt; 5)", true),
        ("@(&quot;{{limit}}&quot; == &quot;5&quot;)", true),
        ("@({{limit}} &gt; 5 &amp;&amp; nope)", true),
        ("@(&quot;{{limit}}&quot; == nope)", false),
    ] {
        let text = format!(
            "<policies><inbound><choose><when condition=\"{condition}\"/></choose></inbound></policies>"
        );
        assert_eq!(check_document("d.xml", &text, &options).ok, ok, "{condition}");
    }
}

#[test]
fn mistakes_inside_a_policy_that_cannot_be_built_are_told_too() {
    let options = Options {
        named_value_default: Some("x".into()),
        ..Options::default()
    };
    let options = CheckOptions {
        options,
        ..CheckOptions::default()
    };
    for (open, close) in [
        ("<retry condition='true' count='{{n}}' interval='1'>", "</retry>"),
        ("<retry condition='true' count='99' interval='1'>", "</retry>"),
        ("<retry count='1' interval='1'>", "</retry>"),
        (
            "<limit-concurrency key='k' max-count='{{n}}'>",
            "</limit-concurrency>",
        ),
        (
            "<limit-concurrency key='k' max-count='0'>",
            "</limit-concurrency>",
        ),
        ("<wait for='none'>", "</wait>"),
        (
            "<cache-value key='k' variable-name='v' expires-after='{{n}}'><value>",
            "</value></cache-value>",
        ),
        (
            "<choose id='i' what='?'><when condition='true'>",
            "</when></choose>",
        ),
        ("<choose><when condition='{{n}}'>", "</when></choose>"),
    ] {
        let text = format!(
            "<policies><inbound>{open}<choose><otherwise/><when condition='true'><nope/></when></choose>{close}</inbound></policies>"
        );
        let found = findings(&text, &options);
        let inner = found
            .iter()
            .filter(|f| f.contains("unknown-element nope"))
            .count();
        assert_eq!(inner, 1, "{open}: {found:?}");
    }
}

#[test]
fn a_stand_in_that_does_not_fit_checks_but_never_runs() {
    use crate::{Execution, Outcome, Program, ScopeDoc, Source, Step, test_support};
    let text = "<policies><inbound><rate-limit calls='{{limit}}' renewal-period='60'/></inbound></policies>";
    let options = Options {
        named_value_default: Some("x".into()),
        ..Options::default()
    };
    let source = Source {
        text,
        path: "d.xml",
        scope: Some(Scope::Api),
    };
    let (doc, warnings) = ScopeDoc::compile(&source, &Names::default(), &options).unwrap();
    assert!(warnings.is_empty());
    let program = Program::compose([None, None, Some(Arc::new(doc)), None]);
    let mut execution = Execution::new(Arc::new(program), test_support::context());
    assert!(matches!(
        execution.resume(Outcome::Start, &test_support::FixedWorld),
        Step::Done
    ));
    assert_eq!(
        execution.failure().map(crate::Failure::label),
        Some("PolicyNotLoaded")
    );
}
