import numpy as np

from helpers.drills.spec import Case, Drill


def distillation_loss(
    student_logits: np.ndarray,
    teacher_logits: np.ndarray,
    labels: np.ndarray,
    temperature: float,
    alpha: float,
) -> float:
    """Compute the loss that teaches a small model, the student, what a large one, the teacher,
    knows: knowledge distillation.

    Both logits have shape (batch, classes), with batch at least 1 and classes at least 2; `labels`,
    ints of shape (batch,), are the true classes. `temperature` is a positive number, `alpha` one
    from 0 to 1. The soft loss of an example compares softmax(teacher_logits / temperature), p, with
    softmax(student_logits / temperature), s: it is KL(p ‖ s), the sum over the classes of
    p · log(p / s), natural logarithm. The hard loss is −log of the probability that the student
    gives to the true class, without temperature. Return the mean over the batch of
    alpha · temperature² · soft + (1 − alpha) · hard, a float. Logits of ±1,000 must give the right
    number: nothing overflows, and no log(0). The arguments stay as they are.
    """

    def log_softmax(logits):
        shifted = logits - logits.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    log_p = log_softmax(teacher_logits / temperature)
    log_s = log_softmax(student_logits / temperature)
    soft = np.sum(np.exp(log_p) * (log_p - log_s), axis=1)
    hard = -log_softmax(student_logits)[np.arange(len(labels)), labels]
    return np.mean(alpha * temperature**2 * soft + (1 - alpha) * hard)


def example_by_example(student_logits, teacher_logits, labels, temperature, alpha):
    losses = []
    for student, teacher, label in zip(student_logits, teacher_logits, labels, strict=True):
        hard = np.logaddexp.reduce(student) - student[label]
        log_p = teacher / temperature - np.logaddexp.reduce(teacher / temperature)
        log_s = student / temperature - np.logaddexp.reduce(student / temperature)
        soft = np.exp(log_p) @ log_p - np.exp(log_p) @ log_s  # cross-entropy less entropy
        losses.append(alpha * temperature * temperature * soft + (1 - alpha) * hard)
    return np.average(losses)


def with_log_sums(student_logits, teacher_logits, labels, temperature, alpha):
    T = temperature
    log_sums = [np.logaddexp.reduce(z / T, axis=1) for z in (student_logits, teacher_logits)]
    p = np.exp(teacher_logits / T - log_sums[1][:, None])
    # KL = log Σexp(student) − log Σexp(teacher) + the mean of the differences under p
    soft = log_sums[0] - log_sums[1] + np.sum(p * (teacher_logits - student_logits), axis=1) / T
    own = student_logits[labels[:, None] == np.arange(student_logits.shape[1])]
    hard = np.logaddexp.reduce(student_logits, axis=1) - own
    return alpha * T**2 * np.mean(soft) + (1 - alpha) * np.mean(hard)


def _log_softmax(logits):
    return logits - np.logaddexp.reduce(logits, axis=1)[:, None]


def _kl(from_logits, to_logits):
    log_p, log_s = _log_softmax(from_logits), _log_softmax(to_logits)
    return np.sum(np.exp(log_p) * (log_p - log_s), axis=1)


def _hard(logits, labels):
    return -_log_softmax(logits)[np.arange(len(labels)), labels]


def t_squared_forgotten(student_logits, teacher_logits, labels, temperature, alpha):
    """You do not multiply the soft loss by temperature². Its gradients shrink like
    1 / temperature²: at temperature 4 the teacher would have a sixteenth of its say."""
    soft = _kl(teacher_logits / temperature, student_logits / temperature)
    return np.mean(alpha * soft + (1 - alpha) * _hard(student_logits, labels))


def multiplied_by_the_temperature_once(student_logits, teacher_logits, labels, temperature, alpha):
    """You multiply the soft loss by the temperature. It is its square: one factor is lost in the
    logits, the other in the probabilities, which come closer to each other."""
    soft = _kl(teacher_logits / temperature, student_logits / temperature)
    return np.mean(alpha * temperature * soft + (1 - alpha) * _hard(student_logits, labels))


def divergence_the_wrong_way(student_logits, teacher_logits, labels, temperature, alpha):
    """You compute KL(student ‖ teacher). The expectation is taken under the teacher, whose
    probabilities stand before the logarithm."""
    soft = _kl(student_logits / temperature, teacher_logits / temperature)
    hard = _hard(student_logits, labels)
    return np.mean(alpha * temperature**2 * soft + (1 - alpha) * hard)


def temperature_in_the_hard_loss(student_logits, teacher_logits, labels, temperature, alpha):
    """You divide the student's logits by the temperature in the hard loss too. The student is used
    without temperature, and so it is compared with the labels."""
    student = student_logits / temperature
    soft = _kl(teacher_logits / temperature, student)
    return np.mean(alpha * temperature**2 * soft + (1 - alpha) * _hard(student, labels))


def teacher_without_temperature(student_logits, teacher_logits, labels, temperature, alpha):
    """You divide only the student's logits by the temperature. The two are compared at the same
    temperature: otherwise a student equal to its teacher has a loss."""
    soft = _kl(teacher_logits, student_logits / temperature)
    hard = _hard(student_logits, labels)
    return np.mean(alpha * temperature**2 * soft + (1 - alpha) * hard)


def alpha_exchanged(student_logits, teacher_logits, labels, temperature, alpha):
    """You give alpha to the hard loss, and 1 − alpha to the soft one. It is the other way round
    here: alpha = 1 learns from the teacher alone."""
    return distillation_loss(student_logits, teacher_logits, labels, temperature, 1 - alpha)


def cross_entropy_for_divergence(student_logits, teacher_logits, labels, temperature, alpha):
    """Your soft loss is the cross-entropy, −Σ p · log s. Its gradient is the same, but it keeps the
    teacher's entropy, and is not 0 for a student that equals its teacher."""
    p = np.exp(_log_softmax(teacher_logits / temperature))
    soft = -np.sum(p * _log_softmax(student_logits / temperature), axis=1)
    hard = _hard(student_logits, labels)
    return np.mean(alpha * temperature**2 * soft + (1 - alpha) * hard)


def averaged_over_the_classes(student_logits, teacher_logits, labels, temperature, alpha):
    """Your soft loss is the mean over the classes too. A divergence is a sum over the classes; only
    over the batch is the mean taken. (PyTorch's kl_div does yours by default; "batchmean" is
    right.)"""
    soft = _kl(teacher_logits / temperature, student_logits / temperature)
    soft = soft / student_logits.shape[1]
    hard = _hard(student_logits, labels)
    return np.mean(alpha * temperature**2 * soft + (1 - alpha) * hard)


def summed_over_the_batch(student_logits, teacher_logits, labels, temperature, alpha):
    """You return the sum over the batch. Take the mean, so that the loss does not grow with the
    size of the batch."""
    mean = distillation_loss(student_logits, teacher_logits, labels, temperature, alpha)
    return len(labels) * mean


def logarithm_of_the_softmax(student_logits, teacher_logits, labels, temperature, alpha):
    """You compute probabilities first and their logarithm after that. Far below the largest logit
    they round to 0, and 0 · log(0) is NaN. Take the logarithm of the softmax in one step."""
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.exp(_log_softmax(teacher_logits / temperature))
        s = np.exp(_log_softmax(student_logits / temperature))
        soft = np.sum(p * np.log(p / s), axis=1)
        own = np.exp(_log_softmax(student_logits))[np.arange(len(labels)), labels]
        hard = -np.log(own)
        return np.mean(alpha * temperature**2 * soft + (1 - alpha) * hard)


def teachers_choice_for_the_label(student_logits, teacher_logits, labels, temperature, alpha):
    """You take the teacher's most probable class for the label. The hard loss is about the true
    class: it is what corrects the teacher's errors."""
    chosen = teacher_logits.argmax(axis=1)
    return distillation_loss(student_logits, teacher_logits, chosen, temperature, alpha)


def cases(rng):
    student, teacher = np.array([[1.0, 0.0, -1.0]]), np.array([[3.0, 1.0, 0.0]])
    yield Case("one example", (student, teacher, np.array([1]), 2.0, 0.75))
    two = np.array([[0.0, 2.0], [1.0, 0.5]])
    yield Case("student equals teacher", (two, two.copy(), np.array([0, 0]), 3.0, 0.5))
    yield Case("the teacher alone", (two, two[::-1] * 2, np.array([1, 0]), 4.0, 1))
    yield Case("the labels alone", (two, two[::-1] * 2, np.array([1, 0]), 4.0, 0))
    far = np.array([[1000.0, -1000.0, 0.0], [-1000.0, -997.0, -998.0]])
    yield Case("logits of ±1,000", (far, far[:, ::-1].copy(), np.array([1, 2]), 2.0, 0.4))
    yield Case("a temperature below 1", (two * 3, two[::-1] * 2, np.array([1, 1]), 0.5, 0.3))
    for batch, classes, temperature, alpha in ((5, 3, 4.0, 0.9), (3, 7, 1.5, 0.6), (7, 4, 8, 0.2)):
        logits = 2 * rng.normal(size=(2, batch, classes))
        labels = rng.integers(0, classes, batch)
        note = f"random: batch {batch}, {classes} classes, temperature {temperature:g}"
        # The divergence is a small difference of logarithms.
        yield Case(note, (*logits, labels, temperature, alpha), condition=10)


DRILL = Drill(
    reference=distillation_loss,
    cases=cases,
    alternatives=(example_by_example, with_log_sums),
    mistakes=(
        t_squared_forgotten,
        multiplied_by_the_temperature_once,
        divergence_the_wrong_way,
        temperature_in_the_hard_loss,
        teacher_without_temperature,
        alpha_exchanged,
        cross_entropy_for_divergence,
        averaged_over_the_classes,
        summed_over_the_batch,
        logarithm_of_the_softmax,
        teachers_choice_for_the_label,
    ),
    hints=(
        "Three log-probabilities are needed: the teacher's and the student's at the temperature, "
        "and the student's without. One small function gives all three.",
        "log softmax(z) = z − max − log Σ exp(z − max). Then log(p / s) is a difference, and what "
        "is p, if log p is at hand?",
        "soft = Σ exp(log_p) · (log_p − log_s) over the classes; hard = minus the third "
        "log-probability at the label; the mean of alpha · T² · soft + (1 − alpha) · hard.",
    ),
    explanation=(
        "The soft targets say which wrong classes are nearly right. Their gradients scale like "
        "1 / T²; the factor T² keeps the balance of the two losses when T changes (Hinton, Vinyals "
        "and Dean, 2015, Distilling the Knowledge in a Neural Network, with the cross-entropy: it "
        "differs from the divergence by the teacher's entropy, which no step changes). Asked next: "
        "what is left at a very high temperature? T² · KL tends to half the variance over the "
        "classes of teacher's minus student's logits: the student copies logits, the smallest too."
    ),
    difficulty=2,
    taught_in="08_serving_and_costs, section 2",
)
