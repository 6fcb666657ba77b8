//! Workloads to measure with: documents as games keep them, and batches as their clients send them.
//!
//! All of it is made by seed, so that two runs measure the same work.

mod document;
mod traffic;

pub use crate::{
    document::{PLAYER_HP, ROOM_PLAYERS_1MB, player, player_experience, player_hp, room},
    traffic::{Client, in_reversed_windows, replace, shard_with},
};
