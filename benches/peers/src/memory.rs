use std::io;

use headwater_benches::{data, room};

use crate::{
    allocator::requested_by,
    input::{self, files},
    measure::{Figure, Row, Unit},
};

/// Bytes requested to hold tables of records, as multiples of their text.
pub(crate) fn tables() -> Vec<Row> {
    [
        ("10", 10),
        ("100", 100),
        ("1,000", 1_000),
        ("10,000", 10_000),
    ]
    .map(|(name, records)| {
        held(
            &format!("{name} records"),
            room(records).to_string().as_bytes(),
        )
    })
    .into()
}

/// The same for real documents, of which the compact text counts; none where the data is absent.
///
/// # Errors
///
/// What the file system reports.
pub(crate) fn real_documents() -> io::Result<Vec<Row>> {
    let Some(folder) = data("documents") else {
        return Ok(Vec::new());
    };
    let files = files(folder)?;
    let row = |(name, text): &(String, Vec<u8>)| {
        // The name of a drawing's file begins with who drew it.
        let name = name.rsplit("__").next().unwrap_or(name);
        held(name, input::ours(text).to_string().as_bytes())
    };
    Ok(files.iter().map(row).collect())
}

fn held(name: &str, text: &[u8]) -> Row {
    Row {
        work: format!("memory over text, {name}"),
        unit: Unit::Times,
        figures: vec![
            multiple("headwater", text, input::ours),
            multiple("serde_json", text, input::serde_json),
            multiple("sonic-rs", text, input::sonic_rs),
        ],
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and a figure")]
fn multiple<T>(contestant: &str, text: &[u8], parse: fn(&[u8]) -> T) -> Figure {
    // What is made once for all later ones, as by sonic-rs in each thread, is not the document's.
    drop(parse(text));
    let (value, bytes) = requested_by(|| parse(text));
    let ((), given_back) = requested_by(|| drop(value));
    assert_eq!(bytes, -given_back, "{contestant} keeps something");
    assert!(bytes > 0);
    Figure::of(contestant, vec![bytes as f64 / text.len() as f64])
}
