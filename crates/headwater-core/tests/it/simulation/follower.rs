use headwater_core::{Body, Cursor, Frame, Key, Mode, Replica, ReplicaError};
use headwater_doc::Extensions;

use super::{Seen, model::Model};
use crate::{
    pair::{Server, cursor, json},
    random::Random,
};

/// A subscriber with its replica on the far side of a link.
pub(crate) struct Follower {
    key: Key,
    /// Where the engine takes it to be.
    cursor: Cursor,
    replica: Replica,
    /// It is read about once in so many steps.
    pace: u64,
    loses: bool,
    /// Whether a frame was lost since the last one that fitted.
    lost: bool,
}

impl Follower {
    pub(crate) fn new(
        key: &Key,
        mode: Mode,
        extensions: Extensions,
        pace: u64,
        loses: bool,
    ) -> Self {
        Self {
            key: key.clone(),
            cursor: cursor(None, mode, extensions),
            replica: Replica::new(),
            pace,
            loses,
            lost: false,
        }
    }

    pub(crate) fn maybe_poll(
        &mut self,
        server: &Server,
        model: &Model,
        random: &mut Random,
        seen: &mut Seen,
    ) {
        if !random.one_in(self.pace) {
            return;
        }
        // One that comes from an engine that knew more than this one does.
        if self.loses
            && random.one_in(50)
            && let Some(position) = &mut self.cursor.position
        {
            position.version.0 += 1_000;
        }
        let prompt = self.pace == 1;
        while let Some(frame) = self.poll(server) {
            if self.loses && random.one_in(8) {
                self.lost = true;
                seen.note("frame_lost");
            } else {
                self.receive(&frame, model, seen);
            }
            if !prompt {
                return;
            }
        }
    }

    /// Comes to the head, if the document is there; all frames arrive.
    pub(crate) fn catch_up(&mut self, server: &Server, model: &Model, seen: &mut Seen) {
        // The last frames may have been lost: it says what it holds when it comes back.
        self.cursor.position = self.replica.position();
        while let Some(frame) = self.poll(server) {
            self.receive(&frame, model, seen);
        }
        if let Some(head) = server.shard.snapshot(&self.key) {
            assert_eq!(self.replica.position(), Some(head.position));
            assert_eq!(self.replica.root().canonical(), head.root.canonical());
        }
    }

    fn poll(&mut self, server: &Server) -> Option<Frame> {
        let frame = server.shard.next(&self.key, &self.cursor)?.finish()?;
        if let Body::Patch { patch, .. } = &frame.body {
            assert!(self.cursor.extensions.include(patch.extensions()));
        }
        self.cursor.position = Some(frame.position());
        Some(frame)
    }

    fn receive(&mut self, frame: &Frame, model: &Model, seen: &mut Seen) {
        let before = (self.replica.position(), self.replica.root().digest());
        match self.replica.apply(&far(frame)) {
            Ok(()) => {
                self.lost = false;
                seen.note(match &frame.body {
                    Body::Patch { .. } => "patch",
                    Body::Snapshot { reason, .. } => reason.code(),
                });
                assert_eq!(self.replica.position(), Some(frame.position()));
                assert_eq!(self.replica.root().digest(), model.digest(frame.position()));
            }
            Err(ReplicaError::OutOfPlace { .. }) => {
                assert!(self.lost, "a frame that does not fit though none was lost");
                let after = (self.replica.position(), self.replica.root().digest());
                assert_eq!(before, after);
                self.cursor.position = self.replica.position();
                seen.note("frame_refused");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// The frame as it arrives: nothing of a snapshot is shared with the server.
fn far(frame: &Frame) -> Frame {
    let mut frame = frame.clone();
    if let Body::Snapshot { root, .. } = &mut frame.body {
        *root = json(&root.to_string());
    }
    frame
}
