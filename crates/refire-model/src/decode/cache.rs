use super::store::Ticket;
use std::sync::Arc;

/// Keys and values of some tokens in every layer: `[layers, capacity, kv_heads * head_dim]` each.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) keys: Vec<f32>,
    pub(super) values: Vec<f32>,
    pub(super) len: usize,
    /// The tokens themselves, kept where they may have to be read again.
    pub(super) tokens: Vec<u32>,
    capacity: usize,
    /// Numbers of one token in a layer.
    pub(super) width: usize,
}

impl Block {
    fn new(layers: usize, capacity: usize, width: usize) -> Self {
        let size = layers * capacity * width;
        let (keys, values) = (vec![0.0; size], vec![0.0; size]);
        Self { keys, values, len: 0, tokens: Vec::new(), capacity, width }
    }

    /// Start of a layer's token within `keys` and `values`.
    pub(super) fn at(&self, layer: usize, token: usize) -> usize {
        (layer * self.capacity + token) * self.width
    }
}

/// The cache of a prompt, shared by the completions that continue it.
#[derive(Debug, Clone)]
pub struct KvPrefix(pub(super) PrefixKind);

#[derive(Debug, Clone)]
pub(super) enum PrefixKind {
    Host(Arc<Block>),
    Device(Arc<Ticket>),
}

impl KvPrefix {
    /// Tokens it holds.
    pub fn len(&self) -> usize {
        match &self.0 {
            PrefixKind::Host(block) => block.len,
            PrefixKind::Device(ticket) => ticket.len(),
        }
    }

    /// True if it holds no token.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn block(&self) -> Option<&Block> {
        match &self.0 {
            PrefixKind::Host(block) => Some(block),
            PrefixKind::Device(_) => None,
        }
    }
}

/// Keys and values of one sequence: a shared prefix, and its own tokens.
#[derive(Debug)]
pub struct KvCache {
    pub(super) prefix: Option<KvPrefix>,
    capacity: usize,
    pub(super) own: Own,
}

/// Where a sequence's own tokens are.
#[derive(Debug)]
pub(super) enum Own {
    /// In memory set aside once.
    Host(Block),
    /// In the store of a decoder on a device.
    Device(Ticket),
}

impl KvCache {
    pub(super) fn host(
        layers: usize,
        width: usize,
        prefix: Option<KvPrefix>,
        capacity: usize,
    ) -> Self {
        Self { prefix, capacity, own: Own::Host(Block::new(layers, capacity, width)) }
    }

    pub(super) fn device(ticket: Ticket, prefix: Option<KvPrefix>, capacity: usize) -> Self {
        Self { prefix, capacity, own: Own::Device(ticket) }
    }

    /// Tokens it holds, the prefix included.
    pub fn len(&self) -> usize {
        let own = match &self.own {
            Own::Host(block) => block.len,
            Own::Device(ticket) => ticket.len(),
        };
        self.prefix_len() + own
    }

    /// True if it holds no token.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tokens that fit after the prefix.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets its tokens and takes another prefix; the memory stays.
    pub fn reset(&mut self, prefix: Option<KvPrefix>) {
        self.prefix = prefix;
        match &mut self.own {
            Own::Host(block) => {
                block.len = 0;
                block.tokens.clear();
            }
            Own::Device(ticket) => ticket.clear(),
        }
    }

    /// Turns the cache of a whole prompt into a prefix for others.
    ///
    /// A cache that itself has a prefix can't become one: `None`.
    pub fn into_prefix(self) -> Option<KvPrefix> {
        self.prefix.is_none().then(|| {
            KvPrefix(match self.own {
                Own::Host(block) => PrefixKind::Host(Arc::new(block)),
                Own::Device(ticket) => PrefixKind::Device(Arc::new(ticket)),
            })
        })
    }

    /// Forgets the keys and values of all its tokens and gives the tokens; they will all be its
    /// own. Nothing where they are not on the CPU.
    pub(super) fn start_again(&mut self, layers: usize, width: usize) -> Vec<u32> {
        let Own::Host(block) = &mut self.own else { return Vec::new() };
        let own = std::mem::take(&mut block.tokens);
        let Some(prefix) = self.prefix.take() else {
            block.len = 0;
            return own;
        };
        self.capacity += prefix.len();
        *block = Block::new(layers, self.capacity, width);
        let shared = prefix.block().map_or(&[][..], |block| &block.tokens);
        [shared, &own].concat()
    }

    pub(super) fn prefix_len(&self) -> usize {
        self.prefix.as_ref().map_or(0, KvPrefix::len)
    }

    /// Where a CPU reads and writes; `None` if any of it is on a device.
    pub(super) fn blocks(&mut self) -> Option<Blocks<'_>> {
        let prefix = match &self.prefix {
            Some(prefix) => Some(prefix.block()?),
            None => None,
        };
        match &mut self.own {
            Own::Host(own) => Some(Blocks { prefix, own }),
            Own::Device(_) => None,
        }
    }
}

/// A cache on the CPU.
#[derive(Debug)]
pub(super) struct Blocks<'a> {
    pub(super) prefix: Option<&'a Block>,
    pub(super) own: &'a mut Block,
}

impl Blocks<'_> {
    pub(super) fn prefix_len(&self) -> usize {
        self.prefix.map_or(0, |prefix| prefix.len)
    }

    pub(super) fn len(&self) -> usize {
        self.prefix_len() + self.own.len
    }
}
