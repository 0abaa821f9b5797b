"""How cards share the training of a model: the memory, the traffic and the time of a plan.

The sizes of models and the speeds of cards are those of `helpers.costs`; notebook 07 asks here
which plan fits. Every function names its source and what it leaves out.
"""

from dataclasses import dataclass
from itertools import product
from numbers import Integral

from helpers.costs import Card, Transformer, check, counted_training_flops, training_hours

MACHINE = 8  # cards joined by fast links
NETWORK = 50e9  # bytes/s of a card to other machines: 400 Gb/s (Grattafiori et al. 2024)
RECOMPUTE = ("none", "selective", "full")


@dataclass(frozen=True)
class Plan:
    """`data` copies of a model, each in `pipeline` stages of layers, each stage in `tensor` parts.

    A copy takes `micro_batch` texts of `length` tokens at a time. zero: the stage of ZeRO, over the
    copies. expert: so many copies share out the experts. recompute: what the backward pass computes
    again: "none", "selective" (attention's scores, as FlashAttention does) or "full" (each layer,
    from its input). sequence_parallel: where tensor parts would repeat work, they share the tokens.
    """

    length: int
    micro_batch: int = 1
    data: int = 1
    tensor: int = 1
    pipeline: int = 1
    expert: int = 1
    zero: int = 0
    recompute: str = "none"
    sequence_parallel: bool = False

    def __post_init__(self):
        check(Integral, 1, length=self.length, micro_batch=self.micro_batch, data=self.data)
        check(Integral, 1, tensor=self.tensor, pipeline=self.pipeline, expert=self.expert)
        if self.zero not in (0, 1, 2, 3):
            raise ValueError(f"zero is {self.zero!r}: it should be 0, 1, 2 or 3")
        if self.recompute not in RECOMPUTE:
            raise ValueError(f"recompute is {self.recompute!r}: it should be one of {RECOMPUTE}")
        if self.data % self.expert:
            raise ValueError(f"expert is {self.expert}: it should divide data, {self.data}")

    @property
    def cards(self) -> int:
        """All cards."""
        return self.data * self.tensor * self.pipeline

    def held(self, model: Transformer) -> float:
        """Parameters that a card computes with, as if all stages were equally large."""
        if model.heads % self.tensor:
            raise ValueError(f"tensor is {self.tensor}: it should divide {model.heads} heads")
        if model.experts % self.expert:
            raise ValueError(f"expert is {self.expert}: it should divide {model.experts} experts")
        if self.pipeline > model.layers:
            raise ValueError(f"pipeline is {self.pipeline}: it should be at most {model.layers}")
        elsewhere = (model.experts - model.experts // self.expert) * model.expert_parameters
        return (model.parameters - elsewhere) / (self.tensor * self.pipeline)


def training_memory(model: Transformer, plan: Plan) -> dict[str, float]:
    """Bytes on a card of the first stage: weights, gradients, optimizer and activations.

    Adam in mixed precision takes 2 + 2 + 12 bytes a parameter; ZeRO shares out the last of these,
    the last two, or all (Rajbhandari et al., "ZeRO", 2020). Activations: Korthikanti et al.,
    "Reducing Activation Recomputation in Large Transformer Models", 2022, for GPT's block; SwiGLU
    keeps up to a fifth more. The first of p stages keeps p micro-batches of layers / p: as much as
    all layers. Left out: gradients summed in 32 bits, the layer being recomputed, buffers.

    Raises:
        ValueError: the plan does not divide the model.
    """
    held, shared = plan.held(model), model.parameters / plan.cards
    weights, gradients, optimizer = (shared if plan.zero >= stage else held for stage in (3, 2, 1))
    whole = 10 / (plan.tensor if plan.sequence_parallel else 1)  # norms, dropout, inputs
    inside = (8 + 16 * model.active_experts) / plan.tensor  # of attention and of the MLPs
    scores = 5 * model.heads * plan.length / model.width / plan.tensor
    layer = {"none": whole + inside + scores, "selective": whole + inside, "full": 2}
    per_token = model.layers * model.width * layer[plan.recompute]
    if plan.pipeline == 1:  # then the card has the output layer too
        per_token += 4 * (model.width + model.vocabulary) / plan.tensor
    return {
        "weights": 2 * weights,
        "gradients": 2 * gradients,
        "optimizer": 12 * optimizer,
        "activations": plan.micro_batch * plan.length * per_token,
    }


def training_traffic(model: Transformer, plan: Plan, batch: int) -> dict[str, float]:
    """Bytes that a card of a middle stage sends in a step of `batch` texts, by its reason.

    In a ring of n cards each sends (n − 1) / n of an array to gather or to scatter it; an
    all-reduce is both. data: all-reduce of the gradients of what several copies hold; ZeRO 2
    scatters those of each micro-batch, ZeRO 3 also gathers the weights, twice (Rajbhandari et al.
    2020, section 7). tensor: two all-reduces a layer and pass (Shoeybi et al., "Megatron-LM",
    2019). pipeline: vectors on, their gradients back. expert: vectors to the experts and back
    (Lepikhin et al., "GShard", 2020).

    Raises:
        ValueError: the plan does not divide the model or the batch.
    """
    check(Integral, 1, batch=batch)
    micro_batches, rest = divmod(batch, plan.data * plan.micro_batch)
    if rest:
        raise ValueError(f"batch is {batch}: it should be a multiple of data × micro_batch: {plan}")
    held, parts = plan.held(model), plan.tensor * plan.pipeline
    experts = model.experts // plan.expert * model.expert_parameters / parts
    reduced = (held - experts) * (1 - 1 / plan.data) + experts * (1 - plan.expert / plan.data)
    gradients = {0: 2, 1: 2, 2: micro_batches + 1, 3: 3 * micro_batches}[plan.zero]
    vectors = 2 * micro_batches * plan.micro_batch * plan.length * model.width
    passes = 3 if plan.recompute == "full" else 2
    in_layers = vectors * passes * model.layers / plan.pipeline
    cut = plan.tensor if plan.sequence_parallel else 1
    return {
        "data": 2 * reduced * gradients,
        "tensor": in_layers * 2 * 2 * (1 - 1 / plan.tensor),
        "pipeline": 2 * vectors / cut if plan.pipeline > 1 else 0.0,
        "expert": in_layers * 2 * model.active_experts / cut * (1 - 1 / plan.expert),
    }


def step_seconds(
    model: Transformer, plan: Plan, card: Card, batch: int, utilisation: float = 0.5
) -> float:
    """Seconds of a training step in which nothing is sent while the cards compute.

    Products run at `utilisation` of the peak; full recomputing adds a third; each of p stages waits
    for the time of p − 1 micro-batches (Narayanan et al., "Efficient Large-Scale Language Model
    Training on GPU Clusters", 2021; their interleaved stages, left out, wait less). Tensor-parallel
    traffic takes the card's link; all other the network, unless one machine holds all cards.
    """
    traffic = training_traffic(model, plan, batch)
    flops = counted_training_flops(model, batch * plan.length, plan.length)
    flops *= 4 / 3 if plan.recompute == "full" else 1
    waiting = (plan.pipeline - 1) * plan.data * plan.micro_batch / batch
    computing = training_hours(flops, card, utilisation) * 3600 / plan.cards
    others = sum(traffic.values()) - traffic["tensor"]
    speed = NETWORK if plan.cards > MACHINE else card.link
    return (computing + traffic["tensor"] / card.link) * (1 + waiting) + others / speed


def plans_that_fit(
    model: Transformer, card: Card, cards: int, batch: int, length: int, headroom: float = 0.1
) -> list[Plan]:
    """All plans, of one text a micro-batch, that leave the share `headroom` of each card's memory
    free; the fastest step first. Tensor parallelism stays inside a machine."""
    check(Integral, 1, cards=cards, batch=batch)
    if not 0 <= headroom < 1:
        raise ValueError(f"headroom is {headroom}: it should be at least 0 and below 1")
    fit = []
    divisors = [n for n in range(1, cards + 1) if cards % n == 0]
    for tensor, pipeline, expert, zero, recompute in product(
        [n for n in divisors if n <= MACHINE and model.heads % n == 0],
        [n for n in divisors if n <= model.layers],
        [n for n in divisors if model.experts % n == 0],
        range(4),
        RECOMPUTE,
    ):
        data, rest = divmod(cards, tensor * pipeline)
        if rest or data % expert or batch % data or (zero and data == 1):
            continue
        plan = Plan(length, 1, data, tensor, pipeline, expert, zero, recompute, tensor > 1)
        if sum(training_memory(model, plan).values()) <= (1 - headroom) * card.memory:
            fit.append(plan)
    return sorted(fit, key=lambda plan: step_seconds(model, plan, card, batch))
