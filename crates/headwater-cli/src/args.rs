use std::{
    fmt,
    path::{Path, PathBuf},
};

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum, error::ErrorKind};

use crate::{input::is_standard_input, load::options::LoadArgs};

/// Replays recorded sessions, loads an engine, and patches, compares and canonicalizes JSON documents.
#[derive(Debug, Parser)]
#[command(name = "headwater", version, after_help = STATUS_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Patch(PatchArgs),
    Merge(MergeArgs),
    Diff(DiffArgs),
    Canon(CanonArgs),
    Replay(ReplayArgs),
    Load(LoadArgs),
}

/// Applies a JSON Patch (RFC 6902) to a document, as a whole or not at all, and prints the result.
///
/// It prints the canonical form (RFC 8785) and a newline.
#[derive(Debug, Args)]
#[command(after_help = PATCH_HELP)]
pub(crate) struct PatchArgs {
    /// The document; - is standard input.
    pub(crate) doc: PathBuf,

    /// The patch; - is standard input.
    pub(crate) patch: PathBuf,

    /// Prints the result indented by two spaces a level, not in canonical form.
    #[arg(long)]
    pub(crate) pretty: bool,

    /// Allows the operations splice and increment, which are not in RFC 6902.
    #[arg(long)]
    pub(crate) extensions: bool,
}

/// Applies a JSON Merge Patch (RFC 7396) to a document and prints the result.
///
/// It prints the canonical form (RFC 8785) and a newline.
#[derive(Debug, Args)]
#[command(after_help = MERGE_HELP)]
pub(crate) struct MergeArgs {
    /// The document; - is standard input.
    pub(crate) doc: PathBuf,

    /// The merge patch; - is standard input.
    pub(crate) patch: PathBuf,

    /// Indents the output by two spaces a level.
    #[arg(long)]
    pub(crate) pretty: bool,
}

/// Prints a JSON Patch (RFC 6902) that makes the new document of the old one.
///
/// It prints the canonical form (RFC 8785) and a newline.
#[derive(Debug, Args)]
#[command(after_help = DIFF_HELP)]
pub(crate) struct DiffArgs {
    /// The document before; - is standard input.
    pub(crate) old: PathBuf,

    /// The document after; - is standard input.
    pub(crate) new: PathBuf,

    /// Prints the result indented by two spaces a level, not in canonical form.
    #[arg(long)]
    pub(crate) pretty: bool,

    /// Allows the operation splice, which is not in RFC 6902, for changes within a string or array.
    #[arg(long)]
    pub(crate) splice: bool,
}

/// Prints the canonical form (RFC 8785) of a document, or its SHA-256.
///
/// It prints the canonical bytes and nothing else, so that they can be hashed or compared; only on a
/// terminal a newline follows.
#[derive(Debug, Args)]
#[command(after_help = CANON_HELP)]
pub(crate) struct CanonArgs {
    /// The document; - is standard input.
    pub(crate) doc: PathBuf,

    /// Prints the SHA-256 of the canonical form, in lowercase hexadecimal digits, and a newline.
    #[arg(long)]
    pub(crate) sha256: bool,
}

/// Replays recorded sessions through an engine over links that lose, repeat and reorder, and checks
/// that every replica gets to the recorded document.
///
/// One seed gives one run: the same arguments meet the same faults. Only with --via queued the engine
/// goes by the clock, so that what it gives up after a time differs from run to run.
#[derive(Debug, Args)]
#[command(after_help = REPLAY_HELP)]
pub(crate) struct ReplayArgs {
    /// Recordings to replay, one after the other; by default a match in an arena that the program
    /// carries.
    #[arg(value_name = "TRACE")]
    pub(crate) traces: Vec<PathBuf>,

    /// The share of messages that the links lose, from 0 to less than 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share_below_one)]
    pub(crate) loss: f64,

    /// The share of messages that the links deliver twice, from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub(crate) duplicate: f64,

    /// Within how many messages the links reorder, at most 4096; 0 keeps the order.
    #[arg(
        long,
        value_name = "WINDOW",
        default_value_t = 0,
        value_parser = clap::value_parser!(u16).range(0..=4_096)
    )]
    pub(crate) reorder: u16,

    /// The seed of all chance.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,

    /// Which batches wait for one another.
    #[arg(long, value_enum, default_value_t = LaneChoice::Shared)]
    pub(crate) lane: LaneChoice,

    /// How batches are handed in to the engine.
    #[arg(long, value_enum, default_value_t = Via::Direct)]
    pub(crate) via: Via,

    /// How many subscribers follow the document, at most 10,000.
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(0..=10_000)
    )]
    pub(crate) subscribers: u16,

    /// How many of the subscribers are slow, in percent.
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = 25,
        value_parser = clap::value_parser!(u8).range(0..=100)
    )]
    pub(crate) slow: u8,

    /// What a text trace edits.
    #[arg(long = "as", value_name = "FORM", value_enum, default_value_t = TextForm::Splice)]
    pub(crate) as_: TextForm,

    /// Prints the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The lanes that a trace's batches are put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LaneChoice {
    /// All batches, in the order of the recording.
    Shared,
    /// Those of one client, in the order in which it sent them.
    Client,
}

/// The ways into the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Via {
    /// Each is decided at once, by the thread that hands it in.
    Direct,
    /// Through queues that the engine's own tasks work off, on a tokio runtime of one thread.
    Queued,
    /// Through queues that are worked off by the host's ticks, without any runtime.
    Tick,
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Queued => "queued",
            Self::Tick => "tick",
        })
    }
}

/// What the text of a text trace is in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextForm {
    /// A string, edited by the operation splice.
    Splice,
    /// An array of characters, edited by add and remove.
    Array,
}

/// Reads the program's arguments; what is wrong with them ends the program with status 2.
pub(crate) fn parse() -> Cli {
    let cli = Cli::parse();
    if let Err(error) = cli.check() {
        error.exit();
    }
    cli
}

impl Cli {
    /// Checks what concerns several arguments.
    fn check(&self) -> Result<(), clap::Error> {
        let (name, inputs): (_, [&Path; 2]) = match &self.command {
            Command::Patch(args) => ("patch", [&args.doc, &args.patch]),
            Command::Merge(args) => ("merge", [&args.doc, &args.patch]),
            Command::Diff(args) => ("diff", [&args.old, &args.new]),
            Command::Canon(_) | Command::Replay(_) | Command::Load(_) => return Ok(()),
        };
        if !inputs.into_iter().all(is_standard_input) {
            return Ok(());
        }
        let mut program = Self::command();
        program.build();
        let message = "standard input (-) can be read only once";
        Err(match program.find_subcommand_mut(name) {
            Some(command) => command.error(ErrorKind::ArgumentConflict, message),
            None => program.error(ErrorKind::ArgumentConflict, message),
        })
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("not a number from 0 to 1".to_owned()),
    }
}

pub(crate) fn share_below_one(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("not a number from 0 to less than 1".to_owned()),
    }
}

const STATUS_HELP: &str = "\
Examples:
  headwater replay
  headwater patch board.json change.json
  headwater diff old.json new.json --pretty
  headwater canon --sha256 board.json

Exit status:
  0  done
  1  understood, but did not hold: a patch does not apply, a replay diverges, a gate
     of a load fails
  2  not understood: bad arguments, a text that is no JSON or no patch; or a file that cannot be
     read, or output that cannot be written

A document has at most 64 MiB of text, 128 levels and 16 Mi values; a recording at most 256 MiB,
inflated.";

const PATCH_HELP: &str = "\
Examples:
  headwater patch board.json change.json
  headwater diff old.json new.json | headwater patch old.json -";

const MERGE_HELP: &str = "\
Examples:
  headwater merge settings.json change.json
  echo '{\"volume\":null}' | headwater merge settings.json - --pretty";

const DIFF_HELP: &str = "\
Examples:
  headwater diff old.json new.json --pretty
  headwater diff --splice draft.json final.json > edit.json";

const CANON_HELP: &str = "\
Examples:
  headwater canon board.json > board.canonical.json
  headwater canon --sha256 - < board.json";

const REPLAY_HELP: &str = "\
Examples:
  headwater replay
  headwater replay --loss 0.2 --duplicate 0.1 --reorder 8 --seed 7
  headwater replay --via queued --reorder 32
  headwater replay session.ndjson.gz --lane client --subscribers 64 --slow 50 --json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_arguments_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn replay_has_its_defaults() {
        let cli = Cli::try_parse_from(["headwater", "replay", "arena.ndjson.gz"]).unwrap();
        let Command::Replay(args) = cli.command else {
            panic!("another command");
        };
        assert_eq!(args.traces, [PathBuf::from("arena.ndjson.gz")]);
        assert_eq!((args.loss, args.duplicate, args.reorder), (0.0, 0.0, 0));
        assert_eq!((args.seed, args.subscribers, args.slow), (1, 4, 25));
        assert_eq!(args.lane, LaneChoice::Shared);
        assert_eq!(args.via, Via::Direct);
        assert_eq!(args.as_, TextForm::Splice);
        assert!(!args.json);
    }

    #[test]
    fn shares_keep_to_their_ranges() {
        assert_eq!(share("1"), Ok(1.0));
        assert_eq!(share_below_one("0.99"), Ok(0.99));
        for text in ["1.01", "-0.1", "NaN", "inf", "", "half"] {
            assert!(share(text).is_err(), "{text}");
            assert!(share_below_one(text).is_err(), "{text}");
        }
        assert!(share_below_one("1").is_err());
    }
}
