//! Integration tests of `headwater-core`, in one binary. Time is virtual throughout: nothing sleeps,
//! and a replay by seed is exact.
//!
//! The modules are `cfg(test)` so that what clippy allows in tests holds for their helpers too.

#[cfg(test)]
mod admit;
#[cfg(test)]
mod budget;
#[cfg(test)]
mod cold;
#[cfg(test)]
mod convergence;
#[cfg(test)]
mod freed;
#[cfg(test)]
mod guards;
#[cfg(test)]
mod history;
#[cfg(test)]
mod lanes;
#[cfg(test)]
mod last_seq;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod outcomes;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod random;
#[cfg(test)]
mod reordering;
#[cfg(test)]
mod replica;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod transactions;
#[cfg(test)]
mod watching;
