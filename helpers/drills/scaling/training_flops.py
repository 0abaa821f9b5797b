import numpy as np

from helpers.drills.spec import Case, Drill


def training_flops(
    batch: int, time: int, layers: int, width: int, hidden: int, vocabulary_size: int
) -> int:
    """Count the floating-point operations of one training step of a GPT: with them one knows how
    long a training will take before it is started.

    All arguments are ints, at least 1: `batch` texts of `time` tokens each. Only products of
    matrices count. The product of an (m, k) and a (k, n) matrix takes 2 · m · n · k operations: a
    multiplication and an addition for each of its terms. The forward pass has, in each of `layers`
    blocks, for every token: four dense layers from width to width (queries, keys, values, and the
    output of attention), a dense layer from width to `hidden` and one back. In attention each token
    is compared with all `time` tokens of its text, and takes a mixture of all their values: two
    products more for each text. Count the whole square, though the causal mask uses half of it.
    Queries, keys and values have `width` numbers a token, all heads together, so the number of
    heads does not matter. After the last block one product gives each token a logit for each of
    the `vocabulary_size` tokens. Looking up embeddings is free, and so is all else (biases,
    softmax, normalisation). The backward pass takes twice as many operations as the forward pass.
    Return the operations of both passes, an int.
    """
    tokens = batch * time
    projections = 4 * (2 * tokens * width * width)
    scores = batch * (2 * time * width * time)
    mixtures = batch * (2 * time * time * width)
    feed_forward = 2 * tokens * width * hidden + 2 * tokens * hidden * width
    logits = 2 * tokens * width * vocabulary_size
    forward = layers * (projections + scores + mixtures + feed_forward) + logits
    return forward + 2 * forward


def token_by_token(batch, time, layers, width, hidden, vocabulary_size):
    in_the_matrices = layers * (4 * width**2 + 2 * width * hidden) + width * vocabulary_size
    each_token = 6 * in_the_matrices + 12 * layers * time * width
    return batch * time * each_token


def from_a_list_of_products(batch, time, layers, width, hidden, vocabulary_size):
    block = [(time, width, width)] * 4 + [(time, width, time), (time, time, width)]
    block += [(time, width, hidden), (time, hidden, width)]
    terms = np.prod([*block * layers, (time, width, vocabulary_size)], axis=1).sum()
    return 3 * 2 * batch * int(terms)  # forward, and the gradients of both factors


def multiplications_only(batch, time, layers, width, hidden, vocabulary_size):
    """You count each multiplication, and not the addition that goes with it: your number is half of
    what is asked for. (Those who sell hardware count both.)"""
    return training_flops(batch, time, layers, width, hidden, vocabulary_size) // 2


def backward_forgotten(batch, time, layers, width, hidden, vocabulary_size):
    """You count the forward pass only. The backward pass takes twice as much again."""
    return training_flops(batch, time, layers, width, hidden, vocabulary_size) // 3


def backward_like_forward(batch, time, layers, width, hidden, vocabulary_size):
    """You count the backward pass once. It takes twice the operations of the forward pass: each
    product has two factors, and each needs a gradient."""
    return training_flops(batch, time, layers, width, hidden, vocabulary_size) // 3 * 2


def attention_forgotten(batch, time, layers, width, hidden, vocabulary_size):
    """You count the products with weights only, six operations for each weight and token. Attention
    has two more in each block, of tokens with tokens: scores and mixtures."""
    right = training_flops(batch, time, layers, width, hidden, vocabulary_size)
    return right - 12 * batch * layers * time**2 * width


def mixtures_forgotten(batch, time, layers, width, hidden, vocabulary_size):
    """You count one product of tokens with tokens in each block, or half of each of the two. There
    are two, scores and mixtures, and both count whole: plain products compute the whole square, and
    the causal mask comes after."""
    right = training_flops(batch, time, layers, width, hidden, vocabulary_size)
    return right - 6 * batch * layers * time**2 * width


def attention_across_the_batch(batch, time, layers, width, hidden, vocabulary_size):
    """You let each token attend to the tokens of all texts, batch · time of them. It sees those of
    its own text: the square of `time` counts once for each text."""
    right = training_flops(batch, time, layers, width, hidden, vocabulary_size)
    return right + 12 * layers * width * (batch**2 - batch) * time**2


def output_of_attention_forgotten(batch, time, layers, width, hidden, vocabulary_size):
    """You count three dense layers in attention. A fourth mixes what the heads have found."""
    right = training_flops(batch, time, layers, width, hidden, vocabulary_size)
    return right - 6 * batch * time * layers * width**2


def one_matrix_in_the_feed_forward(batch, time, layers, width, hidden, vocabulary_size):
    """You count one dense layer in the feed-forward part. There is one to `hidden`, and one
    back."""
    right = training_flops(batch, time, layers, width, hidden, vocabulary_size)
    return right - 6 * batch * time * layers * width * hidden


def logits_forgotten(batch, time, layers, width, hidden, vocabulary_size):
    """You leave out the product that gives the logits. With a large vocabulary it takes as much as
    several blocks."""
    right = training_flops(batch, time, layers, width, hidden, vocabulary_size)
    return right - 6 * batch * time * width * vocabulary_size


def embeddings_counted(batch, time, layers, width, hidden, vocabulary_size):
    """You count the embeddings as a product of matrices. A row is looked up, and nothing is
    multiplied: only the logits take a product with the vocabulary."""
    right = training_flops(batch, time, layers, width, hidden, vocabulary_size)
    return right + 6 * batch * time * width * vocabulary_size


def cases(rng):
    yield Case("two texts of three tokens", (2, 3, 1, 4, 5, 7))
    yield Case("everything 1", (1, 1, 1, 1, 1, 1))
    yield Case("one long text, a narrow model", (1, 500, 2, 3, 12, 10))
    yield Case("GPT-2 small, one text", (1, 1024, 12, 768, 3072, 50257))
    yield Case("GPT-2 XL, half a million tokens", (512, 1024, 48, 1600, 6400, 50257))
    for _ in range(3):
        sizes = tuple(int(rng.integers(*between)) for between in
                      [(2, 30), (8, 60), (2, 9), (5, 40), (41, 90), (50, 400)])  # fmt: skip
        yield Case(f"random sizes, vocabulary {sizes[-1]}", sizes)


DRILL = Drill(
    reference=training_flops,
    cases=cases,
    alternatives=(token_by_token, from_a_list_of_products),
    mistakes=(
        multiplications_only,
        backward_forgotten,
        backward_like_forward,
        attention_forgotten,
        mixtures_forgotten,
        attention_across_the_batch,
        output_of_attention_forgotten,
        one_matrix_in_the_feed_forward,
        logits_forgotten,
        embeddings_counted,
    ),
    hints=(
        "List the products of one block with their sizes (m, k, n). There are eight. Which of them "
        "have no weights in them?",
        "A dense layer from a to b works on batch · time tokens: 2 · batch · time · a · b. The "
        "scores of one text are (time, width) times (width, time), the mixtures (time, time) times "
        "(time, width).",
        "3 · (layers · (8 · tokens · width² + 4 · batch · time² · width + 4 · tokens · width · "
        "hidden) + 2 · tokens · width · vocabulary_size), where tokens = batch · time.",
    ),
    explanation=(
        "Hoffmann and others, 2022, Training Compute-Optimal Large Language Models, count so in "
        "their appendix F, with the embeddings and the softmax added. The rule of thumb is 6 · N · "
        "D, for N parameters and D tokens (Kaplan and others, 2020, Scaling Laws for Neural "
        "Language Models): six operations for each weight and token. It leaves out the products of "
        "tokens with tokens, 12 · layers · time · width a token. For GPT-2 small and 1,024 tokens "
        "you count 8.7e11, and 6 · N · D gives 7.6e11; for long texts and narrow models it is far "
        "too low. Asked next: why does the backward pass take twice as much? From Y = A B and the "
        "gradient of Y come two products of the same size: that gradient times Bᵀ, for A, and Aᵀ "
        "times it, for B."
    ),
    difficulty=2,
    taught_in="07_scaling_up, section 5",
)
