//! Each hook fails alone, with a reason people can act on; the rest works with the smallest set of capabilities, and with none
//! after loading.

#[cfg(test)]
mod support;

use std::net::Ipv4Addr;
use std::path::PathBuf;

use gateway_loader::privilege::{Cap, drop_to};
use gateway_loader::{
    Accounting, HookName, HookState, Kernel, LoadError, Options, PrefixRule, Protocol, Steer, Uplink, XdpMode,
};
use gateway_tests::lab::{Lab, Mode, VIP_PREFIX};
use support::{DEADLINE, ask, descriptors, listeners, load, records, serve};

#[cfg(test)]
fn everything(lab: &Lab) -> Options {
    Options {
        uplinks: vec![Uplink::auto(lab.downlink())],
        ..Options::default()
    }
}

#[cfg(test)]
fn state(kernel: &Kernel, name: HookName) -> &HookState {
    kernel.hooks().iter().find(|state| state.name == name).unwrap()
}

/// The hook is off with a reason that holds `expected`, and the others are on.
#[cfg(test)]
fn only_missing(kernel: &Kernel, name: HookName, expected: &str) {
    let failed = state(kernel, name);
    assert!(!failed.attached && failed.mode == "userspace", "{failed:?}");
    assert!(
        failed
            .reason
            .as_deref()
            .is_some_and(|reason| reason.contains(expected)),
        "{failed:?}"
    );
    for other in [HookName::EdgeDrop, HookName::VipLookup, HookName::ConnAcct] {
        assert!(other == name || kernel.is_attached(other), "{:?}", kernel.hooks());
    }
}

#[test]
fn a_foreign_program_on_the_interface_is_left_alone() {
    skip_unless_kernel!();
    for mode in [XdpMode::Generic, XdpMode::Native] {
        let lab = Lab::new(Mode::Namespaces).unwrap();
        let has_program = || {
            let shown =
                gateway_tests::process::run(lab.node.command("ip").args(["link", "show", "down0"])).unwrap();
            shown.contains("xdp")
        };
        let uplinks = vec![Uplink {
            interface: lab.downlink().to_owned(),
            mode,
        }];
        let first = load(
            &lab.node,
            &Options {
                uplinks,
                ..Options::default()
            },
        );
        assert!(first.is_attached(HookName::EdgeDrop), "{:?}", first.hooks());
        let second = load(&lab.node, &everything(&lab));
        only_missing(&second, HookName::EdgeDrop, "left alone");
        drop(second);
        assert!(has_program(), "the foreign program is gone");
        drop(first);
        // Not at once: a child of another test between fork and exec may still hold a copy of the link.
        let gone = gateway_tests::wait::until("the end of the program", DEADLINE, || {
            (!has_program()).then_some(())
        });
        gone.unwrap();
    }
}

#[test]
fn what_is_not_there_is_named() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let missing = PathBuf::from("/no/such/place");
    let check =
        |options: Options, name, expected: &str| only_missing(&load(&lab.node, &options), name, expected);
    let uplinks = vec![Uplink::auto("eth99")];
    check(
        Options {
            uplinks,
            ..everything(&lab)
        },
        HookName::EdgeDrop,
        "no such interface",
    );
    let cgroup = Some(missing.clone());
    check(
        Options {
            cgroup,
            ..everything(&lab)
        },
        HookName::ConnAcct,
        "/no/such/place: No such file",
    );
    check(
        Options {
            netns: Some(missing),
            ..everything(&lab)
        },
        HookName::VipLookup,
        "/no/such/place: No such file",
    );
    let cgroup = Some(PathBuf::from("/proc"));
    check(
        Options {
            cgroup,
            ..everything(&lab)
        },
        HookName::ConnAcct,
        "os error",
    );
}

#[test]
fn one_bad_uplink_does_not_take_the_others_along() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let uplinks = ["eth99", "down0", "up0"].map(Uplink::auto).to_vec();
    let kernel = load(
        &lab.node,
        &Options {
            uplinks,
            ..Options::default()
        },
    );
    let attached: Vec<(String, bool)> = kernel
        .hooks()
        .iter()
        .filter(|state| state.name == HookName::EdgeDrop)
        .map(|state| (state.target.clone(), state.attached))
        .collect();
    assert_eq!(
        attached,
        [
            ("eth99".to_owned(), false),
            ("down0".to_owned(), true),
            ("up0".to_owned(), true)
        ]
    );
}

#[test]
fn the_root_cgroup_is_not_recorded_whole() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    if !std::fs::read_to_string("/proc/self/cgroup")
        .unwrap()
        .lines()
        .any(|line| line == "0::/")
    {
        println!("SKIP: this process is not in the root cgroup");
        return;
    }
    let kernel = load(
        &lab.node,
        &Options {
            accounting: Accounting::Cgroup,
            ..Options::default()
        },
    );
    let state = state(&kernel, HookName::ConnAcct);
    assert_eq!((state.attached, state.mode), (true, "listeners"));
    assert!(
        state.reason.as_deref().unwrap().contains("root cgroup"),
        "{state:?}"
    );
}

#[test]
fn without_capabilities_the_error_names_them() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    for keep in [&[][..], &[Cap::CAP_NET_ADMIN], &[Cap::CAP_BPF]] {
        let result = lab.node.enter(|| {
            drop_to(keep).unwrap();
            Kernel::load(&everything(&lab)).map(|kernel| format!("{kernel:?}"))
        });
        let error = result.unwrap().unwrap_err();
        assert!(
            matches!(error, LoadError::NotPermitted { .. }),
            "{keep:?}: {error:?}"
        );
        assert!(error.to_string().contains("CAP_BPF and CAP_NET_ADMIN"), "{error}");
        assert_eq!(
            HookState::all_failed(&error.to_string()).len(),
            HookName::ALL.len()
        );
    }
}

#[test]
fn only_the_edge_needs_the_third_capability() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let kernel = lab.node.enter(|| {
        drop_to(&[Cap::CAP_BPF, Cap::CAP_NET_ADMIN]).unwrap();
        Kernel::load(&everything(&lab)).unwrap()
    });
    only_missing(&kernel.unwrap(), HookName::EdgeDrop, "CAP_PERFMON");
}

#[test]
fn three_capabilities_are_enough_and_none_is_needed_afterwards() {
    skip_unless_kernel!();
    let lab = Lab::new(Mode::Namespaces).unwrap();
    let workers = listeners(&lab.node, Ipv4Addr::UNSPECIFIED.into(), 2);
    let (kernel, mut connections) = lab
        .node
        .enter(|| {
            drop_to(&[Cap::CAP_BPF, Cap::CAP_NET_ADMIN, Cap::CAP_PERFMON]).unwrap();
            let mut kernel = Kernel::load(&everything(&lab)).unwrap();
            drop_to(&[]).unwrap();
            let group = kernel.register_workers(&descriptors(&workers)).unwrap();
            for worker in &workers {
                kernel.marker().mark(worker, 1).unwrap();
            }
            let (prefix, ports) = (VIP_PREFIX.parse().unwrap(), 8000..=8999);
            kernel
                .steer(&[Steer {
                    prefix,
                    ports,
                    protocol: Protocol::Tcp,
                    group,
                }])
                .unwrap();
            kernel
                .set_prefixes(&[PrefixRule::deny("198.51.100.0/24".parse().unwrap())])
                .unwrap();
            kernel.counters().unwrap();
            let connections = kernel.take_connections().unwrap();
            (kernel, connections)
        })
        .unwrap();
    for name in HookName::ALL
        .into_iter()
        .filter(|name| *name != HookName::L4Ingress)
    {
        assert!(kernel.is_attached(name), "{:?}", kernel.hooks());
    }
    let client = lab.client.connect("203.0.113.10:8080".parse().unwrap()).unwrap();
    let served = std::thread::scope(|scope| {
        let taken = scope.spawn(|| first_connection(&workers));
        assert_eq!(ask(client, b"ping"), b"pong");
        taken.join().unwrap()
    });
    assert_eq!(served, b"ping");
    let found = records(&mut connections, 1);
    assert_eq!(
        (found[0].bytes_in, found[0].bytes_out, found[0].listener),
        (4, 4, 1)
    );
}

/// Serves the one connection on whichever worker it is.
#[cfg(test)]
fn first_connection(workers: &[std::net::TcpListener]) -> Vec<u8> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd as _;
    let mut waiting: Vec<PollFd<'_>> = workers
        .iter()
        .map(|worker| PollFd::new(worker.as_fd(), PollFlags::POLLIN))
        .collect();
    poll(&mut waiting, PollTimeout::try_from(DEADLINE).unwrap()).unwrap();
    let ready = waiting
        .iter()
        .position(|worker| worker.any() == Some(true))
        .unwrap();
    serve(&workers[ready], b"pong").0
}

#[test]
fn a_ring_of_a_wrong_size_is_refused_before_anything_is_loaded() {
    for ring_bytes in [0, 1, 4095, 5000, 1 << 31] {
        let result = Kernel::load(&Options {
            ring_bytes,
            ..Options::default()
        });
        assert!(matches!(result, Err(LoadError::RingSize(bytes)) if bytes == ring_bytes));
    }
}

#[test]
fn a_build_without_programs_says_so() {
    let Some(reason) = gateway_loader::why_not_built() else {
        println!("SKIP: this build has kernel programs");
        return;
    };
    let error = Kernel::load(&Options::default()).unwrap_err();
    assert!(matches!(error, LoadError::NotBuilt { .. }), "{error:?}");
    assert!(
        error.to_string().contains(reason) && error.to_string().contains("cargo xtask bpf"),
        "{error}"
    );
}
