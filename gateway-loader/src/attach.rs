//! Attaching each hook on its own: what fails becomes a state with a reason, never an error of the whole.

use std::fs::File;
use std::path::{Path, PathBuf};

use aya::Ebpf;
use aya::programs::{CgroupAttachMode, SkLookup, SkReuseport, SockOps, Xdp};
use gateway_common::config::{ACCOUNT_CGROUP, ACCOUNT_OPEN_EVENTS};

use crate::hook::{HookName, HookState, reason};
use crate::options::{Accounting, Options};
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
    let program = match loaded::<Xdp>(ebpf, HookName::EdgeDrop, Xdp::load) {
        Ok(program) => program,
        Err(why) => {
            let failed = |interface: &str| HookState::failed(HookName::EdgeDrop, interface, why.clone());
            return options
                .uplinks
                .iter()
                .map(|uplink| failed(&uplink.interface))
                .collect();
        }
    };
    options
        .uplinks
        .iter()
        .map(|uplink| interface::attach(program, uplink))
        .collect()
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
            let program = loaded::<SkLookup>(ebpf, NAME, SkLookup::load)?;
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
    match loaded::<SkReuseport>(ebpf, NAME, SkReuseport::load) {
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
            let program = loaded::<SockOps>(ebpf, NAME, SockOps::load)?;
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

/// The program of a hook, loaded into the kernel.
fn loaded<'a, P>(
    ebpf: &'a mut Ebpf,
    name: HookName,
    load: fn(&mut P) -> Result<(), aya::programs::ProgramError>,
) -> Result<&'a mut P, String>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = aya::programs::ProgramError>,
{
    let program = ebpf
        .program_mut(name.as_str())
        .ok_or("the object has no such program")?;
    let program: &mut P = program.try_into().map_err(|error| reason(&error))?;
    load(program).map_err(|error| reason(&error))?;
    Ok(program)
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
