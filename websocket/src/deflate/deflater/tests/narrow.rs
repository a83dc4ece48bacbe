//! Inflates as a receiver that has no more than its window: the plainest decoder of RFC 1951, which knows how far back
//! each part of a message refers.

/// What one end received, and how far back messages may refer.
pub(super) struct Receiver {
    window: usize,
    said: Vec<u8>,
}

impl Receiver {
    pub(super) fn new(window: usize) -> Self {
        let said = Vec::new();
        Self { window, said }
    }

    /// Inflates one message, with its tail. The text of a failure names what a receiver would refuse.
    pub(super) fn inflate(&mut self, data: &[u8]) -> Result<&[u8], String> {
        let begin = self.said.len();
        let mut bits = Bits { data, next: 0 };
        while bits.next < 8 * data.len() {
            let (last, kind) = (bits.take(1), bits.take(2));
            match (last, kind) {
                (0, 0) => self.stored(&mut bits),
                (0, 1) => self.block(&mut bits, &Code::fixed(), &Code::new(&[5; 30]))?,
                (0, 2) => {
                    let (literals, distances) = read_codes(&mut bits);
                    self.block(&mut bits, &literals, &distances)?;
                }
                _ => return Err(format!("a block of kind {kind}, last: {last}")),
            }
        }
        Ok(&self.said[begin..])
    }

    fn stored(&mut self, bits: &mut Bits<'_>) {
        bits.next = bits.next.next_multiple_of(8);
        let (length, check) = (bits.take(16), bits.take(16));
        assert_eq!(length, !check & 0xffff);
        for _ in 0..length {
            self.said.push(bits.take(8) as u8);
        }
    }

    fn block(
        &mut self,
        bits: &mut Bits<'_>,
        literals: &Code,
        distances: &Code,
    ) -> Result<(), String> {
        loop {
            let length = match literals.read(bits) {
                literal @ 0..256 => {
                    self.said.push(literal as u8);
                    continue;
                }
                256 => return Ok(()),
                symbol @ 257..265 => symbol - 254,
                285 => 258,
                symbol => {
                    let extra = (symbol - 261) / 4;
                    (((symbol - 261) % 4 + 4) << extra) + 3 + bits.take(extra)
                }
            };
            let distance = match distances.read(bits) {
                symbol @ 0..2 => symbol + 1,
                symbol => {
                    let extra = symbol / 2 - 1;
                    ((symbol % 2 + 2) << extra) + 1 + bits.take(extra)
                }
            };
            if distance > self.window.min(self.said.len()) {
                return Err(format!("{distance} bytes back"));
            }
            for _ in 0..length {
                self.said.push(self.said[self.said.len() - distance]);
            }
        }
    }
}

struct Bits<'a> {
    data: &'a [u8],
    next: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> usize {
        let bit = |index: usize| usize::from(self.data[index / 8] >> (index % 8) & 1);
        let value = (0..count)
            .map(|index| bit(self.next + index) << index)
            .sum();
        self.next += count;
        value
    }
}

/// A canonical Huffman code.
struct Code {
    /// How many codes have each length.
    counts: [usize; 16],
    /// In the order of their codes.
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[usize]) -> Self {
        let mut counts = [0; 16];
        let mut symbols: Vec<usize> = (0..lengths.len()).collect();
        symbols.retain(|symbol| lengths[*symbol] > 0);
        symbols.sort_by_key(|symbol| lengths[*symbol]);
        for symbol in &symbols {
            counts[lengths[*symbol]] += 1;
        }
        Self { counts, symbols }
    }

    fn fixed() -> Self {
        let lengths: [usize; 288] = std::array::from_fn(|symbol| match symbol {
            0..144 => 8,
            144..256 => 9,
            256..280 => 7,
            _ => 8,
        });
        Self::new(&lengths)
    }

    fn read(&self, bits: &mut Bits<'_>) -> usize {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= bits.take(1);
            if code < first + count {
                return self.symbols[index + code - first];
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        panic!("no such code");
    }
}

/// The codes of a block that brings its own (RFC 1951 section 3.2.7).
fn read_codes(bits: &mut Bits<'_>) -> (Code, Code) {
    const ORDER: [usize; 19] = [
        16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
    ];
    let (literals, distances) = (bits.take(5) + 257, bits.take(5) + 1);
    let mut lengths = [0; 19];
    let count = bits.take(4) + 4;
    for symbol in &ORDER[..count] {
        lengths[*symbol] = bits.take(3);
    }
    let code = Code::new(&lengths);
    let mut lengths = Vec::new();
    while lengths.len() < literals + distances {
        let (length, times) = match code.read(bits) {
            16 => (lengths[lengths.len() - 1], bits.take(2) + 3),
            17 => (0, bits.take(3) + 3),
            18 => (0, bits.take(7) + 11),
            length => (length, 1),
        };
        lengths.extend(std::iter::repeat_n(length, times));
    }
    let (literals, distances) = lengths.split_at(literals);
    (Code::new(literals), Code::new(distances))
}
