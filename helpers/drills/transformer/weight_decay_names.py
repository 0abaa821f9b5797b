import re

import numpy as np

from helpers.drills.spec import Case, Drill


def weight_decay_names(shapes: dict) -> list:
    """Choose which variables of a transformer an optimizer such as AdamW shrinks at each step:
    weight decay is for matrices, and not for biases or for the gains and shifts of normalisation.

    `shapes` maps the path of each variable, a str such as "block_0/attention/query/kernel", to its
    shape, a tuple of ints. The parts of a path are separated by "/"; a path may have one part only.
    A variable is decayed if both hold: its shape has at least two axes, and the last part of its
    path is none of "bias", "gamma", "beta" and "scale". The last part has to be one of these words
    exactly, in lower case; what the parts before it are called does not matter. So embeddings are
    decayed, and the biases of Keras's attention, of shape (heads, head size), are not. Return the
    paths of the decayed variables as a list in the order of Python's `sorted`; it is empty where
    there are none. `shapes` stays as it is.
    """
    spared = {"bias", "gamma", "beta", "scale"}
    decayed = []
    for path, shape in shapes.items():
        name = path.split("/")[-1]
        if len(shape) >= 2 and name not in spared:
            decayed.append(path)
    return sorted(decayed)


def by_taking_away(shapes):
    left = set(shapes)
    for path, shape in shapes.items():
        # With a slash in front, a path of one part ends in "/bias" too.
        if ("/" + path).endswith(("/bias", "/gamma", "/beta", "/scale")) or not shape[1:]:
            left.remove(path)
    return sorted(left)


def with_an_expression(shapes):
    spared = re.compile(r"(.*/)?(bias|gamma|beta|scale)")
    matrices = filter(lambda path: np.empty(shapes[path]).ndim > 1, shapes)
    return [path for path in sorted(matrices) if spared.fullmatch(path) is None]


SPARED = ("bias", "gamma", "beta", "scale")


def _last(path):
    return path.rpartition("/")[2]


def by_axes_only(shapes):
    """You ask for two axes and nothing else. In Keras the biases of attention have two, (heads,
    head size), and a normalisation over two axes has a gain with two. Look at the name as well."""
    return sorted(path for path, shape in shapes.items() if len(shape) >= 2)


def by_names_only(shapes):
    """You look at the names and nothing else, so vectors and single numbers of other names, such as
    a class token, are decayed. At least two axes are needed too."""
    return sorted(path for path in shapes if _last(path) not in SPARED)


def word_anywhere_in_the_path(shapes):
    """You look for the words anywhere in the path, inside other words too, and a kernel goes
    without decay because of what its layer is called. Compare the last part as a whole."""
    matrices = by_axes_only(shapes)
    return [path for path in matrices if not any(word in path for word in SPARED)]


def word_as_any_part(shapes):
    """You compare every part of the path with the words, so the kernel of a layer called "scale" or
    "beta" goes without decay. Only the last part names the variable."""
    matrices = by_axes_only(shapes)
    return [path for path in matrices if not set(path.split("/")) & set(SPARED)]


def word_inside_the_last_part(shapes):
    """You look for the words inside the last part. A variable called "timescale" or "bias_table" is
    another one: compare the last part as a whole."""
    matrices = by_axes_only(shapes)
    return [path for path in matrices if not any(word in _last(path) for word in SPARED)]


def word_at_the_end_of_the_path(shapes):
    """You ask whether the path ends with one of the words, and "timescale" ends with "scale" too.
    Cut the path at its slashes, and compare the last part as a whole."""
    return [path for path in by_axes_only(shapes) if not path.endswith(SPARED)]


def norm_anywhere_in_the_path(shapes):
    """You leave out every path with "norm" in it. That is what layers are often called, no rule,
    and it takes along kernels of layers with such a name. The variable's own name decides."""
    return [path for path in weight_decay_names(shapes) if "norm" not in path]


def scale_forgotten(shapes):
    """You decay variables called "scale", the gain of RMSNorm. It is spared like gamma, its name in
    other layers."""
    spared = ("bias", "gamma", "beta")
    return [path for path in by_axes_only(shapes) if _last(path) not in spared]


def embeddings_left_out(shapes):
    """You leave out the embeddings. Some do, but by the rule given here they are matrices like
    others: they are decayed."""
    return [path for path in weight_decay_names(shapes) if "embedding" not in path]


def kernels_only(shapes):
    """You take the variables called "kernel". Embeddings and low-rank factors are matrices with
    other names: the rule says what is left out, not what is let in."""
    return [path for path in weight_decay_names(shapes) if _last(path) == "kernel"]


def the_other_ones(shapes):
    """You return the variables that are *not* decayed, the list that Keras's
    `exclude_from_weight_decay` takes. Asked for are the decayed ones."""
    return sorted(set(shapes) - set(weight_decay_names(shapes)))


def not_sorted(shapes):
    """You return the paths in the order of the dict. Sort them: two runs can then be compared."""
    decayed = set(weight_decay_names(shapes))
    return [path for path in shapes if path in decayed]


def cases(rng):
    dense = {"dense/kernel": (4, 3), "dense/bias": (3,), "norm/gamma": (3,), "norm/beta": (3,)}
    yield Case("a dense layer and its normalisation", (dense,))
    attention = {
        "attention/value/kernel": (6, 2, 3),
        "attention/value/bias": (2, 3),
        "attention/output/kernel": (2, 3, 6),
        "attention/output/bias": (6,),
        "attention/query_norm/scale": (2, 3),
    }
    yield Case("attention with two heads", (attention,))
    embeddings = {"position/embeddings": (8, 6), "token/embeddings": (50, 6), "class_token": (6,)}
    yield Case("embeddings", (embeddings,))
    yield Case("paths of one part", ({"kernel": (2, 2), "bias": (2, 2), "temperature": ()},))
    layers = {
        "debias/kernel": (5, 4),
        "scale/kernel": (4, 4),
        "alphabeta/gamma/kernel": (4, 2),
        "norm_projection/kernel": (3, 5),
        "images/norm/gamma": (7, 5),
        "images/norm/beta": (7, 5),
    }
    yield Case("layers with misleading names", (layers,))
    variables = {
        "mixer/timescale": (4, 3),
        "mixer/bias_table": (9, 4),
        "mixer/Bias": (2, 4),
        "lora/A": (6, 2),
        "logit_scale": (),
        "row/kernel": (5,),
    }
    yield Case("variables with misleading names", (variables,))
    yield Case("nothing to decay", ({"norm/scale": (4,), "bias": (3, 2)},))
    yield Case("no variable at all", ({},))
    last = ["kernel", "bias", "gamma", "beta", "scale", "embeddings"]
    everything = {f"block_{i}/{name}": (3,) * int(rng.integers(1, 4)) for i in (10, 2, 1)
                  for name in rng.permutation(last).tolist()}  # fmt: skip
    yield Case("random variables of three blocks", (everything,))


DRILL = Drill(
    reference=weight_decay_names,
    cases=cases,
    alternatives=(by_taking_away, with_an_expression),
    mistakes=(
        by_axes_only,
        by_names_only,
        word_anywhere_in_the_path,
        word_as_any_part,
        word_inside_the_last_part,
        word_at_the_end_of_the_path,
        norm_anywhere_in_the_path,
        scale_forgotten,
        embeddings_left_out,
        kernels_only,
        the_other_ones,
        not_sorted,
    ),
    hints=(
        "Ask two questions of each variable: how many axes has it, and what is it called?",
        "What it is called: the part after the last slash, compared as a whole word.",
        '`path.split("/")[-1]` is the name, also without a slash. Keep the path if len(shape) >= 2 '
        "and the name is not in the set of four words; then `sorted`.",
    ),
    explanation=(
        "Decay pulls towards zero what multiplies an input, and so limits how strongly a matrix "
        "answers. A bias only shifts, and a gain at zero would switch its layer off, so both are "
        "spared; BERT's own optimizer leaves out LayerNorm and biases (Devlin and others, 2019, "
        "BERT: Pre-training of Deep Bidirectional Transformers), and decay apart from "
        "the gradient is AdamW's (Loshchilov and Hutter, 2019, Decoupled Weight Decay "
        "Regularization). Asked next: why not go by the number of axes, as many GPT codes do? "
        "It depends on how a library stores a bias: in Keras's attention it has two axes."
    ),
    difficulty=1,
    taught_in="05_bert_from_scratch, section 6",
)
