import numpy as np

from helpers.drills.spec import Case, Drill


def dpo_loss(
    policy_chosen: np.ndarray,
    policy_rejected: np.ndarray,
    reference_chosen: np.ndarray,
    reference_rejected: np.ndarray,
    beta: float,
) -> float:
    """Compute the loss that teaches a language model what people prefer, without a reward model:
    direct preference optimisation, DPO.

    For each prompt of a batch people have chosen one of two answers and rejected the other. The
    arrays have shape (batch,), with batch at least 1, and hold the logarithm of the probability of
    a whole answer, the sum over its tokens: under the policy, which is trained, and under the
    reference, the frozen model that training started from. What the policy gained on an answer is
    its log-probability minus the reference's. The margin is the gain on the chosen answer minus
    that on the rejected one. Return the mean over the batch of −log sigmoid(beta · margin), natural
    logarithm, a float; beta is a positive number. For beta · margin of ±1,000 the loss has to be
    right, without infinities. The arguments stay as they are.
    """
    gained_on_chosen = policy_chosen - reference_chosen
    gained_on_rejected = policy_rejected - reference_rejected
    margin = gained_on_chosen - gained_on_rejected
    return np.mean(np.logaddexp(0, -beta * margin))  # log(e⁰ + e⁻ˣ) = −log sigmoid(x)


def pair_by_pair(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):
    total = 0.0
    for i in range(len(policy_chosen)):
        policy_odds = policy_chosen[i] - policy_rejected[i]
        reference_odds = reference_chosen[i] - reference_rejected[i]
        x = beta * (policy_odds - reference_odds)
        total += max(-x, 0) + np.log1p(np.exp(-abs(x)))
    return total / len(policy_chosen)


def by_a_softmax_over_the_pair(
    policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta
):
    policy = np.stack([policy_chosen, policy_rejected])
    rewards = beta * (policy - np.stack([reference_chosen, reference_rejected]))
    log_p = rewards[0] - np.logaddexp(rewards[0], rewards[1])  # Bradley and Terry's model
    return -np.average(log_p)


def _loss(x):
    return np.mean(np.logaddexp(0, -x))


def _margin(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    return policy_chosen - reference_chosen - (policy_rejected - reference_rejected)


def sign_wrong(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):
    """Your loss falls when the policy prefers the *rejected* answer: the margin, or chosen and
    rejected, is the wrong way round."""
    return _loss(
        -beta * _margin(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    )


def reference_left_out(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):
    """You compare the policy's log-probabilities alone. What counts is what it gained over the
    reference: nothing else holds the policy near the model it started from."""
    return _loss(beta * (policy_chosen - policy_rejected))


def reference_added(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):
    """You add the reference's log-probabilities. The gain is a ratio of two probabilities: in
    logarithms the reference is subtracted."""
    return _loss(beta * (policy_chosen + reference_chosen - policy_rejected - reference_rejected))


def beta_on_the_policy_only(
    policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta
):
    """You multiply the policy's part by beta and subtract the reference's without it. Beta belongs
    to the whole margin."""
    x = beta * (policy_chosen - policy_rejected) - (reference_chosen - reference_rejected)
    return _loss(x)


def beta_outside(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):
    """You multiply the loss by beta. It stands inside the sigmoid, at the margin: there it says how
    far the policy may go before a pair counts as learned."""
    margin = _margin(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    return beta * _loss(margin)


def beta_forgotten(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):
    """Your loss does not depend on beta. Multiply the margin by it."""
    return _loss(_margin(policy_chosen, policy_rejected, reference_chosen, reference_rejected))


def divided_by_beta(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):
    """You divide the margin by beta, as if it were a temperature. It is multiplied."""
    margin = _margin(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    return _loss(margin / beta)


def logarithm_of_the_sigmoid(
    policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta
):
    """You compute the sigmoid, and its logarithm after that. For a pair that is far on the wrong
    side the sigmoid rounds to 0, and the loss is infinite. Take both in one step."""
    margin = _margin(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    with np.errstate(over="ignore", divide="ignore"):
        return np.mean(-np.log(1 / (1 + np.exp(-beta * margin))))


def logarithm_left_out(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):
    """You average the probability that the rejected answer is preferred, 1 − sigmoid, without a
    logarithm. Where a pair is far on the wrong side, that is flat, and nothing is learned."""
    margin = _margin(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    return np.mean((1 - np.tanh(beta * margin / 2)) / 2)


def margins_averaged_first(
    policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta
):
    """You average the margins and take one loss of the mean. A pair that is far on the right side
    then pays for one on the wrong side: take the loss of each pair first."""
    margin = _margin(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    return _loss(beta * np.mean(margin))


def summed(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):
    """You return the sum over the batch. Take the mean, so that the loss does not grow with the
    size of the batch."""
    margin = _margin(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    return np.sum(np.logaddexp(0, -beta * margin))


def cases(rng):
    yield Case("one pair, beta = 0.5", (*np.array([[-5.0], [-8.0], [-6.0], [-7.0]]), 0.5))
    pairs = np.array([[-4.0, -9.0], [-6.0, -7.0], [-5.0, -8.0], [-5.0, -9.0]])
    yield Case("two pairs, one on the wrong side", (*pairs, 0.25))
    same = np.array([-3.0, -20.0, -7.5])
    yield Case("the policy is the reference", (same, same - 2, same, same - 2, 0.1))
    far = np.array([-1500.0, -100.0]), np.array([-100.0, -1200.0])
    yield Case("beta · margin of ±1,000", (*far, np.full(2, -400.0), np.array([0.0, -500.0]), 1))
    for size, spread, beta in [(5, 3, 0.1), (7, 10, 0.3), (4, 1, 2.0), (1, 40, 0.05)]:
        arrays = -abs(rng.normal(20, spread, size=(4, size)))
        yield Case(f"random: batch {size}, beta = {beta}", (*arrays, beta))


DRILL = Drill(
    reference=dpo_loss,
    cases=cases,
    alternatives=(pair_by_pair, by_a_softmax_over_the_pair),
    mistakes=(
        sign_wrong,
        reference_left_out,
        reference_added,
        beta_on_the_policy_only,
        beta_outside,
        beta_forgotten,
        divided_by_beta,
        logarithm_of_the_sigmoid,
        logarithm_left_out,
        margins_averaged_first,
        summed,
    ),
    hints=(
        "Four log-probabilities become one number for each pair: what did the policy gain on the "
        "chosen answer, and what on the rejected one?",
        "−log sigmoid(x) = log(1 + exp(−x)). For x = −1,000 the exponential overflows: which NumPy "
        "function adds two exponentials and takes the logarithm, in one step?",
        "margin = (policy_chosen − reference_chosen) − (policy_rejected − reference_rejected); "
        "np.mean(np.logaddexp(0, −beta · margin)).",
    ),
    explanation=(
        "Beta times the gain is the reward that the policy implies, and the loss is that of a "
        "logistic regression on the difference of two rewards (Rafailov and others, 2023, Direct "
        "Preference Optimization: Your Language Model is Secretly a Reward Model). Asked next: the "
        "loss falls, and so does the probability of the chosen answers: how can that be? Only the "
        "margin is in the loss. It grows as well when both answers lose, the rejected one more; "
        "watch policy_chosen beside the loss."
    ),
    difficulty=2,
    taught_in="06_gpt_from_scratch, section 5",
)
