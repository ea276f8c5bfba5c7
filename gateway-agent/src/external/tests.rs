//! Against real servers: `redis-server` with password, with TLS, and a cluster of three.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use gateway_policy::effect::{Count, Counted, Window};

use super::*;
use crate::{
    counters::EXACT_CALLS,
    sync::scratch::Scratch,
    testing::{World, on_worker},
};

/// Bytes of an entry above what one read of a socket gives.
const LARGE: usize = 300_000;

/// A server of the test's own, ended by its own handle.
struct Server {
    child: Child,
    port: u16,
    arguments: Vec<String>,
    scratch: Scratch,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port nobody listens on at this moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn have(program: &'static str) -> bool {
    let missing = gateway_tests::skip::reason(&[gateway_tests::skip::Need::Program(program, "redis-server")]);
    if let Some(reason) = &missing {
        println!("SKIP: {reason}");
    }
    missing.is_none()
}

impl Server {
    /// `None` after a visible skip.
    fn start(arguments: impl FnOnce(&Scratch, u16) -> Vec<String>) -> Option<Self> {
        if !have("redis-server") {
            return None;
        }
        let (scratch, port) = (Scratch::new(), free_port());
        let arguments = arguments(&scratch, port);
        let child = Self::spawn(&scratch, &arguments);
        Some(Self {
            child,
            port,
            arguments,
            scratch,
        })
    }

    fn plain(more: &[&str]) -> Option<Self> {
        Self::start(|_, port| {
            let port = port.to_string();
            let own = ["--port", &port].map(str::to_owned);
            own.into_iter()
                .chain(more.iter().map(|a| (*a).to_owned()))
                .collect()
        })
    }

    /// Returns when the server says that it is ready.
    fn spawn(scratch: &Scratch, arguments: &[String]) -> Child {
        let mut child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(scratch.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = String::new();
        loop {
            let line = lines
                .next()
                .unwrap_or_else(|| panic!("redis-server ended: {seen}"))
                .unwrap();
            if line.contains("Ready to accept connections") {
                break;
            }
            seen += &line;
        }
        // It must be able to write on.
        std::thread::spawn(move || for _ in lines {});
        child
    }

    fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn start_again(&mut self) {
        self.child = Self::spawn(&self.scratch, &self.arguments);
    }
}

fn config(text: &str, authorities: Option<&str>) -> Arc<Config> {
    let raw = gateway_config::settings::RawSetting {
        origin: "test".into(),
        name: "cache.external.connection-string".to_owned(),
        value: text.to_owned(),
        line: 0,
    };
    let (settings, problems) = gateway_config::settings::parse(&[raw]);
    assert_eq!(problems, [], "{text}");
    Arc::new(Config {
        redis: settings.cache.external.unwrap(),
        authorities: authorities.map(|pem| pem.as_bytes().into()),
        counts: true,
    })
}

fn client(text: &str) -> Rc<External> {
    External::new(&config(text, None), &Metrics::new().unwrap())
}

/// Between two questions of [`again`].
const ASKED_EVERY: Duration = Duration::from_millis(20);

/// Asks until the answer is yes.
async fn again(mut question: impl AsyncFnMut() -> bool) {
    let mut tick = tokio::time::interval(ASKED_EVERY);
    let asked = async {
        while !question().await {
            tick.tick().await;
        }
    };
    timeout(MINUTE, asked).await.expect("the answer is never yes");
}

const MINUTE: Duration = Duration::from_secs(60);

/// Everything the cache asks of it.
async fn check_values(external: &Rc<External>) {
    assert_eq!(external.get("k").await.unwrap(), None);
    for n in 0..50 {
        let (key, entry) = (format!("key {n} ü{{}}"), vec![n; LARGE * usize::from(n == 7) + 1]);
        external.set(&key, &entry, MINUTE).await.unwrap();
        assert_eq!(external.get(&key).await.unwrap(), Some(entry), "{key}");
    }
    external.remove("key 1 ü{}").await.unwrap();
    assert_eq!(external.get("key 1 ü{}").await.unwrap(), None);
    // Gone after its time: the server is asked how long that is, instead of waiting.
    let mut ttl = redis::cmd("PTTL");
    ttl.arg(name("v:", "key 2 ü{}"));
    let left: u64 = external.run(&ttl).await.unwrap();
    assert!((50_000..=60_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_server_with_a_password() {
    let Some(server) = Server::plain(&["--requirepass", "p,w"]) else {
        return;
    };
    on_worker(async {
        let address = format!("redis://:p%2Cw@127.0.0.1:{}", server.port);
        check_values(&client(&address)).await;
        for wrong in ["redis://:no@", "redis://"] {
            let down = client(&format!("{wrong}127.0.0.1:{}", server.port))
                .get("k")
                .await
                .unwrap_err();
            assert!(!down.0.is_empty() && !down.0.contains("p,w"), "{down:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_with_tls() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let pem = made.cert.pem();
    let server = Server::start(|scratch, port| {
        scratch.write("c.pem", made.cert.pem());
        scratch.write("k.pem", made.signing_key.serialize_pem());
        let file = |name: &str| scratch.path().join(name).display().to_string();
        let words = [
            "--port",
            "0",
            "--tls-port",
            &port.to_string(),
            "--tls-auth-clients",
            "no",
        ]
        .map(str::to_owned);
        let files: [(&str, PathBuf); 3] = [
            ("--tls-cert-file", file("c.pem").into()),
            ("--tls-key-file", file("k.pem").into()),
            ("--tls-ca-cert-file", file("c.pem").into()),
        ];
        let files = files
            .into_iter()
            .flat_map(|(n, p)| [n.to_owned(), p.display().to_string()]);
        words
            .into_iter()
            .chain(files)
            .chain(["--requirepass".to_owned(), "pw".to_owned()])
            .collect()
    });
    let Some(server) = server else { return };
    on_worker(async {
        let text = |host: &str| format!("{host}:{},password=pw,ssl=True,abortConnect=False", server.port);
        let metrics = Metrics::new().unwrap();
        let believed = config(&text("localhost"), Some(&pem));
        check_values(&External::new(&believed, &metrics)).await;
        // An authority nobody knows, and a name that is not in the certificate.
        for refused in [
            config(&text("localhost"), None),
            config(&text("127.0.0.1"), Some(&pem)),
        ] {
            let down = External::new(&refused, &metrics).get("k").await.unwrap_err();
            assert!(down.0.contains("certificate"), "{down:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_cluster_of_three() {
    let node = || {
        let bus = free_port().to_string();
        Server::plain(&["--cluster-enabled", "yes", "--cluster-port", &bus])
    };
    let (Some(a), Some(b), Some(c)) = (node(), node(), node()) else {
        return;
    };
    let nodes = [&a, &b, &c].map(|one| format!("127.0.0.1:{}", one.port));
    let made = Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(&nodes)
        .arg("--cluster-yes")
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    on_worker(async {
        // Any node leads to the others.
        let external = client(&nodes[1]);
        // The nodes agree on their slots a moment before they serve them.
        for n in 0..100 {
            again(async || external.get(&format!("{n}")).await.is_ok()).await;
        }
        check_values(&external).await;
        assert!(external.state.borrow().connection.as_ref().unwrap().is_cluster());
        for n in 0..20 {
            let one = Count {
                key: format!("k{n}").into(),
                ..count(2, Window::Sliding)
            };
            let mut allowed = 0;
            for _ in 0..3 {
                allowed += usize::from(external.count(&one, false).await.unwrap().allowed);
            }
            assert_eq!(allowed, 2, "{n}");
        }
    })
    .await;
}

fn count(limit: u64, window: Window) -> Count {
    Count {
        key: "k".into(),
        limit,
        period: MINUTE,
        window,
        increment: 1,
    }
}

const FIXED: Window = Window::Fixed {
    first_period_start: 0,
};

#[tokio::test]
async fn counters_answer_as_those_of_one_node() {
    let Some(server) = Server::plain(&[]) else { return };
    on_worker(async {
        let external = client(&format!("127.0.0.1:{}", server.port));
        for window in [Window::Sliding, FIXED] {
            let one = count(3, window);
            let two = Count {
                increment: 2,
                ..one.clone()
            };
            let look = Count {
                increment: 0,
                ..one.clone()
            };
            // (what, charged, allowed, remaining)
            for (at, (what, charge, allowed, remaining)) in [
                (&look, false, true, 3),
                (&one, false, true, 2),
                (&look, false, true, 2),
                (&two, false, true, 0),
                (&one, false, false, 0),
                (&look, false, false, 0),
                (&two, true, true, 0),
                (&one, false, false, 0),
            ]
            .into_iter()
            .enumerate()
            {
                let counted = external.count(what, charge).await.unwrap();
                assert_eq!(
                    (counted.allowed, counted.remaining),
                    (allowed, remaining),
                    "{window:?} step {at}"
                );
                let wait = counted.retry_after;
                assert_eq!(
                    wait > Duration::ZERO && wait <= MINUTE,
                    !allowed,
                    "{window:?} step {at}: {wait:?}"
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_window_passes() {
    let Some(server) = Server::plain(&[]) else { return };
    on_worker(async {
        let external = client(&format!("127.0.0.1:{}", server.port));
        for (window, key) in [(Window::Sliding, "s"), (FIXED, "f")] {
            let short = Count {
                key: key.into(),
                period: Duration::from_millis(150),
                ..count(1, window)
            };
            // A fixed period may end between two calls; then the second one begins the next.
            let refused = loop {
                let counted = external.count(&short, false).await.unwrap();
                if !counted.allowed {
                    break counted;
                }
            };
            let begun = Instant::now();
            again(async || external.count(&short, false).await.unwrap().allowed).await;
            assert!(begun.elapsed() + ASKED_EVERY >= refused.retry_after, "{window:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn nodes_share_a_limit_exactly() {
    let Some(server) = Server::plain(&[]) else { return };
    on_worker(async {
        let address = format!("127.0.0.1:{}", server.port);
        // The second limit is above what a counter keeps call by call.
        for (limit, calls, key) in [(50, 60, "exact"), (1_500, 900, "steps")] {
            let nodes = [client(&address), client(&address)];
            let one = Count {
                key: key.into(),
                ..count(limit, Window::Sliding)
            };
            let mut asked = Vec::new();
            for node in &nodes {
                for _ in 0..calls {
                    let (node, one) = (Rc::clone(node), one.clone());
                    asked.push(tokio::task::spawn_local(async move {
                        node.count(&one, false).await.unwrap().allowed
                    }));
                }
            }
            let mut allowed = 0;
            for one in asked {
                allowed += u64::from(one.await.unwrap());
            }
            assert_eq!(allowed, limit, "{key}");
            let mut length = redis::cmd("LLEN");
            length.arg(name("s:", key));
            let kept: u64 = nodes[0].run(&length).await.unwrap();
            assert!(kept <= EXACT_CALLS as u64 + 2, "{kept} entries");
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_goes_away_and_comes_back() {
    let Some(mut server) = Server::plain(&[]) else {
        return;
    };
    on_worker(async {
        let settings = crate::node::Settings {
            external: Some(config(
                &format!("127.0.0.1:{},connectTimeout=2000", server.port),
                None,
            )),
            ..crate::node::Settings::default()
        };
        let world = World::without_backend(settings, None);
        let worker = &world.worker;
        let one = count(4, Window::Sliding);
        let external = worker.external().unwrap();
        for _ in 0..2 {
            assert!(super::count(worker, &one, false).await.allowed);
        }
        assert_eq!(worker.node.metrics.effects.counts_external.get(), 2);
        server.stop();
        assert!(external.get("k").await.is_err());
        // This node knows what it let through, and goes on with that.
        let rest: Vec<Counted> = [
            super::count(worker, &one, false).await,
            super::count(worker, &one, false).await,
            super::count(worker, &one, false).await,
        ]
        .into();
        assert_eq!(
            rest.iter().map(|c| c.allowed).collect::<Vec<_>>(),
            [true, true, false]
        );
        assert_eq!(worker.node.metrics.effects.counts_node.get(), 3);
        // Known to be away: nobody waits.
        while external.get("k").await.is_ok() || external.connect() {
            tokio::task::yield_now().await;
        }
        let begun = Instant::now();
        assert!(external.get("k").await.is_err());
        assert!(begun.elapsed() < FIRST_PAUSE, "{:?}", begun.elapsed());
        server.start_again();
        again(async || external.set("k", b"v", MINUTE).await.is_ok()).await;
        assert_eq!(external.get("k").await.unwrap().as_deref(), Some(&b"v"[..]));
        assert_eq!(worker.node.metrics.effects.external_connections.get(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_costs_one_limit() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    on_worker(async {
        let port = silent.local_addr().unwrap().port();
        let external = client(&format!("127.0.0.1:{port},syncTimeout=50,connectTimeout=200"));
        let begun = Instant::now();
        assert!(external.get("k").await.is_err());
        assert!(
            begun.elapsed() < Duration::from_millis(190),
            "{:?}",
            begun.elapsed()
        );
    })
    .await;
}
