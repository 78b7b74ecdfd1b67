//! Plays a story with many connections at once, in every cut, and weighs the heap.

use std::io;

use dormouse::{Limits, Outbox, Prepared, SendError};

use crate::support::connection::{Connection, Side};
use crate::support::heap::{NOTHING, live, usage};
use crate::support::outboxes::warm_outbox;

/// How many connections live through a story at the same time, if it is not a large one.
const CROWD: usize = 1000;
/// How many bytes may arrive in all while a crowd plays.
const ARRIVES_IN_ALL: usize = 16 << 20;

/// In how many reads one connection is tried.
const READS: usize = 20_000;

/// The largest message that is sent, and the most that any outbox here may hold.
const MOST_SENT: usize = 20_000;

/// What happens to a connection, and what it may cost.
pub struct Story {
    pub name: &'static str,
    pub sides: &'static [Side],
    pub limits: Limits,
    /// The most heap at any time, in bytes.
    pub peak: isize,
    /// The most heap while what is queued waits at the end. Once it is written, it is 0.
    pub waits: isize,
    pub steps: Vec<Step>,
}

pub enum Step {
    /// Frames of the peer arrive: their first bytes and their payloads.
    Arrive(Vec<(u8, Vec<u8>)>),
    /// The peer's frames end the connection with a violation.
    Violate(u8, Vec<u8>),
    /// This side sends so many messages of so many bytes.
    Send(usize, usize),
    /// It sends messages of so many bytes until nothing goes any more, and then tries some more.
    Overfill(usize),
    /// It sends one frame to everybody, whose sockets take so many bytes of it.
    Broadcast(Prepared, usize),
    /// The socket takes so many bytes at a time, until nothing waits.
    Drain(usize),
    Close,
    /// The peer is gone, and so is whatever it has begun.
    Lose,
}

/// Where the bytes that arrive in one step are cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// In portions of so many bytes.
    Every(usize),
    /// In two, behind so many bytes.
    Behind(usize),
    /// In two, before the last so many bytes.
    Before(usize),
    InTheMiddle,
}

/// The cut of a crowd: what a segment of TCP brings.
const SEGMENTS: Cut = Cut::Every(1460);

/// The cuts of a few: around everything that a header and the begin of a payload have.
const CUTS: [Cut; 14] = [
    Cut::Every(usize::MAX),
    Cut::Every(1),
    Cut::Every(2),
    Cut::Every(7),
    Cut::Behind(1),
    Cut::Behind(2),
    Cut::Behind(4),
    Cut::Behind(6),
    Cut::Behind(8),
    Cut::Behind(13),
    Cut::Behind(14),
    Cut::InTheMiddle,
    Cut::Before(2),
    Cut::Before(1),
];

impl Story {
    /// Plays it on each side: with a crowd, then in every cut, then with an end in the middle.
    pub fn play(&self) {
        for &side in self.sides {
            let arrives: usize = self.acts(side, SEGMENTS).iter().map(Act::arrives).sum();
            let crowd = (ARRIVES_IN_ALL / arrives.max(1)).clamp(1, CROWD);
            let mut thread = Thread::new(arrives);
            let mut highest = self.weigh(side, SEGMENTS, crowd, &mut thread);
            println!(
                "{:<52} {side:?}: {crowd} connections, each {highest} bytes at most, of {}",
                self.name, self.peak,
            );
            for cut in CUTS.into_iter().filter(|cut| cut.reads(arrives) <= READS) {
                highest = highest.max(self.weigh(side, cut, 2, &mut thread));
            }
            for cut in [SEGMENTS, Cut::InTheMiddle, Cut::Behind(1)] {
                self.drop_in_the_middle(side, cut, &mut thread);
            }
            assert!(2 * highest >= self.peak, "the bound of {} is too wide: {highest}", self.name);
        }
    }

    /// Lets `crowd` connections do each act in turn, and returns the most that one of them has cost.
    fn weigh(&self, side: Side, cut: Cut, crowd: usize, thread: &mut Thread) -> isize {
        let acts = self.acts(side, cut);
        let mut connections: Vec<_> =
            (0..crowd).map(|_| Connection::new(side, &self.limits)).collect();
        let ((), cost) = usage(|| {
            for act in &acts {
                connections.iter_mut().for_each(|one| act.happen(one, thread));
            }
        });
        let crowd = crowd as isize;
        let label = format!("{}: {side:?}, {cut:?}: {cost:?} for {crowd}", self.name);
        assert!(cost.peak <= crowd * self.peak, "peak of {label}, not {}", self.peak);
        assert!(cost.kept <= crowd * self.waits, "{label} waits, not {}", self.waits);
        assert!(self.waits == 0 || cost.kept > 0, "{label}: nothing waits");
        let ((), drained) = usage(|| {
            connections.iter_mut().for_each(|one| one.out.advance(usize::MAX));
        });
        assert_eq!(cost.kept + drained.kept, 0, "{label} leaves something");
        cost.peak / crowd
    }

    /// A connection that is dropped takes everything with it, wherever it is in the story.
    fn drop_in_the_middle(&self, side: Side, cut: Cut, thread: &mut Thread) {
        let acts = self.acts(side, cut);
        for end in (0..acts.len()).step_by(acts.len() / 20 + 1) {
            let before = live();
            let mut connection = Connection::new(side, &self.limits);
            acts[..=end].iter().for_each(|act| act.happen(&mut connection, thread));
            drop(connection);
            assert_eq!(live(), before, "{}: {side:?}, {cut:?}, dropped at {end}", self.name);
        }
    }

    /// The steps for one side, with a read for each portion.
    fn acts(&self, side: Side, cut: Cut) -> Vec<Act<'_>> {
        let mut acts = Vec::new();
        for step in &self.steps {
            match step {
                Step::Arrive(frames) => {
                    let encode = |(first, payload): &(u8, Vec<u8>)| side.frame(*first, payload);
                    let bytes: Vec<u8> = frames.iter().flat_map(encode).collect();
                    acts.extend(cut.apply(&bytes).map(|read| Act::Read(read, false)));
                }
                Step::Violate(first, payload) => {
                    let bytes = side.frame(*first, payload);
                    acts.extend(cut.apply(&bytes).map(|read| Act::Read(read, true)));
                    acts.push(Act::CheckFailed);
                }
                step => acts.push(Act::Step(step)),
            }
        }
        acts
    }
}

impl Cut {
    fn reads(self, len: usize) -> usize {
        if let Self::Every(portion) = self { len / portion } else { 2 }
    }

    fn apply(self, bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        let len = bytes.len();
        let (first, rest) = match self {
            Self::Every(portion) => (portion, portion),
            Self::Behind(at) => (at, len),
            Self::Before(end) => (len.saturating_sub(end), len),
            Self::InTheMiddle => (len / 2, len),
        };
        let (first, behind) = bytes.split_at(first.min(len));
        let reads = std::iter::once(first).chain(behind.chunks(rest.max(1)));
        reads.filter(|read| !read.is_empty()).map(<[u8]>::to_vec)
    }
}

/// A step, or one read of it.
enum Act<'s> {
    /// These bytes are read, and may break a rule.
    Read(Vec<u8>, bool),
    /// The connection has failed by now.
    CheckFailed,
    Step(&'s Step),
}

/// What belongs to the thread, and costs no connection anything.
struct Thread {
    scratch: Vec<u8>,
    message: Vec<u8>,
    out: Outbox,
}

impl Thread {
    fn new(arrives: usize) -> Self {
        Self { scratch: vec![0; arrives], message: vec![7; MOST_SENT], out: warm_outbox() }
    }
}

impl Act<'_> {
    fn arrives(&self) -> usize {
        match self {
            Self::Read(read, _) => read.len(),
            _ => 0,
        }
    }

    fn happen(&self, connection: &mut Connection, thread: &mut Thread) {
        match self {
            Self::Read(read, may_fail) => {
                let scratch = &mut thread.scratch[..read.len()];
                scratch.copy_from_slice(read);
                let result = connection.read(scratch);
                assert!(*may_fail || result.is_ok(), "{result:?}");
            }
            Self::CheckFailed => assert!(connection.is_closed(), "nothing was violated"),
            Self::Step(step) => step.happen(connection, thread),
        }
    }
}

impl Step {
    fn happen(&self, connection: &mut Connection, thread: &mut Thread) {
        match self {
            Self::Arrive(_) | Self::Violate(..) => unreachable!("read by read"),
            Self::Send(count, len) => {
                (0..*count).for_each(|_| connection.binary(&thread.message[..*len]).unwrap());
            }
            Self::Overfill(len) => {
                let message = &thread.message[..*len];
                while connection.binary(message).is_ok() {
                    assert!(connection.out.len() <= 2 * MOST_SENT, "an outbox without limit");
                }
                let ((), cost) = usage(|| {
                    (0..100).for_each(|_| {
                        assert_eq!(connection.binary(message), Err(SendError::Full));
                    });
                });
                assert_eq!(cost, NOTHING, "a full outbox grows");
            }
            Self::Broadcast(shared, taken) => {
                let (ws, own) = connection.server();
                let mut out = own.sharing(&mut thread.out);
                ws.send(shared, &mut out).unwrap();
                out.write_to(&mut Takes(*taken)).unwrap();
            }
            Self::Drain(by) => {
                while !connection.out.is_empty() {
                    connection.out.advance(*by);
                }
            }
            Self::Close => connection.close(),
            Self::Lose => {
                let _ = connection.end_of_stream();
                connection.out.clear();
            }
        }
    }
}

/// A socket that takes so many bytes and then blocks.
struct Takes(usize);

impl io::Write for Takes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.min(bytes.len()) {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            taken => {
                self.0 -= taken;
                Ok(taken)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
