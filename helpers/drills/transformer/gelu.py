import math

import numpy as np

from helpers.drills.spec import Case, Drill


def gelu(x: np.ndarray) -> np.ndarray:
    """Compute GELU, the activation of BERT and GPT: a ReLU with its corner rounded.

    GELU(x) = x · Φ(x), where Φ is the distribution function of the standard normal distribution:
    Φ(x) = (1 + erf(x / √2)) / 2. The approximation of the paper,
    x / 2 · (1 + tanh(√(2 / π) · (x + 0.044715 · x³))), is off by at most 0.0005: either of the two
    is right here, and nothing rougher. `x` is float64 of any shape, with at least one number, all
    finite; large ones too: at 100 the result is 100, at −100 it is 0. NumPy has no erf: `math.erf`
    takes one number. Return an array of the shape of x, and leave x alone.
    """
    erf = np.vectorize(math.erf)
    return x * (1 + erf(x / np.sqrt(2))) / 2


def with_tanh(x):
    """The approximation of the paper."""
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def with_a_sigmoid(x):
    # (1 + tanh u) / 2 is the sigmoid of 2u, and its logarithm is −log(1 + exp(−2u)).
    u = np.sqrt(2 / np.pi) * x * (1 + 0.044715 * x * x)
    return x * np.exp(-np.logaddexp(0, -2 * u))


def number_by_number(x):
    result = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        # erfc keeps its digits where 1 + erf loses them.
        result[place] = x[place] * math.erfc(-x[place] / math.sqrt(2)) / 2
    return result


def _normal(x):
    return (1 + np.vectorize(math.erf)(x / np.sqrt(2))) / 2


def _tanh(x, coefficient=0.044715, root=0.5, power=3):
    return x / 2 * (1 + np.tanh((2 / np.pi) ** root * (x + coefficient * x**power)))


def rough_sigmoid(x):
    """You compute x · sigmoid(1.702 · x). It is the paper's second approximation, off by up to
    0.02; weights trained with GELU notice. Use erf, or tanh with the cube."""
    with np.errstate(over="ignore"):
        return x / (1 + np.exp(-1.702 * x))


def swish(x):
    """You compute x · sigmoid(x): that is SiLU, or swish. GELU takes the normal distribution
    function in the sigmoid's place, which is steeper."""
    with np.errstate(over="ignore"):
        return x / (1 + np.exp(-x))


def corner_kept(x):
    """You compute ReLU. GELU has no corner, and is a little negative below 0."""
    return np.maximum(x, 0)


def half_left_out(x):
    """You leave out the half: 1 + erf runs from 0 to 2, and your result is twice what it should
    be."""
    return 2 * x * _normal(x)


def half_left_out_of_tanh(x):
    """You leave out the half: 1 + tanh runs from 0 to 2, and your result is twice what it should
    be."""
    return 2 * _tanh(x)


def coefficient_ten_times_too_large(x):
    """Your coefficient of the cube is 0.44715. It is 0.044715, a tenth of that."""
    return _tanh(x, coefficient=0.44715)


def cube_left_out(x):
    """Your tanh gets √(2 / π) · x: the cube is missing. It makes the curve fit the normal
    distribution away from 0."""
    return _tanh(x, coefficient=0.0)


def square_for_the_cube(x):
    """You add 0.044715 · x². It is the cube: what goes into tanh has to change its sign with x."""
    return _tanh(x, power=2)


def root_of_two_over_pi_forgotten(x):
    """In front of the bracket you have 2 / π. It is the root of that."""
    return _tanh(x, root=1)


def root_of_two_left_out(x):
    """You take erf(x). The normal distribution function has erf(x / √2)."""
    return x * _normal(np.sqrt(2) * x)


def gate_alone(x):
    """You return Φ(x), numbers between 0 and 1. It is the gate: multiply x by it."""
    return _normal(x)


def gate_alone_from_tanh(x):
    """You return (1 + tanh(...)) / 2, numbers between 0 and 1. It is the gate: multiply x by it."""
    return (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2


def density_as_the_gate(x):
    """You multiply x by the *density* of the normal distribution, the bell. It is the distribution
    function, which rises from 0 to 1."""
    return x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


def tanh_overflows(x):
    """You write tanh as a fraction of exponentials, and for large numbers that is infinity over
    infinity, NaN. `np.tanh` has no such limit."""
    u = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    with np.errstate(all="ignore"):
        up, down = np.exp(u), np.exp(-u)
        return x / 2 * (1 + (up - down) / (up + down))


def cases(rng):
    yield Case("three numbers", (np.array([-1.0, 0.0, 2.0]),))
    yield Case("a single number, no axis", (np.array(0.5),))
    yield Case("small numbers", (np.array([[-0.3, 0.1], [0.02, -0.004]]),))
    yield Case("where the two forms differ most", (np.array([-2.3, 2.3, -0.7, 0.7]),))
    yield Case("large numbers", (np.array([-100.0, -8.0, 8.0, 100.0, -1000.0]),))
    for shape in [(7,), (3, 5), (2, 3, 4)]:
        yield Case(f"random numbers of shape {shape}", (rng.normal(0, 1.5, shape),))


DRILL = Drill(
    reference=gelu,
    cases=cases,
    alternatives=(with_a_sigmoid, number_by_number),
    conventions=(with_tanh,),
    mistakes=(
        rough_sigmoid,
        swish,
        corner_kept,
        half_left_out,
        half_left_out_of_tanh,
        coefficient_ten_times_too_large,
        cube_left_out,
        square_for_the_cube,
        root_of_two_over_pi_forgotten,
        root_of_two_left_out,
        gate_alone,
        gate_alone_from_tanh,
        density_as_the_gate,
        tanh_overflows,
    ),
    hints=(
        "x times a gate between 0 and 1. What is the gate at 0, and far out on each side?",
        "With erf: `np.vectorize(math.erf)` takes arrays, and the argument is x / √2. With tanh: "
        "mind the root of 2 / π and the cube.",
        "x · (1 + erf(x / √2)) / 2; or x / 2 · (1 + np.tanh(np.sqrt(2 / np.pi) · (x + 0.044715 · "
        "x ** 3))).",
    ),
    explanation=(
        "Dropout keeps an input or makes it 0 at random; let the chance of keeping it be Φ(x), "
        "take the expectation, and you have GELU (Hendrycks and Gimpel, 2016, Gaussian Error "
        "Linear Units). Asked next: does it matter which form? Not for training from scratch. "
        "With weights that were trained with one, use that one: the difference, 0.0005 at most, "
        "is passed on from layer to layer, and results no longer agree with the published ones. "
        "The code of BERT and of GPT-2 has tanh; Keras and PyTorch compute erf unless "
        "`approximate` says otherwise."
    ),
    difficulty=1,
    taught_in="05_bert_from_scratch, section 3",
)
