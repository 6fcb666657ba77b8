//! Any documents.

use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::select,
};

use crate::model::{Model, ModelNumber};

/// Names that pointers must escape, that look like indices, and that sort by UTF-16 otherwise than by
/// UTF-8.
pub(super) const NAMES: [&str; 14] = [
    "",
    "/",
    "~",
    "~1",
    "0",
    "1",
    "-",
    "a",
    "b",
    "é",
    "\u{ffff}",
    "😀",
    "\"\n\u{1}",
    "a name of more than fourteen bytes",
];

pub(super) fn number() -> impl Strategy<Value = ModelNumber> {
    let edges = [
        0,
        i128::from(i64::MIN),
        i128::from(i64::MAX),
        i128::from(u64::MAX),
        1 << 53,
        (1 << 53) + 1,
        -(1 << 53) - 1,
    ];
    let doubles = [
        0.0,
        -0.0,
        1.0,
        0.5,
        -2.0,
        1e21,
        1e-7,
        1.5e308,
        -1.5e308,
        9_007_199_254_740_992.0,
    ];
    let literals = [
        "1e400",
        "-1E+400",
        "12.5e-400",
        "123456789012345678901234567890",
    ];
    prop_oneof![
        8 => (-3_i128..4).prop_map(ModelNumber::Integer),
        2 => select(edges.to_vec()).prop_map(ModelNumber::Integer),
        1 => any::<i64>().prop_map(|integer| ModelNumber::Integer(integer.into())),
        3 => select(doubles.to_vec()).prop_map(ModelNumber::double),
        1 => any::<f64>().prop_filter("finite", |double| double.is_finite())
            .prop_map(ModelNumber::double),
        1 => select(literals.to_vec()).prop_map(|text| ModelNumber::Literal(text.to_owned())),
    ]
}

/// Short strings, those around the 14 bytes that fit into a value, and those of several runs.
fn string() -> impl Strategy<Value = String> {
    let piece = select(
        &[
            "a", "b", "é", "漢", "😀", "\"", "\\", "\n", "\u{1}", "\u{7f}",
        ][..],
    );
    let pieces = |count| vec(piece.clone(), count).prop_map(|pieces| pieces.concat());
    prop_oneof![
        6 => pieces(0..6),
        2 => pieces(8..20),
        1 => (pieces(20..60), 20..120_usize).prop_map(|(text, times)| text.repeat(times)),
    ]
}

pub(super) fn scalar() -> impl Strategy<Value = Model> {
    prop_oneof![
        1 => Just(Model::Null),
        1 => any::<bool>().prop_map(Model::Bool),
        4 => number().prop_map(Model::Number),
        3 => string().prop_map(Model::String),
    ]
}

/// Arrays of several leaves, and of several levels of branches.
fn long_array() -> impl Strategy<Value = Model> {
    let element = |index: usize| match index % 7 {
        0 => Model::Array(vec![Model::Number(ModelNumber::Integer(index as i128))]),
        1 => Model::String(format!("element {index}")),
        _ => Model::Number(ModelNumber::Integer(index as i128 / 3)),
    };
    prop_oneof![3 => 33..200_usize, 1 => 500..1_500_usize]
        .prop_map(move |len| Model::Array((0..len).map(element).collect()))
}

pub(super) fn value() -> impl Strategy<Value = Model> {
    let leaf = prop_oneof![12 => scalar(), 1 => long_array()];
    leaf.prop_recursive(5, 48, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Model::Array),
            btree_map(select(&NAMES[..]).prop_map(str::to_owned), inner, 0..8)
                .prop_map(Model::Object),
        ]
    })
}

/// A document: mostly a container.
pub(crate) fn document() -> impl Strategy<Value = Model> {
    let members = btree_map(select(&NAMES[..]).prop_map(str::to_owned), value(), 1..8);
    prop_oneof![
        4 => members.prop_map(Model::Object),
        2 => vec(value(), 1..8).prop_map(Model::Array),
        1 => long_array(),
        1 => value(),
    ]
}
