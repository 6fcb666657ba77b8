use headwater_doc::{Pointer, Value};

/// A number at depth 3 of a [`player`].
pub const PLAYER_HP: &str = "/state/vitals/hp";

/// How many players make a [`room`] of 1 MB of text, within 5 %.
pub const ROOM_PLAYERS_1MB: usize = 1_250;

const CLASSES: [&str; 4] = ["scout", "medic", "smith", "archer"];

const GEAR: [&str; 8] = [
    "lantern",
    "short_bow",
    "iron_helmet",
    "healing_salve",
    "rope_and_hook",
    "whetstone",
    "travel_rations",
    "silver_key",
];

const PERKS: [&str; 6] = [
    "night_vision",
    "double_jump",
    "quiet_steps",
    "fast_hands",
    "thick_skin",
    "keen_ear",
];

/// A player's document of 0.8 KB: nested state with doubles, an inventory, a few flags and texts.
#[must_use]
pub fn player(number: usize) -> Value {
    let mut rng = fastrand::Rng::with_seed(number as u64);
    let inventory: Value = (0..5)
        .map(|slot| {
            object([
                ("slot", Value::from(slot)),
                ("item", one_of(&mut rng, &GEAR)),
                ("count", Value::from(rng.u32(1..20))),
                ("wear", fraction(&mut rng, 1.0)),
            ])
        })
        .collect();
    let perks: Value = (0..3).map(|_| one_of(&mut rng, &PERKS)).collect();
    let vitals = object([
        ("hp", Value::from(rng.u32(1..100))),
        ("hp_max", Value::from(100_u32)),
        ("stamina", Value::from(rng.u32(0..100))),
        ("shield", Value::from(rng.u32(0..50))),
    ]);
    let state = object([
        ("vitals", vitals),
        ("place", triple(&mut rng, 2_048.0)),
        ("velocity", triple(&mut rng, 12.0)),
        ("heading", fraction(&mut rng, 360.0)),
        ("grounded", Value::from(rng.bool())),
    ]);
    let guild = object([
        ("name", Value::from("Keepers of the Long Stair")),
        ("rank", Value::from(rng.u32(1..7))),
    ]);
    object([
        ("id", Value::from(format!("player-{number:06}"))),
        ("name", Value::from(format!("Wanderer {number}"))),
        ("class", one_of(&mut rng, &CLASSES)),
        ("state", state),
        ("inventory", inventory),
        ("perks", perks),
        ("experience", Value::from(rng.u32(0..1_000_000))),
        (
            "joined_ms",
            Value::from(1_790_000_000_000 + rng.u64(0..1 << 30)),
        ),
        ("guild", guild),
        ("party", Value::NULL),
        (
            "motto",
            Value::from("The long way round is still a way, if you bring enough rope for two."),
        ),
    ])
}

/// A room with its players, about 0.8 KB of text each.
#[must_use]
pub fn room(players: usize) -> Value {
    let players: Value = (0..players)
        .map(|number| (name(number), player(number)))
        .collect();
    let clock = object([
        ("tick", Value::from(0_u32)),
        ("rate_hz", Value::from(30_u32)),
    ]);
    object([
        ("map", Value::from("harbour_by_night")),
        ("phase", Value::from("running")),
        ("clock", clock),
        ("players", players),
    ])
}

/// Where the hit points of one of a room's players are.
#[must_use]
pub fn player_hp(number: usize) -> Pointer {
    ["players", &name(number), "state", "vitals", "hp"]
        .into_iter()
        .fold(Pointer::root(), |path, segment| path.child(segment))
}

/// Where the experience of one of a room's players is: a number at depth 3.
#[must_use]
pub fn player_experience(number: usize) -> Pointer {
    ["players", &name(number), "experience"]
        .into_iter()
        .fold(Pointer::root(), |path, segment| path.child(segment))
}

fn name(number: usize) -> String {
    format!("p{number:06}")
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    members.into_iter().collect()
}

fn triple(rng: &mut fastrand::Rng, range: f64) -> Value {
    object(["x", "y", "z"].map(|axis| (axis, fraction(rng, range))))
}

/// A double of three decimals, as a server rounds them before it sends them.
fn fraction(rng: &mut fastrand::Rng, range: f64) -> Value {
    let rounded = (rng.f64() * range * 1_000.0).round() / 1_000.0;
    Value::try_from(rounded).unwrap_or_default()
}

fn one_of(rng: &mut fastrand::Rng, words: &[&str]) -> Value {
    Value::from(rng.choice(words).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_of_the_size_that_their_names_say() {
        for number in [0, 7, 1_000] {
            let bytes = player(number).to_string().len();
            assert!((750..850).contains(&bytes), "{bytes}");
        }
        let bytes = room(ROOM_PLAYERS_1MB).to_string().len();
        assert!((950_000..1_050_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn the_same_number_makes_the_same_player() {
        assert!(player(3).identical(&player(3)));
        assert!(!player(3).identical(&player(4)));
    }

    #[test]
    fn numbers_are_where_the_pointers_lead() {
        let alone = player(5).at(&Pointer::parse(PLAYER_HP).unwrap()).cloned();
        let room = room(10);
        assert!(alone.is_some());
        assert_eq!(room.at(&player_hp(5)), alone.as_ref());
        let experience = player(5).at(&"/experience".parse().unwrap()).cloned();
        assert!(experience.is_some());
        assert_eq!(room.at(&player_experience(5)), experience.as_ref());
    }
}
