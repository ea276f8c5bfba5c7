//! Attaching each hook on its own: what fails becomes a state with a reason, never an error of the whole.

use std::fs::File;
use std::path::{Path, PathBuf};

use aya::Ebpf;
use aya::programs::{CgroupAttachMode, ProgramError, SchedClassifier, SkLookup, SkReuseport, SockOps, Xdp};
use gateway_common::config::{ACCOUNT_CGROUP, ACCOUNT_OPEN_EVENTS};

use crate::hook::{HookName, HookState, reason};
use crate::options::{Accounting, Options, Uplink, XdpMode};
use crate::{cgroup, interface};

/// Attaches what was asked for, and logs how it went.
pub(crate) fn all(ebpf: &mut Ebpf, options: &Options, account: &AccountPlan) -> Vec<HookState> {
    let mut hooks = uplinks(ebpf, options);
    hooks.push(lookup(ebpf, options));
    hooks.push(choice(ebpf, options));
    hooks.push(accounting(ebpf, account));
    report(&hooks);
    hooks
}

/// Where `conn_acct` goes and what it records, decided before the object is loaded because the flags are constants in it.
pub(crate) struct AccountPlan {
    cgroup: Result<PathBuf, String>,
    pub(crate) flags: u32,
    mode: &'static str,
    warning: Option<&'static str>,
}

impl AccountPlan {
    pub(crate) fn new(options: &Options) -> Self {
        const ROOT: &str = "the agent runs in the root cgroup, where whole-cgroup accounting would record every connection \
             of the machine: only marked listeners are recorded";
        let open = if options.open_records {
            ACCOUNT_OPEN_EVENTS
        } else {
            0
        };
        let own = match &options.cgroup {
            Some(path) => Ok((path.clone(), false)),
            None => cgroup::own().map(|own| (own.path, own.is_root)),
        };
        let is_root = matches!(own, Ok((_, true)));
        let (flags, mode, warning) = match options.accounting {
            Accounting::Off => (0, "off", None),
            Accounting::Listeners => (open, "listeners", None),
            Accounting::Cgroup if is_root => (open, "listeners", Some(ROOT)),
            Accounting::Cgroup => (open | ACCOUNT_CGROUP, "cgroup", None),
        };
        Self {
            cgroup: own.map(|(path, _)| path),
            flags,
            mode,
            warning,
        }
    }
}

fn uplinks(ebpf: &mut Ebpf, options: &Options) -> Vec<HookState> {
    if options.uplinks.is_empty() {
        return vec![HookState::off(HookName::EdgeDrop)];
    }
    let xdp = loaded::<Xdp>(ebpf, HookName::EdgeDrop.as_str(), Xdp::load).map(drop);
    options
        .uplinks
        .iter()
        .map(|uplink| {
            let state = match (&xdp, uplink.mode) {
                (_, XdpMode::Tc) => Err(None),
                (Ok(()), _) => program::<Xdp>(ebpf, HookName::EdgeDrop.as_str())
                    .map_err(Some)
                    .and_then(|program| interface::attach(program, uplink)),
                (Err(why), _) => Ok(HookState::failed(
                    HookName::EdgeDrop,
                    &uplink.interface,
                    why.clone(),
                )),
            };
            state.unwrap_or_else(|why| in_tc(ebpf, uplink, why))
        })
        .collect()
}

/// The same decision at tc ingress. `why` says what kept XDP from being used, when it was not the configuration.
fn in_tc(ebpf: &mut Ebpf, uplink: &Uplink, why: Option<String>) -> HookState {
    let attached = loaded::<SchedClassifier>(ebpf, "edge_tc", SchedClassifier::load)
        .and_then(|program| interface::attach_tc(program, &uplink.interface));
    match (attached, why) {
        (Ok(how), None) => HookState::attached(HookName::EdgeDrop, &uplink.interface, how),
        (Ok(how), Some(why)) => HookState::attached(HookName::EdgeDrop, &uplink.interface, how).with_warning(
            format!("XDP is not possible here ({why}); tc drops later and slower"),
        ),
        (Err(error), None) => HookState::failed(HookName::EdgeDrop, &uplink.interface, error),
        (Err(error), Some(why)) => {
            let both = format!("neither XDP ({why}) nor tc ({error})");
            HookState::failed(HookName::EdgeDrop, &uplink.interface, both)
        }
    }
}

fn lookup(ebpf: &mut Ebpf, options: &Options) -> HookState {
    const NAME: HookName = HookName::VipLookup;
    if !options.steering {
        return HookState::off(NAME);
    }
    // The thread's namespace and not the process': a test or a tool may have entered another one.
    let path = options
        .netns
        .as_deref()
        .unwrap_or(Path::new("/proc/thread-self/ns/net"));
    let target = path.display().to_string();
    let attached = File::open(path)
        .map_err(|error| format!("{target}: {error}"))
        .and_then(|netns| {
            let program = loaded::<SkLookup>(ebpf, NAME.as_str(), SkLookup::load)?;
            program.attach(netns).map_err(|error| reason(&error))
        });
    match attached {
        Ok(_) => HookState::attached(NAME, target, "link"),
        Err(why) => HookState::failed(NAME, target, why),
    }
}

fn choice(ebpf: &mut Ebpf, options: &Options) -> HookState {
    const NAME: HookName = HookName::PickWorker;
    if !options.worker_choice {
        return HookState::off(NAME);
    }
    match loaded::<SkReuseport>(ebpf, NAME.as_str(), SkReuseport::load) {
        Ok(_) => HookState::failed(
            NAME,
            "",
            "no group of sockets with SO_REUSEPORT is registered yet",
        ),
        Err(why) => HookState::failed(NAME, "", why),
    }
}

fn accounting(ebpf: &mut Ebpf, plan: &AccountPlan) -> HookState {
    const NAME: HookName = HookName::ConnAcct;
    if plan.mode == "off" {
        return HookState::off(NAME);
    }
    let path = match &plan.cgroup {
        Ok(path) => path,
        Err(why) => return HookState::failed(NAME, "", why.clone()),
    };
    let target = path.display().to_string();
    let attached = File::open(path)
        .map_err(|error| format!("{target}: {error}"))
        .and_then(|cgroup| {
            let program = loaded::<SockOps>(ebpf, NAME.as_str(), SockOps::load)?;
            // A link always runs beside the programs of others; the kernel refuses the flag that says so for old attachments.
            program
                .attach(cgroup, CgroupAttachMode::Single)
                .map_err(|error| reason(&error))
        });
    match (attached, plan.warning) {
        (Ok(_), None) => HookState::attached(NAME, target, plan.mode),
        (Ok(_), Some(warning)) => HookState::attached(NAME, target, plan.mode).with_warning(warning),
        (Err(why), _) => HookState::failed(NAME, target, why),
    }
}

/// A program of the object, loaded into the kernel.
fn loaded<'a, P>(
    ebpf: &'a mut Ebpf,
    name: &str,
    load: fn(&mut P) -> Result<(), ProgramError>,
) -> Result<&'a mut P, String>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
{
    let program = program::<P>(ebpf, name)?;
    match load(program) {
        // A second uplink shares the program.
        Ok(()) | Err(ProgramError::AlreadyLoaded) => Ok(program),
        Err(error) => Err(reason(&error)),
    }
}

/// A program of the object.
fn program<'a, P>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut P, String>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
{
    let program = ebpf.program_mut(name).ok_or("the object has no such program")?;
    program.try_into().map_err(|error| reason(&error))
}

/// For whoever looks closely: the agent tells its users from [`crate::Kernel::hooks`], once the groups are registered.
fn report(hooks: &[HookState]) {
    for state in hooks {
        let (hook, target, mode, reason) = (state.name.as_str(), &state.target, state.mode, &state.reason);
        match (state.attached, reason) {
            (true, None) => tracing::debug!(hook, %target, mode, "hook attached"),
            (true, Some(reason)) => tracing::debug!(hook, %target, mode, %reason, "hook attached"),
            (false, _) if mode == "off" => tracing::debug!(hook, "hook not asked for"),
            (false, reason) => {
                let reason = reason.as_deref().unwrap_or_default();
                tracing::debug!(hook, %target, reason, instead = state.name.fallback(), "hook not attached");
            }
        }
    }
}
