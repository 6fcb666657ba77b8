//! Integration tests of `headwater`, in one binary. Time is virtual and nothing sleeps; only the module
//! `threads` depends on how threads run, and what it checks holds however they do.
//!
//! The modules are `cfg(test)` so that what clippy allows in tests holds for their helpers too.

#[cfg(test)]
mod builder;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod history;
#[cfg(test)]
mod random;
#[cfg(test)]
mod routing;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod subscription;
#[cfg(test)]
mod threads;
#[cfg(test)]
mod time;
