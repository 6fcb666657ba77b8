use std::error::Error;

use headwater::{NumberError, Value};

/// How far the arena reaches from its middle, in centimetres.
pub(crate) const REACH_CM: i32 = 2_400;

/// Lives, in points, of a player that is unhurt.
pub(crate) const HP_MAX: i32 = 100;

/// Shells in a full magazine.
pub(crate) const AMMO_MAX: i32 = 12;

/// Ticks in a second.
pub(crate) const TICKS_PER_SECOND: i32 = 20;

/// When the match ends: after half a minute.
pub(crate) const TICKS: i32 = 30 * TICKS_PER_SECOND;

/// Clients of the players, their names, and where each enters the arena.
pub(crate) const PLAYERS: [(&str, &str, Place); 8] = [
    (
        "p1",
        "Ada",
        Place {
            x: -2_100,
            z: -2_100,
        },
    ),
    ("p2", "Brin", Place { x: 0, z: -2_250 }),
    (
        "p3",
        "Caspar",
        Place {
            x: 2_125,
            z: -2_080,
        },
    ),
    ("p4", "Dörte", Place { x: 2_260, z: 15 }),
    ("p5", "Emeka", Place { x: 2_090, z: 2_110 }),
    ("p6", "Fen", Place { x: -30, z: 2_240 }),
    (
        "p7",
        "Giulia",
        Place {
            x: -2_115,
            z: 2_105,
        },
    ),
    ("p8", "Hoshi 星", Place { x: -2_250, z: -5 }),
];

/// What lies about in the arena, the rarest first.
pub(crate) const KINDS: [Kind; 5] = [
    Kind {
        name: "idol",
        worth: 25,
        label: "Idol of the old foundry",
    },
    Kind {
        name: "plate",
        worth: 10,
        label: "Breastplate, dented but whole",
    },
    Kind {
        name: "medkit",
        worth: 6,
        label: "Field medkit, sealed",
    },
    Kind {
        name: "shells",
        worth: 4,
        label: "Box of twelve shells",
    },
    Kind {
        name: "lantern",
        worth: 1,
        label: "Storm lantern",
    },
];

/// A kind of item.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) worth: i32,
    pub(crate) label: &'static str,
}

/// A place in the arena, in centimetres from its middle.
///
/// Integers, since the sums of floats can differ between machines and the recording must not.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) x: i32,
    pub(crate) z: i32,
}

impl Place {
    pub(crate) const fn distance_cm(self, other: Self) -> i32 {
        let (x, z) = (other.x - self.x, other.z - self.z);
        (x * x + z * z).isqrt()
    }

    /// The place that is at most `step_cm` nearer to another.
    pub(crate) const fn toward(self, other: Self, step_cm: i32) -> Self {
        let distance = self.distance_cm(other);
        if distance <= step_cm {
            return other;
        }
        Self {
            x: self.x + (other.x - self.x) * step_cm / distance,
            z: self.z + (other.z - self.z) * step_cm / distance,
        }
    }

    /// The compass point in which another place lies.
    pub(crate) const fn facing(self, other: Self) -> &'static str {
        let (x, z) = (other.x - self.x, other.z - self.z);
        let (far_x, far_z) = (x.abs() * 2 >= z.abs(), z.abs() * 2 >= x.abs());
        match (far_x, far_z, x >= 0, z >= 0) {
            (true, true, true, true) => "north-east",
            (true, true, true, false) => "south-east",
            (true, true, false, true) => "north-west",
            (true, true, false, false) => "south-west",
            (true, false, true, _) => "east",
            (true, false, false, _) => "west",
            (false, _, _, true) => "north",
            (false, _, _, false) => "south",
        }
    }

    /// The place as the document has it.
    pub(crate) fn to_value(self) -> Result<Value, NumberError> {
        Ok(object([("x", metres(self.x)?), ("z", metres(self.z)?)]))
    }
}

/// Centimetres as metres with two digits behind the point.
pub(crate) fn metres(centimetres: i32) -> Result<Value, NumberError> {
    Value::try_from(f64::from(centimetres) / 100.0)
}

/// An object of the given members.
pub(crate) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    members.into_iter().collect()
}

/// The document before the first step.
pub(crate) fn base() -> Result<Value, Box<dyn Error>> {
    let walls: Value = r#"[
        {"from": {"x": -6.5, "z": -6.5}, "to": {"x": 6.5, "z": -6.5}, "height": 2.25},
        {"from": {"x": 6.5, "z": -6.5}, "to": {"x": 6.5, "z": 1.75}, "height": 2.25},
        {"from": {"x": -12, "z": 9.1}, "to": {"x": -3.4, "z": 14.6}, "height": 1.1},
        {"from": {"x": 10.05, "z": 8}, "to": {"x": 15.8, "z": 8}, "height": 1.1}
    ]"#
    .parse()?;
    let spawns: Vec<Value> = PLAYERS
        .iter()
        .map(|(_, _, place)| place.to_value())
        .collect::<Result<_, _>>()?;
    let kinds: Value = KINDS
        .iter()
        .map(|kind| {
            let members = [
                ("kind", Value::from(kind.name)),
                ("label", Value::from(kind.label)),
                ("worth", Value::from(kind.worth)),
            ];
            (kind.name, object(members))
        })
        .collect();
    let rules = object([
        ("hp", Value::from(HP_MAX)),
        ("ammo", Value::from(AMMO_MAX)),
        ("ticks", Value::from(TICKS)),
        ("ticks_per_second", Value::from(TICKS_PER_SECOND)),
        ("friendly_fire", Value::from(true)),
    ]);
    let arena = object([
        ("name", Value::from("The Old Foundry, upper hall")),
        ("reach", metres(REACH_CM)?),
        ("walls", walls),
        ("spawns", spawns.into_iter().collect()),
        ("rules", rules),
    ]);
    let clock = object([
        ("phase", Value::from("warm-up")),
        ("tick", Value::from(0)),
        ("left_s", Value::from(TICKS / TICKS_PER_SECOND)),
    ]);
    Ok(object([
        ("arena", arena),
        ("board", "[]".parse()?),
        ("chat", "[]".parse()?),
        ("clock", clock),
        (
            "feed",
            Value::from_iter([Value::from("The gates of the foundry are open.")]),
        ),
        ("items", "[]".parse()?),
        ("kinds", kinds),
        ("players", "{}".parse()?),
        ("shots", "[]".parse()?),
        ("winner", Value::NULL),
    ]))
}
