//! Attaching XDP or tc to one interface without harm to others' programs or to the interface's traffic.

use std::ffi::CString;
use std::io;

use aya::programs::tc::{self, NlOptions, TcAttachOptions, TcError, TcHandle};
use aya::programs::xdp::XdpLinkId;
use aya::programs::{LinkOrder, ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode as AyaMode};

use crate::attach::Keeper;
use crate::hook::{HookName, HookState, reason, system_error};
use crate::options::{Uplink, XdpMode};

/// Software interfaces where native mode costs their peers segmentation offload, or does not exist.
const GENERIC_DRIVERS: [&str; 4] = ["veth", "tun", "bridge", "dummy"];

/// Priority and handle of our filters in clsact (the edge; the L4 services one later): documented, so that an operator can
/// tell them from others.
const TC_PRIORITY: u16 = 49_231;
const TC_HANDLE: TcHandle = TcHandle::new(0, 0x6777);

const FOREIGN: &str = "another XDP program is attached to this interface; it is left alone";

/// Attaches the loaded program and reports how. The error says why no XDP program can be attached here at all, so that tc may be
/// tried; a foreign program is no such reason.
pub(crate) fn attach(
    program: &mut Xdp,
    uplink: &Uplink,
    keeper: &Keeper<'_>,
) -> Result<HookState, Option<String>> {
    let driver = driver_of(&uplink.interface);
    if let Err(error) = &driver
        && error.raw_os_error() == Some(libc::ENODEV)
    {
        return Ok(failed(
            uplink,
            "there is no such interface in this network namespace",
        ));
    }
    let driver = driver.unwrap_or_default();
    let software = GENERIC_DRIVERS.contains(&driver.as_str());
    match uplink.mode {
        XdpMode::Generic => generic(program, uplink, None, keeper).or_else(|why| Ok(failed(uplink, &why))),
        XdpMode::Auto if software => {
            let warning =
                format!("{driver} interface: native mode would take segmentation offload from its peer");
            generic(program, uplink, Some(warning), keeper).map_err(Some)
        }
        XdpMode::Auto | XdpMode::Tc => native(program, uplink, true, keeper).map_err(Some),
        XdpMode::Native => native(program, uplink, false, keeper).or_else(|why| Ok(failed(uplink, &why))),
    }
}

fn native(
    program: &mut Xdp,
    uplink: &Uplink,
    may_fall_back: bool,
    keeper: &Keeper<'_>,
) -> Result<HookState, String> {
    match program.attach(&uplink.interface, AyaMode::Driver) {
        Ok(link) => kept(program, link, uplink, "native", keeper),
        Err(error) if is_foreign(&error) => Ok(failed(uplink, FOREIGN)),
        Err(error) if may_fall_back => {
            let warning = format!(
                "native mode is not available ({}); generic drops about half as fast",
                reason(&error)
            );
            generic(program, uplink, Some(warning), keeper)
        }
        Err(error) => Err(reason(&error)),
    }
}

fn generic(
    program: &mut Xdp,
    uplink: &Uplink,
    warning: Option<String>,
    keeper: &Keeper<'_>,
) -> Result<HookState, String> {
    match program.attach(&uplink.interface, AyaMode::Skb) {
        Ok(link) => {
            let state = kept(program, link, uplink, "generic", keeper)?;
            Ok(match warning {
                Some(warning) => state.with_warning(warning),
                None => state,
            })
        }
        Err(error) if is_foreign(&error) => Ok(failed(uplink, FOREIGN)),
        Err(error) => Err(reason(&error)),
    }
}

/// Pins the link when there is a directory for it; otherwise the program holds it.
fn kept(
    program: &mut Xdp,
    link: XdpLinkId,
    uplink: &Uplink,
    mode: &'static str,
    keeper: &Keeper<'_>,
) -> Result<HookState, String> {
    let mut pinned = false;
    if keeper.pins.is_some() {
        let link = program.take_link(link).map_err(|error| reason(&error))?;
        pinned = keeper.pin(HookName::EdgeDrop, &uplink.interface, mode, link)?;
    }
    Ok(HookState::attached(HookName::EdgeDrop, &uplink.interface, mode).with_pin(pinned))
}

/// Attaches the program at tc ingress: TCX where the kernel has it (6.6), else a filter of clsact with our own priority and
/// handle, which cannot be pinned. Programs of others stay and run too. Returns the mode and whether the link is pinned.
pub(crate) fn attach_tc(
    program: &mut SchedClassifier,
    interface: &str,
    hook: HookName,
    keeper: &Keeper<'_>,
) -> Result<(&'static str, bool), String> {
    // What drops comes before what steers.
    let (order, priority) = match hook {
        HookName::EdgeDrop => (LinkOrder::first(), TC_PRIORITY),
        _ => (LinkOrder::last(), TC_PRIORITY + 1),
    };
    let order = TcAttachOptions::TcxOrder(order);
    if let Ok(link) = program.attach_with_options(interface, TcAttachType::Ingress, order) {
        if keeper.pins.is_none() {
            return Ok(("tcx", false));
        }
        let link = program.take_link(link).map_err(|error| reason(&error))?;
        let pinned = keeper.pin(hook, interface, "tcx", link)?;
        return Ok(("tcx", pinned));
    }
    match tc::qdisc_add_clsact(interface) {
        Ok(()) | Err(TcError::AlreadyAttached) => {}
        Err(error) => return Err(format!("clsact: {error}")),
    }
    let options = TcAttachOptions::Netlink(NlOptions {
        priority,
        handle: TC_HANDLE,
        classid: None,
    });
    program
        .attach_with_options(interface, TcAttachType::Ingress, options)
        .map(|_| ("clsact", false))
        .map_err(|error| reason(&error))
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
