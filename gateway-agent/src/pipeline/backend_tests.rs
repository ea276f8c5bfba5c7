//! Backend entities through the pipeline: circuit breakers, pools, session affinity; in memory, with paused time.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use gateway_config::{FileTree, Input, Snapshot};
use tokio::io::{AsyncWriteExt, DuplexStream};

use crate::{
    node::Settings,
    testing::{Backend, World, on_worker, read_head},
};

const PATIENCE: Duration = Duration::from_secs(1);
const BREAKER: &str = r#""circuitBreaker":{"rules":[{"name":"r","failureCondition":{"count":2,"interval":"PT1M",
    "statusCodeRanges":[{"min":500,"max":599}]},"tripDuration":"PT30S"}]}"#;

/// An open API whose policy chooses the entity `chosen`: a backend `one`, or a pool of `one` and `two`.
fn snapshot(chosen: &str) -> Snapshot {
    let mut tree = FileTree::new();
    let mut put = |path: &str, text: &str| tree.insert(path.to_owned(), Arc::from(text.as_bytes()));
    put(
        "apis/a/apiInformation.json",
        r#"{"properties":{"displayName":"a","path":"a","protocols":["http"],"isCurrent":true,"subscriptionRequired":false}}"#,
    );
    put(
        "apis/a/specification.yaml",
        "openapi: 3.0.1\ninfo: {title: t, version: '1'}\npaths:\n  /x:\n    get: {operationId: x, responses: {'200': {description: OK}}}\n",
    );
    let policy = format!(
        r#"<policies><inbound><set-backend-service backend-id="{chosen}" /></inbound><backend><forward-request/></backend>
        <outbound/><on-error><set-header name="X-Reason"><value>@(context.LastError.Reason)</value></set-header></on-error></policies>"#
    );
    put("apis/a/policy.xml", &policy);
    for name in ["one", "two"] {
        put(
            &format!("backends/{name}/backendInformation.json"),
            &format!(r#"{{"properties":{{"url":"http://{name}.test","protocol":"http",{BREAKER}}}}}"#),
        );
    }
    put(
        "backends/pool/backendInformation.json",
        r#"{"properties":{"type":"Pool","pool":{"services":[{"id":"/backends/one","priority":1,"weight":1},{"id":"/backends/two","priority":2,"weight":1}],
        "sessionAffinity":{"sessionId":{"source":"Cookie","name":"sid"}}}}}"#,
    );
    let loaded = gateway_config::load(&Input {
        tree: &tree,
        overlay: None,
        settings: &gateway_config::Settings::default(),
        secrets: &|_| Err("no secrets here".to_owned()),
        previous: None,
    });
    assert_eq!(loaded.problems, [], "the test's own configuration");
    Arc::into_inner(loaded.snapshot.unwrap()).unwrap()
}

/// Hosts that answer 503; the others answer 200. Both say who they are.
type Sick = Rc<RefCell<Vec<&'static str>>>;

fn hosts(sick: &Sick) -> Backend {
    let sick = Rc::clone(sick);
    Box::new(move |mut pipe: DuplexStream| {
        let sick = Rc::clone(&sick);
        tokio::task::spawn_local(async move {
            while let Some(head) = read_head(&mut pipe).await {
                let host = head
                    .lines()
                    .find_map(|l| l.strip_prefix("host: "))
                    .unwrap_or_default();
                let status = if sick.borrow().contains(&host) {
                    "503 No"
                } else {
                    "200 OK"
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{host}",
                    host.len()
                );
                let _ = pipe.write_all(answer.as_bytes()).await;
            }
        });
    })
}

struct Bench {
    world: World,
    sick: Sick,
}

impl Bench {
    fn new(chosen: &str, sick: &[&'static str]) -> Self {
        let sick = Rc::new(RefCell::new(sick.to_vec()));
        let world = World::new(Settings::default(), Some(snapshot(chosen)), hosts(&sick));
        Self { world, sick }
    }

    async fn get(&self, cookie: &str) -> String {
        let request = format!("GET /a/x HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n{cookie}\r\n");
        self.world.talk(request.as_bytes(), PATIENCE).await
    }

    /// Status and body of a request.
    async fn ask(&self) -> (String, String) {
        let output = self.get("").await;
        let status = output.get(9..12).unwrap_or_default().to_owned();
        (
            status,
            output.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned(),
        )
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_fails_is_left_alone_and_asked_again() {
    on_worker(async {
        let bench = Bench::new("one", &["one.test"]);
        let failed = ("503".to_owned(), "one.test".to_owned());
        assert_eq!(bench.ask().await, failed);
        assert_eq!(bench.ask().await, failed, "the second failure opens the circuit");
        let output = bench.get("").await;
        for part in [
            "HTTP/1.1 503 Service Unavailable\r\n",
            "\r\nretry-after: 30\r\n",
            "\r\nx-reason: CircuitBreakerOpen\r\n",
            r#"{ "statusCode": 503, "message": "Service unavailable" }"#,
        ] {
            assert!(output.contains(part), "{part}: {output}");
        }
        bench.sick.borrow_mut().clear();
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(bench.ask().await, ("200".to_owned(), "one.test".to_owned()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_goes_on_with_its_next_group() {
    on_worker(async {
        let bench = Bench::new("pool", &["one.test"]);
        assert_eq!(bench.ask().await.0, "503");
        assert_eq!(bench.ask().await.0, "503");
        assert_eq!(bench.ask().await, ("200".to_owned(), "two.test".to_owned()));
        bench.sick.borrow_mut().push("two.test");
        bench.ask().await;
        bench.ask().await;
        let output = bench.get("").await;
        assert!(output.contains("retry-after: "), "all are out: {output}");
        bench.sick.borrow_mut().clear();
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(
            bench.ask().await,
            ("200".to_owned(), "one.test".to_owned()),
            "and back to the better one"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_session_stays_with_its_member() {
    on_worker(async {
        let bench = Bench::new("pool", &["one.test"]);
        bench.ask().await;
        bench.ask().await;
        let output = bench.get("").await;
        let set = output
            .lines()
            .find_map(|l| l.strip_prefix("set-cookie: "))
            .unwrap();
        let cookie = format!("Cookie: a=b; {}\r\n", set.split(';').next().unwrap());
        bench.sick.borrow_mut().clear();
        tokio::time::sleep(Duration::from_secs(31)).await;
        let output = bench.get(&cookie).await;
        assert!(output.ends_with("two.test"), "not the better one: {output}");
        assert!(!output.contains("set-cookie"), "it has it already: {output}");
        assert!(
            bench
                .get("Cookie: sid=unknown\r\n")
                .await
                .contains("set-cookie: sid=")
        );
    })
    .await;
}
