#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dormouse_fuzz::laws::deflate::negotiation::target(
    bytes
));
