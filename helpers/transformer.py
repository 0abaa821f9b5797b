"""Transformers by hand: the encoder of BERT, the decoder of GPT, and the parts of both.

Notebook 05 takes the encoder apart, notebook 06 the decoder; 01 fine-tunes the encoder. Both take
the weights of KerasHub's models (`from_keras_hub`) and give the same hidden states.

Sources: Vaswani et al., "Attention Is All You Need", 2017; Devlin et al., "BERT: Pre-training of
Deep Bidirectional Transformers", 2019; Radford et al., "Language Models are Unsupervised Multitask
Learners", 2019 (GPT-2).

Shapes: batch is the number of texts, time the number of tokens, width that of a token's vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import keras
from keras import ops

if TYPE_CHECKING:
    import keras_hub

# What a masked score becomes: its exponential is 0, and float16 can hold it.
MASKED = -3e4

Cache = tuple[keras.KerasTensor, keras.KerasTensor]  # of one attention: all keys, all values
bert_norm = partial(keras.layers.LayerNormalization, epsilon=1e-12)
gpt_norm = partial(keras.layers.LayerNormalization, epsilon=1e-5)


def dense(units: int, bias: bool = True) -> keras.layers.Dense:
    """A linear layer that starts as BERT's and GPT-2's do: small random weights, cut at two
    standard deviations."""
    start = keras.initializers.TruncatedNormal(stddev=0.02)
    return keras.layers.Dense(units, use_bias=bias, kernel_initializer=start)


def embedding(rows: int, width: int) -> keras.layers.Embedding:
    """A table of vectors that starts as `dense` does."""
    start = keras.initializers.TruncatedNormal(stddev=0.02)
    return keras.layers.Embedding(rows, width, embeddings_initializer=start)


def gelu(x):
    """x times the share of a standard normal below x, in the tanh form of Google's code for BERT
    (Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016)."""
    return ops.gelu(x, approximate=True)


def causal_mask(queries: int, keys: int, start: int = 0):
    """(queries, keys), True where a token may look: at itself and at what stands before it.

    Args:
        queries: the tokens that look.
        keys: the places that they could look at, from the first of the text on.
        start: the place of the first query.
    """
    return start + ops.arange(queries)[:, None] >= ops.arange(keys)


class Attention(keras.layers.Layer):
    """Every token asks all tokens a question, and takes a mixture of their values.

    Args:
        width: of the input and the output; a multiple of `heads`.
        heads: questions that a token asks at once, each in width / heads dimensions.
        key_heads: heads of the keys and values, each shared by heads / key_heads questions
            (Ainslie et al., "GQA", 2023); by default as many as `heads`.
        rotate: called as rotate(x, start) on queries and keys, (batch, heads, time, size), to turn
            them by their places (rotary positions); None for none.
        dropout: the share of attention weights dropped in training.
        bias: whether the four linear maps have one.
    Raises:
        ValueError: width, heads and key_heads do not divide one another.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        key_heads: int | None = None,
        rotate: Callable | None = None,
        dropout: float = 0.0,
        bias: bool = True,
    ):
        super().__init__()
        key_heads = key_heads or heads
        if width % heads or heads % key_heads:
            raise ValueError(
                f"heads must divide width, and key_heads heads: {width=}, {heads=}, {key_heads=}"
            )
        self.heads, self.key_heads, self.size = heads, key_heads, width // heads
        self.rotate = rotate
        self.query = dense(width, bias)
        self.key = dense(key_heads * self.size, bias)
        self.value = dense(key_heads * self.size, bias)
        self.project = dense(width, bias)
        self.dropout = keras.layers.Dropout(dropout)

    def call(self, x, attention_mask=None, cache: Cache | None = None, start: int = 0):
        """Attend within `x`, or, with a cache, from `x` to all tokens so far.

        Args:
            x: (batch, time, width).
            attention_mask: True where a token may look; its shape broadcasts to
                (batch, heads, time, keys).
            cache: two buffers (batch, key_heads, capacity, size), filled up to `start`.
            start: the place of the first token of `x`.
        Returns:
            (batch, time, width); with a cache, that and the cache with the tokens of `x` added.
        """
        query = self.split(self.query(x), self.heads)  # (batch, heads, time, size)
        key = self.split(self.key(x), self.key_heads)
        value = self.split(self.value(x), self.key_heads)
        if self.rotate is not None:
            query, key = self.rotate(query, start), self.rotate(key, start)
        if cache is not None:
            key = ops.slice_update(cache[0], (0, 0, start, 0), key)
            value = ops.slice_update(cache[1], (0, 0, start, 0), value)
            cache = key, value
        if self.key_heads < self.heads:
            key = ops.repeat(key, self.heads // self.key_heads, axis=1)
            value = ops.repeat(value, self.heads // self.key_heads, axis=1)
        mixture = ops.matmul(self.dropout(self.look(query, key, attention_mask)), value)
        merged = ops.transpose(mixture, (0, 2, 1, 3))  # (batch, time, heads, size)
        output = self.project(ops.reshape(merged, (*ops.shape(x)[:2], self.heads * self.size)))
        return output if cache is None else (output, cache)

    def split(self, x, heads: int):
        """(batch, time, heads × size) to (batch, heads, time, size)."""
        x = ops.reshape(x, (*ops.shape(x)[:2], heads, self.size))
        return ops.transpose(x, (0, 2, 1, 3))

    def look(self, query, key, attention_mask=None):
        """How much each query takes from each key: (batch, heads, queries, keys), rows sum to 1."""
        scores = ops.matmul(query * self.size**-0.5, ops.transpose(key, (0, 1, 3, 2)))
        if attention_mask is not None:
            scores = ops.where(attention_mask, scores, ops.cast(MASKED, scores.dtype))
        return ops.softmax(scores)


class FeedForward(keras.layers.Layer):
    """Two linear maps with a GELU between, the same for every token.

    Args:
        width: of the input and the output.
        hidden: units between; four times the width in BERT and GPT-2.
    """

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.expand, self.contract = dense(hidden), dense(width)

    def call(self, x):
        return self.contract(gelu(self.expand(x)))


class Block(keras.layers.Layer):
    """One layer of a transformer: tokens look at each other, then each is worked on alone.

    Args:
        attention, feed_forward: its two halves, each added to what came in.
        norm: makes a normalisation layer; called twice.
        norm_first: normalise what goes into each half (GPT-2), instead of each sum (BERT).
        dropout: the share of each half's output dropped in training.
    """

    def __init__(
        self,
        attention: keras.layers.Layer,
        feed_forward: keras.layers.Layer,
        norm: Callable[[], keras.layers.Layer],
        *,
        norm_first: bool = False,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.attention, self.feed_forward = attention, feed_forward
        self.norm_1, self.norm_2 = norm(), norm()
        self.norm_first = norm_first
        self.dropout = keras.layers.Dropout(dropout)

    def call(self, x, attention_mask=None, cache: Cache | None = None, start: int = 0):
        """Arguments and results are those of `Attention.call`."""
        update = self.attention(
            self.norm_1(x) if self.norm_first else x,
            attention_mask=attention_mask,
            cache=cache,
            start=start,
        )
        if cache is not None:
            update, cache = update
        x = x + self.dropout(update)
        x = x if self.norm_first else self.norm_1(x)
        update = self.feed_forward(self.norm_2(x) if self.norm_first else x)
        x = x + self.dropout(update)
        x = x if self.norm_first else self.norm_2(x)
        return x if cache is None else (x, cache)


def plain_block(
    width: int,
    heads: int,
    hidden: int,
    norm: Callable[[], keras.layers.Layer],
    *,
    norm_first: bool = False,
    dropout: float = 0.0,
) -> Block:
    """The block of BERT and of GPT-2, which differ in the normalisation and its place."""
    attention = Attention(width, heads, dropout=dropout)
    feed_forward = FeedForward(width, hidden)
    return Block(attention, feed_forward, norm, norm_first=norm_first, dropout=dropout)


class Embeddings(keras.layers.Layer):
    """What goes into BERT: the vectors of a token, of its place and of its sentence, added and
    normalised."""

    def __init__(
        self, vocabulary_size: int, width: int, max_length: int, segments: int, dropout: float
    ):
        super().__init__()
        self.tokens = embedding(vocabulary_size, width)
        self.positions = embedding(max_length, width)
        self.segments = embedding(segments, width)
        self.norm = bert_norm()
        self.dropout = keras.layers.Dropout(dropout)

    def call(self, token_ids, segment_ids):
        _check_length(token_ids, self.positions)
        places = self.positions(ops.arange(ops.shape(token_ids)[1]))  # (time, width)
        return self.dropout(self.norm(self.tokens(token_ids) + places + self.segments(segment_ids)))


class Encoder(keras.Model):
    """BERT without what stands on top of it.

    Args:
        vocabulary_size: tokens that there are.
        layers, width, heads, hidden: of its blocks.
        max_length: the longest text, in tokens.
        segments: kinds of sentences; BERT has a first and a second.
        dropout: after the embeddings, on the attention weights, and on each half of a block.
    """

    def __init__(
        self,
        vocabulary_size: int,
        layers: int,
        width: int,
        heads: int,
        hidden: int,
        max_length: int,
        segments: int = 2,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.embeddings = Embeddings(vocabulary_size, width, max_length, segments, dropout)
        self.blocks = [
            plain_block(width, heads, hidden, bert_norm, dropout=dropout) for _ in range(layers)
        ]
        self(symbolic_inputs())

    def call(self, inputs: dict):
        """From `token_ids`, `segment_ids` and `padding_mask` (1 where a token is real), each
        (batch, time), to the hidden states (batch, time, width).

        Raises:
            ValueError: the texts are longer than `max_length`.
        """
        x = self.embeddings(inputs["token_ids"], inputs["segment_ids"])
        real = ops.cast(inputs["padding_mask"], "bool")[:, None, None, :]  # of the keys
        for block in self.blocks:
            x = block(x, attention_mask=real)
        return x


class MaskedLM(keras.Model):
    """An encoder that guesses hidden tokens: BERT in pretraining.

    Args:
        encoder: whose token vectors also score the guesses.
    """

    def __init__(self, encoder: Encoder):
        super().__init__()
        vocabulary_size, width = encoder.embeddings.tokens.embeddings.shape
        self.encoder = encoder
        self.transform, self.norm = dense(width), gpt_norm()
        self.bias = self.add_weight(shape=(vocabulary_size,), initializer="zeros", name="bias")
        self(symbolic_inputs("mask_positions"))

    def call(self, inputs: dict):
        """The encoder's inputs and `mask_positions` (batch, chosen), to logits
        (batch, chosen, vocabulary)."""
        places = inputs["mask_positions"][:, :, None]
        x = ops.take_along_axis(self.encoder(inputs), places, axis=1)  # (batch, chosen, width)
        x = self.norm(ops.gelu(self.transform(x), approximate=False))
        return as_logits(x, self.encoder.embeddings.tokens) + self.bias


class Decoder(keras.Model):
    """GPT: it predicts each next token from those before.

    Padding needs no mask as long as it stands at the end: no real token looks at it.

    Args:
        vocabulary_size, width: of the tokens and their vectors, which also score the next token.
        blocks: from the first to the last.
        norm: makes the last normalisation.
        max_length: the longest text, in tokens, where places have vectors to be learned; None
            where the blocks see to positions themselves.
        dropout: after the embeddings.
    """

    def __init__(
        self,
        vocabulary_size: int,
        width: int,
        blocks: Sequence[Block],
        *,
        norm: Callable[[], keras.layers.Layer] = gpt_norm,
        max_length: int | None = None,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.tokens = embedding(vocabulary_size, width)
        self.positions = None if max_length is None else embedding(max_length, width)
        self.dropout = keras.layers.Dropout(dropout)
        self.blocks = list(blocks)
        self.norm = norm()
        self(keras.Input((None,), dtype="int32"))

    def call(self, token_ids, cache: list[Cache] | None = None, start: int = 0):
        """From ids (batch, time) to logits of each next token (batch, time, vocabulary).

        Args:
            cache: from `empty_cache`, or of the call before; then `token_ids` are only what
                follows, and the result is the logits and the cache with them added.
            start: the place of the first of `token_ids`.
        Raises:
            ValueError: the text is longer than `max_length`.
        """
        queries = ops.shape(token_ids)[1]
        x = self.tokens(token_ids)
        if self.positions is not None:
            _check_length(token_ids, self.positions)
            x = x + self.positions(start + ops.arange(queries))
        x = self.dropout(x)
        keys = queries if cache is None else ops.shape(cache[0][0])[2]
        may_look = causal_mask(queries, keys, start)
        filled = []
        for number, block in enumerate(self.blocks):
            if cache is None:
                x = block(x, attention_mask=may_look)
            else:
                x, new = block(x, attention_mask=may_look, cache=cache[number], start=start)
                filled.append(new)
        logits = as_logits(self.norm(x), self.tokens)
        return logits if cache is None else (logits, filled)

    def empty_cache(self, batch: int, capacity: int) -> list[Cache]:
        """Room for the keys and values of `capacity` tokens of each text, block by block."""
        heads = [block.attention for block in self.blocks]
        shapes = [(batch, part.key_heads, capacity, part.size) for part in heads]
        return [(ops.zeros(s, self.compute_dtype),) * 2 for s in shapes]


def gpt(
    vocabulary_size: int,
    layers: int,
    width: int,
    heads: int,
    hidden: int,
    max_length: int,
    dropout: float = 0.0,
) -> Decoder:
    """A decoder built as GPT-2 is: learned positions, normalisation first, GELU."""
    blocks = [
        plain_block(width, heads, hidden, gpt_norm, norm_first=True, dropout=dropout)
        for _ in range(layers)
    ]
    return Decoder(vocabulary_size, width, blocks, max_length=max_length, dropout=dropout)


def classifier(encoder: Encoder, classes: int = 2) -> keras.Model:
    """Token ids to logits: the mean of the hidden states over the real tokens, and a linear layer.

    Returns:
        A model from the encoder's inputs to logits (batch, classes) in float32.
    """
    inputs = symbolic_inputs()
    hidden_state = encoder(inputs)  # (batch, time, width)
    mean = keras.layers.GlobalAveragePooling1D()(hidden_state, mask=inputs["padding_mask"])
    mean = keras.layers.Dropout(0.2)(mean)  # (batch, width)
    start = keras.initializers.TruncatedNormal(stddev=0.02)  # small: even odds at first
    logits = keras.layers.Dense(classes, kernel_initializer=start, dtype="float32")(mean)
    return keras.Model(inputs, logits)


def as_logits(x, tokens: keras.layers.Embedding):
    """Score vectors (…, width) against each token's own: (…, vocabulary). Tying the two tables is
    Press and Wolf's "Using the Output Embedding to Improve Language Models", 2017."""
    return ops.matmul(x, ops.transpose(ops.cast(tokens.embeddings, x.dtype)))


def from_keras_hub(
    model: keras_hub.models.BertBackbone
    | keras_hub.models.BertMaskedLM
    | keras_hub.models.GPT2Backbone,
) -> Encoder | MaskedLM | Decoder:
    """The same network from this module, with a copy of the weights.

    Raises:
        TypeError: it is none of these three.
    """
    kind = type(model).__name__
    if kind not in ("BertBackbone", "BertMaskedLM", "GPT2Backbone"):
        raise TypeError(
            f"model is a {kind}: BertBackbone, BertMaskedLM and GPT2Backbone can be read"
        )
    body = model.backbone if kind == "BertMaskedLM" else model
    sizes = dict(
        vocabulary_size=body.vocabulary_size,
        layers=body.num_layers,
        width=body.hidden_dim,
        heads=body.num_heads,
        hidden=body.intermediate_dim,
        max_length=body.max_sequence_length,
        dropout=body.dropout,
    )
    if kind == "GPT2Backbone":
        ours = gpt(**sizes)
    else:
        ours = Encoder(**sizes, segments=body.num_segments)
        ours = MaskedLM(ours) if kind == "BertMaskedLM" else ours
    for mine, other in paired_weights(ours, model):
        mine.assign(ops.reshape(other, mine.shape))
    return ours


def paired_weights(
    ours: Encoder | MaskedLM | Decoder, theirs: keras.Model
) -> Iterator[tuple[keras.Variable, keras.Variable]]:
    """Each variable of a model of this module beside its counterpart in KerasHub's. They hold the
    same numbers in the same order, but KerasHub's may have an axis for the heads.
    """
    attention = "self_attention" if isinstance(ours, Decoder) else "self_attention_layer"
    body = ours.encoder if isinstance(ours, MaskedLM) else ours
    table = body if isinstance(ours, Decoder) else body.embeddings
    layers = {"token_embedding": table.tokens, "position_embedding": table.positions}
    if isinstance(ours, Decoder):
        layers["layer_norm"] = ours.norm
    else:
        layers |= {"segment_embedding": table.segments, "embeddings_layer_norm": table.norm}
    for number, block in enumerate(body.blocks):
        parts = {
            f"{attention}/query": block.attention.query,
            f"{attention}/key": block.attention.key,
            f"{attention}/value": block.attention.value,
            f"{attention}/attention_output": block.attention.project,
            "self_attention_layer_norm": block.norm_1,
            "feedforward_intermediate_dense": block.feed_forward.expand,
            "feedforward_output_dense": block.feed_forward.contract,
            "feedforward_layer_norm": block.norm_2,
        }
        layers |= {f"transformer_layer_{number}/{name}": part for name, part in parts.items()}
    if isinstance(ours, MaskedLM):
        layers["mlm_head/intermediate_dense"] = ours.transform
        layers["mlm_head/intermediate_layer_norm"] = ours.norm
    named = {weight.path: weight for weight in theirs.weights}
    for name, layer in layers.items():
        for weight in layer.weights:
            yield weight, named[f"{name}/{weight.name}"]
    if isinstance(ours, MaskedLM):
        yield ours.bias, named["mlm_head/output_bias"]


def symbolic_inputs(*more: str) -> dict:
    """Symbolic inputs of an encoder: to build it, and to build upon it."""
    names = ("token_ids", "segment_ids", "padding_mask", *more)
    return {name: keras.Input((None,), dtype="int32", name=name) for name in names}


def _check_length(token_ids, positions: keras.layers.Embedding) -> None:
    longest, length = positions.input_dim, token_ids.shape[1]
    if length is not None and length > longest:
        raise ValueError(f"token_ids has texts of {length} tokens; max_length is {longest}")
