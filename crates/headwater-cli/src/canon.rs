use std::{
    fmt::{self, Write as _},
    io::{self, IsTerminal as _},
};

use headwater::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    args::CanonArgs,
    failure::Failure,
    input::Input,
    output::{Canonical, print},
};

/// Prints the canonical form of a document, or its SHA-256.
pub(crate) fn run(args: &CanonArgs) -> Result<(), Failure> {
    let document = Input::read(&args.doc)?.value()?;
    if args.sha256 {
        return print(format_args!("{}\n", sha256(&document)));
    }
    let newline = if io::stdout().is_terminal() { "\n" } else { "" };
    print(format_args!("{}{newline}", Canonical(&document)))
}

/// The SHA-256 of a value's canonical form, in lowercase hexadecimal digits.
pub(crate) fn sha256(value: &Value) -> String {
    let mut hasher = Hasher(Sha256::new());
    // Writing to a hasher cannot fail.
    let _infallible = value.write_canonical(&mut hasher);
    let mut digits = String::with_capacity(64);
    for byte in hasher.0.finalize() {
        let _infallible = write!(digits, "{byte:02x}");
    }
    digits
}

/// A hash of text as it is written.
struct Hasher(Sha256);

impl fmt::Write for Hasher {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}
