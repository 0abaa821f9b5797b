import bisect
import heapq
from collections import Counter

import numpy as np

from helpers.drills.spec import Case, Drill


def trie_completions(words: list, counts: list, prefix: str, k: int) -> list:
    """Complete what somebody has begun to type: the k words that were used most often among those
    that begin with a prefix. Build a trie, a tree with one letter an edge.

    `words` is a list of texts of at least one character, and `counts` of the same length says how
    often each was used, at least once; a word may stand in the list several times: its counts add
    up. `prefix` may be any text; the empty one begins every word. Return a list of the words that
    begin with it, the prefix itself included if it is a word of the list: the most used ones first,
    equally used ones in the order of Python's strings, and k ≥ 1 of them at most. Where no word
    begins with it the list is empty. Capitals and small letters are different.
    """
    root = {"used": 0, "next": {}}
    for word, count in zip(words, counts, strict=True):
        node = root
        for letter in word:
            node = node["next"].setdefault(letter, {"used": 0, "next": {}})
        node["used"] += count  # stays 0 where no word ends

    node = root
    for letter in prefix:
        if letter not in node["next"]:
            return []
        node = node["next"][letter]

    found, waiting = [], [(prefix, node)]
    while waiting:
        text, node = waiting.pop()
        if node["used"]:
            found.append((-node["used"], text))
        waiting += [(text + letter, child) for letter, child in node["next"].items()]
    return [text for _, text in sorted(found)[:k]]


def with_a_counter(words, counts, prefix, k):
    used = Counter()
    for word, count in zip(words, counts, strict=True):
        used[word] += count
    fitting = [word for word in used if word.startswith(prefix)]
    return heapq.nsmallest(k, fitting, key=lambda word: (-used[word], word))


def in_a_sorted_list(words, counts, prefix, k):
    used = {}
    for i, word in enumerate(words):
        used[word] = used.get(word, 0) + counts[i]
    ordered = sorted(used)
    start = bisect.bisect_left(ordered, prefix)
    end = start
    while end < len(ordered) and ordered[end][: len(prefix)] == prefix:
        end += 1
    return sorted(ordered[start:end], key=used.get, reverse=True)[:k]  # a stable sort


def _used(words, counts):
    used = Counter()
    for word, count in zip(words, counts, strict=True):
        used[word] += count
    return used


def _best(used, k):
    return sorted(used, key=lambda word: (-used[word], word))[:k]


def _completions(used, prefix):
    return {word: count for word, count in used.items() if word.startswith(prefix)}


def prefix_itself_left_out(words, counts, prefix, k):
    """You look below the node of the prefix only. Where the prefix is a word itself, it belongs to
    the completions: look at that node, too."""
    used = _completions(_used(words, counts), prefix)
    used.pop(prefix, None)
    return _best(used, k)


def inner_nodes_taken_for_words(words, counts, prefix, k):
    """You add a word's count to every node on its way, and return nodes where no word ends. A node
    on the way is not a word: count, or set a mark, at the last letter only."""
    used = Counter()
    for word, count in _used(words, counts).items():
        for end in range(1, len(word) + 1):
            used[word[:end]] += count
    return _best(_completions(used, prefix), k)


def words_inside_longer_ones_lost(words, counts, prefix, k):
    """You take only nodes without children for words, so a word that a longer one begins with is
    lost. Mark where a word ends, whether or not the tree goes on there."""
    used = _used(words, counts)
    inside = {word[:end] for word in used for end in range(1, len(word))}
    used = {word: count for word, count in used.items() if word not in inside}
    return _best(_completions(used, prefix), k)


def last_count_kept(words, counts, prefix, k):
    """A word that stands in the list again loses its earlier counts in yours. Add them up."""
    return _best(_completions(dict(zip(words, counts, strict=True)), prefix), k)


def first_count_kept(words, counts, prefix, k):
    """You take no notice of a word that is in the trie already. Its new count is to be added."""
    used = dict(zip(words[::-1], counts[::-1], strict=True))
    return _best(_completions(used, prefix), k)


def lines_counted(words, counts, prefix, k):
    """You count how often a word stands in the list, whatever its counts. Add up the counts."""
    return _best(_completions(Counter(words), prefix), k)


def the_same_word_twice(words, counts, prefix, k):
    """A word that stands in the list twice comes out twice. Join its counts before you sort."""
    pairs = zip(words, counts, strict=True)
    fitting = sorted((-count, word) for word, count in pairs if word.startswith(prefix))
    return [word for _, word in fitting[:k]]


def least_used_first(words, counts, prefix, k):
    """You sort by rising counts, so that the words nobody uses come first. The most used ones
    come first."""
    used = _completions(_used(words, counts), prefix)
    return sorted(used, key=lambda word: (used[word], word))[:k]


def ties_from_z_to_a(words, counts, prefix, k):
    """You turn the whole order round for falling counts, and with it that of equally used words:
    these stand from z to a. Two keys: the negative count, then the word."""
    used = _completions(_used(words, counts), prefix)
    return sorted(used, key=lambda word: (used[word], word), reverse=True)[:k]


def ties_as_they_came(words, counts, prefix, k):
    """Equally used words come out in the order of the list, as `most_common` gives them. Sort them
    by the word as well."""
    used = _completions(_used(words, counts), prefix)
    return sorted(used, key=used.get, reverse=True)[:k]


def alphabet_only(words, counts, prefix, k):
    """You return the completions in the order of the alphabet. How often they were used comes
    first."""
    return sorted(_completions(_used(words, counts), prefix))[:k]


def cut_before_sorting(words, counts, prefix, k):
    """You stop when k words are found, and sort these. The most used one may be found last: find
    all, sort, and cut then."""
    used = _completions(_used(words, counts), prefix)
    return _best({word: used[word] for word in sorted(used)[:k]}, k)


def rests_without_the_prefix(words, counts, prefix, k):
    """You return what follows the prefix. The whole words are asked for: put the prefix in
    front."""
    return [word[len(prefix) :] for word in trie_completions(words, counts, prefix, k)]


def prefix_cut_where_the_trie_ends(words, counts, prefix, k):
    """Where the trie has no edge for the next letter of the prefix you stop and complete what you
    have. No word begins with that prefix: return an empty list."""
    used = _used(words, counts)
    while not _completions(used, prefix):
        if not prefix:
            return []
        prefix = prefix[:-1]
    return _best(_completions(used, prefix), k)


def unknown_prefix_fails(words, counts, prefix, k):
    """Your code fails where no word begins with the prefix. People mistype: return an empty
    list."""
    result = trie_completions(words, counts, prefix, k)
    if not result:
        raise KeyError(prefix)
    return result


def found_anywhere(words, counts, prefix, k):
    """You take words that *contain* the text. They have to begin with it."""
    used = _used(words, counts)
    return _best({word: used[word] for word in used if prefix in word}, k)


def capitals_made_small(words, counts, prefix, k):
    """You make everything small first. Capitals and small letters are different here: US is not
    us."""
    return trie_completions([word.lower() for word in words], counts, prefix.lower(), k)


def counts_returned_too(words, counts, prefix, k):
    """You return pairs of a word and its count. Only the words are asked for."""
    used = _used(words, counts)
    return [(word, used[word]) for word in trie_completions(words, counts, prefix, k)]


def random_words(rng: np.random.Generator, number: int, letters: str) -> list[str]:
    return ["".join(rng.choice([*letters], size)) for size in rng.integers(1, 5, number)]


def cases(rng):
    words = ["to", "tea", "ten", "inn", "tea"]
    yield Case("tea stands in the list twice", (words, [5, 2, 6, 9, 5], "te", 2))
    words = ["ten", "to", "tea", "team", "inn", "in", "te", "atea"]
    counts = [4, 5, 4, 1, 9, 2, 3, 8]
    yield Case("the prefix is a word", (words, counts, "te", 5))
    yield Case("equally used words", (words, counts, "te", 1))
    yield Case("the empty prefix", (words, counts, "", 3))
    yield Case("the empty prefix, and all words", (words, counts, "", 10))
    yield Case("a word that is no other's beginning", (words, counts, "inn", 3))
    yield Case("no word begins so, but one begins like it", (words, counts, "teas", 3))
    yield Case("a prefix of another alphabet", (words, counts, "ж", 3))
    yield Case("more are asked for than there are", (words, counts, "in", 10))
    yield Case("Chinese words", (["模型", "模样", "模", "型"], [3, 3, 1, 7], "模", 2))
    yield Case("capitals", (["US", "us", "use", "User", "US"], [2, 3, 1, 6, 2], "U", 3))
    yield Case("an empty list", ([], [], "a", 2))
    for number, letters, prefix, k in (
        (60, "ab", "a", 5),
        (150, "abc", "ca", 4),
        (90, "abc", "b", 7),
    ):
        words = random_words(rng, number, letters)
        counts = rng.integers(1, 6, number).tolist()
        yield Case(f"{number} random words, prefix {prefix}", (words, counts, prefix, k))


DRILL = Drill(
    reference=trie_completions,
    cases=cases,
    alternatives=(with_a_counter, in_a_sorted_list),
    mistakes=(
        prefix_itself_left_out,
        inner_nodes_taken_for_words,
        words_inside_longer_ones_lost,
        last_count_kept,
        first_count_kept,
        lines_counted,
        the_same_word_twice,
        least_used_first,
        ties_from_z_to_a,
        ties_as_they_came,
        alphabet_only,
        cut_before_sorting,
        rests_without_the_prefix,
        prefix_cut_where_the_trie_ends,
        unknown_prefix_fails,
        found_anywhere,
        capitals_made_small,
        counts_returned_too,
    ),
    hints=(
        "Three steps: build the tree, walk down to the node of the prefix, gather all words at and "
        "below it. How does a node know that a word ends there?",
        "Keep a number in each node: how often the word that ends there was used, 0 where none "
        "ends. Sorting by (−count, word) settles both orders at once.",
        "A node may be a dict of children and a number. Walk with node = children[letter], and "
        "return [] where there is none; gather (−number, text) wherever the number is not 0, "
        "starting at the prefix's own node; sort, cut at k.",
    ),
    explanation=(
        "The walk to the prefix's node takes as many steps as it has letters, however many words "
        "there are; gathering takes as many as there are letters below. Where that is too many, "
        "each node keeps the k best of its subtree, made once, and an answer is a look-up. A "
        "sorted list and two binary searches do the same with less memory. Asked next: the same "
        "tree elsewhere in this course? WordPiece looks for the longest piece at a place: a trie "
        "of the vocabulary, with failure links, does it in one pass (Song and others, 2021). And "
        "servers that keep prompts' keys and values find the longest known beginning in a tree of "
        "tokens."
    ),
    difficulty=2,
    taught_in="09_mock_interview, section 3",
)
