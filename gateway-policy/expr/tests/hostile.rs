//! Hostile expressions end in a refusal or a budget exception, in bounded time, and never in a panic.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use gateway_expr::{Limits, cases};
use serde_json::json;

/// Generous: debug builds on a busy machine. A release build takes a tenth of it.
const LIMIT: Duration = Duration::from_secs(20);

/// What evaluations below may charge.
const CHARGED: u64 = 32 << 20;
/// What the process may really hold meanwhile, program and diagnostics included: charges are estimates, made before the
/// memory is taken, and a growing vector holds its old and its new place for a moment.
const HELD: u64 = 4 * CHARGED;

/// How an expression must end.
enum End {
    /// A budget exception.
    Budget,
    /// Refused at load with this code.
    Refused(&'static str),
    /// Anything, as long as it ends.
    Any,
}

fn check(source: &str, end: &End) {
    let shown: String = source.chars().take(80).collect();
    let start = Instant::now();
    let mut outcome = Err("");
    let memory = allocation_counter::measure(|| {
        outcome = match gateway_expr::compile(source) {
            Err(diagnostics) => Err(diagnostics.first().map_or("", |d| d.code)),
            Ok((expression, _)) => {
                let mut context = cases::context_from_json(&json!({})).expect("an empty context");
                let limits = Limits {
                    steps: 300_000,
                    memory: CHARGED as usize,
                    ..Limits::default()
                };
                Ok(expression.evaluate_within(&mut context, &cases::FixedWorld::default(), limits))
            }
        };
    });
    assert!(start.elapsed() < LIMIT, "{shown}: took {:?}", start.elapsed());
    assert!(
        memory.bytes_max < HELD,
        "{shown}: held {} bytes",
        memory.bytes_max
    );
    match (end, &outcome) {
        (End::Any, _) => {}
        (End::Budget, Ok(Err(e))) => assert!(e.type_name.starts_with("Budget"), "{shown}: {e:?}"),
        (End::Refused(code), Err(got)) => assert_eq!(got, code, "{shown}"),
        (End::Budget, other) => panic!("{shown}: expected a budget exception, got {other:?}"),
        (End::Refused(code), other) => panic!("{shown}: expected {code}, got {other:?}"),
    }
}

#[test]
fn hostile_expressions_are_cut_off() {
    let nested = |open: &str, middle: &str, close: &str, n: usize| {
        format!("{}{middle}{}", open.repeat(n), close.repeat(n))
    };
    let table: Vec<(String, End)> = vec![
        ("@{while(true){}}".into(), End::Budget),
        (
            "Regex.Replace(new string('a',70),\"\",new string('b',1000000))".into(),
            End::Budget,
        ),
        (
            "new StringBuilder().Insert(0,\"ab\",int.MaxValue)".into(),
            End::Budget,
        ),
        (
            "@{var b=new StringBuilder(\"aaaaaaaaaa\"); while(true) b.Replace(\"a\",\"aaaaaaaaaa\",0,b.Length);}".into(),
            End::Budget,
        ),
        (
            "@{var b=new StringBuilder(\"a\"); while(true) b.AppendJoin(',',b.ToString(),b.ToString());}".into(),
            End::Budget,
        ),
        (
            "new Regex(\"\").Replace(new string('a',70),new string('b',1000000),-1,0)".into(),
            End::Budget,
        ),
        ("@{for(;;);}".into(), End::Budget),
        ("@{a: goto a;}".into(), End::Budget),
        ("@{int F(int n)=>F(n+1); return F(0);}".into(), End::Budget),
        (
            "@{Func<int,int> f=null; f=n=>f(n+1); return f(0);}".into(),
            End::Budget,
        ),
        (
            "@{string s=\"aaaaaaaaaaaaaaaa\"; while(true) s+=s;}".into(),
            End::Budget,
        ),
        (
            "@{try { while(true){} } catch { return 1; } finally { } return 2;}".into(),
            End::Budget,
        ),
        (
            "@{try { while(true){} } finally { while(true){} }}".into(),
            End::Budget,
        ),
        ("new int[2000000000]".into(), End::Budget),
        ("new string('x', 2000000000)".into(), End::Any),
        ("\"\".PadLeft(2000000000)".into(), End::Any),
        (
            "@{var l=new List<object>(); while(true) l.Add(l);}".into(),
            End::Budget,
        ),
        ("Enumerable.Range(0,2000000000).Sum()".into(), End::Any),
        (
            "Enumerable.Range(0,2000000000).Select(x=>x*2).ToList()".into(),
            End::Budget,
        ),
        (
            "Enumerable.Repeat(\"xxxxxxxxxxxxxxxx\",2000000000).Aggregate((a,b)=>a+b)".into(),
            End::Budget,
        ),
        (
            "@{var d=new JObject(); var c=d; while(true){ var n=new JObject(); c[\"a\"]=n; c=n; }}".into(),
            End::Budget,
        ),
        (
            "Regex.IsMatch(new string('a',5000)+\"!\",\"^(a+)+$\")".into(),
            End::Any,
        ),
        (
            "Regex.IsMatch(\"a\",\"(((((((((((((((a{1000}){1000}){1000}){1000})))))))))))))\")".into(),
            End::Any,
        ),
        ("decimal.Parse(\"1e999999999\")".into(), End::Any),
        ("double.Parse(new string('9',100000))".into(), End::Any),
        ("1e999999999".into(), End::Refused("CS0594")),
        (format!("JToken.Parse(\"{}\")", "[".repeat(50_000)), End::Any),
        (
            format!("System.Xml.Linq.XElement.Parse(\"{}\")", "<a>".repeat(50_000)),
            End::Any,
        ),
        (nested("(", "1", ")", 5_000), End::Refused("CS8078")),
        (nested("!", "true", "", 5_000), End::Refused("CS8078")),
        (nested("-", "1", "", 5_000), End::Any),
        (nested("new[]{", "1", "}", 5_000), End::Refused("CS8078")),
        (nested("x=>", "1", "", 5_000), End::Refused("CS8078")),
        (nested("true?1:", "1", "", 5_000), End::Refused("CS8078")),
        (nested("$\"{", "1", "}\"", 60), End::Any),
        (nested("$\"{", "1", "}\"", 3_000), End::Refused("CS8078")),
        (
            format!(
                "@{{(T,T) D<T>(T x) => (x,x); return {};}}",
                nested("D(", "1", ")", 60)
            ),
            End::Refused("CS8078"),
        ),
        (
            format!("from x in new[]{{1}} {} select x", "from y in new[]{1} ".repeat(300)),
            End::Refused("CS8078"),
        ),
        (
            format!("from x in new[]{{1}} {} select x", "where x > 0 ".repeat(390)),
            End::Refused("CS8078"),
        ),
        (
            format!("@{}", nested("{", "return 1;", "}", 5_000)),
            End::Refused("CS8078"),
        ),
        (
            format!("@{{{} return 1;}}", "if(true) ".repeat(5_000)),
            End::Refused("CS8078"),
        ),
        (format!("1{}", "+1".repeat(5_000)), End::Refused("CS8078")),
        (format!("\"a\"{}", "+\"a\"".repeat(390)), End::Any),
        (format!("\"a\"{}", ".Trim()".repeat(390)), End::Any),
        (format!("1{}", "??1".repeat(5_000)), End::Refused("CS8078")),
        (
            format!(
                "Enumerable.Range(0,1){}",
                ".Select(a=>Enumerable.Range(0,1)".repeat(8) + ".Select(z=>z)" + &")".repeat(8)
            ),
            End::Any,
        ),
        ("f(stackalloc int[3])".into(), End::Any),
        ("new int[] { stackalloc".into(), End::Any),
        (format!("f({})", "stackalloc ".repeat(5_000)), End::Any),
        (format!("f({})", "= ".repeat(5_000)), End::Any),
        ("\u{0}\u{1}".into(), End::Any),
        ("@{".into(), End::Refused("CS1513")),
        (String::new(), End::Refused("CS1525")),
    ];
    for (source, end) in &table {
        check(source, end);
    }
}

#[test]
fn every_prefix_of_a_program_is_refused_or_compiled() {
    let source = r#"@{ var o = JObject.Parse("{\"a\":[1,2]}"); foreach (var t in o["a"].Where(x => (int)x > 1))
        { if (t is JValue v && v.Type == JTokenType.Integer) return $"{v,5:D3}|{o?["a"]?[0] ?? 1}"; }
        switch (1) { case int n when n > 0: goto default; default: break; } try { throw new Exception("x"); }
        catch (Exception e) when (e.Message == "x") { } finally { } return (1, b: "x").b + nameof(o) + @"v""" + 'c'; }"#;
    for (i, _) in source.char_indices() {
        let _ = gateway_expr::compile(&source[..i]);
        let _ = gateway_expr::compile(&format!("{}}}", &source[..i]));
    }
}

#[test]
fn bombs_of_data_are_cut_off() {
    let entities: String = (1..20)
        .map(|i| {
            let before = format!("&e{};", i - 1);
            format!("<!ENTITY e{i} '{}'>", before.repeat(10))
        })
        .collect();
    let laughs = format!("<!DOCTYPE a [<!ENTITY e0 'ha'>{entities}]><a>&e19;</a>");
    let table: Vec<(String, End)> = vec![
        // Trees that double: what is added a second time is copied.
        (
            "@{ var o = new JObject(); while (true) { o[\"x\" + o.Count] = o; } }".into(),
            End::Budget,
        ),
        (
            "@{ var a = new JArray(1); while (true) { a.Add(a); } }".into(),
            End::Budget,
        ),
        (
            "@{ var a = new JArray(1); while (true) { a = new JArray(a, a); } }".into(),
            End::Budget,
        ),
        (
            "@{ var a = JArray.Parse(\"[1]\"); while (true) { a.First.AddAfterSelf(a); } }".into(),
            End::Budget,
        ),
        (
            "@{ var a = JArray.Parse(\"[1]\"); while (true) { a.Merge(a.DeepClone()); } }".into(),
            End::Budget,
        ),
        (
            "@{ var a = new XElement(\"a\"); while (true) { a.Add(a); } }".into(),
            End::Budget,
        ),
        (
            "@{ var a = new XElement(\"a\"); while (true) { a = new XElement(\"b\", a, a); } }".into(),
            End::Budget,
        ),
        (
            "@{ var d = new XmlDocument(); d.LoadXml(\"<a/>\"); while (true) { d.DocumentElement.AppendChild(d.DocumentElement.CloneNode(true)); } }".into(),
            End::Budget,
        ),
        // Text that grows from little.
        (
            "@{ var s = \"x\"; while (true) { s = JsonConvert.SerializeObject(s); } }".into(),
            End::Budget,
        ),
        (
            "@{ var s = \"<\"; while (true) { s = new XElement(\"a\", s).ToString(); } }".into(),
            End::Budget,
        ),
        (format!("XDocument.Parse(@\"{laughs}\")"), End::Any),
        (
            format!("@{{ var d = new XmlDocument(); d.LoadXml(@\"{laughs}\"); return d; }}"),
            End::Any,
        ),
        // Paths that look at everything again and again.
        (
            "JToken.Parse(\"[\" + new string('[', 200) + new string(']', 200) + \"]\").SelectTokens(\"$..*..*..*..*\").Count()".into(),
            End::Budget,
        ),
        (
            "JToken.FromObject(Enumerable.Range(0, 20000)).SelectTokens(\"$..[?($..x == 1)]\").Count()".into(),
            End::Budget,
        ),
        (
            "System.Xml.XPath.Extensions.XPathEvaluate(new XElement(\"a\", Enumerable.Range(0, 3000).Select(i => new XElement(\"b\"))), \"count(//b[count(//b) > 1])\")".into(),
            End::Budget,
        ),
        (
            "@{ var r = XmlReader.Create(new StringReader(\"<a>\" + string.Concat(Enumerable.Repeat(\"<b/>\", 100000)) + \"</a>\")); while (r.Read()) { } return 1; }".into(),
            End::Any,
        ),
        // Sequences without end, and products of sequences.
        (
            "Enumerable.Repeat(1, int.MaxValue).Distinct().Count()".into(),
            End::Budget,
        ),
        (
            "Enumerable.Range(0, int.MaxValue).GroupBy(x => x).Count()".into(),
            End::Budget,
        ),
        (
            "Enumerable.Range(0, 100000).Join(Enumerable.Range(0, 100000), a => 1, b => 1, (a, b) => a).Count()".into(),
            End::Budget,
        ),
        (
            "Enumerable.Range(0, 100000).SelectMany(x => Enumerable.Range(0, 100000)).Last()".into(),
            End::Budget,
        ),
        (
            "Enumerable.Range(0, int.MaxValue).OrderBy(x => -x).First()".into(),
            End::Budget,
        ),
        (
            "Enumerable.Range(0, int.MaxValue).Reverse().First()".into(),
            End::Budget,
        ),
        (
            "Enumerable.Range(0, int.MaxValue).ToDictionary(x => x).Count".into(),
            End::Budget,
        ),
        (
            "Enumerable.Range(0, int.MaxValue).SequenceEqual(Enumerable.Range(0, int.MaxValue))".into(),
            End::Budget,
        ),
        (
            "Enumerable.Repeat(\"x\", int.MaxValue).Concat(new[]{\"y\"}).Last()".into(),
            End::Budget,
        ),
        (
            "string.Join(\",\", Enumerable.Repeat(\"xxxxxxxx\", int.MaxValue))".into(),
            End::Budget,
        ),
        (
            "new JArray(Enumerable.Range(0, int.MaxValue))".into(),
            End::Budget,
        ),
        (
            "@{ var q = new Queue<int>(); while (true) { q.Enqueue(1); } }".into(),
            End::Budget,
        ),
        (
            "@{ var d = new Dictionary<int, int>(); while (true) { d[d.Count] = 1; } }".into(),
            End::Budget,
        ),
        (
            "@{ var h = new HashSet<string>(); while (true) { h.Add(\"k\" + h.Count); } }".into(),
            End::Budget,
        ),
        (
            "@{ var l = new List<int> { 1 }; while (true) { l.AddRange(l); } }".into(),
            End::Budget,
        ),
        (
            "@{ var m = new XmlNamespaceManager(new NameTable()); while (true) { m.AddNamespace(\"p\", \"u\"); } }".into(),
            End::Budget,
        ),
    ];
    for (source, end) in &table {
        check(source, end);
    }
}

#[test]
fn what_an_evaluation_used_up_is_there_for_the_next() {
    let source = "@{var n=0; while(true) try { Regex.IsMatch(new string('a',40)+\"!\",\"^(a+)+$\"); } catch(RegexMatchTimeoutException) { n++; }}";
    check(source, &End::Budget);
    // The same thread, outside of any evaluation: as a schema's pattern is matched.
    let regex =
        gateway_dotnet::regex::Regex::new(&"^(a|b)+$".into(), gateway_dotnet::regex::Options::default());
    assert!(
        regex
            .expect("a pattern")
            .is_match(&"abab".into())
            .expect("steps are left")
    );
}
