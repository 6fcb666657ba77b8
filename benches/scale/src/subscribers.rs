use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use headwater::Encoding;
use headwater_benches::{FanOut, Fleet};

use crate::{
    chart::{Chart, Line, Scale},
    measure::{Effort, repeat},
    unit::Unit,
    workload::builder,
};

/// More than a round's commits would do, so that nobody falls out of the history.
const COMMITS: usize = 256;

/// What a commit and its delivery cost while more and more subscribers follow one document.
pub(crate) fn charts(effort: Effort) -> Vec<Chart> {
    let mut commit = Line::new("the commit alone");
    let mut polled = Line::new("commit and frame, for each");
    let mut woken = Line::new("with a wake-up, for each");
    for count in effort.sizes(&[1, 10, 100, 1_000, 10_000], &[]) {
        let mut room = crowd(count);
        let cost = effort.cost(count, |times| repeat(times, || room.commit()));
        commit.push(cost);
        let mut room = crowd(count);
        let cost = effort.cost(count, |times| {
            repeat(times, || {
                room.commit();
                deliver(&mut room);
            })
        });
        polled.push(cost.shared_by(count));
        let mut room = crowd(count);
        let cost = effort.cost(count, |times| {
            repeat(times, || {
                sleep(&mut room);
                room.commit();
                deliver(&mut room);
            })
        });
        woken.push(cost.shared_by(count));
    }
    vec![Chart {
        name: "subscribers",
        title: "A commit and its delivery to many subscribers",
        notes: vec![
            "One document of 0.8 KB; each subscriber takes each commit's frame, encoded."
                .to_owned(),
            "CPU time, medians of the rounds; bars from the least to the most.".to_owned(),
        ],
        size: Scale {
            label: "subscribers of the document",
            unit: Unit::Count,
        },
        figure: Scale {
            label: "time of the commit alone, or of everything per subscriber",
            unit: Unit::Nanoseconds,
        },
        lines: vec![commit, woken, polled],
    }]
}

/// One document and so many followers of it.
fn crowd(followers: u64) -> FanOut {
    let followers = usize::try_from(followers).unwrap_or(usize::MAX);
    FanOut::new(Fleet::of_players(builder(COMMITS), 1), followers)
}

/// Takes the frame of the last commit to each of them.
fn deliver(room: &mut FanOut) {
    let mut first: Option<Arc<[u8]>> = None;
    room.deliver(|_, bytes| {
        let first = first.get_or_insert_with(|| Arc::clone(&bytes));
        assert!(Arc::ptr_eq(first, &bytes), "encoded more than once");
    });
    let commits = room.commits();
    let last = room.followers_mut().last();
    let last = last.and_then(|follower| follower.position());
    assert_eq!(last.map(|position| position.version.0), Some(commits));
}

/// Has each of them wait for the next commit.
fn sleep(room: &mut FanOut) {
    let mut context = Context::from_waker(Waker::noop());
    for follower in room.followers_mut() {
        let next = pin!(follower.next_bytes(Encoding::Json));
        assert!(matches!(next.poll(&mut context), Poll::Pending));
    }
}
