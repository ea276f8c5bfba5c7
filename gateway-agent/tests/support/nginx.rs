//! A real nginx as a backend and as a server of files.

use std::{
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{Ended, LIMIT, Scratch, free_port};

/// An nginx that serves the files of a folder, and tells requests below `/echo/`.
pub(crate) struct Nginx {
    /// Where it answers.
    pub(crate) url: String,
    _process: Ended,
    /// Its folder; `files/` is what it serves.
    pub(crate) scratch: Scratch,
}

impl Nginx {
    /// Starts it with those files, name and text.
    pub(crate) fn start(files: &[(&str, &str)]) -> Self {
        let (scratch, port) = (Scratch::new(), free_port());
        for (name, text) in files {
            scratch.write(&format!("files/{name}"), text);
        }
        let folder = scratch.path("");
        let folder = folder.display().to_string();
        let folder = folder.trim_end_matches('/');
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {folder}/tmp-{kind}; "))
            .collect();
        let configuration = scratch.write(
            "nginx.conf",
            format!(
                "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n\
                 http {{ access_log off; {temporary}\n\
                 types {{ text/xml xml; application/json json; application/pkix-crl crl; text/html html; }}\n\
                 server {{ listen 127.0.0.1:{port}; root {folder}/files;\n\
                 location /echo/ {{ default_type text/plain; return 200 \"$request_method $request_uri in=$http_x_in auth=$http_authorization\"; }} }} }}\n"
            ),
        );
        let process = Command::new(gateway_tests::process::find("nginx").unwrap())
            .arg("-c")
            .arg(&configuration)
            .arg("-p")
            .arg(folder)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let process = Ended(process);
        // A process that is not ours offers no event: it listens when it can be connected to.
        let deadline = Instant::now() + LIMIT;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            assert!(Instant::now() < deadline, "nginx does not listen on {address}");
            std::thread::yield_now();
        }
        Self {
            url: format!("http://{address}"),
            _process: process,
            scratch,
        }
    }
}
