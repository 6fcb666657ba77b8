//! Integration tests of the program `headwater`, in one binary.
//!
//! The modules are `cfg(test)` so that what clippy allows in tests holds for their helpers too.

#[cfg(test)]
mod arena;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod load;
#[cfg(test)]
mod replay;
