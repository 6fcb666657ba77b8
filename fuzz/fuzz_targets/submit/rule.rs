use std::panic::resume_unwind;

use headwater_core::Admission;
use headwater_fuzz::SMALL;

/// The host's rule on clients' batches: refuses some and panics at others, always the same ones.
pub(crate) fn rule(request: &Admission<'_>) -> Result<(), &'static str> {
    let mut again = request.before.clone();
    let applied = request.patch.apply(&mut again, &SMALL);
    let applied = applied.expect("what is asked about has applied");
    assert!(again.identical(request.after));
    assert_eq!(applied.touched(request.patch), request.touched);
    match request.patch.digest() % 32 {
        0..4 => Err("not_admitted"),
        // Without the panic hook, in which libFuzzer's binding ends the process.
        4 => resume_unwind(Box::new("a fault of the rule")),
        _ => Ok(()),
    }
}
