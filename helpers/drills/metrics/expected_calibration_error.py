import numpy as np

from helpers.drills.spec import Case, Drill


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray, n_bins: int) -> float:
    """Compute the expected calibration error, ECE: by how much a model's confidence and its
    accuracy differ, on average.

    `confidence` holds the probability that the model gave to its own answer, from 0 to 1 inclusive,
    shape (n,), n at least 1; `correct` is 1 where the answer was right, else 0, shape (n,). Divide
    [0, 1] into `n_bins` bins of equal width: a confidence p belongs to bin floor(p · n_bins), and p
    = 1 to the last one. For each bin that has examples take the gap |mean correct − mean
    confidence|. Return the mean of the gaps, each weighted by its bin's share of the examples.
    """
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    surplus = np.bincount(bins, correct - confidence)  # each bin's sum; its count cancels
    return np.abs(surplus).sum() / len(confidence)


def bin_by_bin(confidence, correct, n_bins):
    total = 0.0
    for b in range(n_bins):
        low, high = b / n_bins, (b + 1) / n_bins
        inside = (confidence >= low) & ((confidence < high) | (b == n_bins - 1))
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return total


def example_by_example(confidence, correct, n_bins):
    gaps = {}
    for p, right in zip(confidence.tolist(), correct.tolist(), strict=True):
        b = n_bins - 1 if p == 1 else int(p * n_bins)
        gaps[b] = gaps.get(b, 0.0) + right - p
    return sum(abs(gap) for gap in gaps.values()) / len(correct)


def _by_bin(confidence, correct, n_bins):
    bins = np.minimum(np.floor(confidence * n_bins).astype(int), n_bins - 1)
    count = np.bincount(bins, minlength=n_bins)
    used = np.maximum(count, 1)
    right = np.bincount(bins, correct, minlength=n_bins) / used
    sure = np.bincount(bins, confidence, minlength=n_bins) / used
    return count, right, sure


def certainty_falls_out(confidence, correct, n_bins):
    """Examples with confidence 1 fall out of your last bin, and they are the ones that matter most:
    count p = 1 with the last bin."""
    total = 0.0
    for b in range(n_bins):
        inside = (confidence >= b / n_bins) & (confidence < (b + 1) / n_bins)
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return total


def certainty_has_no_bin(confidence, correct, n_bins):
    """floor(1 · n_bins) is n_bins, one past your last bin, and indexing fails. Put p = 1 into the
    last bin."""
    surplus = np.zeros(n_bins)
    np.add.at(surplus, (confidence * n_bins).astype(int), correct - confidence)
    return np.abs(surplus).sum() / len(confidence)


def bins_of_equal_counts(confidence, correct, n_bins):
    """Your bins hold equally many examples: that is the adaptive calibration error. Here they are
    equally wide."""
    total = 0.0
    for part in np.array_split(np.argsort(confidence, kind="stable"), n_bins):
        total += abs(np.sum(correct[part] - confidence[part]))
    return total / len(confidence)


def bins_closed_on_the_right(confidence, correct, n_bins):
    """Your bins include their upper end instead of the lower one. Many papers do that; here
    floor(p · n_bins) decides, and p on an edge belongs to the bin above."""
    bins = np.maximum(np.ceil(confidence * n_bins).astype(int) - 1, 0)
    return np.abs(np.bincount(bins, correct - confidence)).sum() / len(confidence)


def no_confidence_falls_out(confidence, correct, n_bins):
    """Your bins are open on the left, so examples with confidence 0 fall out of the first one. Bin
    floor(p · n_bins) takes them in."""
    total = 0.0
    for b in range(n_bins):
        inside = (confidence > b / n_bins) & (confidence <= (b + 1) / n_bins)
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return total


def certainty_in_a_bin_of_its_own(confidence, correct, n_bins):
    """p = 1 gets a bin of its own, number n_bins: there are only n_bins of them, counted from 0. It
    belongs to the last."""
    bins = (confidence * n_bins).astype(int)
    return np.abs(np.bincount(bins, correct - confidence)).sum() / len(confidence)


def bins_weigh_the_same(confidence, correct, n_bins):
    """Your bins all weigh the same, so one odd example in an empty region counts as much as a
    thousand. Weight each gap by its bin's share of the examples."""
    count, right, sure = _by_bin(confidence, correct, n_bins)
    return np.abs(right - sure)[count > 0].mean()


def empty_bins_count_as_zero(confidence, correct, n_bins):
    """You take the plain mean over all bins, and empty ones count as perfectly calibrated: more
    bins, better score. Weight each gap by its bin's share of the examples."""
    _, right, sure = _by_bin(confidence, correct, n_bins)
    return np.abs(right - sure).mean()


def empty_bins_give_nan(confidence, correct, n_bins):
    """An empty bin has no mean: you divide 0 by 0, and NaN swallows the sum. Skip empty bins."""
    count, right, sure = _by_bin(confidence, correct, n_bins)
    gaps = np.where(count > 0, np.abs(right - sure), np.nan)
    return np.sum(gaps * count / len(confidence))


def signed_gaps_cancel(confidence, correct, n_bins):
    """You add gaps with their signs: too sure here and too timid there cancel. Take the absolute
    value in each bin."""
    return abs(np.mean(correct) - np.mean(confidence))


def absolute_gap_of_each_example(confidence, correct, n_bins):
    """You take the gap of every example by itself: a coin that says 0.5 would get 0.5. First the
    means within a bin, then the gap."""
    return np.mean(np.abs(correct - confidence))


def squared_gaps(confidence, correct, n_bins):
    """You square the gaps. The ECE takes their absolute value."""
    count, right, sure = _by_bin(confidence, correct, n_bins)
    return np.sum(count * (right - sure) ** 2) / len(confidence)


def root_of_the_squared_gaps(confidence, correct, n_bins):
    """You take the root of the mean squared gap: another error, which weighs large gaps more. The
    ECE takes absolute values."""
    return np.sqrt(squared_gaps(confidence, correct, n_bins))


def largest_gap(confidence, correct, n_bins):
    """You return the largest gap: that is the maximum calibration error, MCE. Take the weighted
    mean."""
    count, right, sure = _by_bin(confidence, correct, n_bins)
    return np.abs(right - sure)[count > 0].max()


def middle_of_the_bin(confidence, correct, n_bins):
    """You compare with the middle of the bin. Use the mean confidence of the examples in it, or the
    result depends on where in the bin they lie."""
    count, right, _ = _by_bin(confidence, correct, n_bins)
    middle = (np.arange(n_bins) + 0.5) / n_bins
    return np.sum(count * np.abs(right - middle)) / len(confidence)


def cases(rng):
    yield Case(
        "four examples, two bins", (np.array([0.9, 0.8, 0.6, 0.3]), np.array([1, 0, 1, 0]), 2)
    )
    yield Case("empty bins", (np.array([0.9, 0.95, 0.6]), np.array([1, 0, 1]), 5))
    yield Case("quite certain", (np.array([1.0, 1.0, 0.8]), np.array([1, 0, 1]), 4))
    yield Case("certain of the contrary", (np.array([0.0, 0.1, 0.7]), np.array([1, 0, 1]), 4))
    yield Case("on the edges", (np.array([0.25, 0.375, 0.5, 0.625]), np.array([1, 0, 1, 0]), 4))
    yield Case(
        "too sure here, too timid there",
        (np.array([0.9, 0.9, 0.6, 0.6]), np.array([1, 0, 1, 1]), 8),
    )
    yield Case("one bin", (np.array([0.9, 0.2, 0.6]), np.array([1, 0, 0]), 1))
    for n, n_bins in ((31, 4), (57, 8), (200, 16)):
        confidence = rng.integers(n_bins, 4 * n_bins, n) / (4 * n_bins)  # edges are exact
        correct = (rng.random(n) < confidence**2).astype(int)
        yield Case(f"{n} random examples, {n_bins} bins", (confidence, correct, n_bins))


DRILL = Drill(
    reference=expected_calibration_error,
    cases=cases,
    alternatives=(bin_by_bin, example_by_example),
    mistakes=(
        certainty_falls_out,
        certainty_has_no_bin,
        bins_of_equal_counts,
        bins_closed_on_the_right,
        no_confidence_falls_out,
        certainty_in_a_bin_of_its_own,
        bins_weigh_the_same,
        empty_bins_count_as_zero,
        empty_bins_give_nan,
        signed_gaps_cancel,
        absolute_gap_of_each_example,
        squared_gaps,
        root_of_the_squared_gaps,
        largest_gap,
        middle_of_the_bin,
    ),
    hints=(
        "Sort the examples into bins by confidence. What are a bin's accuracy and its mean "
        "confidence?",
        "Gap = |accuracy − mean confidence|, weight = examples in the bin / all examples. Which "
        "bin gets p = 1?",
        "bins = minimum(floor(p · n_bins), n_bins − 1); per bin |sum of (correct − confidence)|; "
        "add up, and divide by n.",
    ),
    explanation=(
        "A bin's weight times its gap is |Σ correct − Σ confidence| / n: the count cancels, and "
        "an empty bin adds 0 by itself. The ECE (Naeini et al., 2015; Guo et al., 2017) depends "
        "on the bins and is biased upwards on small sets. A model that always says the base rate "
        "has an ECE near 0 and knows nothing: report it beside accuracy or AUC. Asked next: what "
        "does temperature scaling change, and what not?"
    ),
    difficulty=2,
    taught_in="02_evaluation_metrics, section 5",
)
