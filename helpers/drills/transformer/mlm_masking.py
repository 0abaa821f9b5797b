import numpy as np

from helpers.drills.spec import Case, Drill


def mlm_masking(
    token_ids: np.ndarray,
    draws: np.ndarray,
    fates: np.ndarray,
    others: np.ndarray,
    special: np.ndarray,
    mask_id: int,
) -> tuple:
    """Make inputs and labels for masked language modelling, the task on which BERT is pre-trained:
    hide some tokens of a text, and ask for them.

    All arrays have shape (batch, time). `token_ids`, ints, is the text. `special`, bool, is True at
    [CLS], [SEP] and [PAD]. All that is random is given: `draws` and `fates`, floats in [0, 1), and
    `others`, ints, a random token for each place. A place is chosen if its draw is below 0.15 and
    it is not special. What the input holds at a chosen place is decided by its fate: `mask_id` if
    that is below 0.8; the token from `others` if it is from 0.8 on and below 0.9; the token itself
    from 0.9 on. At all other places the input is the token itself. Return (inputs, labels), two new
    int arrays of shape (batch, time): labels hold the token of the text at every chosen place,
    whatever its fate, and −100, which the loss leaves out, everywhere else. The arguments must not
    change.
    """
    chosen = (draws < 0.15) & ~special
    labels = np.where(chosen, token_ids, -100)
    noisy = np.where(fates < 0.8, mask_id, np.where(fates < 0.9, others, token_ids))
    inputs = np.where(chosen, noisy, token_ids)
    return inputs, labels


def place_by_place(token_ids, draws, fates, others, special, mask_id):
    inputs, labels = [], []
    for row in zip(token_ids, draws, fates, others, special, strict=True):
        row_inputs, row_labels = [], []
        for token, draw, fate, other, is_special in zip(*row, strict=True):
            if is_special or draw >= 0.15:
                row_inputs.append(token)
                row_labels.append(-100)
            else:
                row_inputs.append(mask_id if fate < 0.8 else other if fate < 0.9 else token)
                row_labels.append(token)
        inputs.append(row_inputs)
        labels.append(row_labels)
    return np.array(inputs), np.array(labels)


def by_the_number_of_the_fate(token_ids, draws, fates, others, special, mask_id):
    fate = np.digitize(fates, [0.8, 0.9])  # 0, 1 or 2
    fate[special | (draws >= 0.15)] = 2
    labels = np.full(token_ids.shape, -100)
    asked = np.nonzero(~special & (draws < 0.15))
    labels[asked] = token_ids[asked]
    return np.choose(fate, (mask_id, others, token_ids)), labels


def _parts(token_ids, draws, fates, others, special, mask_id, shares=(0.8, 0.1)):
    """The places chosen, the inputs, and the labels, with other shares of the three fates."""
    chosen = (draws < 0.15) & ~special
    first, second = fates < shares[0], fates < sum(shares)
    inputs = np.where(chosen & first, mask_id, np.where(chosen & second, others, token_ids))
    return chosen, inputs, np.where(chosen, token_ids, -100)


def specials_masked(token_ids, draws, fates, others, special, mask_id):
    """You choose among all places. [CLS], [SEP] and [PAD] are no words: nothing is to be learned
    from guessing them, so leave them out."""
    nothing = np.zeros(special.shape, bool)
    return _parts(token_ids, draws, fates, others, nothing, mask_id)[1:]


def labels_everywhere(token_ids, draws, fates, others, special, mask_id):
    """Your labels hold the text at every place: the model is asked for tokens that it sees, and
    learns to copy. Put −100 where nothing was chosen."""
    args = token_ids, draws, fates, others, special, mask_id
    return _parts(*args)[1], token_ids.copy()


def labels_from_the_inputs(token_ids, draws, fates, others, special, mask_id):
    """You take the labels from the inputs after they were changed, so that the model is asked for
    [MASK]. The labels come from the text: keep a copy of it."""
    chosen, inputs, _ = _parts(token_ids, draws, fates, others, special, mask_id)
    return inputs, np.where(chosen, inputs, -100)


def labels_upside_down(token_ids, draws, fates, others, special, mask_id):
    """You put −100 at the chosen places and ask for all the others. It has to be the other way
    round: −100 is what the loss leaves out."""
    chosen, inputs, _ = _parts(token_ids, draws, fates, others, special, mask_id)
    return inputs, np.where(chosen, -100, token_ids)


def zero_for_ignored(token_ids, draws, fates, others, special, mask_id):
    """You put 0 where nothing is asked. 0 is a token, [PAD] in BERT, and the model would learn to
    answer it: put −100."""
    chosen, inputs, _ = _parts(token_ids, draws, fates, others, special, mask_id)
    return inputs, np.where(chosen, token_ids, 0)


def kept_tokens_not_asked(token_ids, draws, fates, others, special, mask_id):
    """You ask only for places that are masked or replaced. Kept tokens are asked for as well: since
    the model cannot know which ones, it has to have an opinion on every token."""
    _, inputs, labels = _parts(token_ids, draws, fates, others, special, mask_id)
    return inputs, np.where(fates < 0.9, labels, -100)


def asked_where_something_changed(token_ids, draws, fates, others, special, mask_id):
    """You ask wherever the input differs from the text. A chosen token may stay, or be replaced by
    itself, and is asked for all the same: go by what was chosen."""
    _, inputs, labels = _parts(token_ids, draws, fates, others, special, mask_id)
    return inputs, np.where(inputs != token_ids, labels, -100)


def everything_chosen_is_masked(token_ids, draws, fates, others, special, mask_id):
    """You mask every chosen place. Later tasks have no [MASK] in their texts, so BERT masks four
    fifths of them, replaces a tenth, and keeps a tenth."""
    return _parts(token_ids, draws, fates, others, special, mask_id, (1.0, 0.0))[1:]


def nothing_kept(token_ids, draws, fates, others, special, mask_id):
    """You replace all chosen tokens that are not masked. Only fates from 0.8 to 0.9 are replaced;
    from 0.9 on the token stays."""
    return _parts(token_ids, draws, fates, others, special, mask_id, (0.8, 0.2))[1:]


def shares_exchanged(token_ids, draws, fates, others, special, mask_id):
    """You mask a tenth of the chosen places and replace eight tenths: the text is mostly noise.
    Fates below 0.8 are masked."""
    return _parts(token_ids, draws, fates, others, special, mask_id, (0.1, 0.8))[1:]


def masks_overwritten(token_ids, draws, fates, others, special, mask_id):
    """You replace all fates below 0.9, and the masks, put there before, are lost: no [MASK] is
    left. Only fates from 0.8 on are replaced."""
    return _parts(token_ids, draws, fates, others, special, mask_id, (0.0, 0.9))[1:]


def replaced_at_all_places(token_ids, draws, fates, others, special, mask_id):
    """You replace tokens by their fate alone, chosen or not, so that a tenth of the whole text is
    noise. A fate counts at chosen places only."""
    args = token_ids, draws, fates, others, special, mask_id
    replaced = (fates >= 0.8) & (fates < 0.9)
    return np.where(replaced, others, _parts(*args)[1]), _parts(*args)[2]


def cases(rng):
    token_ids = np.array([[1, 7, 8, 9, 6, 2]])
    draws = np.array([[0.1, 0.1, 0.5, 0.0, 0.14, 0.9]])
    fates = np.array([[0.3, 0.3, 0.3, 0.85, 0.95, 0.1]])
    special = np.array([[True, False, False, False, False, True]])
    others = np.array([[5, 6, 7, 5, 8, 9]])
    yield Case("six tokens, the mask is 3", (token_ids, draws, fates, others, special, 3))
    edges = np.array([[0.15, 0.15, 0.1, 0.1, 0.1, 0.0]])
    fates = np.array([[0.5, 0.85, 0.8, 0.9, 0.0, 0.79]])
    nothing = np.zeros((1, 6), bool)
    yield Case("draws and fates on the borders", (token_ids, edges, fates, others, nothing, 4))
    fates = np.array([[0.85, 0.82, 0.89, 0.86, 0.5, 0.93]])
    args = token_ids, np.full((1, 6), 0.05), fates, token_ids[:, [0, 2, 2, 3, 1, 5]], nothing, 3
    yield Case("a token is replaced by itself", args)
    args = token_ids, draws, np.full((1, 6), 0.2), others, ~nothing, 3
    yield Case("nothing but special tokens", args)
    args = token_ids, np.full((1, 6), 0.4), np.full((1, 6), 0.85), others, nothing, 3
    yield Case("nothing chosen", args)
    for batch, time, mask_id in ((3, 41, 4), (7, 29, 103), (5, 64, 0)):
        token_ids, others = rng.integers(5, 100, (2, batch, time))
        draws, fates = rng.random((2, batch, time))
        special = rng.random((batch, time)) < 0.2
        args = token_ids, draws, fates, others, special, mask_id
        yield Case(f"{batch} random texts of {time} tokens", args)


DRILL = Drill(
    reference=mlm_masking,
    cases=cases,
    alternatives=(place_by_place, by_the_number_of_the_fate),
    mistakes=(
        specials_masked,
        labels_everywhere,
        labels_from_the_inputs,
        labels_upside_down,
        zero_for_ignored,
        kept_tokens_not_asked,
        asked_where_something_changed,
        everything_chosen_is_masked,
        nothing_kept,
        shares_exchanged,
        masks_overwritten,
        replaced_at_all_places,
    ),
    hints=(
        "Two questions at each place: is it chosen, and if so, what becomes of it? Which of the two"
        " do the labels depend on?",
        "`chosen = (draws < 0.15) & ~special` is all that the labels need. The inputs are "
        "the text, except at these places.",
        "`np.where(chosen, token_ids, -100)` are the labels. At chosen places the inputs are "
        "`np.where(fates < 0.8, mask_id, ...)`, with a second np.where inside for 0.9.",
    ),
    explanation=(
        "The labels follow from `chosen` alone; 80, 10 and 10 % concern the inputs only (Devlin et "
        "al., 2019, BERT: Pre-training of Deep Bidirectional Transformers for Language "
        "Understanding). Asked next: draw once, or anew in every epoch? BERT stored ten masked "
        "copies of its text; RoBERTa (Liu et al., 2019) draws anew, which costs nothing and is at "
        "least as good. And why 15 %? Fewer teach little per text, more leave too little context; "
        "large models do better with 40 % (Wettig et al., 2023)."
    ),
    difficulty=2,
    taught_in="05_bert_from_scratch, section 5",
)
