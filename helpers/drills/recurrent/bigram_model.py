from itertools import pairwise

import numpy as np

from helpers.drills.spec import Case, Drill


def bigram_model(sequences: list, vocabulary_size: int, alpha: float, start_id: int) -> np.ndarray:
    """Fit a bigram model with additive smoothing: how probable each token is after each other one.
    It is the baseline that a neural language model has to beat.

    `sequences` is a list of lists of token ids, 0 to V − 1, where V = `vocabulary_size`; a list may
    be empty, and so may `sequences`. Put `start_id` in front of each sequence: it is one of the V
    ids and occurs nowhere else. Nothing is put at the end. Let count[p, t] be how often t comes
    directly after p *within* a sequence, and return the (V, V) array
    P[p, t] = (count[p, t] + alpha) / (Σ_u count[p, u] + alpha · V). Every one of the V ids gets
    alpha in every row, `start_id` too. `alpha` is at least 0. Where a row is 0 / 0, which takes
    alpha = 0 and a token that nothing comes after, it is 1 / V throughout, the limit for alpha → 0:
    so every row is a distribution from which a sampler can draw.
    """
    count = np.zeros((vocabulary_size, vocabulary_size))
    for token_ids in sequences:
        for previous, token in pairwise([start_id, *token_ids]):
            count[previous, token] += 1
    smoothed = count + alpha
    smoothed[~smoothed.any(axis=1)] = 1  # nothing seen, nothing added: uniform
    return smoothed / smoothed.sum(axis=1, keepdims=True)


def with_bincount(sequences, vocabulary_size, alpha, start_id):
    size = vocabulary_size
    codes = [np.empty(0, int)]
    for token_ids in sequences:
        tokens = np.array([start_id, *token_ids])
        codes.append(tokens[:-1] * size + tokens[1:])  # one number for each pair
    count = np.bincount(np.concatenate(codes), minlength=size * size).reshape(size, size)
    weight = count + alpha
    weight = weight + (weight.sum(axis=1, keepdims=True) == 0)
    return weight / weight.sum(axis=1, keepdims=True)


def row_by_row(sequences, vocabulary_size, alpha, start_id):
    rows = []
    for previous in range(vocabulary_size):
        followers = [
            token
            for token_ids in sequences
            for before, token in zip([start_id, *token_ids], token_ids, strict=False)
            if before == previous
        ]
        total = len(followers) + alpha * vocabulary_size
        if total == 0:
            rows.append([1 / vocabulary_size] * vocabulary_size)
        else:
            rows.append([(followers.count(t) + alpha) / total for t in range(vocabulary_size)])
    return np.array(rows)


def _counts(sequences, size, start_id):
    count = np.zeros((size, size))
    for token_ids in sequences:
        for previous, token in pairwise([start_id, *token_ids]):
            count[previous, token] += 1
    return count


def _divided(numerator, denominator):
    """The quotient, and uniform where the denominator is 0."""
    uniform = np.full_like(numerator, 1 / len(numerator))
    return np.divide(numerator, denominator, out=uniform, where=denominator > 0)


def sequences_joined(sequences, vocabulary_size, alpha, start_id):
    """You count pairs across the border of two sequences: the last token of one with the first of
    the next. They never stood side by side. Take each sequence by itself."""
    joined = [token for token_ids in sequences for token in token_ids]
    return bigram_model([joined], vocabulary_size, alpha, start_id)


def start_follows_the_last_token(sequences, vocabulary_size, alpha, start_id):
    """You join the sequences, start tokens and all, so the start of the next one counts as the
    follower of a last token. Nothing follows a last token: take each sequence by itself."""
    joined = [token for token_ids in sequences for token in [start_id, *token_ids]]
    return bigram_model([joined[1:]], vocabulary_size, alpha, start_id)


def start_left_out(sequences, vocabulary_size, alpha, start_id):
    """You count no start: the row of `start_id`, which says how sequences begin, is uniform. Put
    `start_id` in front of each sequence."""
    count = np.zeros((vocabulary_size, vocabulary_size))
    for token_ids in sequences:
        for previous, token in pairwise(token_ids):
            count[previous, token] += 1
    return _divided(count + alpha, count.sum(axis=1, keepdims=True) + alpha * vocabulary_size)


def start_gets_no_share(sequences, vocabulary_size, alpha, start_id):
    """You give `start_id` no share of the smoothing, since it never follows. Here all V ids get
    alpha, and the denominator has alpha · V."""
    count = _counts(sequences, vocabulary_size, start_id)
    share = alpha * (np.arange(vocabulary_size) != start_id)
    return _divided(count + share, count.sum(axis=1, keepdims=True) + share.sum())


def end_added(sequences, vocabulary_size, alpha, start_id):
    """You put `start_id` at the end of each sequence too, as a mark of the end. Many models do;
    here nothing is put at the end."""
    ended = [[*token_ids, start_id] for token_ids in sequences]
    return bigram_model(ended, vocabulary_size, alpha, start_id)


def transposed(sequences, vocabulary_size, alpha, start_id):
    """Your matrix is transposed: the columns stand for the previous token. Rows are the previous
    token, columns the next."""
    return bigram_model(sequences, vocabulary_size, alpha, start_id).T


def columns_sum_to_one(sequences, vocabulary_size, alpha, start_id):
    """You divide each column by its sum: that is the probability of the *previous* token, given the
    next. Divide each row by its sum, with `keepdims=True`."""
    count = _counts(sequences, vocabulary_size, start_id)
    return _divided(count + alpha, count.sum(axis=0) + alpha * vocabulary_size)


def all_sums_to_one(sequences, vocabulary_size, alpha, start_id):
    """You divide by the number of all pairs: that is the probability of a pair, previous *and*
    next. Divide each row by its own sum."""
    count = _counts(sequences, vocabulary_size, start_id)
    return _divided(count + alpha, np.full_like(count, (count + alpha).sum()))


def smoothing_after_the_division(sequences, vocabulary_size, alpha, start_id):
    """You add alpha to finished probabilities, and the rows no longer sum to 1. Alpha is added to
    the counts."""
    return bigram_model(sequences, vocabulary_size, 0, start_id) + alpha


def denominator_not_smoothed(sequences, vocabulary_size, alpha, start_id):
    """You add alpha to the counts and divide by the counts alone: the rows sum to more than 1. The
    row's sum grows by alpha · V."""
    count = _counts(sequences, vocabulary_size, start_id)
    return _divided(count + alpha, count.sum(axis=1, keepdims=True))


def denominator_with_one_alpha(sequences, vocabulary_size, alpha, start_id):
    """You add alpha once to the denominator. Each of the V numbers of a row has grown by alpha, so
    their sum has grown by alpha · V."""
    count = _counts(sequences, vocabulary_size, start_id)
    return _divided(count + alpha, count.sum(axis=1, keepdims=True) + alpha)


def last_tokens_counted(sequences, vocabulary_size, alpha, start_id):
    """You divide by how often the previous token occurs. At the end of a sequence it occurs with
    nothing after it, and the row sums to less than 1: divide by the sum of the row's counts."""
    count = _counts(sequences, vocabulary_size, start_id)
    tokens = [token for token_ids in sequences for token in [start_id, *token_ids]]
    times = np.array([tokens.count(token) for token in range(vocabulary_size)])
    return _divided(count + alpha, times[:, None] + alpha * vocabulary_size)


def repeated_pairs_lost(sequences, vocabulary_size, alpha, start_id):
    """A pair that occurs twice in one sequence counts once: `count[previous, next] += 1` with
    arrays of ids adds to each place once only. Use `np.add.at`, `np.bincount` or a loop."""
    count = np.zeros((vocabulary_size, vocabulary_size))
    for token_ids in sequences:
        tokens = np.array([start_id, *token_ids])
        count[tokens[:-1], tokens[1:]] += 1
    return _divided(count + alpha, count.sum(axis=1, keepdims=True) + alpha * vocabulary_size)


def unseen_rows_are_nan(sequences, vocabulary_size, alpha, start_id):
    """With alpha = 0, the row of a token that nothing comes after is 0 / 0 in your answer. Make it
    uniform."""
    count = _counts(sequences, vocabulary_size, start_id)
    with np.errstate(invalid="ignore"):
        return (count + alpha) / (count + alpha).sum(axis=1, keepdims=True)


def unseen_rows_are_zero(sequences, vocabulary_size, alpha, start_id):
    """With alpha = 0, the row of a token that nothing comes after is zero in your answer, which is
    no distribution. Make it uniform."""
    smoothed = _counts(sequences, vocabulary_size, start_id) + alpha
    total = smoothed.sum(axis=1, keepdims=True)
    return smoothed / np.where(total > 0, total, 1)


def cases(rng):
    yield Case("three tokens and a start", ([[1, 2, 1], [1, 3]], 4, 0.5, 0))
    yield Case("the start in the middle of the ids", ([[0, 1, 0, 1], [3, 0, 1]], 4, 0.25, 2))
    yield Case("alpha 0, and tokens that nothing comes after", ([[3, 1], [0, 3, 1]], 5, 0.0, 4))
    yield Case("an empty sequence", ([[1, 1, 1, 2], [], [2]], 3, 1.0, 0))
    yield Case("no sequences", ([], 3, 0.1, 1))
    yield Case("no sequences, alpha 0", ([], 2, 0.0, 1))
    for size, number, alpha in [(3, 4, 2.0), (7, 11, 0.3), (11, 5, 0.01)]:
        start_id = int(rng.integers(1, size))
        others = np.delete(np.arange(size), start_id)
        likely = rng.dirichlet(np.ones(size - 1))  # some tokens are far more frequent
        lengths = rng.integers(0, 9, number)
        sequences = [rng.choice(others, length, p=likely).tolist() for length in lengths]
        yield Case(f"{number} random sequences", (sequences, size, alpha, start_id))


DRILL = Drill(
    reference=bigram_model,
    cases=cases,
    alternatives=(with_bincount, row_by_row),
    mistakes=(
        sequences_joined,
        start_follows_the_last_token,
        start_left_out,
        start_gets_no_share,
        end_added,
        transposed,
        columns_sum_to_one,
        all_sums_to_one,
        smoothing_after_the_division,
        denominator_not_smoothed,
        denominator_with_one_alpha,
        last_tokens_counted,
        repeated_pairs_lost,
        unseen_rows_are_nan,
        unseen_rows_are_zero,
    ),
    hints=(
        "Count first, divide last. Which pairs does one sequence give, its start token included, "
        "and which pair must never be counted?",
        "Fill a (V, V) array of counts, one sequence at a time. Add alpha to each count; what does "
        "that add to the sum of a row?",
        "For each sequence and each pair in [start_id, *sequence]: count[previous, token] += 1. "
        "Then (count + alpha) / (row sum + alpha · V), with `keepdims=True`, and 1 / V in rows "
        "whose denominator is 0.",
    ),
    explanation=(
        "Without smoothing the rows are the maximum-likelihood estimate, and one pair that the "
        "training text lacks makes the perplexity of a new text infinite. Alpha acts as if each "
        "token had been seen alpha times more after each other one (Lidstone, 1920; alpha = 1 is "
        "Laplace's rule): it is the mean of a Dirichlet posterior. Asked next: how is alpha "
        "chosen? By the loss on validation text. And what is better than adding? Interpolation "
        "with the unigram, and Kneser-Ney."
    ),
    difficulty=2,
    taught_in="03_recurrent_networks, section 7",
)
