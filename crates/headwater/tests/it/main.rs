//! Integration tests of `headwater`, in one binary. Time is virtual and nothing sleeps, but in the modules
//! `background` and `threads`, which depend on how threads run, and what they check holds however they do.
//!
//! The modules are `cfg(test)` so that what clippy allows in tests holds for their helpers too.

#[cfg(test)]
mod background;
#[cfg(test)]
mod builder;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod edit;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod events;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod futures;
#[cfg(test)]
mod handles;
#[cfg(test)]
mod history;
#[cfg(test)]
mod locks;
#[cfg(test)]
mod meters;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod random;
#[cfg(test)]
mod routing;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod skips;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod subscription;
#[cfg(test)]
mod threads;
#[cfg(test)]
mod time;
#[cfg(test)]
mod wakers;
