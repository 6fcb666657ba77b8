use std::{collections::BTreeMap, sync::Arc, time::Duration};

use headwater_core::{
    Attachment, Epoch, Guard, Incarnation, Outcome, Position, Refusal, Seq, SessionId, Submission,
    Time, Version,
};
use headwater_doc::{Extensions, Patch};

use super::{model::Session, network::Packet, settle::Event, workload::any_patch, world::World};
use crate::pair::patch;

/// One that hands batches in.
pub(crate) struct Client {
    pub(crate) session: SessionId,
    /// The attachment that it takes for the present one.
    pub(crate) attachment: Attachment,
    pub(crate) down_until: Time,
    /// Up to where it knows each lane to be decided, by the number of the key.
    known: BTreeMap<usize, Seq>,
    pub(crate) state: State,
}

/// What its last batch came back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Fine,
    Fenced,
    Unknown,
}

/// What a client sends again at a time.
const RESENDS_MAX: usize = 100;

/// What a client has undecided at most.
const PENDING_MAX: usize = 250;

impl World<'_> {
    /// A new client, if the memory budget has room for it.
    pub(crate) fn open(&mut self) -> Option<Client> {
        let Ok((session, attachment)) = self.sessions.open(self.now) else {
            self.check_refused_for_memory();
            return None;
        };
        let seen = self.now;
        let open = Session { attachment, seen };
        assert!(self.model.sessions.insert(session, open).is_none());
        Some(Client {
            session,
            attachment,
            down_until: Time::START,
            known: BTreeMap::new(),
            state: State::Fine,
        })
    }

    pub(crate) fn write(&mut self) {
        let (client, key) = self.any_lane();
        self.write_to(client, key);
    }

    pub(crate) fn burst(&mut self) {
        let (client, key) = self.any_lane();
        (0..self.config.burst).for_each(|_| self.write_to(client, key));
    }

    fn write_to(&mut self, client: usize, key: usize) {
        let patch = self.any_allowed_patch();
        let guard = self.any_guard(key);
        let (session, attachment, name) = (
            self.clients[client].session,
            self.clients[client].attachment,
            self.keys[key].clone(),
        );
        let chained = self.random.one_in(5);
        let acked = self.acked(client, key);
        if self.clients[client].state != State::Fine {
            return;
        }
        let lane = self.model.lane(session, &name);
        if lane.pending().count() >= PENDING_MAX {
            return;
        }
        let Some(seq) = lane.next_seq() else {
            return;
        };
        let batch = Submission {
            acked,
            chained,
            guard,
            ..Submission::new(session, attachment, name, Seq(seq), patch)
        };
        lane.batches.insert(seq, batch.clone());
        self.tell(|| format!("write {}", describe(&batch)));
        self.send(client, Packet::Batch { client, batch });
    }

    /// What the client says that it knows; a liar says more.
    fn acked(&mut self, client: usize, key: usize) -> Seq {
        let known = self.clients[client]
            .known
            .get(&key)
            .copied()
            .unwrap_or_default();
        if self.random.one_in(60) {
            Seq(u64::MAX)
        } else {
            known
        }
    }

    /// One that the engine could take.
    pub(crate) fn any_allowed_patch(&mut self) -> Arc<Patch> {
        loop {
            self.written += 1;
            let patch = patch(&any_patch(self.written, &mut self.random));
            if self.config.shard.extensions.include(patch.extensions()) {
                return patch;
            }
        }
    }

    /// A base that the document has, had, or never will have.
    fn any_guard(&mut self, key: usize) -> Guard {
        let back = self.random.below(8);
        let kind = self.random.below(24);
        let exact = self.random.one_in(4);
        let Some(document) = self.model.documents.open.get(&self.keys[key]) else {
            return Guard::Head;
        };
        let Position { epoch, version } = document.position;
        let at = |version| Position { epoch, version };
        let other = |epoch| Position { epoch, version };
        let base = match kind {
            0..4 => at(version),
            4..8 => at(Version(version.0.saturating_sub(back))),
            8 => at(document.oldest()),
            9 => at(Version(document.oldest().0.saturating_sub(1))),
            10 => at(Version(version.0 + 1 + back * back)),
            11 if back == 0 => at(Version(u64::MAX)),
            12 if back < 2 => other(Epoch {
                number: epoch.number.wrapping_sub(1),
                ..epoch
            }),
            12 if back < 4 => other(Epoch {
                incarnation: Incarnation(epoch.incarnation.0 + 1),
                ..epoch
            }),
            _ => return Guard::Head,
        };
        if exact {
            Guard::Exact(base)
        } else {
            Guard::Untouched(base)
        }
    }

    fn send(&mut self, client: usize, packet: Packet) {
        if self.now < self.clients[client].down_until {
            self.seen.note("network: lost");
            return;
        }
        self.network.send(
            self.now,
            &packet,
            self.config,
            &mut self.random,
            &mut self.seen,
        );
    }

    pub(crate) fn resend(&mut self) {
        let (client, key) = self.any_lane();
        let State::Fine = self.clients[client].state else {
            return;
        };
        if self.now >= self.clients[client].down_until {
            for batch in self.resends(client, key) {
                self.send(client, Packet::Batch { client, batch });
            }
        }
    }

    /// What a client sends again, going only by what its lane's status says.
    pub(crate) fn resends(&mut self, client: usize, key: usize) -> Vec<Submission> {
        let (session, attachment, name) = (
            self.clients[client].session,
            self.clients[client].attachment,
            self.keys[key].clone(),
        );
        let status = self.shards[self.model.shards[&name]].lane_status(session, &name);
        self.clients[client].known.insert(key, status.decided);
        let acked = self.acked(client, key);
        let beyond = status.highest_held.unwrap_or(status.decided).next();
        let end = Seq(u64::MAX);
        let wanted: Vec<_> = status
            .missing
            .iter()
            .cloned()
            .chain([beyond..=end])
            .collect();
        let Some(lane) = self.model.lanes.get(&(session, name)) else {
            return Vec::new();
        };
        lane.pending()
            .filter(|batch| wanted.iter().any(|range| range.contains(&batch.seq)))
            .take(RESENDS_MAX)
            .map(|batch| Submission {
                attachment,
                acked,
                ..batch.clone()
            })
            .collect()
    }

    /// The more is on its way, the more arrives.
    pub(crate) fn receive(&mut self) {
        for _ in 0..1 + self.network.len() / 16 {
            self.receive_next();
        }
    }

    pub(crate) fn receive_next(&mut self) {
        let Some((at, packet)) = self.network.pop() else {
            return;
        };
        self.pass(at.since(self.now));
        if self.now < self.clients[packet.client()].down_until {
            self.seen.note("network: lost");
            return;
        }
        match packet {
            Packet::Batch { client, batch } => {
                let outcome = self.deliver(&batch);
                if self.clients[client].session == batch.session {
                    self.answer(client, &batch, &outcome);
                }
            }
            Packet::Decided {
                client,
                key,
                decided,
            } => {
                let known = self.clients[client].known.entry(key).or_default();
                *known = decided.max(*known);
            }
        }
    }

    fn answer(&mut self, client: usize, batch: &Submission, outcome: &Outcome) {
        match outcome {
            Outcome::Applied { .. } | Outcome::Rejected(_) | Outcome::Duplicate(_) => {
                let key = self.keys.iter().position(|key| *key == batch.key).unwrap();
                let decided = batch.seq;
                self.send(
                    client,
                    Packet::Decided {
                        client,
                        key,
                        decided,
                    },
                );
            }
            Outcome::Refused(Refusal::UnknownSession) => {
                self.clients[client].state = State::Unknown;
            }
            Outcome::Refused(Refusal::Fenced { .. })
                if batch.attachment == self.clients[client].attachment =>
            {
                self.clients[client].state = State::Fenced;
            }
            _ => {}
        }
    }

    /// Another batch under a seq that is decided or held; it must never be taken.
    pub(crate) fn lie(&mut self) {
        let (client, key) = self.any_lane();
        let (session, attachment) = (
            self.clients[client].session,
            self.clients[client].attachment,
        );
        let (kind, pick) = (self.random.below(4), self.random.next());
        let Some(lane) = self.model.lanes.get(&(session, self.keys[key].clone())) else {
            return;
        };
        let known = lane
            .batches
            .range(..=lane.decided)
            .rev()
            .take(140)
            .map(|(seq, _)| *seq);
        let seqs: Vec<_> = known.chain(lane.held.keys().copied()).collect();
        if seqs.is_empty() {
            return;
        }
        let seq = seqs[usize::try_from(pick % seqs.len() as u64).unwrap()];
        let truth = Submission {
            attachment,
            ..lane.batch(seq).clone()
        };
        let lie = match kind {
            0 => Submission {
                chained: !truth.chained,
                ..truth
            },
            1 if truth.guard == Guard::Head => Submission {
                guard: Guard::Exact(Position {
                    epoch: Epoch {
                        incarnation: session.incarnation,
                        number: 1,
                    },
                    version: Version(1),
                }),
                ..truth
            },
            2 => truth,
            _ => Submission {
                patch: patch(r#"[{"op":"add","path":"/lie","value":true}]"#),
                ..truth
            },
        };
        self.tell(|| format!("lie {}", describe(&lie)));
        self.deliver(&lie);
    }

    /// What no good client sends.
    pub(crate) fn hostile(&mut self) {
        let (client, key) = self.any_lane();
        let name = self.keys[key].clone();
        let (session, attachment) = (
            self.clients[client].session,
            self.clients[client].attachment,
        );
        let expected = self.model.lane(session, &name).expected();
        let plain = patch(r#"[{"op":"add","path":"/far","value":1}]"#);
        let batch = Submission::new(session, attachment, name.clone(), expected, plain);
        let batch = match self.random.below(9) {
            0 => {
                let long = "long".repeat(1_100);
                let long = format!(r#"[{{"op":"add","path":"/far","value":"{long}"}}]"#);
                Submission {
                    patch: patch(&long),
                    ..batch
                }
            }
            1 => {
                let many = [r#"{"op":"test","path":"","value":1}"#; 41].join(",");
                Submission {
                    patch: patch(&format!("[{many}]")),
                    ..batch
                }
            }
            2 if self.config.shard.extensions == Extensions::NONE => Submission {
                patch: patch(r#"[{"op":"increment","path":"/n","by":1}]"#),
                ..batch
            },
            3 => Submission {
                session: SessionId {
                    incarnation: Incarnation(session.incarnation.0 ^ 1),
                    ..session
                },
                ..batch
            },
            4 => Submission {
                session: SessionId {
                    number: session.number + 1_000,
                    ..session
                },
                ..batch
            },
            5 => Submission {
                attachment: Attachment(attachment.0 + 1_000),
                ..batch
            },
            6 => Submission {
                seq: Seq::ZERO,
                ..batch
            },
            _ => {
                let far = *self.random.pick(&[40, 1_000, 1 << 40, u64::MAX]);
                let seq = expected.0.saturating_add(far);
                let lane = self.model.lane(session, &name);
                if lane.batches.contains_key(&seq) {
                    return;
                }
                let far = Submission {
                    seq: Seq(seq),
                    ..batch
                };
                lane.batches.insert(seq, far.clone());
                far
            }
        };
        self.tell(|| format!("hostile {}", describe(&batch)));
        self.deliver(&batch);
    }

    /// A session is attached anew, by its client or by a copy of it elsewhere.
    pub(crate) fn attach(&mut self) {
        let client = self.random.index(self.clients.len());
        let learns = self.random.one_in(2);
        self.attach_client(client, learns);
    }

    pub(crate) fn attach_client(&mut self, client: usize, learns: bool) {
        let session = self.clients[client].session;
        let attached = self.sessions.attach(self.now, session);
        let Some(open) = self.model.sessions.get_mut(&session) else {
            assert_eq!(attached, Err(Refusal::UnknownSession));
            self.clients[client].state = State::Unknown;
            return;
        };
        open.attachment.0 += 1;
        open.seen = self.now;
        assert_eq!(attached, Ok(open.attachment));
        if learns {
            self.clients[client].attachment = open.attachment;
            self.clients[client].state = State::Fine;
        }
    }

    /// A client that was told so attaches again, or opens a session and decides again what is pending.
    pub(crate) fn reopen(&mut self) {
        let client = self.random.index(self.clients.len());
        match self.clients[client].state {
            State::Fine => {}
            State::Fenced => self.attach_client(client, true),
            State::Unknown => {
                let before = self.clients[client].session;
                assert!(!self.model.sessions.contains_key(&before));
                let Some(opened) = self.open() else {
                    return;
                };
                let pending = self.lost.remove(&before).unwrap_or_default();
                self.clients[client] = opened;
                self.seen.note("client: reopened");
                for (key, batches) in pending {
                    (0..batches.min(20)).for_each(|_| self.write_to(client, key));
                }
            }
        }
    }

    pub(crate) fn amnesia(&mut self) {
        let client = self.random.index(self.clients.len());
        self.clients[client].known.clear();
        self.seen.note("client: forgot what it knew");
    }

    pub(crate) fn partition(&mut self) {
        let client = self.random.index(self.clients.len());
        let span = Duration::from_millis(self.random.below(2_000));
        self.clients[client].down_until = self.now + span;
        self.tell(|| format!("client {client} is cut off for {span:?}"));
        self.seen.note("network: down");
    }

    pub(crate) fn goodbye(&mut self) {
        let client = self.random.index(self.clients.len());
        let session = self.clients[client].session;
        if self.model.sessions.contains_key(&session) {
            assert!(self.sessions.close(session));
            self.end(session);
        } else {
            assert!(!self.sessions.close(session));
        }
    }

    /// Ends a session in all shards.
    pub(crate) fn end(&mut self, session: SessionId) {
        let lanes = self
            .model
            .lanes
            .iter()
            .filter(|((owner, _), _)| *owner == session);
        let number = |key| self.keys.iter().position(|other| other == key).unwrap();
        let pending = lanes.map(|((_, key), lane)| (number(key), lane.pending().count()));
        self.lost.insert(session, pending.collect());
        if self.model.forget(session) > 0 {
            self.seen.note("given up: session ended");
        }
        self.tell(|| format!("session {} ends", session.number));
        self.shards
            .iter_mut()
            .for_each(|shard| while shard.forget(session) {});
        (0..self.shards.len()).for_each(|shard| self.settle(shard, Event::Other));
    }

    fn any_lane(&mut self) -> (usize, usize) {
        (
            self.random.index(self.clients.len()),
            self.random.index(self.keys.len()),
        )
    }
}

/// A batch as a person reads it.
pub(crate) fn describe(batch: &Submission) -> String {
    let guard = match batch.guard {
        Guard::Head => String::new(),
        Guard::Exact(base) => format!(" exact {}-{}", base.epoch.number, base.version),
        Guard::Untouched(base) => format!(" untouched {}-{}", base.epoch.number, base.version),
    };
    format!(
        "{} to {} seq {} acked {}{}{guard} {}",
        batch.session.number,
        batch.key,
        batch.seq,
        batch.acked,
        if batch.chained { " chained" } else { "" },
        batch.patch.to_value()
    )
}
