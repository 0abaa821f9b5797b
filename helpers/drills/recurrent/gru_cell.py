import numpy as np

from helpers.drills.spec import Case, Drill


def gru_cell(
    x_t: np.ndarray, h: np.ndarray, W_x: np.ndarray, W_h: np.ndarray, b: np.ndarray
) -> np.ndarray:
    """Take one step of a GRU as Keras has it (`reset_after=True`): two gates, one state.

    `x_t` has shape (batch, inputs), the state before the step, `h`, (batch, units). The weights
    stand side by side in Keras's order z, r, candidate: `W_x` (inputs, 3·units), `W_h`
    (units, 3·units), `b` (2, 3·units): b[0] is added to the product with x_t, b[1] to that with h.
    Cut both sums, x_t @ W_x + b[0] and h @ W_h + b[1], into three blocks of `units` columns, x_z,
    x_r, x_g and h_z, h_r, h_g. The update gate is z = sigmoid(x_z + h_z), the reset gate
    r = sigmoid(x_r + h_r), the candidate g = tanh(x_g + r · h_g): the reset gate is applied *after*
    the product, to its bias too. Return the new state z · h + (1 − z) · g, shape (batch, units):
    where z is 1 the old state stays. Products of gates are number by number. Sums of ±1000 must not
    give NaN.
    """

    def sigmoid(a):
        return (1 + np.tanh(a / 2)) / 2  # equals 1 / (1 + exp(-a)), and cannot overflow

    x_z, x_r, x_g = np.split(x_t @ W_x + b[0], 3, axis=1)  # each (batch, units)
    h_z, h_r, h_g = np.split(h @ W_h + b[1], 3, axis=1)
    z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
    g = np.tanh(x_g + r * h_g)
    return z * h + (1 - z) * g


def gate_by_gate(x_t, h, W_x, W_h, b):
    units = h.shape[1]

    def parts(first):
        columns = slice(first, first + units)
        return x_t @ W_x[:, columns] + b[0, columns], h @ W_h[:, columns] + b[1, columns]

    z, r = (1 / (1 + np.exp(-sum(parts(first)))) for first in (0, units))
    from_x, from_h = parts(2 * units)
    candidate = np.tanh(from_x + r * from_h)
    return candidate + z * (h - candidate)


def with_one_product(x_t, h, W_x, W_h, b):
    units = h.shape[1]
    joined = np.concatenate([x_t, h], axis=1)
    gates = joined @ np.concatenate([W_x, W_h])[:, : 2 * units] + b.sum(axis=0)[: 2 * units]
    gates = np.exp(-np.logaddexp(0, -gates))
    old = gates[:, units:] * (h @ W_h[:, 2 * units :] + b[1, 2 * units :])
    candidate = np.tanh(x_t @ W_x[:, 2 * units :] + b[0, 2 * units :] + old)
    return gates[:, :units] * (h - candidate) + candidate


def _sigmoid(a):
    return (1 + np.tanh(a / 2)) / 2


def _parts(x_t, h, W_x, W_h, b):
    """z, r, and the two halves of the candidate's sum."""
    from_x, from_h = np.split(x_t @ W_x + b[0], 3, axis=1), np.split(h @ W_h + b[1], 3, axis=1)
    z, r = (_sigmoid(from_x[k] + from_h[k]) for k in (0, 1))
    return z, r, from_x[2], from_h[2]


def update_gate_reversed(x_t, h, W_x, W_h, b):
    """Your update gate is reversed: you return (1 − z) · h + z · g. Chung et al. (2014) write it
    so; here, as in Keras, PyTorch and the paper of Cho et al. (2014), z = 1 keeps the old state."""
    z, r, x_g, h_g = _parts(x_t, h, W_x, W_h, b)
    return (1 - z) * h + z * np.tanh(x_g + r * h_g)


def reset_before_the_product(x_t, h, W_x, W_h, b):
    """You multiply h by the reset gate and then by the matrix: that is the paper's GRU, and Keras's
    with `reset_after=False`. Here the product comes first and the gate after it."""
    z, r, x_g, _ = _parts(x_t, h, W_x, W_h, b)
    last = slice(2 * h.shape[1], None)
    return z * h + (1 - z) * np.tanh(x_g + (r * h) @ W_h[:, last] + b[1, last])


def recurrent_bias_beside_the_reset(x_t, h, W_x, W_h, b):
    """Your candidate has b[1] beside the reset gate, not under it; adding up both rows of b first
    does the same. For z and r that is no matter; in the candidate it is r · (h @ W_h + b[1]). This
    is why Keras keeps two biases."""
    both = np.stack([b.sum(axis=0), np.zeros_like(b[1])])
    return gru_cell(x_t, h, W_x, W_h, both)


def both_biases_under_the_reset(x_t, h, W_x, W_h, b):
    """Your candidate has b[0] under the reset gate, together with b[1]. b[0] belongs to the input's
    half of the sum, which the gate does not touch."""
    both = np.stack([np.zeros_like(b[0]), b.sum(axis=0)])
    return gru_cell(x_t, h, W_x, W_h, both)


def biases_exchanged(x_t, h, W_x, W_h, b):
    """You add b[1] to the input's product and b[0] to the state's. The first row goes with W_x, the
    second with W_h."""
    return gru_cell(x_t, h, W_x, W_h, b[::-1])


def second_bias_forgotten(x_t, h, W_x, W_h, b):
    """You add b[0] alone. b has two rows: the second is added to h @ W_h."""
    return gru_cell(x_t, h, W_x, W_h, np.stack([b[0], np.zeros_like(b[1])]))


def order_r_z(x_t, h, W_x, W_h, b):
    """You read the blocks as r, z, candidate: the order of PyTorch and of the paper's equations.
    Keras has the update gate z first."""
    swapped = [np.concatenate([np.split(w, 3, axis=1)[k] for k in (1, 0, 2)], axis=1)
               for w in (W_x, W_h, b)]  # fmt: skip
    return gru_cell(x_t, h, *swapped)


def candidate_without_tanh(x_t, h, W_x, W_h, b):
    """Your candidate is not squashed, so the state can leave (−1, 1). The third block goes through
    tanh."""
    z, r, x_g, h_g = _parts(x_t, h, W_x, W_h, b)
    return z * h + (1 - z) * (x_g + r * h_g)


def candidate_through_the_sigmoid(x_t, h, W_x, W_h, b):
    """You put the candidate through the sigmoid. z and r are gates; the candidate is the new
    content, takes both signs, and goes through tanh."""
    z, r, x_g, h_g = _parts(x_t, h, W_x, W_h, b)
    return z * h + (1 - z) * _sigmoid(x_g + r * h_g)


def reset_gate_unused(x_t, h, W_x, W_h, b):
    """Your candidate sees the whole old state: the reset gate is computed and not used. It
    multiplies h @ W_h + b[1] in the candidate."""
    z, _, x_g, h_g = _parts(x_t, h, W_x, W_h, b)
    return z * h + (1 - z) * np.tanh(x_g + h_g)


def reset_on_the_input_too(x_t, h, W_x, W_h, b):
    """Your reset gate multiplies the whole sum of the candidate. It resets the old state's half;
    the input's half passes as it is."""
    z, r, x_g, h_g = _parts(x_t, h, W_x, W_h, b)
    return z * h + (1 - z) * np.tanh(r * (x_g + h_g))


def reset_on_the_kept_state(x_t, h, W_x, W_h, b):
    """You multiply the state that is carried on by the reset gate too. r acts within the candidate
    only; what is kept is z · h."""
    z, r, x_g, h_g = _parts(x_t, h, W_x, W_h, b)
    return z * (r * h) + (1 - z) * np.tanh(x_g + r * h_g)


def old_state_kept_whole(x_t, h, W_x, W_h, b):
    """You add to the whole of the old state, which then grows without bound. One gate shares out
    between the old and the new: z for the one, 1 − z for the other."""
    z, r, x_g, h_g = _parts(x_t, h, W_x, W_h, b)
    return h + (1 - z) * np.tanh(x_g + r * h_g)


def candidate_added_whole(x_t, h, W_x, W_h, b):
    """You add the whole candidate to z · h. One gate shares out between the old and the new: z for
    the one, 1 − z for the other."""
    z, r, x_g, h_g = _parts(x_t, h, W_x, W_h, b)
    return z * h + np.tanh(x_g + r * h_g)


def sigmoid_overflows(x_t, h, W_x, W_h, b):
    """exp(a) / (1 + exp(a)) is infinity over infinity at a = 1000. Write the sigmoid with exp(−a)
    or with tanh."""
    x_z, x_r, x_g = np.split(x_t @ W_x + b[0], 3, axis=1)
    h_z, h_r, h_g = np.split(h @ W_h + b[1], 3, axis=1)
    with np.errstate(all="ignore"):
        z, r = (np.exp(a) / (1 + np.exp(a)) for a in (x_z + h_z, x_r + h_r))
    return z * h + (1 - z) * np.tanh(x_g + r * h_g)


def cases(rng):
    x_t, h = np.array([[1.0, -1.0]]), np.array([[0.5]])
    W_x, W_h = np.array([[0.5, 1, -0.5], [0.25, -0.5, 1]]), np.array([[1, 0.5, -1]])
    b = np.array([[0.25, -0.5, 1], [0.5, -1, 2]])
    yield Case("two inputs, one unit", (x_t, h, W_x, W_h, b))

    def random(batch, inputs, units):
        x_t, h = rng.normal(size=(batch, inputs)), np.tanh(rng.normal(size=(batch, units)))
        W_x = rng.normal(size=(inputs, 3 * units)) / inputs**0.5
        W_h = rng.normal(size=(units, 3 * units)) / units**0.5
        return x_t, h, W_x, W_h, rng.normal(size=(2, 3 * units)) / 2

    for sizes in [(1, 3, 2), (4, 2, 5), (5, 7, 3)]:
        yield Case("batch of {}, {} inputs, {} units".format(*sizes), random(*sizes))
    _, h, _, W_h, b = random(2, 1, 2)
    x_t, W_x = np.array([[1000.0], [-1000.0]]), np.array([[1.0, -1, -1, 1, 1e-3, -1e-3]])
    yield Case("gates wide open and shut", (x_t, h, W_x, W_h, b))


DRILL = Drill(
    reference=gru_cell,
    cases=cases,
    alternatives=(gate_by_gate, with_one_product),
    mistakes=(
        update_gate_reversed,
        reset_before_the_product,
        recurrent_bias_beside_the_reset,
        both_biases_under_the_reset,
        biases_exchanged,
        second_bias_forgotten,
        order_r_z,
        candidate_without_tanh,
        candidate_through_the_sigmoid,
        reset_gate_unused,
        reset_on_the_input_too,
        reset_on_the_kept_state,
        old_state_kept_whole,
        candidate_added_whole,
        sigmoid_overflows,
    ),
    hints=(
        "Keep the two sums apart, x_t @ W_x + b[0] and h @ W_h + b[1]: the candidate needs them "
        "one by one. Which half of it may the reset gate touch?",
        "Cut each sum into three with `np.split(…, 3, axis=1)`. z and r are sigmoids of sums of "
        "blocks; in the candidate the state's block is multiplied by r before it is added.",
        "g = tanh(x_g + r * h_g); return z * h + (1 - z) * g. A sigmoid that cannot overflow: "
        "(1 + tanh(a / 2)) / 2.",
    ),
    explanation=(
        "The GRU (Cho et al., 2014) is an LSTM with its input and forget gates coupled, 1 − z and "
        "z, and no separate memory: three blocks of weights instead of four. The paper's last "
        "version applies r before the product. Applied after it, one product serves all three "
        "blocks: cuDNN computes it so, and Keras made it its default. Then b[1] lies under r and "
        "cannot be merged with b[0]. Asked next: what does r = 0 do? The candidate forgets the "
        "past (b[1] too), and with z = 0 the cell starts anew from x_t."
    ),
    difficulty=3,
    taught_in="03_recurrent_networks, section 5",
)
