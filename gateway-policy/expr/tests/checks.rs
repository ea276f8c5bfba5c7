//! What the checker says beside the C# compiler: the allow-list, warnings, places, and which bodies are needed.

use gateway_expr::{Needs, compile};

#[test]
fn the_allow_list_refuses_what_the_original_refuses() {
    let table = [
        ("context.Variables[\"x\"].ToString()", "APIM0002"),
        ("context.Variables[\"x\"].Equals(1)", "APIM0002"),
        ("5.GetType()", "APIM0002"),
        ("DateTime.Now.Kind", "APIM0002"),
        ("DateTime.SpecifyKind(DateTime.Now, DateTimeKind.Utc)", "APIM0002"),
        (
            "new DateTime(2024, 1, 1, 0, 0, 0, DateTimeKind.Local)",
            "APIM0002",
        ),
        ("Regex.Escape(\"a\")", "APIM0002"),
        ("JsonConvert.ToString(1)", "APIM0002"),
        ("Environment.NewLine", "APIM0001"),
        ("new ArgumentException(\"x\").ParamName", "APIM0001"),
        ("@{dynamic d = 5; return d.Foo;}", "APIM0006"),
        ("((string)context.Variables[\"x\"]).ToString()", ""),
        (
            "new DateTime(2024, 1, 1, 0, 0, 0, DateTimeKind.Utc).ToString(\"o\")",
            "",
        ),
        ("new Exception(\"x\").Message", ""),
        ("new { a = 1 }.a", ""),
        ("((int?)null).HasValue", ""),
    ];
    for (source, code) in table {
        let got = match compile(source) {
            Ok(_) => "",
            Err(diagnostics) => diagnostics.first().map_or("", |d| d.code),
        };
        assert_eq!(got, code, "{source}");
    }
}

#[test]
fn bodies_that_are_needed_are_known() {
    let (request, response) = (
        Needs {
            request_body: true,
            response_body: false,
        },
        Needs {
            request_body: false,
            response_body: true,
        },
    );
    let table = [
        ("context.Request.Headers.Count", Needs::default()),
        ("context.Response.StatusCode", Needs::default()),
        ("context.Request.Body.As<string>()", request),
        ("context.Request.Body == null", request),
        ("@{var r = context.Request; return r.Body.As<string>();}", request),
        ("context.Response.Body.As<JObject>(true)", response),
        (
            "@{var r = context.Response; return r.Body.As<string>();}",
            response,
        ),
        (
            "((IResponse)context.Variables[\"r\"]).Body.As<string>()",
            Needs::default(),
        ),
        (
            "context.Request.Body.As<string>() + context.Response.Body.As<string>()",
            Needs {
                request_body: true,
                response_body: true,
            },
        ),
    ];
    for (source, needs) in table {
        let (expression, _) = compile(source).expect(source);
        assert_eq!(expression.needs(), needs, "{source}");
    }
}

#[test]
fn comparing_a_variable_without_a_cast_warns() {
    let (_, warnings) = compile("@(context.Variables[\"x\"] == \"a\")").expect("it compiles");
    let codes: Vec<_> = warnings.iter().map(|w| (w.code, w.warning)).collect();
    assert_eq!(codes, [("CS0252", true)]);
}

#[test]
fn diagnostics_name_the_place_and_the_way_out() {
    let table = [
        ("@(contxt.Request)", "contxt", "did you mean 'context'?"),
        ("@(context.Reqest.Method)", "Reqest", "did you mean 'Request'?"),
        ("@(\"a\".Lenght)", "Lenght", "did you mean 'Length'?"),
        (
            "@(WebUtility.UrlEncode(\"a\"))",
            "WebUtility",
            "write System.Net.WebUtility",
        ),
    ];
    for (source, at, help) in table {
        let diagnostics = compile(source).expect_err(source);
        let first = diagnostics.first().expect("a diagnostic");
        assert_eq!(&source[first.span.start..first.span.end], at, "{source}");
        assert_eq!(first.help.as_deref(), Some(help), "{source}");
    }
}

#[test]
fn a_context_carries_the_rules_of_evaluation() {
    let (missing, _) = compile("@(context.Variables[\"x\"])").expect("it compiles");
    let (endless, _) = compile("@{ while (true) { } return 1; }").expect("it compiles");
    let world = gateway_expr::cases::FixedWorld::default();
    let mut context = gateway_expr::cases::context_from_json(&serde_json::Value::Null).expect("a context");
    let thrown = missing.evaluate(&mut context, &world).expect_err("nothing there");
    assert_eq!(
        thrown.type_name,
        "System.Collections.Generic.KeyNotFoundException"
    );
    context.evaluation.rules.missing_variable_is_null = true;
    context.evaluation.rules.limits.steps = 1000;
    assert!(missing.evaluate(&mut context, &world).expect("null").is_null());
    let thrown = endless.evaluate(&mut context, &world).expect_err("cut off");
    assert_eq!(thrown.type_name, "BudgetExceededException");
}

#[test]
fn traced_messages_are_handed_out_and_bounded() {
    let (expression, _) =
        compile("@{ for (var i = 0; i < 1000; i++) { context.Trace(\"m\" + i); } return 1; }")
            .expect("it compiles");
    let world = gateway_expr::cases::FixedWorld::default();
    let mut context = gateway_expr::cases::context_from_json(&serde_json::Value::Null).expect("a context");
    expression.evaluate(&mut context, &world).expect("a value");
    assert_eq!(context.evaluation.messages.len(), gateway_expr::MESSAGES_MAX);
    assert_eq!(context.evaluation.messages[1], "m1");
}

/// A context that says something unknown is refused with the place and what is known.
#[test]
fn a_described_context_is_read_to_the_letter() {
    let check = |text: &str, expected: &str| {
        let description = serde_json::from_str(text).expect("JSON");
        let said = gateway_expr::cases::context_from_json(&description)
            .err()
            .unwrap_or_default();
        assert!(said.starts_with(expected), "{text}: {said}");
    };
    check(
        r#"{"requests": {}}"#,
        "context: unknown member \"requests\", known are model, request,",
    );
    check(
        r#"{"request": {"header": {}}}"#,
        "request: unknown member \"header\", known are method,",
    );
    check(
        r#"{"response": {"code": 404}}"#,
        "response: unknown member \"code\", known are status,",
    );
    check(
        r#"{"request": {"url": "contoso.com"}}"#,
        "request.url: \"contoso.com\" is no absolute URL",
    );
    check(
        r#"{"variables": {"x": {"$type": "Foo", "value": 1}}}"#,
        "variables.x: unknown type \"Foo\", known are",
    );
    check(r#"{"model": "fabrikam"}"#, "model: unknown model \"fabrikam\"");
    check(r#"{"request": {}, "response": {}, "variables": {}}"#, "");
}
