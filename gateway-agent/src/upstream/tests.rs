//! The pool against scripted backends in memory.

use std::{cell::RefCell, rc::Rc, time::Duration};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::{
    http::body::BodyError,
    limits::Limits,
    node::Settings,
    testing::{Backend, World, answering, on_worker, read_head},
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

fn target(version: Version) -> Target {
    Target {
        secure: false,
        host: "b.test".into(),
        port: 80,
        version,
        validate_chain: true,
        validate_name: true,
        identity: None,
        via: None,
    }
}

fn world(backend: Backend) -> World {
    World::new(Settings::default(), None, backend)
}

async fn send(world: &World, method: Method, body: OutBody) -> Result<Sent, UpstreamError> {
    send_to(world, Version::Http1, method, body).await
}

async fn send_to(
    world: &World,
    version: Version,
    method: Method,
    body: OutBody,
) -> Result<Sent, UpstreamError> {
    let idempotent = method == Method::GET;
    let head = |protocol: Protocol, _authority: &Bytes| {
        let uri = if protocol == Protocol::Http2 {
            "http://b.test/x"
        } else {
            "/x"
        };
        Ok(Request::builder()
            .method(method.clone())
            .uri(uri)
            .header("host", "b.test")
            .body(())
            .unwrap())
    };
    world
        .worker
        .pool
        .send(&target(version), &head, body, idempotent)
        .await
}

async fn text(sent: Sent) -> Result<String, BodyError> {
    let bytes = sent.body.collect().await?.to_bytes();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

type Running = std::pin::Pin<Box<dyn Future<Output = ()>>>;

/// Each connection is run by the next script; the last one runs all that follow.
fn scripts(scripts: Vec<fn(DuplexStream) -> Running>) -> Backend {
    let next = Rc::new(RefCell::new(0));
    Box::new(move |pipe| {
        let at = *next.borrow();
        *next.borrow_mut() = (at + 1).min(scripts.len() - 1);
        tokio::task::spawn_local(scripts[at](pipe));
    })
}

/// Answers once, then closes when the next request has begun to arrive.
fn dies_at_second(mut pipe: DuplexStream) -> Running {
    Box::pin(async move {
        read_head(&mut pipe).await;
        let _ = pipe.write_all(OK.as_bytes()).await;
        let _ = pipe.read_u8().await;
    })
}

/// Answers everything.
fn lives(mut pipe: DuplexStream) -> Running {
    Box::pin(async move {
        while read_head(&mut pipe).await.is_some() {
            let _ = pipe.write_all(OK.as_bytes()).await;
        }
    })
}

/// Answers once and closes at once.
fn one_shot(mut pipe: DuplexStream) -> Running {
    Box::pin(async move {
        read_head(&mut pipe).await;
        let _ = pipe.write_all(OK.as_bytes()).await;
    })
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again_after_its_body_was_read() {
    on_worker(async {
        let world = world(answering(OK));
        for _ in 0..3 {
            let sent = send(&world, Method::GET, OutBody::Empty).await.unwrap();
            assert_eq!(text(sent).await.unwrap(), "hi");
            assert_eq!(world.worker.pool.idle(), 1);
        }
        assert_eq!(*world.dialled.borrow(), 1);
        // A body that is not read to its end closes the connection.
        drop(send(&world, Method::GET, OutBody::Empty).await.unwrap());
        assert_eq!(world.worker.pool.idle(), 0);
        send(&world, Method::GET, OutBody::Empty).await.unwrap();
        assert_eq!(*world.dialled.borrow(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_the_backend_closes_is_not_used_again() {
    on_worker(async {
        let world = world(scripts(vec![one_shot, lives]));
        text(send(&world, Method::GET, OutBody::Empty).await.unwrap())
            .await
            .unwrap();
        tokio::task::yield_now().await;
        // POST may not be sent twice: the dead connection must be noticed before.
        text(send(&world, Method::POST, OutBody::Empty).await.unwrap())
            .await
            .unwrap();
        assert_eq!(*world.dialled.borrow(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reused_connection_that_dies_is_retried_for_idempotent_requests_only() {
    on_worker(async {
        for (method, works) in [(Method::GET, true), (Method::POST, false)] {
            let world = world(scripts(vec![dies_at_second, lives]));
            text(send(&world, Method::GET, OutBody::Empty).await.unwrap())
                .await
                .unwrap();
            let second = send(&world, method.clone(), OutBody::Full(Bytes::from_static(b"x"))).await;
            assert_eq!(second.is_ok(), works, "{method}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn dead_backends_are_tried_a_bounded_number_of_times() {
    on_worker(async {
        let world = world(Box::new(drop));
        let error = send(&world, Method::GET, OutBody::Empty).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Broken(_)), "{error}");
        assert!(*world.dialled.borrow() <= 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn responses_that_lie_are_failures() {
    on_worker(async {
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi";
        let world = world(Box::new(move |mut pipe| {
            tokio::task::spawn_local(async move {
                read_head(&mut pipe).await;
                let _ = pipe.write_all(cut.as_bytes()).await;
            });
        }));
        let sent = send(&world, Method::GET, OutBody::Empty).await.unwrap();
        assert!(matches!(text(sent).await, Err(BodyError::Upstream(_))));
        assert_eq!(world.worker.pool.idle(), 0);
        for garbage in [
            "garbage\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
        ] {
            let world = super::tests::world(answering(garbage));
            let error = send(&world, Method::GET, OutBody::Empty).await.unwrap_err();
            assert!(matches!(error, UpstreamError::Broken(_)), "{garbage:?}: {error}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_falls_silent_is_given_up() {
    on_worker(async {
        let limits = Limits {
            upstream_body_timeout: Duration::from_secs(5),
            ..Limits::default()
        };
        let settings = Settings {
            limits,
            ..Settings::default()
        };
        let world = World::new(
            settings,
            None,
            Box::new(|mut pipe| {
                tokio::task::spawn_local(async move {
                    read_head(&mut pipe).await;
                    let _ = pipe
                        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
                        .await;
                    for _ in 0..3 {
                        tokio::time::sleep(Duration::from_secs(4)).await;
                        let _ = pipe.write_all(b"x").await;
                    }
                    let _ = pipe.read_u8().await;
                });
            }),
        );
        let begun = tokio::time::Instant::now();
        let sent = send(&world, Method::GET, OutBody::Empty).await.unwrap();
        assert_eq!(
            text(sent).await,
            Err(BodyError::UpstreamTimeout(Duration::from_secs(5)))
        );
        // Each piece renews the patience: three of them at 4 s, then 5 s of silence.
        assert_eq!(begun.elapsed().as_secs(), 17);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_closed_after_their_time() {
    on_worker(async {
        let world = world(answering(OK));
        text(send(&world, Method::GET, OutBody::Empty).await.unwrap())
            .await
            .unwrap();
        world.worker.pool.sweep();
        assert_eq!(world.worker.pool.idle(), 1);
        tokio::time::advance(crate::limits::UPSTREAM_IDLE_TIMEOUT).await;
        world.worker.pool.sweep();
        assert_eq!(world.worker.pool.idle(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn connections_to_one_authority_are_bounded() {
    on_worker(async {
        let limits = Limits {
            upstreams_per_authority: 2,
            ..Limits::default()
        };
        let world = World::new(
            Settings {
                limits,
                ..Settings::default()
            },
            None,
            answering(OK),
        );
        let first = send(&world, Method::GET, OutBody::Empty).await.unwrap();
        let _second = send(&world, Method::GET, OutBody::Empty).await.unwrap();
        let third = send(&world, Method::GET, OutBody::Empty).await.unwrap_err();
        assert!(
            matches!(third, UpstreamError::Exhausted { limit: 2, .. }),
            "{third}"
        );
        text(first).await.unwrap();
        send(&world, Method::GET, OutBody::Empty).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_never_made_times_out() {
    on_worker(async {
        // The HTTP/2 handshake waits for nothing, HTTP/1.1 neither: only the response can be late, and that
        // is the caller's limit.
        let world = world(Box::new(std::mem::forget));
        let late = tokio::time::timeout(
            Duration::from_secs(300),
            send(&world, Method::GET, OutBody::Empty),
        )
        .await;
        assert!(late.is_err());
        assert_eq!(world.worker.pool.idle(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn http2_requests_share_one_connection() {
    on_worker(async {
        let world = world(Box::new(|pipe| {
            let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Full::new(body)))
            });
            tokio::task::spawn_local(
                hyper::server::conn::http2::Builder::new(crate::executor::LocalExecutor)
                    .serve_connection(hyper_util::rt::TokioIo::new(pipe), service),
            );
        }));
        let one = |text: &'static str| {
            let world = &world;
            async move {
                let body = OutBody::Full(Bytes::from_static(text.as_bytes()));
                super::tests::text(send_to(world, Version::Http2, Method::POST, body).await.unwrap()).await
            }
        };
        let (a, b, c) = tokio::join!(one("a"), one("b"), one("c"));
        assert_eq!(
            (a.unwrap(), b.unwrap(), c.unwrap()),
            ("a".into(), "b".into(), "c".into())
        );
        assert_eq!(*world.dialled.borrow(), 1);
    })
    .await;
}
