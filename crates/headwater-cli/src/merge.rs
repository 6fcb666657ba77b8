use headwater::Patch;

use crate::{args::MergeArgs, failure::Failure, input::Input, output::print_value};

/// Prints the merged document.
pub(crate) fn run(args: &MergeArgs) -> Result<(), Failure> {
    let mut document = Input::read(&args.doc)?.value()?;
    let input = Input::read(&args.patch)?;
    let does_not_hold = |error: &dyn std::fmt::Display| {
        Failure::did_not_hold(format_args!("{}: {error}", input.name()))
    };
    let limits = Input::limits();
    let patch = Patch::from_merge(&document, &input.value()?, &limits)
        .map_err(|error| does_not_hold(&error))?;
    patch
        .apply(&mut document, &limits)
        .map_err(|error| does_not_hold(&error))?;
    print_value(&document, args.pretty)
}
