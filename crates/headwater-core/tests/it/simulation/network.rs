use std::{collections::BTreeMap, time::Duration};

use headwater_core::{Seq, Submission, Time};

use super::{schedule::Config, seen::Seen};
use crate::random::Random;

/// What is on its way, in the order in which it arrives.
#[derive(Default)]
pub(crate) struct Network {
    flying: BTreeMap<(Time, u64), Packet>,
    sent: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum Packet {
    /// To the server, from the client of this number.
    Batch { client: usize, batch: Submission },
    /// To the client: up to there its batches to the key of this number are decided.
    Decided {
        client: usize,
        key: usize,
        decided: Seq,
    },
}

impl Packet {
    pub(crate) const fn client(&self) -> usize {
        match *self {
            Self::Batch { client, .. } | Self::Decided { client, .. } => client,
        }
    }
}

impl Network {
    /// Loses some, repeats one in six, and holds a few back for so long that what they belong to
    /// may be gone when they arrive.
    pub(crate) fn send(
        &mut self,
        now: Time,
        packet: &Packet,
        config: &Config,
        random: &mut Random,
        seen: &mut Seen,
    ) {
        if random.one_in(config.loss) {
            seen.note("network: lost");
            return;
        }
        let repeated = random.one_in(6);
        if repeated {
            seen.note("network: repeated");
        }
        for _ in 0..1 + u64::from(repeated) {
            let late = random.one_in(30);
            let span = if late { 3_000 } else { config.latency_ms };
            let at = now + Duration::from_millis(random.below(span));
            self.sent += 1;
            self.flying.insert((at, self.sent), packet.clone());
        }
    }

    pub(crate) fn pop(&mut self) -> Option<(Time, Packet)> {
        let ((at, _), packet) = self.flying.pop_first()?;
        Some((at, packet))
    }

    pub(crate) fn len(&self) -> usize {
        self.flying.len()
    }
}
