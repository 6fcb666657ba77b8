use std::error::Error;

use headwater::Value;

use super::{
    base::{AMMO_MAX, HP_MAX, Place, REACH_CM, metres, object},
    game::Match,
    player::{Item, Player, State},
    recording::Batch,
};

/// What a player does in its turn.
impl Match {
    /// Does what a player would do first in its place.
    pub(super) fn act(&mut self, player: &mut Player, ticks: i32) -> Result<(), Box<dyn Error>> {
        match player.state {
            State::Dead { since } if self.tick < since + RESPAWN_TICKS => return Ok(()),
            State::Dead { .. } => return self.respawn(player),
            State::Away => return Ok(()),
            State::Alive => {}
        }
        if player.hp < HP_MAX / 2 && player.carries("medkit").is_some() {
            return self.heal(player);
        }
        if player.ammo == 0 {
            return self.reload(player);
        }
        let nearest = self.nearest_item(player);
        if let Some((index, ..)) = nearest.filter(|(_, _, distance)| *distance < ARM_CM) {
            return self.pick_up(player, index);
        }
        let foe = self.nearest_foe(player);
        if let Some((index, place, distance)) = foe
            && self.is_live()
            && distance < RANGE_CM
            && self.random.chance(TRIGGER_PERCENT)
        {
            return self.shoot(player, index, place);
        }
        if player.bag.len() > 1 && self.random.chance(SORT_PERCENT) {
            return self.sort_bag(player);
        }
        let goal = nearest
            .or(foe)
            .map_or(Place { x: 0, z: 0 }, |(_, place, _)| place);
        self.walk(player, goal, ticks)
    }

    fn nearest_item(&self, player: &Player) -> Option<(usize, Place, i32)> {
        let least = player.bag.iter().map(|item| item.kind.worth).min();
        let worth_min = least.filter(|_| player.bag.len() >= BAG_MAX).unwrap_or(0);
        let wanted = |(_, item): &(usize, &Item)| item.kind.worth > worth_min;
        self.ground
            .iter()
            .enumerate()
            .filter(wanted)
            .map(|(index, item)| (index, item.at, player.at.distance_cm(item.at)))
            .min_by_key(|(_, _, distance)| *distance)
    }

    fn nearest_foe(&self, player: &Player) -> Option<(usize, Place, i32)> {
        self.players
            .iter()
            .enumerate()
            .filter(|(_, foe)| foe.state == State::Alive)
            .map(|(index, foe)| (index, foe.at, player.at.distance_cm(foe.at)))
            .min_by_key(|(_, _, distance)| *distance)
    }

    fn walk(&mut self, player: &mut Player, goal: Place, ticks: i32) -> Result<(), Box<dyn Error>> {
        let me = player.path();
        let before = player.at;
        let mut at = before.toward(goal, PACE_CM * ticks.max(1));
        at.x = (at.x + self.random.between(-SWAY_CM, SWAY_CM)).clamp(-REACH_CM, REACH_CM);
        at.z = (at.z + self.random.between(-SWAY_CM, SWAY_CM)).clamp(-REACH_CM, REACH_CM);
        let facing = before.facing(goal);
        let mut batch = Batch::new();
        if at.x != before.x {
            batch = batch.replace(&format!("{me}/at/x"), metres(at.x)?);
        }
        if at.z != before.z {
            batch = batch.replace(&format!("{me}/at/z"), metres(at.z)?);
        }
        if facing != player.facing {
            batch = batch.replace(&format!("{me}/facing"), facing);
        }
        (player.at, player.facing) = (at, facing);
        if batch.is_empty() {
            return Ok(());
        }
        self.step(player.client, batch)
    }

    /// Takes an item from the ground; into a full bag, for the least of what is in it.
    fn pick_up(&mut self, player: &mut Player, index: usize) -> Result<(), Box<dyn Error>> {
        let me = player.path();
        let mut batch = Batch::new();
        let least = (0..)
            .zip(&player.bag)
            .min_by_key(|(_, item)| item.kind.worth);
        if let Some((slot, _)) = least.filter(|_| player.bag.len() >= BAG_MAX) {
            let last = self.ground.len();
            batch = batch
                .relocate(&format!("{me}/bag/{slot}"), "/items/-")
                .copy(&format!("{me}/at"), &format!("/items/{last}/at"));
            let item = player.bag.remove(slot);
            self.ground.push(Item {
                at: player.at,
                ..item
            });
        }
        let item = self.ground.remove(index);
        let (kind, slot) = (item.kind, player.bag.len());
        batch = batch
            .test(&format!("/items/{index}/id"), item.id)
            .relocate(&format!("/items/{index}"), &format!("{me}/bag/-"))
            .remove(&format!("{me}/bag/{slot}/at"));
        player.bag.push(item);
        self.step(player.client, batch)?;
        if kind.name == "idol" {
            self.award(player.client, kind.worth)?;
        }
        Ok(())
    }

    fn sort_bag(&mut self, player: &mut Player) -> Result<(), Box<dyn Error>> {
        let best = (0..)
            .zip(&player.bag)
            .max_by_key(|(_, item)| item.kind.worth);
        let Some(slot) = best.map(|(slot, _)| slot).filter(|slot| *slot > 0) else {
            return Ok(());
        };
        let item = player.bag.remove(slot);
        player.bag.insert(0, item);
        let bag = format!("{}/bag", player.path());
        let batch = Batch::new().relocate(&format!("{bag}/{slot}"), &format!("{bag}/0"));
        self.step(player.client, batch)
    }

    fn heal(&mut self, player: &mut Player) -> Result<(), Box<dyn Error>> {
        let before = player.hp;
        player.hp = (before + HEAL_HP).min(HP_MAX);
        let hp = format!("{}/hp", player.path());
        let batch = player
            .consume("medkit", Batch::new().test(&hp, before))
            .replace(&hp, player.hp);
        self.step(player.client, batch)
    }

    fn reload(&mut self, player: &mut Player) -> Result<(), Box<dyn Error>> {
        let batch = Batch::new().test(&format!("{}/ammo", player.path()), 0);
        player.ammo = match player.carries("shells") {
            Some(_) => AMMO_MAX,
            None => AMMO_MAX / 3,
        };
        let batch = player
            .consume("shells", batch)
            .replace(&format!("{}/ammo", player.path()), player.ammo);
        self.step(player.client, batch)
    }

    fn respawn(&mut self, player: &mut Player) -> Result<(), Box<dyn Error>> {
        player.state = State::Alive;
        player.at = player.home;
        (player.hp, player.ammo) = (HP_MAX, AMMO_MAX);
        let me = player.path();
        let batch = Batch::new()
            .test(&format!("{me}/alive"), false)
            .copy(
                &format!("/arena/spawns/{}", player.spawn),
                &format!("{me}/at"),
            )
            .copy("/arena/rules/hp", &format!("{me}/hp"))
            .copy("/arena/rules/ammo", &format!("{me}/ammo"))
            .replace(&format!("{me}/alive"), true);
        self.step(player.client, batch)
    }

    fn shoot(
        &mut self,
        player: &mut Player,
        index: usize,
        place: Place,
    ) -> Result<(), Box<dyn Error>> {
        let ammo = format!("{}/ammo", player.path());
        let facing = player.at.facing(place);
        let shot = object([
            ("by", Value::from(player.client)),
            ("facing", Value::from(facing)),
            ("from", player.at.to_value()?),
            ("tick", Value::from(self.tick)),
        ]);
        let batch = Batch::new()
            .test(&ammo, player.ammo)
            .replace(&ammo, player.ammo - 1)
            .add("/shots/-", shot);
        player.ammo -= 1;
        self.shots.push_back(self.tick);
        self.step(player.client, batch)?;

        let distance_m = player.at.distance_cm(place) / 100;
        if self.random.chance(HIT_PERCENT - 4 * distance_m)
            && let Some(mut foe) = self.players.remove(index)
        {
            let result = self.hit(player, &mut foe);
            self.players.insert(index, foe);
            result?;
        }
        Ok(())
    }
}

/// Items that fit a bag.
const BAG_MAX: usize = 4;

/// How long the dead wait.
const RESPAWN_TICKS: i32 = 40;

/// How far a player walks in a tick, strays in a step, reaches, and shoots.
const PACE_CM: i32 = 28;
const SWAY_CM: i32 = 17;
const ARM_CM: i32 = 120;
const RANGE_CM: i32 = 1_100;

/// Points that a medkit gives.
const HEAL_HP: i32 = 45;

/// How often a player does something, and how often a shot from nearby hits, in percent.
const SORT_PERCENT: i32 = 3;
const TRIGGER_PERCENT: i32 = 40;
const HIT_PERCENT: i32 = 85;
