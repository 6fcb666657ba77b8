//! Any bytes as a document: what is accepted can be written in each form and read again.

#![no_main]

use headwater_doc::{Limits, Value};
use headwater_fuzz::{SMALL, check, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = Value::parse(bytes, &Limits::default()) else {
        return;
    };
    check(&value);
    assert!(read(&format!("{value:#}")).identical(&value));
    let canonical = value.canonical();
    let again = read(&canonical);
    assert_eq!(again.canonical(), canonical);
    assert_eq!(again.digest(), value.digest());
    if let Ok(small) = Value::parse(bytes, &SMALL) {
        assert!(small.identical(&value));
        SMALL.check(&small).expect("limits hold for what was read");
    }
});
