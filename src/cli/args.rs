//! What can be written on the command line, and its help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::config::{DEFAULT_PATH, LogFormat, units};

/// A SIP conference focus and MSRP switch whose rooms mirror XMPP MUC rooms.
#[derive(Debug, Parser)]
#[command(name = "mucfocus", version, arg_required_else_help = true)]
#[command(after_help = "Begin with: mucfocus print config > config.toml; mucfocus check --config config.toml
Exit status: 0 fine, 1 what was asked failed, 2 wrong usage or configuration. RUST_LOG goes before log.level.")]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run until SIGTERM; prints one line `ready …` on standard output once every listener is bound
    Serve(ServeArgs),
    /// Say what is wrong with the configuration, where, and what to write instead
    Check(CheckArgs),
    /// Say which room, MUC, account and nickname a caller gets, whether he is let in, and by which lines
    Route(RouteArgs),
    /// Print a commented example, or the XMPP server's half of a configuration
    Print(PrintArgs),
    /// Print the JSON Schema of the configuration, for editors
    Schema,
    /// Join a room from this terminal as a SIP user, or probe one with --say and --expect
    Chat(ChatArgs),
    /// Look at a running mucfocus and steer it, over its control socket
    Ctl(CtlArgs),
}

/// Which configuration.
#[derive(Debug, clap::Args)]
pub struct ConfigFile {
    /// The configuration
    #[arg(long = "config", value_name = "FILE", default_value = DEFAULT_PATH)]
    pub file: PathBuf,
}

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigFile,
    /// How lines of the log look, whatever log.format says
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigFile,
    /// Also ask DNS, log in to XMPP and look at the rooms; status 1 when something is wrong there
    #[arg(long)]
    pub online: bool,
    /// End with status 1 when there are warnings
    #[arg(long)]
    pub strict: bool,
    /// Print what was found as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `route`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Status 1 when no rule maps the address, or the caller is not let in.")]
pub struct RouteArgs {
    /// The address that is dialled, like sip:capulet@rooms.example.com
    #[arg(value_name = "URI")]
    pub uri: String,
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigFile,
    /// Who calls, like sip:romeo@example.org or '"Romeo" <sip:romeo@example.org>'; default: sip:$USER@localhost
    #[arg(long, value_name = "SIP-URI")]
    pub from: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `print`.
#[derive(Debug, clap::Args)]
pub struct PrintArgs {
    /// Of what.
    #[arg(value_name = "WHAT")]
    pub what: Printable,
    /// The configuration whose other half prosody and ejabberd are; default: the example
    #[arg(long = "config", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What `print` can print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Printable {
    /// The configuration of mucfocus, with every key of this version
    Config,
    /// What Prosody has to be told for a configuration
    Prosody,
    /// What ejabberd has to be told for a configuration
    Ejabberd,
}

/// Arguments of `ctl`.
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Needs a [control] section in the configuration of the running process, and to be its user or of its group.
Status 1 when it is not reached, does not know what is named, or refuses; of room also when its two sides differ."
)]
pub struct CtlArgs {
    /// What is asked.
    #[command(subcommand)]
    pub command: CtlCommand,
    /// The configuration that names the socket
    #[arg(long = "config", value_name = "FILE", default_value = DEFAULT_PATH, global = true)]
    pub config: PathBuf,
    /// The socket itself, whatever a configuration says
    #[arg(long, value_name = "PATH", global = true)]
    pub socket: Option<PathBuf>,
    /// Print JSON, one value a line
    #[arg(long, global = true)]
    pub json: bool,
}

/// What `ctl` can ask.
#[derive(Debug, Clone, Subcommand)]
pub enum CtlCommand {
    /// How it is: state, legs, memory, what it listens on
    Status,
    /// The rooms in use
    Rooms,
    /// One room, the MUC's side and the SIP side next to each other
    Room {
        /// JID of the MUC, SIP URI of the room, or the local part alone
        name: String,
    },
    /// One leg, and what happened to it last
    Leg {
        /// Its number (see room) or its Call-ID
        id: String,
    },
    /// What went over the wire for a call, without what anybody said
    Ladder {
        /// The Call-ID, or the number of a leg
        #[arg(value_name = "CALL-ID")]
        call_id: String,
        /// Go on until the call is over
        #[arg(long)]
        follow: bool,
    },
    /// End a leg with a BYE; its user may call again
    Kick {
        /// Its number or its Call-ID
        id: String,
    },
    /// Callers without an account of their own who were banned from a room, and are kept out by this node
    Bans,
    /// Let such a caller in again; a ban of an account is the MUC's to lift
    Unban {
        /// JID of the MUC, SIP URI of the room, or the local part alone
        room: String,
        /// His address, like sip:tybalt@example.org
        #[arg(value_name = "SIP-URI")]
        user: String,
    },
    /// Read the configuration again, as on SIGHUP: all of it, or nothing if something is wrong. Calls that are on keep rule, account
    /// and XMPP server
    Reload,
    /// Take no more calls and end those that there are; the process stays until SIGTERM
    Drain,
}

/// Arguments of `chat`.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Without --say and --expect: type to talk, /help for commands, /leave to go. With them: joins, says each text once the one before \
was acknowledged and what is expected before it was seen, and leaves; what is expected may come at any time, \
but with --say not out of the room's history. Status 1 when \
something said was not acknowledged, or something expected not seen, in time."
)]
pub struct ChatArgs {
    /// The room, like sip:capulet@rooms.example.com
    #[arg(value_name = "SIP-URI")]
    pub room: String,
    /// Who calls; default: sip:$USER@localhost
    #[arg(long, value_name = "SIP-URI")]
    pub from: Option<String>,
    /// Display name, and the nickname to ask for in the room, where it renames all devices of the caller; the room says which
    /// one is in force
    #[arg(long = "as", value_name = "NICKNAME")]
    pub nickname: Option<String>,
    /// File that holds the password of the caller, for servers that ask for it (digest)
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Where to send the call; default: the host of the room's address, over UDP unless it says ;transport=tcp
    #[arg(long, value_name = "udp:|tcp:HOST:PORT")]
    pub proxy: Option<Proxy>,
    /// What to say and to await, in the order of the command line.
    #[command(flatten)]
    pub script: Script,
    /// How long to wait: until we are in the room, or with --say or --expect until all is done
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub timeout: Duration,
    /// Print a line on standard error for each SIP message and MSRP frame: ladder UNIX-MILLIS SIP|MSRP ->|<- WHAT
    #[arg(long)]
    pub ladder: bool,
}

/// One `--say` or `--expect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Say this.
    Say(String),
    /// Wait until a line has come that contains this.
    Expect(String),
}

/// All of `--say` and `--expect`, in the order in which they were written: clap alone keeps the order within each only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script(pub Vec<Step>);

impl clap::Args for Script {
    fn augment_args(command: clap::Command) -> clap::Command {
        let text = |id: &'static str| Arg::new(id).long(id).value_name("TEXT").action(ArgAction::Append);
        command.arg(text("say").help("Say this in the room; may be repeated")).arg(text("expect").help(
            "Wait until a line comes that contains this: a message of somebody else, or who joins and leaves; \
                 may be repeated",
        ))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Script {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let of = |id: &str, step: fn(String) -> Step| -> Vec<(usize, Step)> {
            let texts = matches.get_many::<String>(id).into_iter().flatten().cloned().map(step);
            matches.indices_of(id).into_iter().flatten().zip(texts).collect()
        };
        let mut steps = of("say", Step::Say);
        steps.extend(of("expect", Step::Expect));
        steps.sort_by_key(|(index, _)| *index);
        Ok(Self(steps.into_iter().map(|(_, step)| step).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// `udp:HOST:PORT` or `tcp:HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// UDP or TCP.
    pub transport: crate::sip::settings::Transport,
    /// Name or address; IPv6 in brackets.
    pub host: String,
    /// Port; 5060 when it was not written.
    pub port: u16,
}

impl std::fmt::Display for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.transport, self.host, self.port)
    }
}

impl std::str::FromStr for Proxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        use crate::sip::settings::Transport;
        let (transport, rest) = if let Some(rest) = text.strip_prefix("udp:") {
            (Transport::Udp, rest)
        } else if let Some(rest) = text.strip_prefix("tcp:") {
            (Transport::Tcp, rest)
        } else {
            return Err("write udp:HOST:PORT or tcp:HOST:PORT".to_owned());
        };
        let (host, port) = units::host_and_port(rest).map_err(|wrong| format!("{}: {}", wrong.problem, wrong.help))?;
        Ok(Self { transport, host, port: port.unwrap_or(5060) })
    }
}

fn time(text: &str) -> Result<Duration, String> {
    units::duration(text).map_err(|wrong| wrong.help)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn chat_takes_what_the_contract_says() {
        let args = Args::try_parse_from([
            "mucfocus",
            "chat",
            "sip:capulet@rooms.localhost",
            "--from",
            "sip:romeo@example.org",
            "--as",
            "Romeo",
            "--proxy",
            "tcp:127.0.0.1:15060",
            "--say",
            "Hi",
            "--expect",
            "Hello",
            "--say",
            "Bye",
            "--timeout",
            "3s",
            "--ladder",
        ])
        .unwrap();
        let Command::Chat(chat) = args.command else { panic!("{args:?}") };
        let expected = [Step::Say("Hi".into()), Step::Expect("Hello".into()), Step::Say("Bye".into())];
        assert_eq!(chat.script.0, expected);
        assert_eq!(chat.timeout, Duration::from_secs(3));
        let proxy = chat.proxy.unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("127.0.0.1", 15060));
        assert!(Args::try_parse_from(["mucfocus", "chat", "sip:a@b", "--proxy", "sctp:x:1"]).is_err());
        assert!(Args::try_parse_from(["mucfocus", "chat", "sip:a@b", "--timeout", "10"]).is_err());
    }
}
