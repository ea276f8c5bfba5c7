//! Tells systemd that this process serves (`sd_notify(3)`), so that a unit of `Type=notify` follows an upgrade.

use std::os::{
    linux::net::SocketAddrExt as _,
    unix::{
        ffi::OsStrExt as _,
        net::{SocketAddr, UnixDatagram},
    },
};

/// Where the service manager listens.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// Says that the process is ready and is the unit's main process. Without a service manager that asks, nothing happens.
pub(super) fn ready() {
    let Some(name) = std::env::var_os(VARIABLE) else {
        return;
    };
    if let Err(error) = send(name.as_bytes(), &state(std::process::id())) {
        tracing::warn!(
            event = "NotifyFailed",
            "the service manager was not told: {error}"
        );
    }
}

fn state(pid: u32) -> String {
    format!("READY=1\nMAINPID={pid}\n")
}

fn send(name: &[u8], text: &str) -> std::io::Result<()> {
    let address = match name.split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
    };
    UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_hears_which_process_serves() {
        let name = format!("gateway-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        send(format!("@{name}").as_bytes(), &state(7)).unwrap();
        let mut heard = [0; 64];
        let length = manager.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"READY=1\nMAINPID=7\n");
        assert!(send(b"/nowhere/notify", "").is_err());
    }
}
