use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::Once,
};

use super::{
    schedule::{Config, Step},
    seen::Seen,
    world::World,
};

/// Why a run failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    /// The check that did not hold.
    pub(crate) place: String,
}

/// Runs that a search for a shorter schedule may take: some ten seconds' worth.
const RUNS_MAX: usize = 300;

thread_local! {
    static CATCHES: Cell<bool> = const { Cell::new(false) };
    static CAUGHT: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

/// Carries a schedule out.
pub(crate) fn run(config: &Config, steps: &[Step]) -> Result<Seen, Failure> {
    catch_quietly();
    CATCHES.set(true);
    let seen = catch_unwind(AssertUnwindSafe(|| World::run(config, steps, false)));
    CATCHES.set(false);
    seen.map_err(|_| CAUGHT.take().expect("the hook was called"))
}

/// Lets nobody hear of a panic that is caught here; those of other tests are printed as ever.
fn catch_quietly() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !CATCHES.get() {
                before(info);
                return;
            }
            let payload = info.payload();
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| {
                payload
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
            });
            // A panic while another unwinds is that one's.
            let failure = Failure {
                message: text.unwrap_or_default(),
                place: info.location().map(ToString::to_string).unwrap_or_default(),
            };
            CAUGHT.with_borrow_mut(|caught| {
                caught.get_or_insert(failure);
            });
        }));
    });
}

/// A schedule that fails at the same check and from which no step can be left out, as far as the search
/// gets.
pub(crate) fn shrink(config: &Config, steps: &[Step], place: &str) -> Vec<Step> {
    let mut runs = 0;
    let mut fails = |steps: &[Step]| {
        runs += 1;
        runs <= RUNS_MAX && run(config, steps).is_err_and(|failure| failure.place == place)
    };
    let mut kept = steps.to_vec();
    // The shortest prefix, halving.
    let (mut passes, mut end) = (0, kept.len());
    while end - passes > 1 {
        let middle = usize::midpoint(passes, end);
        if fails(&kept[..middle]) {
            end = middle;
        } else {
            passes = middle;
        }
    }
    kept.truncate(end);
    // Then parts of it (ddmin: Zeller and Hildebrandt, 2002).
    let mut part = kept.len() / 2;
    while part > 0 {
        let mut from = 0;
        while from < kept.len() {
            let to = (from + part).min(kept.len());
            let without = [&kept[..from], &kept[to..]].concat();
            if fails(&without) {
                kept = without;
            } else {
                from = to;
            }
        }
        part /= 2;
    }
    kept
}
