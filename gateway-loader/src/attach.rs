//! Attaching each hook on its own: what fails becomes a state with a reason, never an error of the whole.

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aya::Ebpf;
use aya::programs::links::FdLink;
use aya::programs::{CgroupAttachMode, ProgramError, SchedClassifier, SkLookup, SkReuseport, SockOps, Xdp};
use gateway_common::config::{ACCOUNT_CGROUP, ACCOUNT_OPEN_EVENTS};

use crate::hook::{HookName, HookState, reason};
use crate::options::{Accounting, Options, Uplink, XdpMode};
use crate::pins::Pins;
use crate::sys::{self, LinkInfo};
use crate::{cgroup, interface};

/// Attaches what was asked for, and logs how it went.
pub(crate) fn all(
    ebpf: &mut Ebpf,
    options: &Options,
    account: &AccountPlan,
    pins: Option<&Pins>,
) -> Vec<HookState> {
    let keeper = Keeper {
        pins,
        hold: pins
            .filter(|pins| pins.has_links())
            .and_then(|_| refused(ebpf, options, account)),
    };
    let mut hooks = uplinks(ebpf, options, &keeper);
    hooks.extend(services(ebpf, options, &keeper));
    hooks.push(lookup(ebpf, options, &keeper));
    hooks.push(choice(ebpf, options));
    hooks.push(accounting(ebpf, account, &keeper));
    if let (Some(pins), None) = (pins, &keeper.hold) {
        pins.drop_other_layouts();
    }
    report(&hooks);
    hooks
}

/// Takes over what is pinned, and pins what is new.
pub(crate) struct Keeper<'a> {
    pub(crate) pins: Option<&'a Pins>,
    /// Why the programs of an earlier process stay: one of the new ones was refused, so none is exchanged.
    hold: Option<String>,
}

impl Keeper<'_> {
    /// The state of a hook whose link is pinned: its program is exchanged in one step. `None` when no link is pinned for it, or
    /// its target is gone.
    fn take_over(
        &self,
        hook: HookName,
        target: &str,
        alive: impl Fn(&LinkInfo) -> bool,
        wanted: impl Fn(&str) -> bool,
        program: impl FnOnce(&str) -> Result<OwnedFd, String>,
    ) -> Option<HookState> {
        let pins = self.pins?;
        let pinned = pins.link(hook.as_str(), target, alive)?;
        if self.hold.is_none() && !wanted(&pinned.mode) {
            pinned.detach();
            return None;
        }
        let state = HookState::attached(hook, target, known_mode(&pinned.mode)).with_pin(true);
        let exchanged = match &self.hold {
            Some(why) => Err(why.clone()),
            None => program(&pinned.mode).and_then(|program| {
                pinned
                    .replace(program.as_fd(), pins, hook.as_str(), target)
                    .map_err(|error| error.to_string())
            }),
        };
        Some(match exchanged {
            Ok(()) => state,
            Err(why) => state.with_warning(format!("the program of an earlier start stays in force: {why}")),
        })
    }

    /// Pins a link that was made just now; without a directory it lives as long as the process, held by `hold`.
    pub(crate) fn pin<L>(&self, hook: HookName, target: &str, mode: &str, link: L) -> Result<bool, String>
    where
        FdLink: TryFrom<L>,
    {
        let Some(pins) = self.pins else {
            return Ok(false);
        };
        let link = FdLink::try_from(link).map_err(|_| "this kind of link cannot be pinned".to_owned())?;
        link.pin(pins.link_path(hook.as_str(), target, mode))
            .map(|_| true)
            .map_err(|error| format!("the link cannot be pinned: {error}"))
    }
}

/// The modes under which links are pinned.
fn known_mode(mode: &str) -> &'static str {
    ["native", "generic", "tcx", "link", "listeners", "cgroup"]
        .into_iter()
        .find(|known| *known == mode)
        .unwrap_or("link")
}

/// Loads every program that is asked for; why the first one that cannot be loaded was refused.
fn refused(ebpf: &mut Ebpf, options: &Options, account: &AccountPlan) -> Option<String> {
    let mut results = Vec::new();
    let wants = |mode| options.uplinks.iter().any(|uplink| uplink.mode == mode);
    if options.uplinks.iter().any(|uplink| uplink.mode != XdpMode::Tc) {
        let name = HookName::EdgeDrop.as_str();
        results.push((name, loaded::<Xdp>(ebpf, name, Xdp::load).map(drop)));
    }
    if wants(XdpMode::Tc) {
        results.push((
            "edge_tc",
            loaded::<SchedClassifier>(ebpf, "edge_tc", SchedClassifier::load).map(drop),
        ));
    }
    if options.services.is_some() {
        let name = HookName::L4Ingress.as_str();
        results.push((
            name,
            loaded::<SchedClassifier>(ebpf, name, SchedClassifier::load).map(drop),
        ));
    }
    if options.steering {
        let name = HookName::VipLookup.as_str();
        results.push((name, loaded::<SkLookup>(ebpf, name, SkLookup::load).map(drop)));
    }
    if account.mode != "off" {
        let name = HookName::ConnAcct.as_str();
        results.push((name, loaded::<SockOps>(ebpf, name, SockOps::load).map(drop)));
    }
    results
        .into_iter()
        .find_map(|(name, result)| result.err().map(|why| format!("{name} cannot be loaded: {why}")))
}

/// A second descriptor of a loaded program.
fn descriptor<'a, P>(
    ebpf: &'a mut Ebpf,
    name: &str,
    load: fn(&mut P) -> Result<(), ProgramError>,
) -> Result<OwnedFd, String>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
    P: 'a,
    for<'b> &'b P: HasFd,
{
    let program: &P = loaded::<P>(ebpf, name, load)?;
    program.descriptor()
}

/// Programs that lend their descriptor.
trait HasFd {
    fn descriptor(self) -> Result<OwnedFd, String>;
}

macro_rules! has_fd {
    ($($program:ty)+) => {$(
        impl HasFd for &$program {
            fn descriptor(self) -> Result<OwnedFd, String> {
                let fd = self.fd().map_err(|error| reason(&error))?;
                fd.as_fd().try_clone_to_owned().map_err(|error| error.to_string())
            }
        }
    )+};
}

has_fd! { Xdp SchedClassifier SkLookup SockOps }

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

fn uplinks(ebpf: &mut Ebpf, options: &Options, keeper: &Keeper<'_>) -> Vec<HookState> {
    if options.uplinks.is_empty() {
        return vec![HookState::off(HookName::EdgeDrop)];
    }
    options
        .uplinks
        .iter()
        .map(|uplink| taken_uplink(ebpf, uplink, keeper).unwrap_or_else(|| new_uplink(ebpf, uplink, keeper)))
        .collect()
}

fn taken_uplink(ebpf: &mut Ebpf, uplink: &Uplink, keeper: &Keeper<'_>) -> Option<HookState> {
    let number = sys::interface_number(&uplink.interface)?;
    let wanted = |mode: &str| match uplink.mode {
        XdpMode::Auto => true,
        XdpMode::Native => mode == "native",
        XdpMode::Generic => mode == "generic",
        XdpMode::Tc => mode == "tcx",
    };
    keeper.take_over(
        HookName::EdgeDrop,
        &uplink.interface,
        |info| info.target == number,
        wanted,
        |mode| {
            if mode == "tcx" {
                descriptor::<SchedClassifier>(ebpf, "edge_tc", SchedClassifier::load)
            } else {
                descriptor::<Xdp>(ebpf, HookName::EdgeDrop.as_str(), Xdp::load)
            }
        },
    )
}

fn new_uplink(ebpf: &mut Ebpf, uplink: &Uplink, keeper: &Keeper<'_>) -> HookState {
    let failed = |why| Ok(HookState::failed(HookName::EdgeDrop, &uplink.interface, why));
    let state = match uplink.mode {
        XdpMode::Tc => Err(None),
        _ => match loaded::<Xdp>(ebpf, HookName::EdgeDrop.as_str(), Xdp::load) {
            Ok(program) => interface::attach(program, uplink, keeper),
            Err(why) => failed(why),
        },
    };
    state.unwrap_or_else(|why| in_tc(ebpf, uplink, why, keeper))
}

/// The same decision at tc ingress. `why` says what kept XDP from being used, when it was not the configuration.
fn in_tc(ebpf: &mut Ebpf, uplink: &Uplink, why: Option<String>, keeper: &Keeper<'_>) -> HookState {
    let attached = loaded::<SchedClassifier>(ebpf, "edge_tc", SchedClassifier::load)
        .and_then(|program| interface::attach_tc(program, &uplink.interface, HookName::EdgeDrop, keeper));
    match (attached, why) {
        (Ok((how, pinned)), None) => {
            HookState::attached(HookName::EdgeDrop, &uplink.interface, how).with_pin(pinned)
        }
        (Ok((how, pinned)), Some(why)) => HookState::attached(HookName::EdgeDrop, &uplink.interface, how)
            .with_pin(pinned)
            .with_warning(format!(
                "XDP is not possible here ({why}); tc drops later and slower"
            )),
        (Err(error), None) => HookState::failed(HookName::EdgeDrop, &uplink.interface, error),
        (Err(error), Some(why)) => {
            let both = format!("neither XDP ({why}) nor tc ({error})");
            HookState::failed(HookName::EdgeDrop, &uplink.interface, both)
        }
    }
}

/// `l4_ingress` on every interface that was asked for.
fn services(ebpf: &mut Ebpf, options: &Options, keeper: &Keeper<'_>) -> Vec<HookState> {
    const NAME: HookName = HookName::L4Ingress;
    let interfaces = options.services.iter().flat_map(|services| &services.interfaces);
    let states: Vec<HookState> = interfaces
        .map(|interface| service(ebpf, interface, keeper))
        .collect();
    if states.is_empty() {
        return vec![HookState::off(NAME)];
    }
    states
}

fn service(ebpf: &mut Ebpf, interface: &str, keeper: &Keeper<'_>) -> HookState {
    const NAME: HookName = HookName::L4Ingress;
    let Some(number) = sys::interface_number(interface) else {
        return HookState::failed(
            NAME,
            interface,
            "there is no such interface in this network namespace",
        );
    };
    let taken = keeper.take_over(
        NAME,
        interface,
        |info| info.target == number,
        |mode| mode == "tcx",
        |_| descriptor::<SchedClassifier>(ebpf, NAME.as_str(), SchedClassifier::load),
    );
    let state = taken.unwrap_or_else(|| {
        let attached = loaded::<SchedClassifier>(ebpf, NAME.as_str(), SchedClassifier::load)
            .and_then(|program| interface::attach_tc(program, interface, NAME, keeper));
        match attached {
            Ok((how, pinned)) => HookState::attached(NAME, interface, how).with_pin(pinned),
            Err(why) => HookState::failed(NAME, interface, why),
        }
    });
    match crate::l4::not_forwarding(interface) {
        Some(warning) if state.attached && state.reason.is_none() => state.with_warning(warning),
        _ => state,
    }
}

fn lookup(ebpf: &mut Ebpf, options: &Options, keeper: &Keeper<'_>) -> HookState {
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
    let netns = match File::open(path) {
        Ok(netns) => netns,
        Err(error) => return HookState::failed(NAME, &target, format!("{target}: {error}")),
    };
    let inode = inode(&netns);
    let taken = keeper.take_over(
        NAME,
        &target,
        |info| u64::from(info.target) == inode,
        |_| true,
        |_| descriptor::<SkLookup>(ebpf, NAME.as_str(), SkLookup::load),
    );
    taken.unwrap_or_else(|| {
        let attached = loaded::<SkLookup>(ebpf, NAME.as_str(), SkLookup::load).and_then(|program| {
            let link = program.attach(netns).map_err(|error| reason(&error))?;
            if keeper.pins.is_none() {
                return Ok(false);
            }
            let link = program.take_link(link).map_err(|error| reason(&error))?;
            keeper.pin(NAME, &target, "link", link)
        });
        match attached {
            Ok(pinned) => HookState::attached(NAME, target, "link").with_pin(pinned),
            Err(why) => HookState::failed(NAME, target, why),
        }
    })
}

fn inode(file: &File) -> u64 {
    file.metadata().map_or(0, |metadata| metadata.ino())
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

fn accounting(ebpf: &mut Ebpf, plan: &AccountPlan, keeper: &Keeper<'_>) -> HookState {
    const NAME: HookName = HookName::ConnAcct;
    if plan.mode == "off" {
        return HookState::off(NAME);
    }
    let path = match &plan.cgroup {
        Ok(path) => path,
        Err(why) => return HookState::failed(NAME, "", why.clone()),
    };
    let target = path.display().to_string();
    let cgroup = match File::open(path) {
        Ok(cgroup) => cgroup,
        Err(error) => return HookState::failed(NAME, &target, format!("{target}: {error}")),
    };
    let id = inode(&cgroup);
    let taken = keeper.take_over(
        NAME,
        &target,
        |info| u64::from(info.target) | u64::from(info.target_high) << 32 == id,
        |mode| mode == plan.mode,
        |_| descriptor::<SockOps>(ebpf, NAME.as_str(), SockOps::load),
    );
    let state = taken.unwrap_or_else(|| {
        let attached = loaded::<SockOps>(ebpf, NAME.as_str(), SockOps::load).and_then(|program| {
            // A link always runs beside the programs of others; the kernel refuses the flag that says so for old attachments.
            let link = program
                .attach(cgroup, CgroupAttachMode::Single)
                .map_err(|error| reason(&error))?;
            if keeper.pins.is_none() {
                return Ok(false);
            }
            let link = program.take_link(link).map_err(|error| reason(&error))?;
            keeper.pin(NAME, &target, plan.mode, link)
        });
        match attached {
            Ok(pinned) => HookState::attached(NAME, &target, plan.mode).with_pin(pinned),
            Err(why) => HookState::failed(NAME, &target, why),
        }
    });
    match plan.warning {
        Some(warning) if state.attached && state.reason.is_none() => state.with_warning(warning),
        _ => state,
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
