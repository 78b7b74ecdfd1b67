//! One test in one visual block: who reads, the bytes, the events, and how it ends.

use dormouse::{CloseError, Event, Limits, Violation};

use super::driver::run;
use super::oracle::{Reader, Story};
use super::{CLOSE, ZERO_KEY, close_body, frame};

/// How a stream leaves the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Ready for more.
    Open,
    /// After a closing handshake.
    Closed,
    /// Failed, with this close code on the wire.
    Fails(u16, Violation),
}

/// Checks what comes of `bytes`, in one read and in reads of one, two, three and seven bytes.
#[track_caller]
pub fn check(reader: Reader, limit: usize, bytes: &[u8], events: &[Event<'_>], ending: Ending) {
    for portion in [usize::MAX, 1, 2, 3, 7] {
        let story = run(bytes, reader, limit, &[portion]);
        assert_eq!(story.events, events, "events in reads of {portion}");
        check_ending(&story, reader, ending);
    }
}

#[track_caller]
fn check_ending(story: &Story, reader: Reader, ending: Ending) {
    let is_closed = matches!(story.events.last(), Some(Event::Close(_)));
    match ending {
        Ending::Open => assert!(!is_closed && story.violation.is_none(), "{:?}", story.violation),
        Ending::Closed => assert!(is_closed && story.violation.is_none(), "{:?}", story.violation),
        Ending::Fails(code, violation) => {
            assert_eq!(story.violation, Some(violation));
            let key = (reader == Reader::Client).then_some(ZERO_KEY);
            let close = frame(CLOSE, key, &close_body(code, ""));
            assert!(story.replies.ends_with(&close), "{:x?} is not {code}", story.replies);
        }
    }
}

/// The default limit on messages.
pub fn limit() -> usize {
    Limits::default().message as usize
}

pub fn invalid_code(code: u16) -> Violation {
    CloseError::InvalidCode(code).into()
}

/// Makes a test of each line: `name: Reader, bytes => [events], ending;`.
#[allow(unused_macros, reason = "not each test crate is made of stories")]
macro_rules! stories {
    ($($name:ident: $reader:ident, $bytes:expr => [$($event:expr),* $(,)?], $ending:expr;)*) => {$(
        #[test]
        fn $name() {
            use $crate::support::oracle::Reader::$reader;
            let bytes: Vec<u8> = $bytes.to_vec();
            $crate::support::story::check(
                $reader, $crate::support::story::limit(), &bytes, &[$($event),*], $ending,
            );
        }
    )*};
}

#[allow(unused_imports, reason = "not each test crate is made of stories")]
pub(crate) use stories;
