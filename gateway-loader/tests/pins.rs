//! What outlives a process: restarts under load, take-over while the other still runs, roll-back, changed sizes, uninstalling.

#[cfg(test)]
mod support;

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use gateway_loader::common::Counter;
use gateway_loader::common::edge::RULE_OPERATOR;
use gateway_loader::privilege::{Cap, drop_to};
use gateway_loader::{HookName, HookState, Kernel, NewBan, Options, PrefixRule, Uplink, XdpMode, uninstall};
use gateway_tests::lab::{Lab, Mode};
use gateway_tests::wait;
use support::{DEADLINE, ask, counted, descriptors, listeners, load, records, serve};

/// A directory of pins that goes with the test.
#[cfg(test)]
struct Pins(PathBuf);

#[cfg(test)]
impl Pins {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(Path::new("/sys/fs/bpf").join(format!("gwtest-{}-{number}", std::process::id())))
    }
}

#[cfg(test)]
impl Drop for Pins {
    fn drop(&mut self) {
        let _ = uninstall(&self.0);
    }
}

/// Skips where there is no BPF file system to pin in.
macro_rules! pins_or_skip {
    () => {{
        skip_unless_kernel!();
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        if !mounts
            .lines()
            .any(|line| line.split(' ').nth(1) == Some("/sys/fs/bpf"))
        {
            println!("SKIP: no BPF file system is mounted at /sys/fs/bpf");
            return;
        }
        Pins::new()
    }};
}

#[cfg(test)]
fn options(lab: &Lab, pins: &Pins) -> Options {
    Options {
        uplinks: vec![Uplink {
            interface: lab.downlink().to_owned(),
            mode: XdpMode::Generic,
        }],
        pins: Some(pins.0.clone()),
        ..Options::default()
    }
}

#[cfg(test)]
fn ban(address: Ipv4Addr) -> NewBan {
    NewBan {
        address: address.into(),
        lasts: Duration::from_secs(600),
        whole_node: true,
        rule: RULE_OPERATOR,
        reason: "a test".to_owned(),
    }
}

#[cfg(test)]
fn edge(kernel: &Kernel) -> &HookState {
    kernel
        .hooks()
        .iter()
        .find(|state| state.name == HookName::EdgeDrop)
        .unwrap()
}

/// Waits until the node has seen everything that was sent.
#[cfg(test)]
fn dropped(kernel: &Kernel, counter: Counter, expected: u64) {
    let all = wait::until("every packet", DEADLINE, || {
        (counted(kernel, counter) == expected).then_some(())
    });
    assert!(all.is_ok(), "{} of {expected}", counted(kernel, counter));
}

#[test]
fn bans_hold_and_counters_go_on_through_twenty_restarts_under_load() {
    const RESTARTS: usize = 20;
    let pins = pins_or_skip!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let receiver = lab
        .node
        .enter(|| UdpSocket::bind((lab.node.address, 0)))
        .unwrap()
        .unwrap();
    receiver.set_nonblocking(true).unwrap();
    let to = receiver.local_addr().unwrap();
    let from = |address: Ipv4Addr| {
        lab.client
            .enter(|| UdpSocket::bind((address, 0)))
            .unwrap()
            .unwrap()
    };
    let (banned, honest) = (from(lab.denied_client), from(lab.client.address));
    let mut kernel = load(&lab.node, &options(&lab, &pins));
    assert!(
        kernel
            .hooks()
            .iter()
            .filter(|hook| hook.attached)
            .all(|hook| hook.pinned),
        "{:?}",
        kernel.hooks()
    );
    kernel.ban(&ban(lab.denied_client)).unwrap();
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut last = 0;
    let kernel = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                banned.send_to(b"banned", to).unwrap();
                sent.fetch_add(1, Ordering::Relaxed);
                honest.send_to(b"honest", to).unwrap();
            }
        });
        for round in 0..RESTARTS {
            drop(kernel);
            // Nobody runs now; a while passes that the packets of the other thread measure.
            let before = sent.load(Ordering::Relaxed);
            wait::until("packets while nobody runs", DEADLINE, || {
                (sent.load(Ordering::Relaxed) > before + 100).then_some(())
            })
            .unwrap();
            kernel = load(&lab.node, &options(&lab, &pins));
            assert!(
                edge(&kernel).attached && edge(&kernel).reason.is_none(),
                "{round}: {:?}",
                edge(&kernel)
            );
            let now = counted(&kernel, Counter::EdgeDropBanned);
            assert!(now > last, "{round}: {now} after {last}");
            last = now;
            let bans = kernel.bans();
            assert_eq!((bans.len(), bans[0].reason.as_str()), (1, "a test"), "{round}");
        }
        stop.store(true, Ordering::Relaxed);
        kernel
    });
    dropped(&kernel, Counter::EdgeDropBanned, sent.load(Ordering::Relaxed));
    assert_eq!(kernel.bans()[0].hits, sent.load(Ordering::Relaxed));
    let (mut seen, mut buffer) = (0, [0; 16]);
    while let Ok((length, source)) = receiver.recv_from(&mut buffer) {
        assert_eq!(
            (&buffer[..length], source.ip()),
            (&b"honest"[..], IpAddr::from(lab.client.address))
        );
        seen += 1;
    }
    assert!(seen > 0, "the honest client is served");
}

#[test]
fn a_second_process_takes_over_and_the_first_takes_nothing_away() {
    let pins = pins_or_skip!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let workers = listeners(&lab.node, Ipv4Addr::UNSPECIFIED.into(), 1);
    let mut first = load(&lab.node, &options(&lab, &pins));
    first.register_workers(&descriptors(&workers)).unwrap();
    first.marker().mark(&workers[0], 1).unwrap();
    first
        .set_prefixes(&[PrefixRule::deny(
            ipnet::IpNet::new(lab.denied_client.into(), 32).unwrap(),
        )])
        .unwrap();
    let mut of_first = first.take_connections().unwrap();
    let to = lab.node.at(workers[0].local_addr().unwrap().port());
    let exchange = || {
        let client = lab.client.connect(to).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| serve(&workers[0], b"pong"));
            assert_eq!(ask(client, b"ping"), b"pong");
        });
    };
    exchange();
    assert_eq!(records(&mut of_first, 1).len(), 1);
    // A connection that lives through the exchange.
    let long = lab.client.connect(to).unwrap();
    let (mut served, _) = workers[0].accept().unwrap();
    exchange();
    let mut second = load(
        &lab.node,
        &Options {
            generation: 1,
            ..options(&lab, &pins)
        },
    );
    for hook in [HookName::EdgeDrop, HookName::VipLookup, HookName::ConnAcct] {
        let state = second.hooks().iter().find(|state| state.name == hook).unwrap();
        assert!(
            state.attached && state.pinned && state.reason.is_none(),
            "{state:?}"
        );
    }
    second.register_workers(&descriptors(&workers)).unwrap();
    second.settle();
    let mut of_second = second.take_connections().unwrap();
    let mut late = Vec::new();
    of_first.poll(&mut late);
    assert!(late.is_empty(), "the first has no turn any more: {late:?}");
    drop(first);
    assert_eq!(second.prefixes_fill(), (1, 0), "what the first denied is known");
    exchange();
    drop(long);
    let mut byte = [0];
    assert_eq!(std::io::Read::read(&mut served, &mut byte).unwrap(), 0);
    drop(served);
    // The one that waited in the ring, the new one, the long one: each once.
    let found = records(&mut of_second, 3);
    assert_eq!(found.len(), 3, "{found:?}");
    let mut bytes: Vec<u64> = found.iter().map(|record| record.bytes_in).collect();
    bytes.sort_unstable();
    assert_eq!(bytes, [0, 4, 4]);
    assert_eq!(counted(&second, Counter::ConnOpened), 4);
    wait::until("the last close", DEADLINE, || {
        (counted(&second, Counter::ConnClosed) == 4).then_some(())
    })
    .unwrap();
    of_second.poll(&mut late);
    assert!(late.is_empty(), "{late:?}");
}

#[test]
fn a_program_that_the_kernel_refuses_leaves_the_old_ones_in_force() {
    let pins = pins_or_skip!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut first = load(&lab.node, &options(&lab, &pins));
    first.ban(&ban(lab.denied_client)).unwrap();
    drop(first);
    // Without CAP_PERFMON edge_drop cannot be loaded; the others could.
    let second = lab
        .node
        .enter(|| {
            drop_to(&[Cap::CAP_BPF, Cap::CAP_NET_ADMIN, Cap::CAP_DAC_OVERRIDE]).unwrap();
            Kernel::load(&options(&lab, &pins)).unwrap()
        })
        .unwrap();
    for hook in [HookName::EdgeDrop, HookName::VipLookup, HookName::ConnAcct] {
        let state = second.hooks().iter().find(|state| state.name == hook).unwrap();
        let reason = state.reason.as_deref().unwrap_or_default();
        assert!(
            state.attached && reason.contains("stays in force: edge_drop cannot be loaded"),
            "{state:?}"
        );
    }
    let sender = lab
        .client
        .enter(|| UdpSocket::bind((lab.denied_client, 0)))
        .unwrap()
        .unwrap();
    let before = counted(&second, Counter::EdgeDropBanned);
    sender.send_to(b"x", lab.node.at(9)).unwrap();
    dropped(&second, Counter::EdgeDropBanned, before + 1);
    // With the capability back the upgrade goes through.
    drop(second);
    let third = load(&lab.node, &options(&lab, &pins));
    assert!(
        third
            .hooks()
            .iter()
            .filter(|hook| hook.attached)
            .all(|hook| hook.reason.is_none()),
        "{:?}",
        third.hooks()
    );
}

#[test]
fn other_sizes_bring_new_maps_and_keep_the_bans() {
    let pins = pins_or_skip!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = load(&lab.node, &options(&lab, &pins));
    kernel.ban(&ban(lab.denied_client)).unwrap();
    for entries in [Some(7), Some(7), None] {
        drop(kernel);
        kernel = load(
            &lab.node,
            &Options {
                ban_entries: entries,
                source_entries: entries,
                ..options(&lab, &pins)
            },
        );
        assert!(
            edge(&kernel).attached && edge(&kernel).reason.is_none(),
            "{:?}",
            edge(&kernel)
        );
        assert_eq!(kernel.bans().len(), 1, "{entries:?}");
        let room = kernel
            .fills(true)
            .iter()
            .find(|fill| fill.map == "BANS4")
            .unwrap()
            .room;
        assert_eq!(room, entries.unwrap_or(65_536) as usize);
        let sender = lab
            .client
            .enter(|| UdpSocket::bind((lab.denied_client, 0)))
            .unwrap()
            .unwrap();
        let before = counted(&kernel, Counter::EdgeDropBanned);
        sender.send_to(b"x", lab.node.at(9)).unwrap();
        dropped(&kernel, Counter::EdgeDropBanned, before + 1);
    }
}

#[test]
fn an_interface_that_was_away_gets_its_program_again() {
    let pins = pins_or_skip!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let mut kernel = load(&lab.node, &options(&lab, &pins));
    assert!(edge(&kernel).attached);
    let ip = |arguments: &str| {
        gateway_tests::process::run(lab.node.command("ip").args(arguments.split(' '))).unwrap();
    };
    ip("link del down0");
    let gone = wait::until("the loss to be noticed", DEADLINE, || {
        lab.node.enter(|| kernel.refresh()).unwrap();
        (!edge(&kernel).attached).then_some(())
    });
    assert!(gone.is_ok(), "{:?}", edge(&kernel));
    assert!(
        edge(&kernel).reason.as_deref().unwrap().contains("gone"),
        "{:?}",
        edge(&kernel)
    );
    ip("link add down0 type veth peer name other0");
    drop(kernel);
    let kernel = load(&lab.node, &options(&lab, &pins));
    assert!(
        edge(&kernel).attached && edge(&kernel).pinned,
        "{:?}",
        edge(&kernel)
    );
}

#[test]
fn uninstalling_takes_ours_off_and_nothing_else() {
    let pins = pins_or_skip!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let uplinks = ["down0", "up0"].map(|interface| Uplink {
        interface: interface.to_owned(),
        mode: XdpMode::Generic,
    });
    // Somebody else's program on the other interface.
    let foreign = load(
        &lab.node,
        &Options {
            uplinks: vec![uplinks[1].clone()],
            ..Options::default()
        },
    );
    let kernel = load(
        &lab.node,
        &Options {
            uplinks: uplinks.to_vec(),
            ..options(&lab, &pins)
        },
    );
    let states: Vec<bool> = kernel.hooks()[..2].iter().map(|hook| hook.attached).collect();
    assert_eq!(states, [true, false], "{:?}", kernel.hooks());
    drop(kernel);
    let has_program = |interface: &str| {
        gateway_tests::process::run(lab.node.command("ip").args(["link", "show", interface]))
            .unwrap()
            .contains("xdp")
    };
    assert!(has_program("down0"), "the program outlives the process");
    std::fs::create_dir(pins.0.join("strange")).unwrap();
    let done = uninstall(&pins.0).unwrap();
    assert_eq!(done.left, [pins.0.join("strange")]);
    assert!(
        done.removed
            .iter()
            .any(|path| path.ends_with("links/edge_drop,down0,generic")),
        "{done:?}"
    );
    let gone = wait::until("the end of the program", DEADLINE, || {
        (!has_program("down0")).then_some(())
    });
    gone.unwrap();
    assert!(has_program("up0"), "the foreign program is untouched");
    std::fs::remove_dir(pins.0.join("strange")).unwrap();
    drop(foreign);
    assert!(uninstall(&pins.0).unwrap().left.is_empty());
    assert!(!pins.0.exists());
}

#[test]
fn a_directory_that_is_no_bpf_file_system_is_named_and_everything_else_works() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let pins = Some(lab.folder().join("pins"));
    let options = Options {
        uplinks: vec![Uplink {
            interface: "down0".to_owned(),
            mode: XdpMode::Generic,
        }],
        pins,
        ..Options::default()
    };
    let kernel = load(&lab.node, &options);
    assert!(
        kernel.unpinned().unwrap().contains("not in a BPF file system"),
        "{:?}",
        kernel.unpinned()
    );
    assert!(edge(&kernel).attached && !edge(&kernel).pinned);
}
