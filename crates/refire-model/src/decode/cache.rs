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
pub struct KvPrefix(pub(super) Arc<Block>);

impl KvPrefix {
    /// Tokens it holds.
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// True if it holds no token.
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }
}

/// Keys and values of one sequence: a shared prefix, and its own tokens in memory set aside once.
#[derive(Debug)]
pub struct KvCache {
    pub(super) prefix: Option<KvPrefix>,
    pub(super) own: Block,
}

impl KvCache {
    pub(super) fn new(
        layers: usize,
        width: usize,
        prefix: Option<KvPrefix>,
        capacity: usize,
    ) -> Self {
        Self { prefix, own: Block::new(layers, capacity, width) }
    }

    /// Tokens it holds, the prefix included.
    pub fn len(&self) -> usize {
        self.prefix_len() + self.own.len
    }

    /// True if it holds no token.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tokens that fit after the prefix.
    pub fn capacity(&self) -> usize {
        self.own.capacity
    }

    /// Forgets its tokens and takes another prefix; the memory stays.
    pub fn reset(&mut self, prefix: Option<KvPrefix>) {
        self.prefix = prefix;
        self.own.len = 0;
        self.own.tokens.clear();
    }

    /// Turns the cache of a whole prompt into a prefix for others.
    ///
    /// A cache that itself has a prefix can't become one: `None`.
    pub fn into_prefix(self) -> Option<KvPrefix> {
        self.prefix.is_none().then(|| KvPrefix(Arc::new(self.own)))
    }

    /// Forgets the keys and values of all its tokens and gives the tokens; they will all be its
    /// own.
    pub(super) fn start_again(&mut self, layers: usize, width: usize) -> Vec<u32> {
        let own = std::mem::take(&mut self.own.tokens);
        let Some(prefix) = self.prefix.take() else {
            self.own.len = 0;
            return own;
        };
        self.own = Block::new(layers, prefix.len() + self.own.capacity, width);
        [&prefix.0.tokens[..], &own].concat()
    }

    pub(super) fn prefix_len(&self) -> usize {
        self.prefix.as_ref().map_or(0, KvPrefix::len)
    }
}
