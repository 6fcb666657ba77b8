use headwater::{Extensions, diff};

use crate::{args::DiffArgs, failure::Failure, input::Input, output::print_value};

/// Prints a patch from one document to the other.
pub(crate) fn run(args: &DiffArgs) -> Result<(), Failure> {
    let old = Input::read(&args.old)?.value()?;
    let new = Input::read(&args.new)?.value()?;
    let extensions = Extensions {
        splice: args.splice,
        ..Extensions::NONE
    };
    print_value(&diff(&old, &new, extensions).to_value(), args.pretty)
}
