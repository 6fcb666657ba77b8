use triomphe::Arc;

use crate::value::{Repr, Value};

/// Containers up to this height are dropped by recursion, which is faster; higher ones by a list.
///
/// A level takes about 200 bytes of stack, so that 64 of them are far from any stack's end.
pub(crate) const RECURSION_MAX: u32 = 64;

/// Drops values of any depth without recursion: what nobody else holds is taken apart first, so that
/// each container that is dropped is empty.
pub(crate) fn dismantle(mut values: Vec<Value>) {
    while let Some(mut value) = values.pop() {
        match &mut value.0 {
            Repr::Array(array) => {
                if let Some(array) = Arc::get_mut(array) {
                    values.append(&mut array.take_children());
                }
            }
            Repr::Object(object) => {
                if let Some(object) = Arc::get_mut(object) {
                    values.append(&mut object.take_children());
                }
            }
            _ => {}
        }
    }
}
