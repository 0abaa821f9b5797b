import numpy as np

from helpers.drills.spec import Case, Drill


def key_value_cache_bytes(
    layers: int,
    key_heads: int,
    head_size: int,
    tokens: int,
    texts: int,
    bytes_per_number: int,
    window: int | None,
) -> int:
    """Count the bytes of a key-value cache: what a server keeps of the texts that a transformer is
    writing, beside the model's weights.

    Each of the `layers` keeps, for each token of each text, one key and one value in each of its
    `key_heads` heads; a key has `head_size` numbers, and a value as many. (With grouped queries
    there are more query heads than key heads: queries are not kept.) All `texts` of the batch have
    `tokens` tokens, prompt and answer together. A number takes `bytes_per_number` bytes. `window`
    is None, or, with attention in a sliding window, how many tokens of a text are kept at most, the
    last ones, in every layer. All numbers are ints, at least 1. Return the number of bytes, an int.
    One text of 8,192 tokens in Llama 3 8B, (32, 8, 128, 8192, 1, 2, None), takes 1,073,741,824.
    """
    kept = tokens if window is None else min(tokens, window)
    per_token = 2 * layers * key_heads * head_size  # numbers; 2: a key and a value
    return per_token * kept * texts * bytes_per_number


def from_the_shapes(layers, key_heads, head_size, tokens, texts, bytes_per_number, window):
    places = len(range(tokens)[-window:]) if window else tokens
    keys = values = (texts, key_heads, places, head_size)
    numbers = sum(int(np.prod(shape)) for _ in range(layers) for shape in (keys, values))
    return numbers * bytes_per_number


def token_by_token(layers, key_heads, head_size, tokens, texts, bytes_per_number, window):
    vector = head_size * bytes_per_number
    total = 0
    for place in range(tokens):
        if window is None or place >= tokens - window:
            total += vector * key_heads * texts  # keys
            total += vector * key_heads * texts  # values
    return layers * total


def values_forgotten(layers, key_heads, head_size, tokens, texts, bytes_per_number, window):
    """You count the keys and not the values. Attention needs both of every token before."""
    both = key_value_cache_bytes(
        layers, key_heads, head_size, tokens, texts, bytes_per_number, window
    )
    return both // 2


def queries_counted_too(layers, key_heads, head_size, tokens, texts, bytes_per_number, window):
    """You count three vectors for a token: query, key and value. A query is used once, at its own
    token, and not kept."""
    both = key_value_cache_bytes(
        layers, key_heads, head_size, tokens, texts, bytes_per_number, window
    )
    return both // 2 * 3


def one_layer_only(layers, key_heads, head_size, tokens, texts, bytes_per_number, window):
    """You count one layer. Each layer has keys and values of its own."""
    return key_value_cache_bytes(1, key_heads, head_size, tokens, texts, bytes_per_number, window)


def one_head_only(layers, key_heads, head_size, tokens, texts, bytes_per_number, window):
    """You count one key head in each layer. There are `key_heads`, and each keeps its own."""
    return key_value_cache_bytes(layers, 1, head_size, tokens, texts, bytes_per_number, window)


def one_text_only(layers, key_heads, head_size, tokens, texts, bytes_per_number, window):
    """You count one text. Weights are shared by the texts of a batch; a cache is not."""
    return key_value_cache_bytes(layers, key_heads, head_size, tokens, 1, bytes_per_number, window)


def numbers_for_bytes(layers, key_heads, head_size, tokens, texts, bytes_per_number, window):
    """You return how many numbers are kept. Multiply by the bytes that each of them takes."""
    return key_value_cache_bytes(layers, key_heads, head_size, tokens, texts, 1, window)


def bits_for_bytes(layers, key_heads, head_size, tokens, texts, bytes_per_number, window):
    """You return bits: eight times as many. `bytes_per_number` is in bytes already."""
    return 8 * key_value_cache_bytes(
        layers, key_heads, head_size, tokens, texts, bytes_per_number, window
    )


def grows_with_the_square(layers, key_heads, head_size, tokens, texts, bytes_per_number, window):
    """Your cache grows with the square of the tokens. So does the work of attention over a whole
    text; what is kept is one key and one value a token."""
    kept = tokens if window is None else min(tokens, window)
    return kept * key_value_cache_bytes(
        layers, key_heads, head_size, kept, texts, bytes_per_number, None
    )


def window_forgotten(layers, key_heads, head_size, tokens, texts, bytes_per_number, window):
    """You keep all tokens, whatever the window. Of a text that is longer than the window only the
    last `window` tokens are kept."""
    return key_value_cache_bytes(
        layers, key_heads, head_size, tokens, texts, bytes_per_number, None
    )


def window_always_full(layers, key_heads, head_size, tokens, texts, bytes_per_number, window):
    """You count a full window also where the text is shorter. It has `tokens` tokens, and no more
    are kept."""
    return key_value_cache_bytes(
        layers, key_heads, head_size, window or tokens, texts, bytes_per_number, None
    )


def window_over_the_whole_batch(
    layers, key_heads, head_size, tokens, texts, bytes_per_number, window
):
    """You cut the tokens of all texts together to one window. Each text has a window of its own."""
    kept = tokens * texts if window is None else min(tokens * texts, window)
    return key_value_cache_bytes(layers, key_heads, head_size, kept, 1, bytes_per_number, None)


def cases(rng):
    yield Case("a tiny model", (3, 1, 5, 7, 1, 4, None))
    yield Case("three texts, two heads", (2, 2, 5, 7, 3, 2, None))
    yield Case("a window shorter than the text", (3, 2, 5, 11, 1, 2, 7))
    yield Case("a window longer than the text", (3, 2, 5, 7, 1, 2, 11))
    yield Case("a window of one token", (3, 1, 2, 5, 3, 1, 1))
    yield Case("everything 1", (1, 1, 1, 1, 1, 1, 1))
    yield Case("OPT-13B, one token", (40, 40, 128, 1, 1, 2, None))
    yield Case("Llama 3 8B, five full texts", (32, 8, 128, 8192, 5, 2, None))
    yield Case("Mistral 7B, its window, 32,768 tokens", (32, 8, 128, 32768, 1, 2, 4096))
    for window in (None, 50, 700):
        sizes = tuple(int(rng.integers(*between)) for between in
                      [(2, 40), (2, 9), (3, 99), (60, 600), (2, 30), (2, 5)])  # fmt: skip
        yield Case(f"random sizes, window {window}", (*sizes, window))


DRILL = Drill(
    reference=key_value_cache_bytes,
    cases=cases,
    alternatives=(from_the_shapes, token_by_token),
    mistakes=(
        values_forgotten,
        queries_counted_too,
        one_layer_only,
        one_head_only,
        one_text_only,
        numbers_for_bytes,
        bits_for_bytes,
        grows_with_the_square,
        window_forgotten,
        window_always_full,
        window_over_the_whole_batch,
    ),
    hints=(
        "How many numbers does one head of one layer keep of one token? Go on from there: heads, "
        "layers, tokens, texts.",
        "A key and a value: 2 · head_size numbers. Everything else multiplies, except the window: "
        "of how many tokens is something kept where the text is shorter than it, and where it is "
        "longer?",
        "2 · layers · key_heads · head_size · min(tokens, window) · texts · bytes_per_number; "
        "without a window all tokens.",
    ),
    explanation=(
        "Kwon and others, 2023, Efficient Memory Management for Large Language Model Serving with "
        "PagedAttention, count 800 KB a token for OPT-13B: 2 · 5,120 · 40 layers · 2 bytes, where "
        "5,120 = 40 heads · 128. Llama 3 8B has 8 key heads for 32 query heads and keeps 128 KiB a "
        "token in bfloat16 (Grattafiori and others, 2024, The Llama 3 Herd of Models); Mistral "
        "7B's window of 4,096 makes the cache of 32,768 tokens 8 times smaller (Jiang and others, "
        "2023, Mistral 7B). Asked next: the weights of an 8B model take 16 GB of a GPU with 80 "
        "GB. How many texts of 8,192 tokens fit beside them? 64 GB for about 1.07 GB each: 59, "
        "less what the activations take. So memory, not arithmetic, often limits the batch."
    ),
    difficulty=1,
    taught_in="08_serving_and_costs, section 3",
)
