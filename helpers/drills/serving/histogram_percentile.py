import numpy as np

from helpers.drills.spec import Case, Drill


def histogram_percentile(upper_bounds: np.ndarray, counts: np.ndarray, percent: float) -> float:
    """Estimate a percentile of the latencies of a server, the p99 for instance, from the histogram
    that it keeps: single latencies are not stored.

    `upper_bounds`, floats of shape (buckets,), at least 2 of them, are positive and ascending; the
    last one is infinity. `counts`, ints of shape (buckets,), is cumulative: counts[i] requests took
    upper_bounds[i] seconds or less, so the last one is the number of all requests. `percent` is
    above 0 and at most 100. Return a float, in seconds, as Prometheus does. The rank is
    percent / 100 · all requests, and is not rounded. The percentile lies in the first bucket whose
    count is at least the rank. Within it the latencies count as spread evenly from the bound of the
    bucket before (0 for the first bucket) to its own bound: go up from the lower to the upper bound
    by the share (rank − count of the bucket before) / (requests in this bucket alone). In the last
    bucket, which has no end, return the largest finite bound. Without any requests return NaN.
    """
    if counts[-1] == 0:
        return np.nan
    rank = percent / 100 * counts[-1]
    bucket = np.searchsorted(counts, rank)  # the first with count ≥ rank
    if bucket == len(counts) - 1:
        return upper_bounds[-2]
    low, before = (upper_bounds[bucket - 1], counts[bucket - 1]) if bucket else (0.0, 0)
    share = (rank - before) / (counts[bucket] - before)
    return low + share * (upper_bounds[bucket] - low)


def bucket_by_bucket(upper_bounds, counts, percent):
    own = np.diff(counts, prepend=0)  # requests in each bucket alone
    for b in np.flatnonzero(own):
        missing = counts[b] - percent / 100 * counts[-1]  # from the rank to the end of the bucket
        if missing >= 0:
            low = upper_bounds[b - 1] if b > 0 else 0.0
            end = upper_bounds[b]
            return low if np.isinf(end) else end - (end - low) * missing / own[b]
    return float("nan")


def along_a_line(upper_bounds, counts, percent):
    if not counts.any():
        return np.nan
    edges = np.concatenate([[0.0], upper_bounds[:-1]])
    reached = np.concatenate([[0], counts[:-1]])
    rank = counts[-1] * percent / 100
    if rank > reached[-1]:
        return edges[-1]
    end = np.argmax(reached >= rank)  # the line from the edge before to this one
    return np.interp(rank, reached[end - 1 : end + 1], edges[end - 1 : end + 1])


def _bucket(counts, rank):
    return int(np.argmax(counts >= rank))


def _ends(upper_bounds, counts, bucket):
    if bucket:
        return upper_bounds[bucket - 1], upper_bounds[bucket], counts[bucket - 1], counts[bucket]
    return 0.0, upper_bounds[0], 0, counts[0]


def _estimate(upper_bounds, counts, rank):
    bucket = _bucket(counts, rank)
    if bucket == len(counts) - 1:
        return upper_bounds[-2]
    low, high, before, count = _ends(upper_bounds, counts, bucket)
    return low + (high - low) * (rank - before) / (count - before)


def upper_bound_returned(upper_bounds, counts, percent):
    """You return the upper bound of the bucket. Within it the latencies count as spread evenly:
    interpolate."""
    if counts[-1] == 0:
        return np.nan
    bucket = _bucket(counts, percent / 100 * counts[-1])
    return upper_bounds[min(bucket, len(counts) - 2)]


def middle_returned(upper_bounds, counts, percent):
    """You return the middle of the bucket, whatever share of it lies below the rank. Go up by that
    share."""
    if counts[-1] == 0:
        return np.nan
    bucket = _bucket(counts, percent / 100 * counts[-1])
    if bucket == len(counts) - 1:
        return upper_bounds[-2]
    low, high, _, _ = _ends(upper_bounds, counts, bucket)
    return (low + high) / 2


def counts_added_up_again(upper_bounds, counts, percent):
    """You take the cumulative sum of the counts. They are cumulative already, and so every request
    is counted once more in each bucket above its own."""
    if counts[-1] == 0:
        return np.nan
    again = np.cumsum(counts)
    return _estimate(upper_bounds, again, percent / 100 * again[-1])


def cumulative_count_for_the_bucket(upper_bounds, counts, percent):
    """You divide by the cumulative count of the bucket. It has the requests of all buckets below in
    it: subtract those, above the line and below it."""
    if counts[-1] == 0:
        return np.nan
    rank = percent / 100 * counts[-1]
    bucket = _bucket(counts, rank)
    if bucket == len(counts) - 1:
        return upper_bounds[-2]
    low, high, _, count = _ends(upper_bounds, counts, bucket)
    return low + (high - low) * rank / count


def first_bucket_not_interpolated(upper_bounds, counts, percent):
    """In the first bucket you return its bound. Latencies begin at 0: interpolate from there."""
    if counts[-1] == 0:
        return np.nan
    rank = percent / 100 * counts[-1]
    if _bucket(counts, rank) == 0:
        return upper_bounds[0]
    return _estimate(upper_bounds, counts, rank)


def infinity_returned(upper_bounds, counts, percent):
    """Where the rank lies in the last bucket you return infinity. It has no end to go up to: return
    the largest finite bound."""
    if counts[-1] == 0:
        return np.nan
    rank = percent / 100 * counts[-1]
    if _bucket(counts, rank) == len(counts) - 1:
        return np.inf
    return _estimate(upper_bounds, counts, rank)


def last_bucket_left_out(upper_bounds, counts, percent):
    """You count only the requests below the largest finite bound. The slowest ones are missing
    then, and the percentile looks better than it is: the rank is a share of all."""
    if counts[-2] == 0:
        return upper_bounds[-2] if counts[-1] else np.nan
    return _estimate(upper_bounds, counts, percent / 100 * counts[-2])


def percent_for_the_share(upper_bounds, counts, percent):
    """You multiply the number of requests by the percent itself: a rank above all requests. Divide
    by 100."""
    return upper_bounds[-2] if counts[-1] else np.nan


def bucket_after_the_rank(upper_bounds, counts, percent):
    """Where a count equals the rank you go on to the next bucket that is not empty. It is reached
    already: the first count that is at least the rank decides."""
    if counts[-1] == 0:
        return np.nan
    rank = percent / 100 * counts[-1]
    above = counts > rank
    if not above.any():
        return upper_bounds[-2]
    bucket = int(np.argmax(above))
    if bucket == len(counts) - 1:
        return upper_bounds[-2]
    low, high, before, count = _ends(upper_bounds, counts, bucket)
    return low + (high - low) * (rank - before) / (count - before)


def rank_of_a_list(upper_bounds, counts, percent):
    """Your rank is percent / 100 · (n − 1), as in a sorted list that is counted from 0. In a
    histogram it is percent / 100 · n: how many requests lie below."""
    if counts[-1] == 0:
        return np.nan
    rank = percent / 100 * (counts[-1] - 1)
    return _estimate(upper_bounds, counts, rank) if rank > 0 else 0.0


def zero_without_requests(upper_bounds, counts, percent):
    """Without requests you return 0, which looks like a very fast server. Return NaN: nothing is
    known."""
    if counts[-1] == 0:
        return 0.0
    return histogram_percentile(upper_bounds, counts, percent)


def cases(rng):
    four = np.array([0.1, 0.2, 0.5, np.inf])
    yield Case("p90 of ten requests", (four, np.array([4, 8, 10, 10]), 90))
    yield Case("in the first bucket", (four, np.array([6, 9, 10, 12]), 25))
    yield Case("in the last bucket", (four, np.array([50, 70, 95, 100]), 99))
    yield Case("a count that equals the rank", (four, np.array([2, 5, 5, 10]), 50))
    yield Case("after an empty bucket", (four, np.array([4, 4, 9, 10]), 70))
    yield Case("no requests", (four, np.zeros(4, int), 99))
    yield Case("one request", (four, np.array([0, 1, 1, 1]), 99))
    yield Case("none below the largest finite bound", (four, np.array([0, 0, 0, 5]), 40))
    yield Case("two buckets, percent = 100", (np.array([0.3, np.inf]), np.array([7, 7]), 100))
    for buckets, requests, percent in ((6, 1_000, 99), (5, 77, 50), (9, 31, 2.5), (7, 5_003, 99.9)):
        bounds = np.append(np.cumsum(rng.uniform(0.01, 0.3, buckets - 1)), np.inf)
        latencies = rng.exponential(bounds[-2] / 6, requests)
        counts = np.array([np.sum(latencies <= bound) for bound in bounds])
        note = f"random: {requests:,} requests, {buckets} buckets, p{percent:g}"
        yield Case(note, (bounds, counts, percent))


DRILL = Drill(
    reference=histogram_percentile,
    cases=cases,
    alternatives=(bucket_by_bucket, along_a_line),
    mistakes=(
        upper_bound_returned,
        middle_returned,
        counts_added_up_again,
        cumulative_count_for_the_bucket,
        first_bucket_not_interpolated,
        infinity_returned,
        last_bucket_left_out,
        percent_for_the_share,
        bucket_after_the_rank,
        rank_of_a_list,
        zero_without_requests,
    ),
    hints=(
        "How many requests have to lie below the percentile? In which bucket is that number "
        "reached?",
        "rank = percent / 100 · counts[-1]; np.searchsorted(counts, rank) finds the bucket. Of the "
        "requests of this bucket alone, how many are still needed?",
        "low + (high − low) · (rank − counts[b − 1]) / (counts[b] − counts[b − 1]), with 0 for low "
        "and for the count before where b is 0; the last bucket gives upper_bounds[-2].",
    ),
    explanation=(
        "Prometheus computes histogram_quantile so from classic histograms (bucketQuantile in "
        "its promql/quantile.go; it takes a share from 0 to 1 for the percent). Counts of several "
        "servers may be added, and their sum gives the percentile of all requests: percentiles "
        "themselves cannot be averaged. Asked next: how wrong can it be? By up to the width of the "
        "bucket, so put bounds where the promise to the customer lies. And a p99 that equals the "
        "largest finite bound says only “that or more”."
    ),
    difficulty=2,
    taught_in="08_serving_and_costs, section 1",
)
