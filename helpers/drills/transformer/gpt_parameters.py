import numpy as np

from helpers.drills.spec import Case, Drill


def gpt_parameters(
    vocabulary_size: int, max_length: int, layers: int, width: int, hidden: int
) -> int:
    """Count the parameters of a GPT-2 from its sizes alone: it tells how much memory a model needs
    before anything is built.

    All arguments are ints, at least 1. Token embeddings are vectors of size `width`, one for each
    token of the vocabulary, and so are learned position embeddings, one for each of `max_length`
    positions. Then come `layers` blocks. Each has attention with four dense layers from width to
    width, for queries, keys, values and the output (all heads together: their number does not
    matter), and an MLP with a dense layer from width to `hidden` and one back. All dense layers
    have biases. Each block has two LayerNorms, one before each of its parts, and one more follows
    the last block; a LayerNorm has a gain and a shift for each of the `width` features. The output
    layer has no parameters of its own: it uses the token embeddings, without a bias. Return the
    number of trained numbers, an int. GPT-2 small, (50257, 1024, 12, 768, 3072), has 124,439,808.
    """

    def dense(inputs, outputs):
        return inputs * outputs + outputs

    norm = 2 * width
    attention = 4 * dense(width, width)
    mlp = dense(width, hidden) + dense(hidden, width)
    block = norm + attention + norm + mlp
    embeddings = (vocabulary_size + max_length) * width
    return embeddings + layers * block + norm


def from_a_list_of_shapes(vocabulary_size, max_length, layers, width, hidden):
    shapes = [(vocabulary_size, width), (max_length, width), (2, width)]
    for _ in range(layers):
        shapes += [(width, 3, width), (3, width)]  # queries, keys and values in one
        shapes += [(width, width), (width,)]
        shapes += [(width, hidden), (hidden,), (hidden, width), (width,)]
        shapes += [(2, width), (2, width)]
    return sum(int(np.prod(shape)) for shape in shapes)


def by_a_formula(vocabulary_size, max_length, layers, width, hidden):
    in_a_block = (4 * width + 2 * hidden + 9) * width + hidden
    return (vocabulary_size + max_length + 2) * width + layers * in_a_block


def output_layer_counted_again(vocabulary_size, max_length, layers, width, hidden):
    """You count the token embeddings twice, as if the output layer had a matrix of its own. It uses
    the embeddings: the weights are tied."""
    right = gpt_parameters(vocabulary_size, max_length, layers, width, hidden)
    return right + vocabulary_size * width


def positions_forgotten(vocabulary_size, max_length, layers, width, hidden):
    """You leave out the position embeddings. GPT-2 learns them: one vector for each position."""
    return gpt_parameters(vocabulary_size, max_length, layers, width, hidden) - max_length * width


def biases_forgotten(vocabulary_size, max_length, layers, width, hidden):
    """You count the matrices of the dense layers and not their biases: one number for each output
    of a layer."""
    right = gpt_parameters(vocabulary_size, max_length, layers, width, hidden)
    return right - layers * (5 * width + hidden)


def biases_of_attention_forgotten(vocabulary_size, max_length, layers, width, hidden):
    """You give the MLP biases, and attention none. In GPT-2 its four dense layers have them too."""
    right = gpt_parameters(vocabulary_size, max_length, layers, width, hidden)
    return right - layers * 4 * width


def both_biases_of_the_width(vocabulary_size, max_length, layers, width, hidden):
    """Both biases of your MLP have the size of the width. A bias has one number for each output,
    and the first layer has `hidden` of them."""
    right = gpt_parameters(vocabulary_size, max_length, layers, width, hidden)
    return right + layers * (width - hidden)


def hidden_taken_as_four_widths(vocabulary_size, max_length, layers, width, hidden):
    """You take 4 · width for the size of the MLP. That is GPT-2's choice; here it is given."""
    return gpt_parameters(vocabulary_size, max_length, layers, width, 4 * width)


def one_projection_for_all_three(vocabulary_size, max_length, layers, width, hidden):
    """You count one dense layer for queries, keys and values together. They are three, even where
    they lie in one matrix."""
    right = gpt_parameters(vocabulary_size, max_length, layers, width, hidden)
    return right - layers * 2 * (width + 1) * width


def output_of_attention_forgotten(vocabulary_size, max_length, layers, width, hidden):
    """You count three dense layers in attention. A fourth mixes what the heads have found."""
    right = gpt_parameters(vocabulary_size, max_length, layers, width, hidden)
    return right - layers * (width + 1) * width


def final_norm_forgotten(vocabulary_size, max_length, layers, width, hidden):
    """You leave out the LayerNorm after the last block."""
    return gpt_parameters(vocabulary_size, max_length, layers, width, hidden) - 2 * width


def one_norm_in_a_block(vocabulary_size, max_length, layers, width, hidden):
    """You count one LayerNorm in each block. There are two: before attention and before the MLP."""
    right = gpt_parameters(vocabulary_size, max_length, layers, width, hidden)
    return right - layers * 2 * width


def shifts_forgotten(vocabulary_size, max_length, layers, width, hidden):
    """You count a gain for each feature of a LayerNorm, and no shift. RMSNorm is without; LayerNorm
    has both."""
    right = gpt_parameters(vocabulary_size, max_length, layers, width, hidden)
    return right - (2 * layers + 1) * width


def final_norm_in_every_block(vocabulary_size, max_length, layers, width, hidden):
    """You count three LayerNorms in each block. The last one follows the last block, once."""
    right = gpt_parameters(vocabulary_size, max_length, layers, width, hidden)
    return right + (layers - 1) * 2 * width


def cases(rng):
    yield Case("a tiny model", (10, 4, 1, 2, 3))
    yield Case("two blocks", (7, 5, 2, 3, 12))
    yield Case("everything 1", (1, 1, 1, 1, 1))
    yield Case("GPT-2 small", (50257, 1024, 12, 768, 3072))
    yield Case("GPT-2 XL", (50257, 1024, 48, 1600, 6400))
    for _ in range(3):
        sizes = tuple(int(rng.integers(*between)) for between in
                      [(50, 400), (8, 60), (2, 9), (5, 40), (41, 90)])  # fmt: skip
        yield Case(f"random sizes, vocabulary {sizes[0]}", sizes)


DRILL = Drill(
    reference=gpt_parameters,
    cases=cases,
    alternatives=(from_a_list_of_shapes, by_a_formula),
    mistakes=(
        output_layer_counted_again,
        positions_forgotten,
        biases_forgotten,
        biases_of_attention_forgotten,
        both_biases_of_the_width,
        hidden_taken_as_four_widths,
        one_projection_for_all_three,
        output_of_attention_forgotten,
        final_norm_forgotten,
        one_norm_in_a_block,
        shifts_forgotten,
        final_norm_in_every_block,
    ),
    hints=(
        "Three sums: the embeddings, one block times the number of blocks, and the last LayerNorm.",
        "A dense layer from a to b has a · b + b parameters. A block has six of them and two "
        "LayerNorms.",
        "(vocabulary_size + max_length) · width, plus layers · (4 · (width² + width) + width · "
        "hidden + hidden + hidden · width + width + 4 · width), plus 2 · width.",
    ),
    explanation=(
        "With hidden = 4 · width a block has about 12 · width² parameters: the rule of thumb for "
        "large models. Radford and others, 2019, Language Models are Unsupervised Multitask "
        "Learners, call the small model 117M; that count was wrong, as the authors said later. "
        "Asked next: how much memory does training it take, without activations? With AdamW in "
        "float32 four numbers a parameter: weight, gradient and two moments, 16 bytes together, "
        "2 GB for 124 million."
    ),
    difficulty=1,
    taught_in="06_gpt_from_scratch, section 2",
)
