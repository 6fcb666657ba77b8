use triomphe::Arc;

use crate::value::{Repr, Value};

/// Containers below this height are dropped by recursion, which is faster; higher ones by a list.
///
/// A level takes about 200 bytes of stack, so that 64 of them are far from any stack's end.
pub(crate) const RECURSION_MAX: u32 = 64;

/// Drops values of any depth without recursion: what nobody else holds is taken apart first, so that
/// each container that is dropped is empty.
pub(crate) fn dismantle(mut values: Vec<Value>) {
    while let Some(mut value) = values.pop() {
        match &mut value.0 {
            Repr::Array(node) => values.append(&mut node.take_unique()),
            Repr::Object(node) => values.append(&mut node.take_unique()),
            Repr::ArrayTree(tree) => {
                if let Some(tree) = Arc::get_mut(tree) {
                    values.append(&mut tree.take_children());
                }
            }
            Repr::ObjectTree(tree) => {
                if let Some(tree) = Arc::get_mut(tree) {
                    values.append(&mut tree.take_children());
                }
            }
            _ => {}
        }
    }
}
