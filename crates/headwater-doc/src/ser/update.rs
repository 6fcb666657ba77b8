use serde::Serialize;

use super::{SerializeError, make};
use crate::value::Value;

impl Value {
    /// Makes a document of a value as [`to_value`](crate::to_value) does, out of this one: what did not
    /// change is shared with it, down to single strings.
    ///
    /// For a state that is turned into a document again and again, a game's world at each tick. Where
    /// nothing changed no memory is taken, and the [`diff`](crate::diff()) of the two skips it: the
    /// cost of both follows what changed, but for the walk over the state itself. If nothing changed
    /// at all, the result is this value.
    ///
    /// Members are compared by name, elements by index. This value need not have come of the same
    /// type: whatever it is, the result is [`identical`](Self::identical) to that of `to_value`, but
    /// that its [`height`](Self::height) may overstate. `1` and `1.0` differ.
    ///
    /// A struct's fields are compared in O(1) each if this object has at most 32 members, and a map's
    /// members if they come in the order of their names; others in O(log n).
    ///
    /// # Errors
    ///
    /// As of [`to_value`](crate::to_value). This value stays what it is, whatever happens.
    ///
    /// # Example
    ///
    /// ```
    /// use headwater_doc::{Extensions, Value, diff, to_value};
    /// use serde::Serialize;
    ///
    /// #[derive(Serialize)]
    /// struct Room {
    ///     players: Vec<Player>,
    ///     rules: Vec<&'static str>,
    /// }
    ///
    /// #[derive(Serialize)]
    /// struct Player {
    ///     name: &'static str,
    ///     hp: u32,
    /// }
    ///
    /// let mut room = Room {
    ///     players: vec![Player { name: "ada", hp: 10 }, Player { name: "bo", hp: 10 }],
    ///     rules: vec!["no running"],
    /// };
    /// let before = to_value(&room)?;
    /// assert!(before.updated(&room)?.same(&before));
    ///
    /// room.players[1].hp -= 3;
    /// let after = before.updated(&room)?;
    /// let part = |value: &Value, pointer: &str| value.at(&pointer.parse().unwrap()).cloned().unwrap();
    /// assert!(part(&after, "/players/0").same(&part(&before, "/players/0")));
    /// assert!(part(&after, "/rules").same(&part(&before, "/rules")));
    /// assert_eq!(
    ///     diff(&before, &after, Extensions::NONE).to_string(),
    ///     r#"[{"op":"replace","path":"/players/1/hp","value":7}]"#
    /// );
    /// # Ok::<(), headwater_doc::SerializeError>(())
    /// ```
    pub fn updated<T: Serialize + ?Sized>(&self, value: &T) -> Result<Self, SerializeError> {
        make(Some(self), value)
    }
}
