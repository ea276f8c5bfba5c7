//! Compiling and evaluating the ten commonest shapes of policy expressions, and the shapes the aims speak of.

use std::hint::black_box;

use anyhow::{Context as _, Result};
use gateway_bench::Case;
use gateway_expr::{Context, Value, cases};
use serde_json::json;

/// Title, expression, and the aim for one evaluation in nanoseconds.
const SHAPES: &[(&str, &str, Option<f64>)] = &[
    (
        "variable cast to string",
        r#"@((string)context.Variables["tenant"])"#,
        Some(60.0),
    ),
    ("literal", r#"@("application/json")"#, None),
    (
        "variable with default",
        r#"@(context.Variables.GetValueOrDefault<string>("missing", "none"))"#,
        None,
    ),
    (
        "status of a stored response",
        r#"@(((IResponse)context.Variables["answer"]).StatusCode == 200)"#,
        None,
    ),
    (
        "claim of a stored token, joined to a literal",
        r#"@("user-" + ((Jwt)context.Variables["token"]).Claims.GetValueOrDefault("sub", "") + "-key")"#,
        None,
    ),
    (
        "header with default",
        r#"@(context.Request.Headers.GetValueOrDefault("X-Tenant", "none"))"#,
        Some(150.0),
    ),
    (
        "literal joined to a variable",
        r#"@("Bearer " + (string)context.Variables["tenant"])"#,
        None,
    ),
    (
        "variable absent",
        r#"@(!context.Variables.ContainsKey("missing"))"#,
        None,
    ),
    (
        "matched parameter",
        r#"@(context.Request.MatchedParameters["id"])"#,
        None,
    ),
    (
        "body of a stored response as JSON",
        r#"@(((IResponse)context.Variables["answer"]).Body.As<JObject>(preserveContent: true))"#,
        None,
    ),
    (
        "variable cast to int",
        r#"@((int)context.Variables["count"])"#,
        Some(60.0),
    ),
    (
        "variable cast to bool",
        r#"@((bool)context.Variables["flag"])"#,
        Some(60.0),
    ),
    (
        "header equal to a literal",
        r#"@(context.Request.Headers.GetValueOrDefault("X-Tenant") == "contoso")"#,
        None,
    ),
    (
        "status of the response",
        r#"@(context.Response.StatusCode == 200)"#,
        None,
    ),
    (
        "three conditions",
        r#"@(context.Request.Method == "GET" && (int)context.Variables["count"] > 2 && context.Request.Headers.GetValueOrDefault("X-Tenant", "") == "contoso")"#,
        Some(200.0),
    ),
    (
        "JObject of five members, serialised",
        r#"@(new JObject(new JProperty("id", 1), new JProperty("name", "contoso"), new JProperty("active", true), new JProperty("rate", 2.5), new JProperty("tag", null)).ToString())"#,
        Some(3000.0),
    ),
    (
        "path matched by a regular expression",
        r#"@(Regex.IsMatch(context.Request.Url.Path, "^/v[0-9]+/orders/[a-z0-9-]+$", RegexOptions.IgnoreCase, TimeSpan.FromMilliseconds(100)))"#,
        None,
    ),
    ("address of the caller", r#"@(context.Request.IpAddress)"#, None),
    (
        "body built by statements",
        r#"@{ var body = context.Request.Body.As<JObject>(preserveContent: true); var total = 0; foreach (var item in body["items"]) { total += (int)item["count"]; } body["total"] = total; return body.ToString(); }"#,
        None,
    ),
];

/// A payload of `{"sub":"42","name":"Contoso"}`, unsigned: expressions read tokens, they do not check them.
const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiI0MiIsIm5hbWUiOiJDb250b3NvIn0.";

fn exchange() -> Result<Context> {
    let items: Vec<_> = (0..3)
        .map(|n| json!({"sku": format!("a-{n}"), "count": n}))
        .collect();
    let body = json!({"id": 7, "items": items}).to_string();
    let mut context = cases::context_from_json(&json!({
        "request": {
            "url": "https://api.contoso.com/v1/orders/a-7?x=1",
            "headers": {
                "Accept": "*/*", "User-Agent": "bench", "X-Tenant": "contoso", "Content-Type": "application/json",
            },
            "matchedParameters": {"version": "v1", "id": "a-7"},
            "body": body,
        },
        "response": {"headers": {"Content-Type": "application/json"}, "body": "{}"},
        "variables": {
            "first": "x",
            "count": 3,
            "flag": true,
            "answer": {"$type": "Response", "value": {"body": body}},
            "token": {"$type": "Jwt", "value": TOKEN},
        },
    }))
    .map_err(anyhow::Error::msg)?;
    // The last of six: the look-up goes past the others.
    context.variables.set(&"tenant".into(), Value::string("contoso"));
    Ok(context)
}

fn main() -> Result<()> {
    let world = cases::FixedWorld::default();
    let mut list = Vec::new();
    for (title, source, aim) in SHAPES {
        let (expression, _) = gateway_expr::compile(source).map_err(|e| anyhow::anyhow!("{title}: {e:?}"))?;
        let mut context = exchange()?;
        let value = expression.evaluate(&mut context, &world);
        value.with_context(|| format!("{title}: {source}"))?;
        let world = &world;
        let mut case = Case::new(*title, move || {
            let _ = black_box(expression.evaluate(black_box(&mut context), world));
        });
        case.aim = *aim;
        list.push(case);
    }
    for (title, source, _) in SHAPES {
        list.push(Case::new(format!("compile: {title}"), move || {
            let _ = black_box(gateway_expr::compile(black_box(source)));
        }));
    }
    gateway_bench::main(list)
}
