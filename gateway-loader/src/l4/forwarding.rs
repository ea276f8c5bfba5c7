//! Whether the kernel forwards packets between the interfaces of the services.

use std::fs;

/// The kernel's route look-up for packets that come in on an interface needs forwarding there; a sentence when it is off.
pub(crate) fn not_forwarding(interface: &str) -> Option<String> {
    let off: Vec<String> = ["ipv4", "ipv6"]
        .into_iter()
        .filter(|family| {
            let path = format!("/proc/sys/net/{family}/conf/{interface}/forwarding");
            fs::read_to_string(path).is_ok_and(|value| value.trim() == "0")
        })
        .map(|family| format!("net.{family}.conf.{interface}.forwarding"))
        .collect();
    (!off.is_empty()).then(|| {
        let names = off.join(" and ");
        format!("{names} is 0: packets of services of that family are dropped until it is 1")
    })
}
