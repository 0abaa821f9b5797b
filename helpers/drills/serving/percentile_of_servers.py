import numpy as np

from helpers.drills.spec import Case, Drill


def percentile_of_servers(latencies: list, percent: float) -> float:
    """Report the latency that only a small share of all requests exceeds, the p99 for instance, of
    a service that runs on several servers.

    `latencies` is a list of arrays, one for each server, at least one: the seconds that each of its
    requests took, floats of shape (requests,), at least one request a server and in no order. The
    servers have served unequal numbers of requests. `percent` lies between 0 and 100, both
    included. Return the percentile over the requests of all servers, as if one server had served
    them, a float. Percentiles are NumPy's default: with n latencies in ascending order, counted
    from 0, it is the one at place percent / 100 · (n − 1), and between two places the straight line
    from one to the other. The arguments stay as they are.
    """
    together = np.concatenate(latencies)
    return np.percentile(together, percent)


def by_sorting(latencies, percent):
    ordered = sorted(seconds for server in latencies for seconds in server.tolist())
    place = percent / 100 * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def by_interpolating(latencies, percent):
    together = np.sort(np.hstack(latencies))
    return np.interp(percent / 100, np.linspace(0, 1, len(together)), together)


def as_given(latencies, percent):
    """This is the code as given, or its bug is still in it: count the requests that took longer
    than the p99 that it reports. They are not one in a hundred."""
    total = 0.0
    for server in latencies:
        ordered = np.sort(server)
        place = percent / 100 * (len(ordered) - 1)
        below = int(place)
        above = min(below + 1, len(ordered) - 1)
        total += ordered[below] + (place - below) * (ordered[above] - ordered[below])
    return total / len(latencies)


def _each(latencies, percent):
    return [np.percentile(server, percent) for server in latencies]


def weighted_by_requests(latencies, percent):
    """You weight the servers' percentiles by their requests. It is still a mean of percentiles:
    where one server is slow, the slowest requests of all are nearly all its own. Take the
    percentile once, of all latencies."""
    return np.average(_each(latencies, percent), weights=[len(server) for server in latencies])


def slowest_server(latencies, percent):
    """You report the percentile of the slowest server. It may have served few requests, and then
    fewer than the share exceed it. Take the percentile once, of all latencies."""
    return np.max(_each(latencies, percent))


def median_of_the_servers(latencies, percent):
    """You take the median of the servers' percentiles: a slow server does not show in it at all.
    Take the percentile once, of all latencies."""
    return np.median(_each(latencies, percent))


def percentile_of_percentiles(latencies, percent):
    """You take the percentile of the servers' percentiles: that counts servers, and each as one.
    Count requests: take it once, of all latencies."""
    return np.percentile(_each(latencies, percent), percent)


def percentile_of_means(latencies, percent):
    """You take the mean of each server, and the percentile of the means. A mean hides the slow
    requests: take the percentile of all latencies."""
    return np.percentile([np.mean(server) for server in latencies], percent)


def cut_to_the_shortest(latencies, percent):
    """You put the servers into one array of equal rows, and the busy servers lose what is over.
    Join the arrays end to end: each request counts."""
    shortest = min(map(len, latencies))
    return np.percentile(np.stack([server[:shortest] for server in latencies]), percent)


def first_server_only(latencies, percent):
    """You report the first server. The requests of all count."""
    return np.percentile(latencies[0], percent)


def percent_taken_for_a_share(latencies, percent):
    """You take one hundredth of the percent that is asked for: 99 is 0.99 per cent in yours, nearly
    the *fastest* request. np.percentile counts from 0 to 100, np.quantile from 0 to 1."""
    return np.percentile(np.concatenate(latencies), percent / 100)


def next_latency_above(latencies, percent):
    """You join the requests, and return one of the latencies, the next one above the place. That is
    another definition: here the line between the two neighbours is asked for."""
    return np.percentile(np.concatenate(latencies), percent, method="higher")


def nearest_latency(latencies, percent):
    """You join the requests, and return the latency nearest to the place. That is another
    definition: here the line between the two neighbours is asked for."""
    return np.percentile(np.concatenate(latencies), percent, method="nearest")


def place_of_n(latencies, percent):
    """You join the requests, and take the place percent / 100 · n. Places are counted from 0: the
    last one is n − 1."""
    ordered = np.sort(np.concatenate(latencies))
    return np.interp(percent / 100 * len(ordered), np.arange(len(ordered)), ordered)


def cases(rng):
    few = [np.array([0.1, 0.2, 0.3, 0.2]), np.array([0.9, 0.5])]
    yield Case("the median of two servers", (few, 50))
    yield Case("one server", ([np.array([0.4, 0.1, 0.3, 0.8])], 90))
    yield Case("one request each", ([np.array([s]) for s in (0.3, 0.7, 0.2)], 75))
    yield Case("percent = 100", (few, 100))
    yield Case("percent = 0", (few, 0))
    slow_and_rare = [rng.gamma(4, 0.05, 197), rng.gamma(4, 0.05, 150), rng.gamma(4, 0.9, 7)]
    yield Case("p99, the slowest server has few requests", (slow_and_rare, 99))
    slow_and_busy = [rng.gamma(4, 0.05, 31), rng.gamma(4, 0.9, 240), rng.gamma(4, 0.05, 53)]
    yield Case("p99, the slowest server has the most", (slow_and_busy, 99))
    for requests, percent in (((5, 9, 3, 14), 95), ((40, 7), 62.5), ((11, 2, 6, 30, 3), 33)):
        servers = [rng.gamma(2, rng.uniform(0.05, 0.5), n) for n in requests]
        yield Case(f"random: {len(requests)} servers, p{percent:g}", (servers, percent))


DRILL = Drill(
    reference=percentile_of_servers,
    cases=cases,
    given=as_given,
    alternatives=(by_sorting, by_interpolating),
    mistakes=(
        as_given,
        weighted_by_requests,
        slowest_server,
        median_of_the_servers,
        percentile_of_percentiles,
        percentile_of_means,
        cut_to_the_shortest,
        first_server_only,
        percent_taken_for_a_share,
        next_latency_above,
        nearest_latency,
        place_of_n,
    ),
    hints=(
        "Try two servers: one with 99 fast requests, one with a single slow one. Which latency do "
        "one in a hundred exceed, and what does the code report?",
        "A mean of means can be put right with weights. Can a mean of percentiles? What would you "
        "have to know of each server?",
        "Join the arrays with np.concatenate, and take one percentile of the whole.",
    ),
    explanation=(
        "A percentile asks for the order of all requests, and a server's percentile has forgotten "
        "it; no weights bring it back. The given code was wrong both ways: a slow server with few "
        "requests pulls the mean up, a slow one with most of them is averaged away. Percentiles "
        "per server answer another question: which server is slow? (Dean and Barroso, 2013, The "
        "Tail at Scale, on why the slowest per cent matters.) Asked next: all latencies of a month "
        "do not fit into memory; what then? Keep histograms with the same bounds on each server, "
        "which may be added, or a sketch that may be merged, such as the t-digest."
    ),
    difficulty=1,
    taught_in="08_serving_and_costs, section 1",
)
