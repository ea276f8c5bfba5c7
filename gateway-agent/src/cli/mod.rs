//! The command line: one definition for parser, help, manual pages and completions.

mod check;
mod diff;
mod edge;
mod eval;
mod generate;
mod l4;
mod live;
mod output;
mod simulate;
mod status;
mod token;
mod upgrade;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use output::Exit;
pub(crate) use output::complain;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "gateway-agent",
    version,
    about = "API gateway node agent: serves API Management configuration on this machine",
    after_help = "Exit status: 0 fine, 1 a problem was found, 2 wrong use, 3 the agent could not be reached.",
    max_term_width = 110
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve traffic until told to stop
    #[command(
        after_help = "Settings come from the environment and a file; docs/settings.md lists them.\n\n\
        Examples:\n  gateway-agent run --settings /etc/gateway-agent/settings.yaml\n  \
        env 'config.artifacts.path=/srv/apim' NET_SERVER_HTTP_PORT=8080 gateway-agent run\n\n\
        Signals: TERM and INT drain and end, HUP reads the configuration again, USR2 starts the program again and\n\
        hands the sockets over (without kernel programs only: `gateway-agent upgrade` brings the capabilities they need)."
    )]
    Run(RunArgs),
    /// Read the configuration once and serve it to any number of nodes
    #[command(
        after_help = "Settings: config.artifacts.path, hub.address, hub.tls.*, hub.keys.path; docs/settings.md explains them.\n\n\
        Example:\n  gateway-agent hub --settings /etc/gateway-agent/hub.yaml\n\n\
        Nodes follow it with config.service.endpoint and config.service.auth (gateway-agent token create)."
    )]
    Hub(HubArgs),
    /// Validate artifact folders, policy documents and fragments without a node
    #[command(
        after_help = "Examples:\n  gateway-agent check examples/artifacts --overlay examples/overlay.yaml\n  \
        gateway-agent check policy.xml --named-values-default X --missing-fragments empty --format json"
    )]
    Check(check::CheckArgs),
    /// What differs between two configurations: by entity, and in what would be served
    #[command(
        after_help = "Exit status: 0 both serve the same, 1 they do not, 2 one cannot be loaded.\n\n\
        Examples:\n  gateway-agent diff before/ after/ --overlay overlay.yaml\n  \
        gateway-agent diff /var/lib/gateway-agent artifacts/ --settings node.yaml --format json"
    )]
    Diff(diff::DiffArgs),
    /// Type and value of a policy expression, or of a file of cases
    #[command(
        after_help = "Examples:\n  gateway-agent eval '@(context.Request.Method + 1)'\n  \
        gateway-agent eval 'context.Variables.Count' --context context.json --format json\n  \
        gateway-agent eval --cases cases.jsonl > results.jsonl"
    )]
    Eval(eval::EvalArgs),
    /// Run policy documents against a described request with scripted answers
    #[command(
        after_help = "Examples:\n  gateway-agent simulate policy.xml --url https://api.contoso.com/items/42\n  \
        gateway-agent simulate --scenario scenario.json --format json"
    )]
    Simulate(simulate::SimulateArgs),
    /// Show a running agent: configuration, listeners, kernel hooks, connections
    #[command(
        after_help = "Examples:\n  gateway-agent status\n  gateway-agent status --admin 127.0.0.1:4292 --format json"
    )]
    Status(StatusArgs),
    /// Replace the running agent by a new process without losing a connection
    #[command(
        after_help = "Starts PROGRAM with --take-over beside the running agent, with the same arguments and environment. The\n\
        new process takes the listening sockets, builds its configuration and serves; then the old one drains. When the\n\
        new one fails, the old one goes on as if nothing had been.\n\n\
        Examples:\n  gateway-agent upgrade --settings /etc/gateway-agent/settings.yaml\n  \
        gateway-agent upgrade --program /opt/gateway-agent-next"
    )]
    Upgrade(upgrade::UpgradeArgs),
    /// Closed client connections, from the kernel's accounting
    #[command(
        after_help = "Examples:\n  gateway-agent connections --filter 192.0.2.7\n  gateway-agent connections --follow --format json\n\n\
        The setting admin.connections says how many the agent keeps."
    )]
    Connections(live::ConnectionsArgs),
    /// Banned clients: list, add, remove
    #[command(
        after_help = "Examples:\n  gateway-agent bans\n  gateway-agent bans add 192.0.2.7 --for 10m --reason 'scans logins'\n  \
        gateway-agent bans remove 192.0.2.7"
    )]
    Bans(edge::BansArgs),
    /// Dropped packets by reason, and samples of them
    #[command(
        after_help = "Examples:\n  gateway-agent drops\n  gateway-agent drops --format json\n\n\
        Samples are kept when kernel.sampleDrops of the overlay asks for them."
    )]
    Drops(edge::DropsArgs),
    /// L4 services: where they run, backends and their health, flows, bytes
    #[command(after_help = "Examples:\n  gateway-agent services\n  gateway-agent services --format json")]
    Services(l4::ServicesArgs),
    /// Flows of L4 services in the kernel
    #[command(
        after_help = "Examples:\n  gateway-agent flows --service postgres\n  gateway-agent flows --host 192.0.2.7 --format json"
    )]
    Flows(l4::FlowsArgs),
    /// What would happen to a packet, and why, from the live maps
    #[command(
        after_help = "Examples:\n  gateway-agent where 192.0.2.7 203.0.113.10 443 tcp\n  gateway-agent where 2001:db8::7 2001:db8::1 443 udp\n\n\
        Exit status: 0 when it would pass, 1 when it would be dropped."
    )]
    Where(edge::WhereArgs),
    /// A live view: requests, connections, verdicts of the kernel programs
    #[command(after_help = "Examples:\n  gateway-agent top\n  gateway-agent top --interval 5s --count 3")]
    Top(live::TopArgs),
    /// What the agent pinned in the kernel
    #[command(
        after_help = "Examples:\n  gateway-agent kernel pins /sys/fs/bpf/gateway-agent\n  \
        gateway-agent kernel uninstall /sys/fs/bpf/gateway-agent"
    )]
    Kernel(edge::KernelArgs),
    /// Make and explain gateway tokens, which let nodes in at a hub
    Token(token::TokenArgs),
    /// Print the version
    Version {
        /// How to print it
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  gateway-agent completion bash > /etc/bash_completion.d/gateway-agent"
    )]
    Completion {
        /// Which shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the manual page, or write all pages into a folder
    #[command(
        after_help = "Examples:\n  gateway-agent man | man -l -\n  gateway-agent man /usr/local/share/man/man1"
    )]
    Man {
        /// Folder for one page a command; without it the main page goes to standard output
        folder: Option<PathBuf>,
    },
}

/// Options of `run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Settings file: YAML, JSON, a Kubernetes ConfigMap, or lines name=value [default: $GATEWAY_SETTINGS_FILE]
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Take the listening sockets of the agent that runs here, and let it drain once this one serves
    #[arg(long, value_enum, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "always")]
    pub take_over: Option<TakeOver>,
}

/// When to take over from a running agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TakeOver {
    /// Do not start without one
    Always,
    /// Start by itself when none runs
    IfRunning,
}

/// Options of `hub`.
#[derive(Args, Debug)]
pub struct HubArgs {
    /// Settings file: YAML, JSON, a Kubernetes ConfigMap, or lines name=value [default: $GATEWAY_SETTINGS_FILE]
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct StatusArgs {
    #[command(flatten)]
    admin: AdminArgs,
}

/// Which agent is asked, and how its answer is printed.
#[derive(Args, Debug)]
pub(crate) struct AdminArgs {
    /// Address or Unix socket path of the admin endpoint [default: that of the settings]
    #[arg(long, value_name = "ADDRESS|PATH", global = true)]
    admin: Option<String>,
    /// Settings file of the agent asked about
    #[arg(long, value_name = "FILE", global = true)]
    settings: Option<PathBuf>,
    /// How to print it
    #[arg(long, short = 'o', value_enum, default_value_t, global = true)]
    format: Format,
}

/// Output forms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For machines
    Json,
}

/// Parses the command line of this process, does what it says, returns its exit status.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too; clap knows their stream and status.
            let code = error.exit_code();
            let _ = error.print();
            return ExitCode::from(u8::try_from(code).unwrap_or(2));
        }
    };
    dispatch(cli.command).into()
}

fn dispatch(command: Command) -> Exit {
    match command {
        Command::Run(args) => crate::run::main(&args),
        Command::Hub(args) => crate::hub::main(&args),
        Command::Check(args) => check::main(&args),
        Command::Diff(args) => diff::main(&args),
        Command::Eval(args) => eval::main(&args),
        Command::Simulate(args) => simulate::main(&args),
        Command::Status(args) => status::main(&args),
        Command::Connections(args) => live::connections(&args),
        Command::Bans(args) => edge::bans(&args),
        Command::Drops(args) => edge::drops(&args),
        Command::Services(args) => l4::services(&args),
        Command::Flows(args) => l4::flows(&args),
        Command::Where(args) => edge::whereto(&args),
        Command::Top(args) => live::top(&args),
        Command::Kernel(args) => edge::kernel(&args),
        Command::Upgrade(args) => upgrade::main(&args),
        Command::Token(args) => token::main(&args),
        Command::Version { format } => generate::version(format),
        Command::Completion { shell } => generate::completion(shell),
        Command::Man { folder } => generate::man(folder.as_deref()),
    }
}

/// The definition itself, for the pages made from it.
pub fn definition() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn every_command_and_option_is_explained() {
        fn walk(command: &clap::Command) {
            assert!(
                command.get_about().is_some(),
                "{} has no explanation",
                command.get_name()
            );
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&definition());
    }
}
