//! Integration tests of `headwater-doc`, in one binary.
//!
//! The modules are `cfg(test)` so that what clippy allows in tests holds for their helpers too.

#[cfg(test)]
mod allocator;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod data;
#[cfg(test)]
mod deep;
#[cfg(test)]
mod differences;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod large;
mod limits;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod merge;
#[cfg(test)]
mod model;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod serde;
#[cfg(test)]
mod sharing;
