//! Peers of a running agent in tests: clients that ask, servers that answer, Redis, packages from npm.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use crate::support::{Agent, Ended, LIMIT, Scratch, free_port};

/// An answer to a client.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (n, value) = line.split_once(':')?;
            n.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A chunked body put together (RFC 9112 §7.1).
fn unchunked(body: &str) -> String {
    let (mut whole, mut rest) = (String::new(), body);
    while let Some((size, tail)) = rest.split_once("\r\n") {
        match usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16) {
            Ok(size @ 1..) if size <= tail.len() => {
                whole += &tail[..size];
                rest = tail[size..].trim_start_matches("\r\n");
            }
            _ => break,
        }
    }
    whole
}

/// One request on a connection of its own.
pub(crate) fn ask(address: SocketAddr, method: &str, target: &str, headers: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let chunked = head
        .to_ascii_lowercase()
        .contains("\r\ntransfer-encoding: chunked");
    let body = if chunked { unchunked(body) } else { body.to_owned() };
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body,
    }
}

pub(crate) fn get(agent: &Agent, target: &str, headers: &str) -> Answer {
    ask(agent.http, "GET", target, headers, "")
}

/// Reads a request and answers with `answer`, which sees it (head and, after the blank line, body) and how many came
/// before.
pub(crate) fn serve(
    stream: &mut (impl std::io::Read + std::io::Write),
    heads: &Mutex<Vec<String>>,
    answer: impl Fn(&str, usize) -> String,
) {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => request.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&request).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    let request = head + &String::from_utf8_lossy(&body);
    let count = heads.lock().unwrap().len();
    let text = answer(&request, count);
    heads.lock().unwrap().push(request);
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.flush();
}

pub(crate) fn ok(body: &str, headers: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

/// A server of the test's own on loopback; it ends with the process.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    pub(crate) fn start(answer: impl Fn(&str, usize) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, heads) = (listener.local_addr().unwrap(), Arc::new(Mutex::default()));
        let seen = Arc::clone(&heads);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut stream = stream;
                serve(&mut stream, &seen, &answer);
            }
        });
        Self { address, heads }
    }

    pub(crate) fn count(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
}

/// The sum of a metric's samples whose labels contain `labels`.
pub(crate) fn metric(agent: &Agent, name: &str, labels: &str) -> f64 {
    let text = agent.admin("GET", "/metrics").1;
    text.lines()
        .filter(|line| line.starts_with(name) && line.contains(labels))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

/// The first line a process says that `wanted` accepts.
pub(crate) fn line_of(child: &mut Child, wanted: impl Fn(&str) -> bool) -> String {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.by_ref().map_while(Result::ok).find(|line| wanted(line));
    // It must be able to write on.
    std::thread::spawn(move || for _ in lines {});
    line.unwrap_or_else(|| panic!("the process ended without a word"))
}

/// A Redis server with a password.
pub(crate) fn redis(scratch: &Scratch) -> (Ended, String) {
    let port = free_port();
    let mut child = Command::new("redis-server")
        .args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--requirepass",
            "pw",
            "--port",
            &port.to_string(),
            "--dir",
        ])
        .arg(scratch.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    line_of(&mut child, |line| line.contains("Ready to accept connections"));
    (
        Ended(child),
        format!("127.0.0.1:{port},password=pw,abortConnect=False"),
    )
}

/// A folder with packages from npm and a script of the tests that uses them; `None` after a visible skip.
pub(crate) fn node_folder(name: &str, packages: &[&str], script: &str) -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&target).unwrap();
    // Two tests may need the same folder; a name of `node_modules` that is there is whole.
    let lock = fs::File::create(target.join("lock")).unwrap();
    lock.lock().unwrap();
    if !target.join("installed").exists() {
        fs::write(target.join("package.json"), r#"{"private":true}"#).unwrap();
        let installed = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--silent"])
            .args(packages)
            .current_dir(&target)
            .status()
            .is_ok_and(|status| status.success());
        if !installed {
            println!(
                "SKIP: npm cannot install {}; make it reachable or put it into {}",
                packages.join(", "),
                target.display()
            );
            return None;
        }
        fs::write(target.join("installed"), packages.join("\n")).unwrap();
    }
    // Node resolves packages from where the script is.
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
    fs::copy(&from, target.join(from.file_name().unwrap())).unwrap();
    Some(target)
}
