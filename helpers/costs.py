"""What large transformers cost: their parameters, operations, memory and time, by arithmetic.

The unit of memory is the byte, a GB is 1e9 of them, and numbers have 16 bits unless a text says
otherwise. How cards share a training is in `helpers.plans`, what a request costs in the drill
`request_price`. Every function names its source and what it leaves out.
"""

from dataclasses import dataclass
from numbers import Integral, Real


def check(kind: type, low: float, **values: Real) -> None:
    """Raise TypeError for a value that is not of the kind, ValueError for one below `low`."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, kind):
            wanted = "whole number" if kind is Integral else "number"
            raise TypeError(f"{name} is {value!r}: it should be a {wanted}")
        if not value >= low:
            raise ValueError(f"{name} is {value}: it should be at least {low}")


@dataclass(frozen=True)
class Transformer:
    """The sizes of a decoder: `heads` ask, `key_heads` hold keys and values, all of `head_size`.

    gated: SwiGLU, three matrices instead of two. biases: dense layers have them, and norms a shift
    (LayerNorm, not RMSNorm). tied: the token table is the output layer too. positions: rows of a
    learned table, 0 without. With `experts` above 1 every layer has so many MLPs and a router, and
    a token passes through `active_experts` of them.
    """

    layers: int
    width: int
    heads: int
    key_heads: int
    head_size: int
    hidden: int
    vocabulary: int
    gated: bool = True
    biases: bool = False
    tied: bool = False
    positions: int = 0
    experts: int = 1
    active_experts: int = 1

    def __post_init__(self):
        check(Integral, 0, positions=self.positions)
        others = vars(self).keys() - {"positions", "gated", "biases", "tied"}
        check(Integral, 1, **{name: getattr(self, name) for name in others})
        if self.heads % self.key_heads:
            raise ValueError(f"key_heads is {self.key_heads}: it should divide heads, {self.heads}")
        if self.active_experts > self.experts:
            raise ValueError(
                f"active_experts is {self.active_experts}: it should be at most {self.experts}"
            )

    @property
    def expert_parameters(self) -> int:
        """Parameters of one MLP, in all layers."""
        biases = self.biases * ((1 + self.gated) * self.hidden + self.width)
        return self.layers * ((2 + self.gated) * self.width * self.hidden + biases)

    @property
    def parameters(self) -> int:
        """All parameters; of `MODELS` exactly as many as the published weights have."""
        query, key = self.heads * self.head_size, self.key_heads * self.head_size
        attention = 2 * self.width * (query + key) + self.biases * (query + 2 * key + self.width)
        router = self.width * self.experts if self.experts > 1 else 0
        norm = self.width * (1 + self.biases)
        tables = self.width * (self.vocabulary * (2 - self.tied) + self.positions)
        others = tables + self.layers * (attention + router + 2 * norm) + norm
        return others + self.experts * self.expert_parameters

    @property
    def active_parameters(self) -> int:
        """Parameters without the experts that a token passes by; token tables count whole."""
        return self.parameters - (self.experts - self.active_experts) * self.expert_parameters


GPT = {"gated": False, "biases": True, "tied": True}
# Radford et al. 2019; Brown et al. 2020, table 2.1; Touvron et al., "Llama 2", 2023; Grattafiori et
# al., "The Llama 3 Herd of Models", 2024, table 3; Jiang et al., "Mixtral of Experts", 2024.
MODELS = {
    "GPT-2 small": Transformer(12, 768, 12, 12, 64, 3072, 50_257, positions=1024, **GPT),
    "GPT-2 XL": Transformer(48, 1600, 25, 25, 64, 6400, 50_257, positions=1024, **GPT),
    "GPT-3 175B": Transformer(96, 12_288, 96, 96, 128, 49_152, 50_257, positions=2048, **GPT),
    "Llama 2 7B": Transformer(32, 4096, 32, 32, 128, 11_008, 32_000),
    "Llama 2 70B": Transformer(80, 8192, 64, 8, 128, 28_672, 32_000),
    "Llama 3.1 8B": Transformer(32, 4096, 32, 8, 128, 14_336, 128_256),
    "Llama 3.1 70B": Transformer(80, 8192, 64, 8, 128, 28_672, 128_256),
    "Llama 3.1 405B": Transformer(126, 16_384, 128, 8, 128, 53_248, 128_256),
    "Mixtral 8x7B": Transformer(32, 4096, 32, 8, 128, 14_336, 32_000, experts=8, active_experts=2),
}


@dataclass(frozen=True)
class Card:
    """An accelerator by its data sheet; no program reaches these speeds.

    memory: bytes. peak: FLOP/s with 16 bits, dense (sheets often print twice that, for matrices
    half empty). bandwidth: bytes/s of its memory. link: bytes/s, one way, to cards of its machine.
    """

    memory: float
    peak: float
    bandwidth: float
    link: float

    def __post_init__(self):
        check(Real, 1, **vars(self))


# NVIDIA's data sheets: T4 2019, V100 SXM2 2020, A100 SXM 2021, H100 SXM 2023, H200 SXM 2024; white
# paper on Ada, 2022, for sums in float32. T4 and RTX 4090 have PCIe 3.0 and 4.0, others NVLink.
CARDS = {
    "T4": Card(16e9, 65e12, 320e9, 16e9),
    "V100 32 GB": Card(32e9, 125e12, 900e9, 150e9),
    "A100 80 GB": Card(80e9, 312e12, 2039e9, 300e9),
    "H100": Card(80e9, 989.4e12, 3350e9, 450e9),
    "H200": Card(141e9, 989.4e12, 4800e9, 450e9),
    "RTX 4090": Card(24e9, 165.2e12, 1008e9, 32e9),
}


def training_flops(model: Transformer, tokens: float) -> float:
    """6 · N · D: for each active parameter and token two operations forward, four backward (Kaplan
    et al., "Scaling Laws for Neural Language Models", 2020)."""
    check(Real, 0, tokens=tokens)
    return 6 * model.active_parameters * tokens


def counted_training_flops(model: Transformer, tokens: float, length: int) -> float:
    """Operations of all matrix products, in texts of `length` tokens.

    Against 6 · N · D the input table, norms and biases are out, and attention's products of tokens
    with tokens are in, the masked half too: 12 · layers · heads · head_size · length a token
    (Chowdhery et al., "PaLM", 2022, appendix B). What is recomputed does not count.
    """
    check(Real, 0, tokens=tokens)
    check(Integral, 1, length=length)
    projections = 2 * model.width * model.head_size * (model.heads + model.key_heads)
    mlps = model.active_experts * (2 + model.gated) * model.width * model.hidden
    router = model.width * model.experts if model.experts > 1 else 0
    weights = model.layers * (projections + mlps + router) + model.width * model.vocabulary
    attention = 12 * model.layers * model.heads * model.head_size * length
    return (6 * weights + attention) * tokens


def training_hours(flops: float, card: Card, utilisation: float) -> float:
    """Hours of one card at the share `utilisation` of its peak (MFU, model FLOPs utilisation)."""
    check(Real, 0, flops=flops)
    if not 0 < utilisation <= 1:
        raise ValueError(f"utilisation is {utilisation}: it should be above 0 and at most 1")
    return flops / (card.peak * utilisation) / 3600


def key_value_cache_bytes(model: Transformer, tokens: int, bytes_per_number: float = 2) -> float:
    """Bytes of the keys and values of so many tokens, of all texts together."""
    check(Real, 0, tokens=tokens, bytes_per_number=bytes_per_number)
    return 2 * model.layers * model.key_heads * model.head_size * tokens * bytes_per_number


def decode_tokens_per_second(
    model: Transformer,
    card: Card,
    batch: int,
    length: int,
    bytes_per_weight: float = 2,
    cards: int = 1,
) -> float:
    """Tokens a second that a batch of answers gets at most, all together: a roofline (Williams et
    al. 2009), as Pope et al., "Efficiently Scaling Transformer Inference", 2023, use it.

    A step reads the weights once, and the cache of `length` tokens of each answer, and multiplies;
    the slower of the two counts. Of the experts it reads those that some token chose, as if by lot.
    `cards` share everything evenly, and what they send to each other takes no time.

    Raises:
        ValueError: weights and cache exceed the memory.
    """
    check(Integral, 1, batch=batch, length=length, cards=cards)
    check(Real, 0, bytes_per_weight=bytes_per_weight)
    cache = key_value_cache_bytes(model, batch * length)
    needed = bytes_per_weight * model.parameters + cache
    if needed > cards * card.memory:
        raise ValueError(
            f"batch is {batch}, length {length}: they need {needed / 1e9:.1f} GB with the weights, "
            f"and should fit into {cards * card.memory / 1e9:.1f} GB"
        )
    unread = (1 - model.active_experts / model.experts) ** batch  # share of the experts
    read = needed - bytes_per_weight * unread * model.experts * model.expert_parameters
    flops = counted_training_flops(model, batch, length) / 3  # the forward pass
    return batch / max(read / (cards * card.bandwidth), flops / (cards * card.peak))
