import numpy as np

from helpers.drills.spec import Case, Drill


def request_price(
    price_per_hour: float,
    tokens_in: float,
    tokens_out: float,
    prefill_speed: float,
    decode_speed: float,
    utilisation: float,
) -> float:
    """Compute what a thousand requests to a language model cost on a rented GPU.

    The GPU costs `price_per_hour`, in euros, whether it is busy or not. A request has on average
    `tokens_in` tokens of prompt and `tokens_out` tokens of answer, each 0 or more. While the GPU
    reads prompts it gets through `prefill_speed` tokens a second, while it writes answers through
    `decode_speed`, each for all the requests of its batch together; it does one or the other, never
    both at once. It is busy for the share `utilisation` of the rented time, above 0 and at most 1,
    and idle for the rest, which has to be paid by the same requests. All are numbers, ints or
    floats; price and speeds are positive. Return the price of 1,000 requests in euros, a float.
    """
    busy = tokens_in / prefill_speed + tokens_out / decode_speed  # seconds for one request
    rented = busy / utilisation
    return 1000 * rented * price_per_hour / 3600


def from_the_requests_of_an_hour(
    price_per_hour, tokens_in, tokens_out, prefill_speed, decode_speed, utilisation
):
    busy = tokens_in * decode_speed + tokens_out * prefill_speed
    if busy == 0:
        return 0.0
    requests = utilisation * 3600 * prefill_speed * decode_speed / busy
    return price_per_hour / requests * 1000


def from_prices_of_tokens(
    price_per_hour, tokens_in, tokens_out, prefill_speed, decode_speed, utilisation
):
    busy_second = price_per_hour / 3600 / utilisation
    price_in, price_out = busy_second / prefill_speed, busy_second / decode_speed
    return tokens_in * 1000 * price_in + tokens_out * 1000 * price_out


def _price(price_per_hour, busy):
    return 1000 * busy * price_per_hour / 3600


def multiplied_by_the_utilisation(
    price_per_hour, tokens_in, tokens_out, prefill_speed, decode_speed, utilisation
):
    """You multiply by the utilisation: an idle GPU would make requests cheaper. The idle time is
    paid too: divide."""
    busy = tokens_in / prefill_speed + tokens_out / decode_speed
    return _price(price_per_hour, busy * utilisation)


def always_busy(price_per_hour, tokens_in, tokens_out, prefill_speed, decode_speed, utilisation):
    """You pay for the busy time alone. The GPU costs the same when it waits, and the requests that
    come have to pay for that."""
    busy = tokens_in / prefill_speed + tokens_out / decode_speed
    return _price(price_per_hour, busy)


def idle_share_added(
    price_per_hour, tokens_in, tokens_out, prefill_speed, decode_speed, utilisation
):
    """You add the idle share of the *busy* time: times 2 − utilisation. At a tenth of the time busy
    the GPU is rented ten times as long, not 1.9 times: divide by the utilisation."""
    busy = tokens_in / prefill_speed + tokens_out / decode_speed
    return _price(price_per_hour, busy * (2 - utilisation))


def hours_for_seconds(
    price_per_hour, tokens_in, tokens_out, prefill_speed, decode_speed, utilisation
):
    """You multiply seconds by the price of an hour. An hour has 3,600 of them."""
    return 3600 * request_price(
        price_per_hour, tokens_in, tokens_out, prefill_speed, decode_speed, utilisation
    )


def minutes_for_seconds(
    price_per_hour, tokens_in, tokens_out, prefill_speed, decode_speed, utilisation
):
    """You divide the price of an hour by 60: that is a minute. An hour has 3,600 seconds."""
    return 60 * request_price(
        price_per_hour, tokens_in, tokens_out, prefill_speed, decode_speed, utilisation
    )


def prompts_for_nothing(
    price_per_hour, tokens_in, tokens_out, prefill_speed, decode_speed, utilisation
):
    """You count the tokens that are written, and not those that are read. A prompt is read faster,
    but not for nothing, and it is often much longer."""
    return _price(price_per_hour, tokens_out / decode_speed / utilisation)


def answers_for_nothing(
    price_per_hour, tokens_in, tokens_out, prefill_speed, decode_speed, utilisation
):
    """You count the tokens that are read, and not those that are written. Those are the slow
    ones."""
    return _price(price_per_hour, tokens_in / prefill_speed / utilisation)


def mean_of_the_speeds(
    price_per_hour, tokens_in, tokens_out, prefill_speed, decode_speed, utilisation
):
    """You divide all tokens by the mean of the two speeds. Times add up, speeds do not: each kind
    of token by its own speed."""
    speed = np.mean([prefill_speed, decode_speed])
    return _price(price_per_hour, (tokens_in + tokens_out) / speed / utilisation)


def speeds_exchanged(
    price_per_hour, tokens_in, tokens_out, prefill_speed, decode_speed, utilisation
):
    """You read at the speed of writing, and write at the speed of reading. The prompt is the
    prefill."""
    return request_price(
        price_per_hour, tokens_in, tokens_out, decode_speed, prefill_speed, utilisation
    )


def slower_phase_only(
    price_per_hour, tokens_in, tokens_out, prefill_speed, decode_speed, utilisation
):
    """You take the longer of the two times, as if the GPU read and wrote at once. It does one after
    the other: add them."""
    busy = max(tokens_in / prefill_speed, tokens_out / decode_speed)
    return _price(price_per_hour, busy / utilisation)


def one_request(price_per_hour, tokens_in, tokens_out, prefill_speed, decode_speed, utilisation):
    """You return the price of one request. Asked for is that of a thousand."""
    thousand = request_price(
        price_per_hour, tokens_in, tokens_out, prefill_speed, decode_speed, utilisation
    )
    return thousand / 1000


def cases(rng):
    yield Case("2 euros an hour, busy half the time", (2.0, 1000, 200, 10_000, 1_000, 0.5))
    yield Case("always busy", (3.6, 500, 100, 5_000, 1_000, 1))
    yield Case("one token out, as from a classifier", (0.9, 128, 1, 40_000, 700, 0.3))
    yield Case("no prompt", (1.8, 0, 300, 20_000, 1_500, 0.25))
    yield Case("no answer, as for embeddings", (1.8, 300, 0, 20_000, 1_500, 0.25))
    yield Case("nothing at all", (1.8, 0, 0, 20_000, 1_500, 0.25))
    yield Case("a long prompt, busy a tenth of the time", (4, 90_000, 350.5, 12_000, 2_500, 0.1))
    for _ in range(3):
        ranges = (1, 9), (100, 4000), (50, 900), (5000, 30_000), (300, 4000), (0.05, 0.9)
        sizes = [rng.uniform(*between) for between in ranges]
        yield Case(f"random, {sizes[1]:.0f} tokens in, {sizes[2]:.0f} out", tuple(sizes))


DRILL = Drill(
    reference=request_price,
    cases=cases,
    alternatives=(from_the_requests_of_an_hour, from_prices_of_tokens),
    mistakes=(
        multiplied_by_the_utilisation,
        always_busy,
        idle_share_added,
        hours_for_seconds,
        minutes_for_seconds,
        prompts_for_nothing,
        answers_for_nothing,
        mean_of_the_speeds,
        speeds_exchanged,
        slower_phase_only,
        one_request,
    ),
    hints=(
        "For how many seconds does one request keep the GPU busy? Two terms.",
        "A GPU that is busy for a fifth of the time is rented five seconds for each busy one. And "
        "what does one second cost?",
        "(tokens_in / prefill_speed + tokens_out / decode_speed) / utilisation seconds, each at "
        "price_per_hour / 3600, times 1,000.",
    ),
    explanation=(
        "Times add up, and the idle time is shared out among the requests. Prompts are read many "
        "tokens at a time, which fills the arithmetic units; answers are written one token a step, "
        "and each step reads all weights from memory (Pope and others, 2023, Efficiently Scaling "
        "Transformer Inference). So the speeds differ, and price lists ask more for a token out "
        "than for one in. Asked next: what makes a request cheaper, without another GPU? Larger "
        "batches "
        "in decoding, a shorter or cached prompt, a shorter answer, int8 weights, and requests "
        "that can wait, to fill the idle hours: a utilisation of 60 instead of 20 per cent is a "
        "third of the price."
    ),
    difficulty=1,
    taught_in="08_serving_and_costs, section 3",
)
