//! The slow and obviously right way to inflate a message: RFC 1951 bit after bit, and RFC 7692 §7.2.2
//! around it. It also tells how far back a message refers, which no codec does.

/// The largest window there is (RFC 1951 §2).
const WINDOW: usize = 1 << 15;

/// Why a message cannot be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoiled {
    Data,
    TooBig,
}

/// What inflates the messages of one direction, and remembers what they were.
#[derive(Clone, Debug, Default)]
pub struct Naive {
    takeover: bool,
    /// What may be referred to.
    history: Vec<u8>,
    /// The largest distance that was ever referred to.
    pub reach: usize,
}

impl Naive {
    pub fn new(takeover: bool) -> Self {
        Self { takeover, ..Self::default() }
    }

    /// Inflates a whole message of at most `limit` bytes.
    ///
    /// What the RFC leaves open: a message of no bytes is an empty one; one that ends behind a block
    /// with BFINAL needs nothing more; any other has to end with the block that §7.2.1 has cut, because
    /// nobody compresses to anything else.
    pub fn message(&mut self, payload: &[u8], limit: usize) -> Result<Vec<u8>, Spoiled> {
        if !self.takeover {
            self.history.clear();
        }
        let start = self.history.len();
        // §7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload"
        let bytes = [payload, &[0x00, 0x00, 0xff, 0xff]].concat();
        let bits = Bits { bytes: &bytes, at: 0 };
        let end = 8 * payload.len();
        let mut message = Message { bits, naive: self, start, end, inflated: 0, limit };
        let mut inflated = Vec::new();
        while !payload.is_empty() {
            let is_final = message.block()?;
            if is_final {
                // §7.2.1: padding up to the byte, and then "The next DEFLATE block follows".
                message.bits.at = message.bits.at.next_multiple_of(8);
                inflated.extend_from_slice(&message.naive.history[message.start..]);
                message.naive.history.clear();
                message.start = 0;
            }
            let at = message.bits.at.div_ceil(8);
            if at == bytes.len() || is_final && at == payload.len() {
                break;
            }
        }
        inflated.extend_from_slice(&message.naive.history[message.start..]);
        let old = self.history.len().saturating_sub(WINDOW);
        self.history.drain(..old);
        Ok(inflated)
    }
}

struct Bits<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Result<usize, Spoiled> {
        let mut value = 0;
        for place in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or(Spoiled::Data)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Ok(value)
    }

    /// The next symbol of a code.
    fn symbol(&mut self, code: &Code) -> Result<usize, Spoiled> {
        let (mut value, mut first, mut at) = (0, 0, 0);
        for count in code.counts {
            value = value << 1 | self.take(1)?;
            first <<= 1;
            if value < first + count {
                return Ok(code.symbols[at + value - first]);
            }
            first += count;
            at += count;
        }
        Err(Spoiled::Data)
    }
}

/// RFC 1951 §3.2.2: a code that is given by the lengths of its symbols.
struct Code {
    /// How many symbols have each length from 1 to 15.
    counts: [usize; 15],
    /// The symbols by length, and then in their order.
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[usize]) -> Self {
        let of_length = |len| (0..lengths.len()).filter(move |&symbol| lengths[symbol] == len);
        let counts = std::array::from_fn(|at| of_length(at + 1).count());
        Self { counts, symbols: (1..=15).flat_map(of_length).collect() }
    }

    /// RFC 1951 §3.2.7: a code uses all its bits; only one of a single symbol cannot, or of none.
    fn checked(lengths: &[usize], may_be_single: bool) -> Result<Self, Spoiled> {
        let code = Self::new(lengths);
        let filled: usize =
            code.counts.iter().zip(1..).map(|(count, len)| count << (15 - len)).sum();
        let is_single = code.symbols.is_empty() || code.symbols.len() == 1 && code.counts[0] == 1;
        if filled == 1 << 15 || may_be_single && is_single { Ok(code) } else { Err(Spoiled::Data) }
    }
}

struct Message<'n, 'b> {
    bits: Bits<'b>,
    naive: &'n mut Naive,
    /// Where in the history the message begins, or its part behind the last BFINAL.
    start: usize,
    /// Where what was appended begins, in bits: it ends a message, and is nothing of it.
    end: usize,
    inflated: usize,
    limit: usize,
}

impl Message<'_, '_> {
    /// One block (RFC 1951 §3.2.3), and whether it has BFINAL.
    fn block(&mut self) -> Result<bool, Spoiled> {
        let is_final = self.bits.take(1)? == 1;
        match self.bits.take(2)? {
            0 => self.stored()?,
            1 => {
                let lengths = |symbol| match symbol {
                    0..=143 => 8,
                    144..=255 => 9,
                    256..=279 => 7,
                    _ => 8,
                };
                let literals = Code::new(&(0..288).map(lengths).collect::<Vec<_>>());
                self.symbols(&literals, &Code::new(&[5; 30]))?;
            }
            2 => {
                let (literals, distances) = self.codes()?;
                self.symbols(&literals, &distances)?;
            }
            _ => return Err(Spoiled::Data),
        }
        Ok(is_final)
    }

    fn stored(&mut self) -> Result<(), Spoiled> {
        self.bits.at = self.bits.at.next_multiple_of(8);
        let (len, complement) = (self.bits.take(16)?, self.bits.take(16)?);
        if len != !complement & 0xffff {
            return Err(Spoiled::Data);
        }
        for _ in 0..len {
            let byte = self.bits.take(8)?;
            self.push(byte as u8)?;
        }
        Ok(())
    }

    /// RFC 1951 §3.2.7: the lengths of both codes.
    fn codes(&mut self) -> Result<(Code, Code), Spoiled> {
        const ORDER: [usize; 19] =
            [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let literals = self.bits.take(5)? + 257;
        let distances = self.bits.take(5)? + 1;
        let count = self.bits.take(4)? + 4;
        if literals > 286 || distances > 30 {
            return Err(Spoiled::Data);
        }
        let mut code = [0; 19];
        for &place in &ORDER[..count] {
            code[place] = self.bits.take(3)?;
        }
        let code = Code::checked(&code, false)?;
        let mut lengths: Vec<usize> = Vec::new();
        while lengths.len() < literals + distances {
            let (len, times) = match self.bits.symbol(&code)? {
                16 => {
                    let last = *lengths.last().ok_or(Spoiled::Data)?;
                    (last, 3 + self.bits.take(2)?)
                }
                17 => (0, 3 + self.bits.take(3)?),
                18 => (0, 11 + self.bits.take(7)?),
                len => (len, 1),
            };
            lengths.extend(std::iter::repeat_n(len, times));
        }
        if lengths.len() > literals + distances || lengths[256] == 0 {
            return Err(Spoiled::Data);
        }
        let distances = lengths.split_off(literals);
        Ok((Code::checked(&lengths, true)?, Code::checked(&distances, true)?))
    }

    /// RFC 1951 §3.2.5.
    fn symbols(&mut self, literals: &Code, distances: &Code) -> Result<(), Spoiled> {
        loop {
            let symbol = self.bits.symbol(literals)?;
            let len = match symbol {
                0..=255 => {
                    self.push(symbol as u8)?;
                    continue;
                }
                256 => return Ok(()),
                257..=264 => symbol - 254,
                265..=284 => {
                    let extra = (symbol - 261) / 4;
                    let base = 3 + ((4 + (symbol - 261) % 4) << extra);
                    base + self.bits.take(extra)?
                }
                285 => 258,
                _ => return Err(Spoiled::Data),
            };
            let code = self.bits.symbol(distances)?;
            let distance = match code {
                0..=3 => code + 1,
                4..=29 => {
                    let extra = code / 2 - 1;
                    1 + ((2 + code % 2) << extra) + self.bits.take(extra)?
                }
                _ => return Err(Spoiled::Data),
            };
            let known = self.naive.history.len();
            if distance > known.min(WINDOW) {
                return Err(Spoiled::Data);
            }
            self.naive.reach = self.naive.reach.max(distance);
            for _ in 0..len {
                let byte = self.naive.history[self.naive.history.len() - distance];
                self.push(byte)?;
            }
        }
    }

    fn push(&mut self, byte: u8) -> Result<(), Spoiled> {
        if self.bits.at > self.end {
            return Err(Spoiled::Data);
        }
        if self.inflated == self.limit {
            return Err(Spoiled::TooBig);
        }
        self.inflated += 1;
        self.naive.history.push(byte);
        Ok(())
    }
}
