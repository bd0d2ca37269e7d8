//! What the targets have in common: how an input says where it is cut, and how it gets long while it stays short to mutate.

/// Where the octets of a connection are cut into pieces.
pub const CUT: u8 = 0xFF;
/// The next octet of the input stands for itself.
pub const PLAIN: u8 = 0xFE;
/// The last `n` octets come `m` times more, `n` and `m` being the next two octets of the input. So limits of kilobytes can be
/// reached by inputs of a few octets.
pub const AGAIN: u8 = 0xFD;

/// The octets of a connection, and where they are cut.
#[derive(Debug, Default)]
pub struct Wire {
    /// All of them.
    pub octets: Vec<u8>,
    /// Positions in `octets`, in order.
    pub cuts: Vec<usize>,
}

impl Wire {
    /// Reads an input. Every sequence of octets with every set of cuts can be written; what exceeds `limit` octets is left out.
    #[must_use]
    pub fn read(input: &[u8], limit: usize) -> Self {
        let mut wire = Self::default();
        let mut input = input.iter().copied();
        while let Some(octet) = input.next() {
            match octet {
                CUT => wire.cuts.push(wire.octets.len()),
                PLAIN => wire.octets.extend(input.next()),
                AGAIN => {
                    let len = usize::from(input.next().unwrap_or_default()).min(wire.octets.len());
                    let times = usize::from(input.next().unwrap_or_default());
                    let last = wire.octets.split_off(wire.octets.len() - len);
                    wire.octets.extend(last.repeat(times + 1));
                }
                octet => wire.octets.push(octet),
            }
            if wire.octets.len() >= limit {
                wire.octets.truncate(limit);
                break;
            }
        }
        wire.cuts.retain(|cut| *cut <= wire.octets.len());
        wire
    }

    /// The pieces, some of them perhaps empty.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.cuts.iter().copied());
        let ends = self.cuts.iter().copied().chain([self.octets.len()]);
        starts.zip(ends).map(|(start, end)| &self.octets[start..end])
    }
}

/// The input as text, if it is.
#[must_use]
pub fn text(input: &[u8]) -> Option<&str> {
    std::str::from_utf8(input).ok()
}

/// The lines of a text; those that are missing are empty.
#[must_use]
pub fn lines<const N: usize>(text: &str) -> [&str; N] {
    let mut lines = text.split('\n');
    std::array::from_fn(|_| lines.next().unwrap_or_default())
}
