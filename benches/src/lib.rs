//! Workloads to measure with: documents as games keep them, many of them in an engine, those who follow
//! them, batches as clients send them, and recorded sessions.
//!
//! All but the recordings is made by seed, so that two runs measure the same work.

mod document;
mod fan_out;
mod fleet;
mod trace;
mod traffic;
mod turns;

pub use crate::{
    document::{PLAYER_HP, ROOM_PLAYERS_1MB, player, player_experience, player_hp, room},
    fan_out::{FanOut, next_bytes},
    fleet::{Fleet, builder, player_key},
    trace::{Edit, PatchTrace, TextTrace, data},
    traffic::{Client, in_reversed_windows, replace, shard_with},
    turns::Turns,
};
