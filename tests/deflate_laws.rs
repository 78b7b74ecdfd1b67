//! permessage-deflate (RFC 7692) with any input: what always holds, and what the book leaves open.

#![cfg(feature = "deflate")]

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use support::laws::deflate::inflating::{any_partition, one_message};
use support::laws::deflate::{inflating, negotiation, round_trip};
use support::streams::{Stream, config, long_streams, portions};

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn s7_2_2_any_partition_of_compressed_messages(bytes in vec(any::<u8>(), 0..500)) {
        inflating::target(&bytes);
    }

    #[test]
    fn s7_2_1_what_is_sent_arrives(bytes in vec(any::<u8>(), 0..400)) {
        round_trip::target(&bytes);
    }

    #[test]
    fn s7_1_any_offer_and_any_answer(
        wishes in vec(any::<u8>(), 8),
        value in "((permessage-deflate|foo)(; ?(server|client)_(no_context_takeover|max_window_bits)\
            (=\"?(7|8|9|1[0-6]|08)\"?)?){0,4}(, )?){0,3}",
    ) {
        negotiation::target(&[&wishes, value.as_bytes()].concat());
    }

    /// Streams without a compressed message mean what they meant, but for the bit itself.
    #[test]
    fn s6_plain_streams_are_the_same(stream in long_streams(), portions in portions()) {
        let Stream { reader, limit, bytes } = stream;
        any_partition(false, reader, limit, &bytes, &portions);
    }

    #[test]
    fn s7_2_2_any_bytes_inflate_or_do_not(payload in vec(any::<u8>(), 0..300), limit in 0..600usize) {
        one_message(&payload, limit);
    }
}
