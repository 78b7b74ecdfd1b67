//! The property that the crate exists for: any partition of the input gives the same events, the
//! same replies and the same violation, and they are those that RFC 6455 asks for.

mod support;

use proptest::prelude::*;
use support::driver::run;
use support::laws::peer::both_agree;
use support::laws::streams::{WHOLE, any_partition, any_partition_of_frames, each_byte};
use support::oracle::{self, Reader};
use support::streams::{Stream, config, long_streams, portions, short_streams};
use support::{FIN, KEY, TEXT, frame};

proptest! {
    #![proptest_config(config(1000))]

    /// Also what a short stream shows after each of its bytes.
    #[test]
    fn short_streams_mean_what_the_book_says(stream in short_streams(), portions in portions()) {
        let Stream { reader, limit, bytes } = stream;
        any_partition(reader, limit, &bytes, &portions);
        each_byte(reader, limit, &bytes);
    }
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn any_single_cut_gives_what_the_whole_gives(stream in short_streams()) {
        let Stream { reader, limit, bytes } = stream;
        let whole = run(&bytes, reader, limit, WHOLE);
        for cut in 0..=bytes.len() {
            let story = run(&bytes, reader, limit, &[cut, usize::MAX]);
            prop_assert_eq!(&story, &whole, "cut at {}", cut);
        }
    }

    #[test]
    fn long_streams_mean_what_the_book_says(stream in long_streams(), portions in portions()) {
        let Stream { reader, limit, bytes } = stream;
        any_partition(reader, limit, &bytes, &portions);
        any_partition_of_frames(reader, &bytes, &portions);
    }

    /// And what an implementation of other makers makes of it.
    #[test]
    fn another_implementation_agrees(short in short_streams(), long in long_streams()) {
        both_agree(short.reader, &short.bytes);
        both_agree(long.reader, &long.bytes);
    }
}

/// Each difference that the law allows is one that there is.
#[test]
fn another_implementation_differs_in_five_ways() {
    use support::laws::peer::Difference;
    let plain = |first, payload: &[u8]| frame(first, None, payload);
    let long_form = support::header_in_form(FIN | TEXT, None, 0, support::Form::Medium);
    let long_ping = support::header_in_form(support::PING, None, 0, support::Form::Long);
    let close = |code| plain(support::CLOSE, &support::close_body(code, ""));
    let empty = [plain(TEXT, b""), plain(support::CONTINUATION, b"").repeat(128)].concat();
    for (bytes, difference) in [
        (long_form, Some(Difference::NonMinimalLength)),
        (long_ping, Some(Difference::NonMinimalLength)),
        (close(1005), Some(Difference::CloseCode)),
        (close(1014), Some(Difference::BadGateway)),
        (plain(FIN | TEXT, b"\xff and more")[..4].to_vec(), Some(Difference::ToldEarlier)),
        (empty, Some(Difference::EmptyFragments)),
        (plain(support::CLOSE, &support::close_body(1002, "Protocol violation")), None),
    ] {
        assert_eq!(both_agree(Reader::Client, &bytes), difference, "{bytes:x?}");
    }
}

/// A fixed stream with everything in it, cut at every two places, so that each kind of state is
/// resumed from each kind of state at least once however the random streams fall.
#[test]
fn any_two_cuts_of_a_stream_with_everything_in_it() {
    let masked = |first, payload: &[u8]| frame(first, Some(KEY), payload);
    let bytes = [
        masked(FIN | TEXT, "é".as_bytes()),
        masked(support::TEXT, &"€".as_bytes()[..1]),
        masked(support::PING, b"p1"),
        masked(support::CONTINUATION, b""),
        masked(support::PONG, b""),
        masked(FIN | support::CONTINUATION, &"€🐭".as_bytes()[1..]),
        masked(FIN | support::BINARY, &[0x88; 126]),
        masked(support::CLOSE, &support::close_body(3000, "bye")),
        masked(FIN | TEXT, b"too late"),
    ]
    .concat();
    let whole = run(&bytes, Reader::Server, 1000, WHOLE);
    assert_eq!(whole, oracle::read(&bytes, Reader::Server, 1000));
    assert_eq!((whole.events.len(), whole.violation), (6, None));
    for one in 0..=bytes.len() {
        for two in 0..=bytes.len() - one {
            let story = run(&bytes, Reader::Server, 1000, &[one, two, usize::MAX]);
            assert_eq!(story, whole, "cut after {one} and {two} more bytes");
        }
    }
}

/// The random streams are worth nothing if they are all broken at once, or never.
#[test]
fn the_generator_makes_good_and_bad_streams() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let (mut clean, mut eventful, mut closed, mut violations) = (0, 0, 0, Vec::new());
    for _ in 0..2000 {
        let Stream { reader, limit, bytes } =
            short_streams().new_tree(&mut runner).unwrap().current();
        let story = oracle::read(&bytes, reader, limit);
        clean += usize::from(story.violation.is_none());
        eventful += usize::from(story.events.len() >= 3);
        closed += usize::from(matches!(story.events.last(), Some(dormouse::Event::Close(_))));
        violations.extend(story.violation.map(|violation| format!("{violation:?}")));
    }
    violations.sort_unstable();
    violations.dedup();
    assert!(clean > 700 && eventful > 400 && closed > 100, "{clean} {eventful} {closed}");
    assert!(violations.len() > 15, "{violations:?}");
}
