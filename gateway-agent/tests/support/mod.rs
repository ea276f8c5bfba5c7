//! A running agent for tests: started as a process, watched through its log, ended by its own id.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, channel},
    },
    time::{Duration, Instant},
};

use serde_json::Value;

/// Long enough for a loaded machine; every wait ends with its event.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder of the test's own, removed at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let name = format!(
            "gateway-agent-it-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The binary, with an environment of its own.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway-agent"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// Runs to its end: status, standard output, standard error.
pub(crate) fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = command(arguments).output().unwrap();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// A port nobody listens on at this moment.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A request to an admin socket, `None` when nobody answers.
pub(crate) fn try_admin(socket: &Path, method: &str, target: &str) -> Option<(u16, String)> {
    let mut stream = UnixStream::connect(socket).ok()?;
    write!(stream, "{method} {target} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    Some(split(stream))
}

/// A running agent.
pub(crate) struct Agent {
    child: Child,
    log: Receiver<Value>,
    pub(crate) socket: PathBuf,
    pub(crate) http: SocketAddr,
}

impl Agent {
    /// Starts with the given settings on loopback; the log is JSON.
    pub(crate) fn start(scratch: &Scratch, settings: &[(&str, &str)]) -> Self {
        let socket = scratch.path("admin.sock");
        let port = free_port();
        let mut command = command(&["run"]);
        command
            .env("net.server.address", "127.0.0.1")
            .env("net.server.http.port", port.to_string())
            .env("net.server.https.port", "0")
            .env("admin.address", "none")
            .env("admin.socket.path", &socket)
            .env("telemetry.metrics.prometheus.port", "0")
            .env("telemetry.logs.std", "json")
            .env("config.service.refreshInterval", "200ms")
            .env("kernel.mode", "off")
            .env("runtime.workers", "1");
        for (name, value) in settings {
            command.env(name, value);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (send, log) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if send.send(value).is_err() {
                    break;
                }
            }
        });
        let http = SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            child,
            log,
            socket,
            http,
        }
    }

    /// The next event of that type.
    pub(crate) fn event(&self, name: &str) -> Value {
        self.record(|record| record["eventType"] == name)
    }

    /// The next record of the log that is wanted.
    pub(crate) fn record(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + LIMIT;
        let mut seen = Vec::new();
        while let Ok(record) = self
            .log
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            if wanted(&record) {
                return record;
            }
            seen.push(record.to_string());
        }
        panic!("no such record; the log was\n{}", seen.join("\n"));
    }

    /// A request to the admin socket: status and body.
    pub(crate) fn admin(&self, method: &str, target: &str) -> (u16, String) {
        try_admin(&self.socket, method, target).unwrap()
    }

    /// `/status`
    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.admin("GET", "/status").1).unwrap()
    }

    /// A plain request to the traffic port.
    pub(crate) fn get(&self, target: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.http).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        split(stream)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> ExitStatus {
        // The log ends with the process; reading it is waiting without polling.
        while self.log.recv_timeout(LIMIT).is_ok() {}
        self.child.wait().unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn split(mut stream: impl std::io::Read) -> (u16, String) {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {answer:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Ends a process, whatever the test found.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The artifact folder of the examples.
pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/artifacts")
}
