use std::{thread, time::Duration};

use proptest::prelude::*;

use super::*;

type Buffer = ReorderBuffer<u8, u8, u32>;

/// What a lane gave up at its deadline.
#[derive(Debug, PartialEq, Eq)]
struct Expired<L, T> {
    /// The lane whose first missing seq did not come in time.
    lane: L,
    /// All that it held, in order of seq.
    items: Vec<(Seq, T)>,
}

impl Buffer {
    /// Gives up the lane that is due first, if one is.
    fn expire(&mut self, now: Time) -> Option<Expired<u8, u32>> {
        let lane = self.due(now)?;
        let items = self.remove_lane(lane);
        Some(Expired { lane, items })
    }
}

const AMPLE: Bound = Bound {
    batches: 1_000,
    bytes: 1_000_000,
};
const BOUNDS: ReorderBounds = ReorderBounds {
    lane: AMPLE,
    document: AMPLE,
    engine: AMPLE,
    gap_deadline: Duration::from_millis(10),
    when_full: WhenFull::EvictFarthest,
    at_deadline: AtDeadline::Report,
};

const fn bound(batches: usize, bytes: usize) -> Bound {
    Bound { batches, bytes }
}

const fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn buffer(bounds: ReorderBounds) -> Buffer {
    Buffer::new(bounds, Arc::default())
}

/// A lane's document, two lanes to each.
const fn document(lane: u8) -> u8 {
    lane / 2
}

/// Holds at the start of time an item equal to its seq; says what was evicted, or which bound refused.
fn hold(
    buffer: &mut Buffer,
    lane: u8,
    seq: u64,
    bytes: usize,
) -> Result<Vec<(u8, u64)>, (Scope, Limit)> {
    let item = u32::try_from(seq).unwrap_or(u32::MAX);
    let held = buffer.hold(at(0), document(lane), lane, Seq(seq), bytes, item);
    let held = held.map_err(|full| (full.scope, full.limit))?;
    Ok(held.evicted.iter().map(|e| (e.lane, e.seq.0)).collect())
}

/// Bounds of which only this one matters.
fn within(scope: Scope, bound: Bound) -> ReorderBounds {
    let mut bounds = BOUNDS;
    *match scope {
        Scope::Lane => &mut bounds.lane,
        Scope::Document => &mut bounds.document,
        Scope::Engine => &mut bounds.engine,
    } = bound;
    bounds
}

fn each_scope(bound: Bound) -> [(Scope, Buffer); 3] {
    Scope::ALL.map(|scope| (scope, buffer(within(scope, bound))))
}

/// Holds where there is room: lane, seq, bytes.
fn fill(buffer: &mut Buffer, items: &[(u8, u64, usize)]) {
    for &(lane, seq, bytes) in items {
        assert_eq!(hold(buffer, lane, seq, bytes), Ok(vec![]));
    }
}

const fn load(batches: usize, bytes: usize) -> Load {
    Load { batches, bytes }
}

/// Two buffers with one pool.
fn pair(bounds: ReorderBounds) -> [Buffer; 2] {
    let pool = Arc::new(ReorderPool::default());
    [(); 2].map(|()| Buffer::new(bounds, Arc::clone(&pool)))
}

#[test]
fn held_items_drain_in_order() {
    let mut buffer = buffer(BOUNDS);
    fill(&mut buffer, &[(1, 4, 8), (1, 2, 8), (1, 3, 8), (1, 6, 8)]);
    assert_eq!(buffer.take(at(0), 1, Seq(1)), None);
    let mut seqs = (2..).map(Seq);
    let drained = std::iter::from_fn(|| buffer.take(at(0), 1, seqs.next()?));
    assert_eq!(drained.collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(buffer.get(1, Seq(6)), Some(&6));
    assert_eq!((buffer.batches(), buffer.bytes()), (1, 8));
}

#[test]
fn each_scope_is_bounded_in_batches_and_in_bytes() {
    let (few, small) = (bound(3, 999), bound(9, 30));
    for (limit, most) in [(Limit::Batches, few), (Limit::Bytes, small)] {
        for (scope, mut buffer) in each_scope(most) {
            fill(&mut buffer, &[(1, 2, 10), (1, 3, 10), (1, 4, 10)]);
            let full = buffer.hold(at(0), 0, 1, Seq(5), 10, 77).unwrap_err();
            assert_eq!((full.scope, full.limit, full.item), (scope, limit, 77));
            assert_eq!(full.bound, most.of(limit));
            assert_eq!((buffer.batches(), buffer.bytes()), (3, 30));
        }
    }
}

#[test]
fn nothing_is_held_where_a_bound_is_zero() {
    for (limit, none) in [(Limit::Batches, bound(0, 9)), (Limit::Bytes, bound(9, 0))] {
        for (scope, mut buffer) in each_scope(none) {
            assert_eq!(hold(&mut buffer, 1, 2, 1), Err((scope, limit)));
            assert_eq!((buffer.batches(), buffer.next_deadline()), (0, None));
        }
    }
}

#[test]
fn the_farthest_of_the_fullest_lane_is_evicted() {
    for (scope, mut buffer) in each_scope(bound(4, 999)).into_iter().skip(1) {
        fill(&mut buffer, &[(0, 9, 1), (1, 3, 1), (1, 5, 1), (1, 4, 1)]);
        assert_eq!(hold(&mut buffer, 0, 7, 1), Ok(vec![(1, 5)]), "{scope}");
        // Two each and the arrival: now lane 0 is the fullest, and 9 its farthest.
        assert_eq!(hold(&mut buffer, 0, 8, 1), Ok(vec![(0, 9)]), "{scope}");
    }
}

#[test]
fn an_arrival_that_is_itself_the_farthest_is_refused() {
    for (scope, mut buffer) in each_scope(bound(3, 999)) {
        fill(&mut buffer, &[(1, 4, 1), (1, 5, 1), (1, 6, 1)]);
        assert_eq!(hold(&mut buffer, 1, 7, 1), Err((scope, Limit::Batches)));
        assert_eq!(hold(&mut buffer, 1, 3, 1), Ok(vec![(1, 6)]), "{scope}");
    }
}

#[test]
fn the_fullest_lane_is_counted_in_what_has_run_out() {
    let (many_small, few_large) = (
        [(1, 2, 10), (1, 3, 10), (1, 4, 10)],
        [(0, 5, 40), (0, 6, 30)],
    );
    for (most, evicted) in [(bound(9, 100), (0, 6)), (bound(5, 999), (1, 4))] {
        for (scope, mut buffer) in each_scope(most).into_iter().skip(1) {
            fill(&mut buffer, &many_small);
            fill(&mut buffer, &few_large);
            assert_eq!(hold(&mut buffer, 0, 4, 15), Ok(vec![evicted]), "{scope}");
        }
    }
}

#[test]
fn of_equally_full_lanes_the_greatest_gives_way() {
    for (_, mut buffer) in each_scope(bound(2, 999)).into_iter().skip(1) {
        fill(&mut buffer, &[(0, 3, 1), (0, 4, 1)]);
        assert_eq!(hold(&mut buffer, 1, 9, 1), Ok(vec![(0, 4)]));
        assert_eq!(hold(&mut buffer, 1, 8, 1), Ok(vec![(1, 9)]));
    }
    let mut buffer = buffer(within(Scope::Engine, bound(3, 999)));
    fill(&mut buffer, &[(0, 5, 1), (1, 5, 1), (2, 5, 1)]);
    assert_eq!(hold(&mut buffer, 1, 4, 1), Ok(vec![(1, 5)]));
    assert_eq!(
        hold(&mut buffer, 3, 9, 1),
        Err((Scope::Engine, Limit::Batches))
    );
}

#[test]
fn a_full_document_spares_the_lanes_of_others() {
    let mut buffer = buffer(within(Scope::Document, bound(2, 999)));
    fill(&mut buffer, &[(2, 7, 1), (2, 8, 1), (1, 3, 1), (1, 4, 1)]);
    assert_eq!(hold(&mut buffer, 0, 2, 1), Ok(vec![(1, 4)]));
    assert_eq!(buffer.held(2), 2);
}

#[test]
fn a_refused_arrival_evicts_nothing() {
    let mut buffer = buffer(within(Scope::Engine, bound(9, 100)));
    fill(
        &mut buffer,
        &[(1, 8, 40), (1, 9, 5), (0, 5, 20), (2, 7, 30)],
    );
    let before = format!("{buffer:?}");
    // 9 of lane 1 would have to go, and then the arrival, now the farthest of the fullest.
    let full = (Scope::Engine, Limit::Bytes);
    assert_eq!(hold(&mut buffer, 0, 6, 25), Err(full));
    assert_eq!(format!("{buffer:?}"), before);
    assert_eq!(hold(&mut buffer, 0, 4, 25), Ok(vec![(0, 5), (1, 9)]));
}

#[test]
fn an_oversize_item_is_refused_at_once() {
    for (scope, mut buffer) in each_scope(bound(9, 100)) {
        fill(&mut buffer, &[(1, 9, 100)]);
        assert_eq!(hold(&mut buffer, 1, 2, 101), Err((scope, Limit::Bytes)));
        assert_eq!(buffer.held(1), 1);
    }
}

#[test]
fn sums_of_bytes_do_not_overflow() {
    let all = bound(9, usize::MAX);
    let bounds = ReorderBounds {
        lane: all,
        document: all,
        engine: all,
        ..BOUNDS
    };
    let mut buffer = buffer(bounds);
    assert_eq!(hold(&mut buffer, 1, 3, usize::MAX / 2), Ok(vec![]));
    assert_eq!(hold(&mut buffer, 1, 2, usize::MAX / 2), Ok(vec![(1, 3)]));
}

#[test]
fn an_arrival_that_would_evict_too_many_is_refused() {
    for (most, evicted) in [(EVICTIONS_MAX, EVICTIONS_MAX), (EVICTIONS_MAX + 1, 0)] {
        let mut buffer = buffer(within(Scope::Document, bound(999, most)));
        for seq in 0..most as u64 {
            fill(&mut buffer, &[(0, seq + 9, 1)]);
        }
        let before = format!("{buffer:?}");
        let held = hold(&mut buffer, 0, 2, most);
        assert_eq!(held.map_or(0, |evicted| evicted.len()), evicted);
        assert_eq!(format!("{buffer:?}") == before, evicted == 0);
    }
}

#[test]
fn the_deadline_counts_from_the_first_missing_seq() {
    let mut buffer = buffer(BOUNDS);
    let first = buffer.hold(at(5), 0, 1, Seq(2), 1, 0).unwrap();
    let second = buffer.hold(at(9), 0, 1, Seq(5), 1, 0).unwrap();
    assert_eq!([first.deadline, second.deadline], [at(15); 2]);
    assert_eq!(buffer.take(at(12), 1, Seq(3)), None);
    assert_eq!(buffer.deadline(1), Some(at(15)));
    // Progress: the first missing seq is another one now.
    assert!(buffer.take(at(12), 1, Seq(2)).is_some());
    assert_eq!(buffer.deadline(1), Some(at(22)));
    // Progress by an item that was never held.
    buffer.restart(at(13), 1);
    assert_eq!(
        (buffer.deadline(1), buffer.next_deadline()),
        (Some(at(23)), Some(at(23)))
    );
    assert!(buffer.take(at(13), 1, Seq(5)).is_some());
    buffer.restart(at(14), 1);
    assert_eq!((buffer.deadline(1), buffer.next_deadline()), (None, None));
}

#[test]
fn a_lane_that_evicts_all_else_for_an_arrival_keeps_its_deadline() {
    let mut buffer = buffer(within(Scope::Lane, bound(1, 9)));
    fill(&mut buffer, &[(1, 9, 1)]);
    let held = buffer.hold(at(7), 0, 1, Seq(5), 1, 0).unwrap();
    assert_eq!((held.deadline, held.evicted.len()), (at(10), 1));
    assert_eq!(buffer.next_deadline(), Some(at(10)));
}

#[test]
fn a_lane_emptied_by_eviction_has_no_deadline() {
    let mut buffer = buffer(within(Scope::Engine, bound(1, 9)));
    assert_eq!(hold(&mut buffer, 3, 9, 1), Ok(vec![]));
    assert_eq!(hold(&mut buffer, 1, 9, 1), Ok(vec![(3, 9)]));
    assert_eq!((buffer.deadline(3), buffer.held(3)), (None, 0));
    assert_eq!(buffer.expire(at(10)).map(|e| e.lane), Some(1));
    assert_eq!(buffer.expire(at(99)), None);
}

#[test]
fn the_earliest_lane_expires_first_with_all_that_it_holds() {
    let mut buffer = buffer(BOUNDS);
    for (now, lane, seq) in [(3, 1, 4), (1, 5, 9), (1, 5, 7), (1, 2, 3)] {
        assert!(buffer.hold(at(now), 0, lane, Seq(seq), 1, 0).is_ok());
    }
    assert_eq!(buffer.expire(at(10)), None);
    assert_eq!(buffer.next_deadline(), Some(at(11)));
    let expired = std::iter::from_fn(|| buffer.expire(at(13)));
    let seqs = |items: Vec<(Seq, u32)>| items.iter().map(|(seq, _)| seq.0).collect();
    let expired: Vec<(u8, Vec<u64>)> = expired.map(|e| (e.lane, seqs(e.items))).collect();
    assert_eq!(expired, [(2, vec![3]), (5, vec![7, 9]), (1, vec![4])]);
}

#[test]
fn missing_ranges_end_at_the_highest_held() {
    let mut buffer = buffer(BOUNDS);
    assert_eq!(buffer.missing(1, Seq(1)), []);
    fill(
        &mut buffer,
        &[(1, 3, 1), (1, 4, 1), (1, 7, 1), (1, u64::MAX, 1)],
    );
    let range = |first, last| Seq(first)..=Seq(last);
    let upper = range(8, u64::MAX - 1);
    let missing = [range(1, 2), range(5, 6), upper.clone()];
    assert_eq!(buffer.missing(1, Seq(1)), missing);
    assert_eq!(buffer.missing(1, Seq(6)), [range(6, 6), upper]);
    assert_eq!(buffer.missing(1, Seq(u64::MAX)), []);
    assert_eq!(buffer.highest(1), Some(Seq(u64::MAX)));
}

#[test]
fn the_pool_gets_back_whatever_leaves() {
    let mut buffer = buffer(within(Scope::Engine, bound(5, 500)));
    let pool = Arc::clone(&buffer.pool);
    fill(
        &mut buffer,
        &[
            (0, 2, 100),
            (1, 3, 100),
            (0, 4, 100),
            (1, 5, 100),
            (0, 6, 100),
        ],
    );
    assert_eq!(pool.load(), load(5, 500));
    assert_eq!(hold(&mut buffer, 3, 2, 10), Ok(vec![(0, 6)]));
    assert_eq!(pool.load(), load(5, 410));
    assert!(buffer.take(at(1), 0, Seq(2)).is_some());
    assert_eq!(pool.load(), load(4, 310));
    assert_eq!(buffer.remove_lane(1), [(Seq(3), 3), (Seq(5), 5)]);
    assert_eq!(pool.load(), load(2, 110));
    assert_eq!(buffer.expire(at(10)).map(|e| e.lane), Some(3));
    assert_eq!(pool.load(), load(1, 100));
    drop(buffer);
    assert_eq!(pool.load(), load(0, 0));
}

#[test]
fn shards_share_the_pool_but_evict_only_their_own() {
    let [mut one, mut two] = pair(within(Scope::Engine, bound(3, 99)));
    fill(&mut one, &[(1, 2, 1), (1, 3, 1), (1, 4, 1)]);
    let full = (Scope::Engine, Limit::Batches);
    assert_eq!(hold(&mut two, 1, 2, 1), Err(full));
    assert!(one.take(at(0), 1, Seq(2)).is_some());
    fill(&mut two, &[(1, 5, 1)]);
    assert_eq!(hold(&mut two, 1, 2, 1), Ok(vec![(1, 5)]));
    drop(one);
    assert_eq!(two.pool.load(), load(1, 1));
}

#[test]
fn an_arrival_that_loses_the_race_for_the_pool_evicts_nothing() {
    let [mut one, mut two] = pair(within(Scope::Engine, bound(9, 10)));
    fill(&mut one, &[(1, 9, 4)]);
    fill(&mut two, &[(1, 9, 5)]);
    let before = format!("{one:?}");
    let arrival = Arrival {
        document: 0,
        lane: 1,
        seq: Seq(2),
        load: load(1, 8),
    };
    // What `one` saw before `two` held: room enough once its own item is evicted.
    let refused = one.admit(&arrival, load(0, 0)).err().unwrap();
    assert_eq!(
        (refused.scope, refused.limit),
        (Scope::Engine, Limit::Bytes)
    );
    assert_eq!(format!("{one:?}"), before);
}

#[test]
fn a_refused_exchange_leaves_the_pool_as_it_was() {
    let pool = ReorderPool::default();
    let nothing = load(0, 0);
    assert!(pool.exchange(nothing, load(2, 8), bound(3, 10)).is_ok());
    assert!(pool.exchange(nothing, load(2, 1), bound(3, 10)).is_err());
    assert!(pool.exchange(nothing, load(1, 3), bound(3, 10)).is_err());
    assert!(pool.exchange(load(2, 1), load(1, 4), bound(3, 10)).is_err());
    assert_eq!(pool.load(), load(2, 8));
    assert!(pool.exchange(load(2, 1), load(1, 3), bound(3, 10)).is_ok());
    assert_eq!(pool.load(), load(1, 10));
}

#[test]
fn shards_on_threads_never_pass_the_engine_bound() {
    let most = bound(6, 60);
    let shards = pair(within(Scope::Engine, most));
    let pool = Arc::clone(&shards[0].pool);
    thread::scope(|scope| {
        for mut buffer in shards {
            scope.spawn(move || {
                for turn in 0..if cfg!(miri) { 50 } else { 5_000 } {
                    let lane = u8::from(turn % 4 == 0);
                    let _evicted_or_refused = hold(&mut buffer, lane, 9_999 - turn, 13);
                    if turn % 5 == 0 {
                        buffer.remove_lane(lane);
                    }
                    assert_eq!(buffer.pool.load().beyond(most), None);
                }
            });
        }
    });
    assert_eq!(pool.load(), load(0, 0));
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    shard: usize,
    lane: u8,
    seq: u64,
    bytes: usize,
    deadline: Time,
    item: u32,
}

/// Everything that the shards hold, in one list; each question is a scan of it.
#[derive(Default)]
struct Naive(Vec<Entry>);

impl Naive {
    fn lane(&self, shard: usize, lane: u8) -> Vec<Entry> {
        let mut of_lane = self.0.clone();
        of_lane.retain(|e| e.shard == shard && e.lane == lane);
        of_lane.sort_by_key(|e| e.seq);
        of_lane
    }

    fn remove_lane(&mut self, shard: usize, lane: u8) -> Vec<(Seq, u32)> {
        let removed = self.lane(shard, lane);
        self.0.retain(|e| !removed.contains(e));
        removed.iter().map(|e| (Seq(e.seq), e.item)).collect()
    }

    fn take(&mut self, shard: usize, lane: u8, seq: u64, deadline: Time) -> Option<u32> {
        let own = self.lane(shard, lane);
        let taken = own.iter().find(|e| e.seq == seq)?;
        self.0.retain(|e| e != taken);
        self.restart(shard, lane, deadline);
        Some(taken.item)
    }

    fn restart(&mut self, shard: usize, lane: u8, deadline: Time) {
        let own = self.0.iter_mut();
        let own = own.filter(|e| e.shard == shard && e.lane == lane);
        own.for_each(|e| e.deadline = deadline);
    }

    fn expire(&mut self, shard: usize, now: Time) -> Option<Expired<u8, u32>> {
        let due = self
            .0
            .iter()
            .filter(|e| e.shard == shard && e.deadline <= now);
        let lane = due.min_by_key(|e| (e.deadline, e.lane))?.lane;
        let items = self.remove_lane(shard, lane);
        Some(Expired { lane, items })
    }

    fn hold(
        &mut self,
        bounds: &ReorderBounds,
        mut arrival: Entry,
    ) -> Result<Vec<Entry>, (Scope, Limit)> {
        let own = self.lane(arrival.shard, arrival.lane);
        arrival.deadline = own.first().map_or(arrival.deadline, |e| e.deadline);
        for scope in Scope::ALL {
            if arrival.bytes > bounds.of(scope).bytes {
                return Err((scope, Limit::Bytes));
            }
        }
        let (mut after, mut evicted) = (self.0.clone(), Vec::new());
        after.push(arrival);
        for scope in Scope::ALL {
            loop {
                let mut inside = after.clone();
                inside.retain(|e| counts(scope, e, &arrival));
                let Some(limit) = sum(&inside).beyond(bounds.of(scope)) else {
                    break;
                };
                inside.retain(|e| e.shard == arrival.shard);
                let weight = |lane: u8| {
                    let of_lane: Vec<_> =
                        inside.iter().copied().filter(|e| e.lane == lane).collect();
                    let Load { batches, bytes } = sum(&of_lane);
                    if limit == Limit::Batches {
                        batches
                    } else {
                        bytes
                    }
                };
                let farthest = inside
                    .iter()
                    .max_by_key(|e| (weight(e.lane), e.lane, e.seq));
                let farthest = *farthest.unwrap();
                if farthest == arrival {
                    return Err((scope, limit));
                }
                after.retain(|e| *e != farthest);
                evicted.push(farthest);
            }
        }
        self.0 = after;
        evicted.sort_by_key(|e| (e.lane, u64::MAX - e.seq));
        Ok(evicted)
    }
}

fn sum(entries: &[Entry]) -> Load {
    load(entries.len(), entries.iter().map(|e| e.bytes).sum())
}

fn counts(scope: Scope, e: &Entry, arrival: &Entry) -> bool {
    let same_shard = e.shard == arrival.shard;
    match scope {
        Scope::Lane => same_shard && e.lane == arrival.lane,
        Scope::Document => same_shard && document(e.lane) == document(arrival.lane),
        Scope::Engine => true,
    }
}

#[derive(Clone, Debug)]
enum Op {
    Hold { seq: u64, bytes: usize },
    Take { seq: u64 },
    Restart,
    Remove,
    Expire,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => (1..SEQS, 0..24_usize).prop_map(|(seq, bytes)| Op::Hold { seq, bytes }),
        4 => (1..SEQS).prop_map(|seq| Op::Take { seq }),
        1 => Just(Op::Restart),
        1 => Just(Op::Remove),
        2 => Just(Op::Expire),
    ]
}

fn any_bound(most: usize) -> impl Strategy<Value = Bound> {
    (1..most, 10..most * 10).prop_map(|(batches, bytes)| bound(batches, bytes))
}

/// Compares all that can be seen of a shard with the model.
fn compare(buffer: &Buffer, model: &Naive, shard: usize, bounds: &ReorderBounds) {
    let mut own = model.0.clone();
    own.retain(|e| e.shard == shard);
    assert_eq!(load(buffer.batches(), buffer.bytes()), sum(&own));
    assert_eq!(buffer.next_deadline(), own.iter().map(|e| e.deadline).min());
    assert_eq!(buffer.pool.load(), sum(&model.0));
    // What holds nothing leaves no trace.
    let lanes: BTreeSet<_> = own.iter().map(|e| e.lane).collect();
    let documents: BTreeSet<_> = own.iter().map(|e| document(e.lane)).collect();
    assert!(buffer.lanes.keys().eq(&lanes) && buffer.ledger.lanes.keys().eq(&lanes));
    assert!(buffer.ledger.documents.keys().eq(&documents));
    for one in &own {
        for scope in Scope::ALL {
            let mut inside = model.0.clone();
            inside.retain(|e| counts(scope, e, one));
            assert_eq!(sum(&inside).beyond(bounds.of(scope)), None);
        }
    }
    for lane in 0..LANES {
        let of_lane = model.lane(shard, lane);
        assert_eq!(buffer.held(lane), of_lane.len());
        assert_eq!(buffer.deadline(lane), of_lane.first().map(|e| e.deadline));
        let highest = of_lane.last().map(|e| e.seq);
        assert_eq!(buffer.highest(lane), highest.map(Seq));
        let find = |seq| of_lane.iter().find(|e| e.seq == seq).map(|e| &e.item);
        for seq in 1..SEQS {
            assert_eq!(buffer.get(lane, Seq(seq)), find(seq));
        }
        let missing = buffer.missing(lane, Seq(1)).into_iter();
        let missing = missing.flat_map(|range| range.start().0..=range.end().0);
        let absent = (1..highest.unwrap_or(1)).filter(|&seq| find(seq).is_none());
        assert!(missing.eq(absent));
    }
}

const LANES: u8 = 5;
const SEQS: u64 = 12;

proptest! {
    #[test]
    fn two_shards_do_as_the_naive_model_and_lose_nothing(
        bounds in (any_bound(8), any_bound(12), any_bound(20)),
        ops in prop::collection::vec((0..2_usize, 0..LANES, 0..4_u64, op()), 1..120),
    ) {
        let (lane, document, engine) = bounds;
        check(ReorderBounds { lane, document, engine, ..BOUNDS }, ops);
    }
}

fn check(bounds: ReorderBounds, ops: Vec<(usize, u8, u64, Op)>) {
    let mut shards = pair(bounds);
    let mut model = Naive::default();
    let (mut millis, mut item, mut held, mut left) = (0, 0, 0, 0);
    for (shard, lane, later, op) in ops {
        millis += later;
        item += 1;
        let now = at(millis);
        let deadline = now + bounds.gap_deadline;
        let buffer = &mut shards[shard];
        match op {
            Op::Hold { seq, .. } if buffer.get(lane, Seq(seq)).is_some() => {}
            Op::Hold { seq, bytes } => {
                #[rustfmt::skip]
                let arrival = Entry { shard, lane, seq, bytes, deadline, item };
                let expected = model.hold(&bounds, arrival);
                let result = buffer.hold(now, document(lane), lane, Seq(seq), bytes, item);
                held += usize::from(result.is_ok());
                match result {
                    Ok(done) => {
                        left += done.evicted.len();
                        let seen = done.evicted.iter().map(|e| (e.lane, e.seq.0, e.item));
                        let expected = expected.unwrap().into_iter();
                        assert!(seen.eq(expected.map(|e| (e.lane, e.seq, e.item))));
                        assert_eq!(Some(done.deadline), buffer.deadline(lane));
                    }
                    Err(full) => {
                        assert_eq!(Err((full.scope, full.limit)), expected);
                        assert_eq!(full.item, item);
                    }
                }
            }
            Op::Take { seq } => {
                let taken = model.take(shard, lane, seq, deadline);
                left += usize::from(taken.is_some());
                assert_eq!(buffer.take(now, lane, Seq(seq)), taken);
            }
            Op::Restart => {
                model.restart(shard, lane, deadline);
                buffer.restart(now, lane);
            }
            Op::Remove => {
                let removed = model.remove_lane(shard, lane);
                left += removed.len();
                assert_eq!(buffer.remove_lane(lane), removed);
            }
            Op::Expire => {
                let expired = model.expire(shard, now);
                left += expired.as_ref().map_or(0, |e| e.items.len());
                assert_eq!(buffer.expire(now), expired);
            }
        }
        assert_eq!(held, left + shards[0].batches() + shards[1].batches());
        compare(&shards[0], &model, 0, &bounds);
        compare(&shards[1], &model, 1, &bounds);
    }
}
