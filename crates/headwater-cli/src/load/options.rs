use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use crate::args::share_below_one;

/// Loads an engine as clients and subscribers would, at a rate that does not wait for it, and judges
/// how it does.
///
/// Latencies count from when a batch was due, not from when it was sent, so that a stall shows. The
/// seed decides what is sent and which of it is lost; when, the machine does. Clients and engine share
/// the process, so CPU time and resident memory are those of both.
#[derive(Debug, Args)]
#[command(after_help = LOAD_HELP)]
pub(crate) struct LoadArgs {
    /// Where the options that are not given come from.
    #[arg(long, value_enum)]
    pub(crate) preset: Option<Preset>,

    /// Operations a second, all clients together; each is a batch of its own.
    #[arg(
        long,
        value_name = "OPERATIONS",
        conflicts_with = "unthrottled",
        value_parser = clap::value_parser!(u32).range(1..=100_000_000)
    )]
    pub(crate) rate: Option<u32>,

    /// Each client sends as fast as it is answered; latencies then count from sending.
    #[arg(long)]
    pub(crate) unthrottled: bool,

    /// For how many seconds operations are due, at most a day.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) duration: Option<Duration>,

    /// How many clients there are, each with its session; at most 1,000,000.
    #[arg(
        long,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub(crate) clients: Option<u32>,

    /// How many documents they change, at most 1,000,000.
    #[arg(
        long,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub(crate) documents: Option<u32>,

    /// How many subscribers follow the documents, one after the other; at most 1,000,000.
    #[arg(
        long,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(0..=1_000_000)
    )]
    pub(crate) subscribers: Option<u32>,

    /// How many of the subscribers read seldom, in percent.
    #[arg(
        long,
        value_name = "PERCENT",
        value_parser = clap::value_parser!(u8).range(0..=100)
    )]
    pub(crate) slow: Option<u8>,

    /// The share of batches that the links lose, from 0 to less than 1.
    #[arg(long, value_name = "SHARE", value_parser = share_below_one)]
    pub(crate) loss: Option<f64>,

    /// The share of batches that the links delay so that later ones overtake them, from 0 to less
    /// than 1.
    #[arg(long, value_name = "SHARE", value_parser = share_below_one)]
    pub(crate) reorder: Option<f64>,

    /// How large each document is at first, as compact JSON: a number of bytes, or with KiB, MiB or
    /// GiB; at most 1 GiB.
    #[arg(long, value_name = "BYTES", value_parser = document_bytes)]
    pub(crate) document_bytes: Option<u64>,

    /// Half of the documents are used at a time, in shifts of so many seconds; the others have no
    /// writers and no subscribers meanwhile.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) shift: Option<Duration>,

    /// After how many seconds without use a document of more than 64 KiB is compressed; by default
    /// the engine's own setting.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) cold_idle: Option<Duration>,

    /// How many snapshots a second are taken, each held for a second.
    #[arg(
        long,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u16).range(0..=1_000)
    )]
    pub(crate) snapshots: Option<u16>,

    /// Threads that send, and again as many that read; by default as many as the machine has.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,

    /// How batches are handed in to the engine.
    #[arg(long, value_enum, default_value_t = Entrance::Direct)]
    pub(crate) via: Entrance,

    /// The seed of what is sent, and of what the links do to it.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,

    /// Fails if more than 1 % of the batches whose outcome became known took longer, from when each was
    /// due until its client knew; what was lost and sent again counts. Fails, too, if no outcome became
    /// known.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) max_p99: Option<Duration>,

    /// Fails if what the engine counts as its memory is ever more: a number of bytes, or with KiB,
    /// MiB or GiB.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) max_memory: Option<u64>,

    /// Fails if more batches that were sent are neither applied nor rejected in the end, nor their
    /// senders told.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) max_unaccounted: u64,

    /// Writes all figures as JSON to a file, which is made before the load begins; - is standard output,
    /// in place of the table.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Shows nothing while it runs.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// The shapes of load that a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// 10,000 operations a second for a minute: 1,000 clients, 1,000 documents of 1 KB, 200
    /// subscribers of which a tenth are slow, 1 % lost.
    Sustained,
    /// The same at 100,000 operations a second, for ten seconds.
    Burst,
    /// 300 operations a second for a minute on two documents of 64 MiB, which take turns of ten
    /// seconds and are compressed after two; snapshots are taken.
    LargeState,
    /// 10,000 clients, each with its own session and subscription, in 1,000 documents: 2,000
    /// operations a second for a minute, each delivered to ten.
    Crowd,
}

/// The ways into the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Entrance {
    /// Each batch is decided at once, by the thread that hands it in.
    Direct,
    /// Through queues that the engine's own tasks work off, on as many threads as send.
    Queued,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0.0);
    let span = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    span.filter(|span| !span.is_zero() && *span <= DAY)
        .ok_or_else(|| "not a number of seconds above 0, at most 86,400".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|letter: char| letter.is_ascii_alphabetic() || letter == 'µ');
    let (number, unit) = text.split_at(split.unwrap_or(text.len()));
    let nanos = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => 0.0,
    };
    let number: Option<f64> = number.parse().ok();
    let span = number.and_then(|number| Duration::try_from_secs_f64(number * nanos).ok());
    span.filter(|span| !span.is_zero())
        .ok_or_else(|| "not a duration such as 500us, 20ms or 1.5s".to_owned())
}

fn bytes(text: &str) -> Result<u64, String> {
    let split = text.find(|letter: char| letter.is_ascii_alphabetic());
    let (number, unit) = text.split_at(split.unwrap_or(text.len()));
    let shift = match unit {
        "" | "B" => Some(0),
        "KiB" => Some(10),
        "MiB" => Some(20),
        "GiB" => Some(30),
        _ => None,
    };
    let number: Option<u64> = number.parse().ok();
    let bytes = shift.and_then(|shift| number?.checked_mul(1 << shift));
    bytes.ok_or_else(|| "not a number of bytes such as 4096, 64KiB, 512MiB or 1GiB".to_owned())
}

fn document_bytes(text: &str) -> Result<u64, String> {
    let bytes = bytes(text)?;
    if bytes > DOCUMENT_BYTES_MAX {
        return Err("more than 1 GiB".to_owned());
    }
    Ok(bytes)
}

const DAY: Duration = Duration::from_secs(86_400);

/// What a machine of some gigabytes holds several times over: once in the engine, once in its text, and
/// once in each replica.
const DOCUMENT_BYTES_MAX: u64 = 1 << 30;

const LOAD_HELP: &str = "\
Examples:
  headwater load --preset sustained
  headwater load --preset burst --via queued --duration 5 --loss 0 --max-p99 20ms
  headwater load --preset crowd --json crowd.json
  headwater load --unthrottled --clients 64 --documents 64 --subscribers 0 --duration 5

Without a preset: 1,000 operations a second for ten seconds, 100 clients, 100 documents of 1 KB, 100
subscribers of which a tenth are slow, nothing lost.

Of the latencies, `handed in to answered` is what the engine takes by itself, as a client in a closed
loop sees it; `due to known` and `due to delivered` count from when an operation was due, whatever the
engine, the link or this program made it wait for.

Always checked: that every batch that was sent is accounted for (--max-unaccounted), that every
operation that was due was sent, that the engine made as many versions as its clients learnt of, and
that every subscriber ends with the document.

Ctrl-C ends the load early: what is under way is settled, and the figures and the verdict are those of
the time until then. A second one ends the program at once, with status 130.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_need_a_number_and_a_known_unit() {
        assert_eq!(duration("1ns"), Ok(Duration::from_nanos(1)));
        assert_eq!(duration("1.5ms"), Ok(Duration::from_micros(1_500)));
        assert_eq!(duration("20µs"), duration("20us"));
        for text in ["", "5", "ms", "-1s", "0s", "1h", "NaNs"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(bytes("4096"), Ok(4_096));
        assert_eq!(bytes("64MiB"), Ok(64 << 20));
        for text in ["", "MiB", "1.5GiB", "1KB", "99999999999GiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["0", "-1", "86401", "inf", "NaN", "1s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
