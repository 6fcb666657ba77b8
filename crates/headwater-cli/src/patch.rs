use headwater::Extensions;

use crate::{args::PatchArgs, failure::Failure, input::Input, output::print_value};

/// Prints the patched document.
pub(crate) fn run(args: &PatchArgs) -> Result<(), Failure> {
    let extensions = if args.extensions {
        Extensions::ALL
    } else {
        Extensions::NONE
    };
    let mut document = Input::read(&args.doc)?.value()?;
    let input = Input::read(&args.patch)?;
    let patch = input.patch(extensions)?;
    patch
        .apply(&mut document, &Input::limits())
        .map_err(|error| {
            Failure::did_not_hold(format_args!("{}: {error}", input.name()))
                .with_hint("operations count from 0; none of them was applied")
        })?;
    print_value(&document, args.pretty)
}
