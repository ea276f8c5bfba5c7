//! Chains as long as the limits allow are built, walked and let go without using up the machine stack.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use gateway_expr::{Limits, cases};
use serde_json::json;

/// Each makes a value that holds a value that holds a value …
const CHAINS: &[&str] = &[
    "@{ object o = 1; for (var i = 0; i < 200000; i++) o = new object[] { o }; return 1; }",
    "@{ object o = 1; for (var i = 0; i < 200000; i++) o = new List<object> { o }; return 1; }",
    "@{ object o = 1; for (var i = 0; i < 200000; i++) o = new Dictionary<string, object> { { \"a\", o } }; return 1; }",
    "@{ object o = 1; for (var i = 0; i < 200000; i++) o = new { o }; return 1; }",
    "@{ object o = 1; for (var i = 0; i < 200000; i++) o = (o, 1); return 1; }",
    "@{ object o = 1; for (var i = 0; i < 200000; i++) o = Tuple.Create(o); return 1; }",
    "@{ object o = 1; for (var i = 0; i < 200000; i++) o = new KeyValuePair<string, object>(\"a\", o); return 1; }",
    "@{ Exception e = null; for (var i = 0; i < 200000; i++) e = new Exception(\"x\", e); return 1; }",
    "@{ Func<int> f = () => 1; for (var i = 0; i < 100000; i++) { var g = f; f = () => g() + 1; } return 1; }",
    "@{ Func<int> f = () => 1; for (var i = 0; i < 100000; i++) { var g = f; f = () => g() + 1; } return f(); }",
    "@{ IEnumerable<int> q = new int[0]; for (var i = 0; i < 100000; i++) q = q.Concat(new[] { 1 }); return 1; }",
    "@{ IEnumerable<int> q = new int[0]; for (var i = 0; i < 100000; i++) q = q.Concat(new[] { 1 }); return q.Count(); }",
    "@{ IEnumerable<int> q = new[] { 1 }; for (var i = 0; i < 100000; i++) q = q.Select(x => x); return q.First(); }",
    "@{ IEnumerable<int> q = new[] { 1 }; for (var i = 0; i < 100000; i++) q = q.Where(x => true); return q; }",
    "@{ object o = 1; for (var i = 0; i < 200000; i++) o = new object[] { o }; return o; }",
    "@{ JToken o = new JValue(1); for (var i = 0; i < 100000; i++) o = new JArray(o); return 1; }",
    "@{ var o = new JObject(); var c = o; for (var i = 0; i < 100000; i++) { var n = new JObject(); c[\"a\"] = n; c = n; } return o.ToString(); }",
    "@{ var o = new XElement(\"a\"); var c = o; for (var i = 0; i < 100000; i++) { var n = new XElement(\"a\"); c.Add(n); c = n; } return o.ToString(); }",
    "@{ var q = new Queue<object>(); for (var i = 0; i < 100000; i++) { var p = new Queue<object>(); p.Enqueue(q); q = p; } return 1; }",
    "@{ object o = 1; for (var i = 0; i < 100000; i++) o = new[] { o }.GroupBy(x => x).First(); return 1; }",
    "@{ object o = 1; for (var i = 0; i < 100000; i++) o = new[] { o }.ToLookup(x => x); return 1; }",
    "@{ object o = 1; for (var i = 0; i < 100000; i++) o = new object[] { o }; return JsonConvert.SerializeObject(o); }",
    "@{ object o = 1; for (var i = 0; i < 100000; i++) o = (o, 1); return \"\" + o; }",
    "@{ object o = 1; for (var i = 0; i < 60; i++) o = (o, o); return \"\" + o; }",
    "@{ object o = 1; for (var i = 0; i < 60; i++) o = (o, o); return new HashSet<object> { o }.Count; }",
    "@{ object o = 1, p = 1; for (var i = 0; i < 60; i++) { o = new { o, b = o }; p = new { o = p, b = p }; } return new[] { o }.Contains(p); }",
    "@{ object o = 1; for (var i = 0; i < 40; i++) o = new[] { o, o }; return JsonConvert.SerializeObject(o); }",
    "@{ object o = 1, p = 1; for (var i = 0; i < 60; i++) { o = (o, o); p = (p, p); } return new[] { o, p }.OrderBy(x => x).First(); }",
    "@{ object o = 1, p = 1; for (var i = 0; i < 100000; i++) { o = (o, 1); p = (p, 1); } return new[] { o }.Contains(p); }",
    "@{ object o = 1; for (var i = 0; i < 100000; i++) o = new { o }; return new HashSet<object> { o }.Count; }",
    "@{ Exception e = null; for (var i = 0; i < 100000; i++) e = new Exception(\"x\", e); throw e; }",
    "@{ object o = 1; for (var i = 0; i < 100000; i++) o = new object[] { o }; return JToken.FromObject(o); }",
];

/// How an evaluation under the default limits ends.
fn end_of(source: &str) -> String {
    let (expression, _) = match gateway_expr::compile(source) {
        Ok(compiled) => compiled,
        Err(told) => return format!("refused: {:?}", told.first()),
    };
    let mut context = cases::context_from_json(&json!({})).expect("an empty context");
    match expression.evaluate_within(&mut context, &cases::FixedWorld::default(), Limits::default()) {
        Ok(value) => {
            drop(value);
            "value".to_owned()
        }
        Err(e) => format!("{}: {}", e.type_name, e.message),
    }
}

#[test]
fn long_chains_do_not_use_up_the_stack() {
    for source in CHAINS {
        let end = end_of(source);
        let known = ["value", "BudgetExceededException: ", "System.Exception: x"];
        assert!(known.iter().any(|k| end.starts_with(k)), "{source}: {end}");
    }
}
