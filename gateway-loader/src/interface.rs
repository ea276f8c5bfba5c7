//! Attaching XDP to one interface without harm to others' programs or to the interface's traffic.

use std::ffi::CString;
use std::io;

use aya::programs::{ProgramError, Xdp, XdpMode as AyaMode};

use crate::hook::{HookName, HookState, reason, system_error};
use crate::options::{Uplink, XdpMode};

/// Software interfaces where native mode costs their peers segmentation offload, or does not exist.
const GENERIC_DRIVERS: [&str; 4] = ["veth", "tun", "bridge", "dummy"];

const FOREIGN: &str = "another XDP program is attached to this interface; it is left alone";

/// Attaches the loaded program and reports how.
pub(crate) fn attach(program: &mut Xdp, uplink: &Uplink) -> HookState {
    let driver = driver_of(&uplink.interface);
    if let Err(error) = &driver
        && error.raw_os_error() == Some(libc::ENODEV)
    {
        return failed(uplink, "there is no such interface in this network namespace");
    }
    let driver = driver.unwrap_or_default();
    let software = GENERIC_DRIVERS.contains(&driver.as_str());
    match uplink.mode {
        XdpMode::Generic => generic(program, uplink, None),
        XdpMode::Auto if software => {
            let warning =
                format!("{driver} interface: native mode would take segmentation offload from its peer");
            generic(program, uplink, Some(warning))
        }
        XdpMode::Auto => native(program, uplink, true),
        XdpMode::Native => native(program, uplink, false),
    }
}

fn native(program: &mut Xdp, uplink: &Uplink, may_fall_back: bool) -> HookState {
    match program.attach(&uplink.interface, AyaMode::Driver) {
        Ok(_) => HookState::attached(HookName::EdgeDrop, &uplink.interface, "native"),
        Err(error) if is_foreign(&error) => failed(uplink, FOREIGN),
        Err(error) if may_fall_back => {
            let warning = format!(
                "native mode is not available ({}); generic drops about half as fast",
                reason(&error)
            );
            generic(program, uplink, Some(warning))
        }
        Err(error) => failed(uplink, &reason(&error)),
    }
}

fn generic(program: &mut Xdp, uplink: &Uplink, warning: Option<String>) -> HookState {
    match program.attach(&uplink.interface, AyaMode::Skb) {
        Ok(_) => {
            let state = HookState::attached(HookName::EdgeDrop, &uplink.interface, "generic");
            match warning {
                Some(warning) => state.with_warning(warning),
                None => state,
            }
        }
        Err(error) if is_foreign(&error) => failed(uplink, FOREIGN),
        Err(error) => failed(uplink, &reason(&error)),
    }
}

fn failed(uplink: &Uplink, reason: &str) -> HookState {
    HookState::failed(HookName::EdgeDrop, &uplink.interface, reason)
}

/// EBUSY: a program in the same mode; EEXIST: one in another mode. A link never replaces either.
fn is_foreign(error: &ProgramError) -> bool {
    system_error(error)
        .and_then(io::Error::raw_os_error)
        .is_some_and(|code| code == libc::EBUSY || code == libc::EEXIST)
}

/// Driver name of an interface in the calling thread's namespace (ETHTOOL_GDRVINFO; /sys shows the namespace of its mount).
fn driver_of(interface: &str) -> io::Result<String> {
    const ETHTOOL_GDRVINFO: u32 = 3;
    const SIOCETHTOOL: libc::c_ulong = 0x8946;
    /// `struct ethtool_drvinfo` of linux/ethtool.h.
    #[repr(C)]
    struct DriverInfo {
        cmd: u32,
        driver: [u8; 32],
        rest: [u8; 160],
    }
    let name = CString::new(interface).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    let name = name.as_bytes_with_nul();
    if name.len() > libc::IFNAMSIZ {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::DGRAM, None)?;
    let mut info = DriverInfo {
        cmd: ETHTOOL_GDRVINFO,
        driver: [0; 32],
        rest: [0; 160],
    };
    #[expect(unsafe_code, reason = "the ethtool ioctl has no safe wrapper")]
    // SAFETY: an all-zero ifreq is valid; the name fits with its terminator; `info` has the layout the kernel fills and
    // outlives the call.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(name) {
            *to = from.cast_signed();
        }
        request.ifr_ifru.ifru_data = (&raw mut info).cast();
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&socket);
        if libc::ioctl(descriptor, SIOCETHTOOL as _, &raw mut request) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    let end = info
        .driver
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(info.driver.len());
    Ok(String::from_utf8_lossy(&info.driver[..end]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_interfaces_have_no_driver() {
        for name in [
            "no-such-if0",
            "a-name-that-is-longer-than-the-kernel-takes",
            "nul\0byte",
            "",
        ] {
            assert_eq!(
                driver_of(name).unwrap_err().raw_os_error(),
                Some(libc::ENODEV),
                "{name:?}"
            );
        }
    }
}
