use headwater_core::Admission;
use headwater_doc::Value;

use crate::random::Random;

/// What a document starts with.
pub(crate) fn any_root(random: &mut Random) -> String {
    let pad = "x".repeat(random.index(3) * 500);
    format!(
        r#"{{"log":[],"n":0,"text":"{pad}","fields":{{}},"rows":[{{"a":1,"b":[1,2]}},{{"a":2,"b":[]}}]}}"#
    )
}

/// The places that are written to and followed.
pub(crate) const PATHS: &[&str] = &[
    "/fields",
    "/fields/1",
    "/fields/2/x",
    "/log",
    "/log/0",
    "/rows",
    "/rows/0/a",
    "/rows/1/b",
    "/n",
    "/text",
    "/text2",
];

/// Batches of which no two can change places unseen; about one in five does not apply.
pub(crate) fn any_patch(number: u64, random: &mut Random) -> String {
    let log = format!(r#"{{"op":"add","path":"/log/-","value":{number}}}"#);
    let more = any_operation(number, random);
    match random.below(16) {
        0 => "[]".to_owned(),
        1 => format!("[{more},{log},{}]", any_operation(number + 1, random)),
        2..8 => format!("[{more}]"),
        _ => format!("[{log},{more}]"),
    }
}

fn any_operation(number: u64, random: &mut Random) -> String {
    let field = random.below(4);
    let row = random.below(3);
    match random.below(24) {
        0 => r#"{"op":"replace","path":"/log","value":[]}"#.to_owned(),
        1 => r#"{"op":"increment","path":"/n","by":3}"#.to_owned(),
        2 => r#"{"op":"splice","path":"/text","index":0,"remove":0,"insert":"né"}"#.to_owned(),
        3 => r#"{"op":"splice","path":"/text","index":0,"remove":3,"insert":""}"#.to_owned(),
        4 => format!(r#"{{"op":"remove","path":"/fields/{field}"}}"#),
        5 => r#"{"op":"remove","path":"/nothing"}"#.to_owned(),
        6 => r#"{"op":"move","from":"/log/0","path":"/log/1"}"#.to_owned(),
        7 => format!(r#"{{"op":"add","path":"/fields/{field}","value":{{"x":{number},"y":[1]}}}}"#),
        8 => format!(r#"{{"op":"replace","path":"/fields/{field}/x","value":{number}}}"#),
        9 => format!(r#"{{"op":"add","path":"/rows/0","value":{{"a":{number},"b":[]}}}}"#),
        10 => format!(r#"{{"op":"remove","path":"/rows/{row}"}}"#),
        11 => format!(r#"{{"op":"replace","path":"/rows/{row}/a","value":{number}}}"#),
        12 => format!(r#"{{"op":"add","path":"/rows/{row}/b/-","value":{number}}}"#),
        13 => format!(r#"{{"op":"copy","from":"/n","path":"/fields/{field}"}}"#),
        14 => format!(r#"{{"op":"replace","path":"/n","value":{number}}}"#),
        15 => format!(
            r#"{{"op":"test","path":"/n","value":{}}}"#,
            random.below(20)
        ),
        16 => r#"{"op":"move","from":"/fields","path":"/fields"}"#.to_owned(),
        17 => format!(r#"{{"op":"add","path":"/fields","value":{{"1":{number}}}}}"#),
        18 => r#"{"op":"move","from":"/text","path":"/text2"}"#.to_owned(),
        19 => r#"{"op":"move","from":"/text2","path":"/text"}"#.to_owned(),
        20 => format!(
            r#"{{"op":"add","path":"/fields/{field}","value":"{}"}}"#,
            "pad".repeat(random.index(100))
        ),
        21 if random.one_in(20) => r#"{"op":"add","path":"/panic","value":1}"#.to_owned(),
        22 if random.one_in(4) => {
            let root = any_root(random);
            format!(r#"{{"op":"replace","path":"","value":{root}}}"#)
        }
        _ => format!(r#"{{"op":"add","path":"/fields/{field}","value":"{number}"}}"#),
    }
}

/// The host's rule, for the shard and for the model: it looks at all that it is told.
pub(crate) fn rule(request: &Admission<'_>) -> Result<(), &'static str> {
    let n = |root: &Value| root.at(&"/n".parse().unwrap()).and_then(Value::as_u64);
    if n(request.before) != n(request.after) && n(request.after).is_some_and(|n| n % 5 == 3) {
        return Err("unlucky");
    }
    if request
        .touched
        .iter()
        .any(|path| path.as_str() == "/fields/3")
        && request.seq.0.is_multiple_of(2)
    {
        return Err("touchy");
    }
    if request.after.at(&"/panic".parse().unwrap()).is_some() {
        // No hook is called, so nothing is printed.
        std::panic::resume_unwind(Box::new("the host's own fault"));
    }
    Ok(())
}
