import numpy as np

from helpers.drills.spec import Case, Drill


def batch_norm_forward(
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    moving_mean: np.ndarray,
    moving_variance: np.ndarray,
    momentum: float,
    epsilon: float,
    training: bool,
) -> tuple:
    """Run batch normalisation, in training and in evaluation.

    `x` is float64, rows of shape (n, features) or images of shape (n, height, width, features); n
    may be 1. All other arrays have the shape (features,). In training, the mean and the variance
    of a feature are taken over everything in the batch that belongs to it: all rows, or all pixels
    of all images. In evaluation they are `moving_mean` and `moving_variance`. The output, of the
    shape of x, is y = gamma · (x − mean) / √(variance + epsilon) + beta, with epsilon > 0.

    Return (y, moving_mean, moving_variance). In training each moving statistic becomes
    momentum · old + (1 − momentum) · that of this batch: the convention of Keras, where momentum is
    the share that is *kept*. (In PyTorch it is the share that is new.) In evaluation they stay as
    they are. The batch's variance is the mean of the squared distances from its mean, divided by
    their number and not by one less, in the output and in the moving variance. A batch of one row
    is no special case. Leave the arguments alone.
    """
    if training:
        axes = tuple(range(x.ndim - 1))  # all but the features
        mean, variance = x.mean(axis=axes), x.var(axis=axes)
        moving_mean = momentum * moving_mean + (1 - momentum) * mean
        moving_variance = momentum * moving_variance + (1 - momentum) * variance
    else:
        mean, variance = moving_mean, moving_variance
    y = gamma * (x - mean) / np.sqrt(variance + epsilon) + beta
    return y, moving_mean, moving_variance


def one_scale_and_one_shift(
    x, gamma, beta, moving_mean, moving_variance, momentum, epsilon, training
):
    # In evaluation the layer is a product and a sum: it can be folded into the layer before.
    mean, variance = moving_mean, moving_variance
    if training:
        rows = x.reshape(-1, x.shape[-1])
        mean = np.einsum("nf->f", rows) / len(rows)
        centred = rows - mean
        variance = np.einsum("nf,nf->f", centred, centred) / len(rows)
    scale = gamma * (variance + epsilon) ** -0.5
    new = (1 - momentum) * bool(training)
    moved = [moving_mean + new * (mean - moving_mean)]
    moved.append(moving_variance + new * (variance - moving_variance))
    return scale * x + (beta - scale * mean), *moved


def feature_by_feature(x, gamma, beta, moving_mean, moving_variance, momentum, epsilon, training):
    y = np.empty_like(x)
    means, variances = moving_mean.copy(), moving_variance.copy()
    for f in range(x.shape[-1]):
        values = x[..., f]
        mean, variance = means[f], variances[f]
        if training:
            mean = sum(values.ravel().tolist()) / values.size
            variance = sum((v - mean) ** 2 for v in values.ravel().tolist()) / values.size
            means[f] += (1 - momentum) * (mean - means[f])
            variances[f] += (1 - momentum) * (variance - variances[f])
        y[..., f] = (values - mean) / (variance + epsilon) ** 0.5 * gamma[f] + beta[f]
    return y, means, variances


def _moments(x, axes=None, ddof=0):
    axes = tuple(range(x.ndim - 1)) if axes is None else axes
    with np.errstate(all="ignore"):
        numbers = np.float64(x.size / x.shape[-1])
        return x.mean(axis=axes), x.var(axis=axes) * numbers / (numbers - ddof)


def _normalised(x, gamma, beta, mean, variance, epsilon):
    with np.errstate(all="ignore"):
        return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def _kept(old, new, momentum):
    return momentum * old + (1 - momentum) * new


def batch_statistics_in_evaluation(x, gamma, beta, m, v, momentum, epsilon, training):
    """You normalise with the batch's own statistics in evaluation too. What the model says of an
    example then depends on its neighbours, and of one alone it says beta: use the moving ones."""
    y = _normalised(x, gamma, beta, *_moments(x), epsilon)
    return y, *batch_norm_forward(x, gamma, beta, m, v, momentum, epsilon, training)[1:]


def training_flag_ignored(x, gamma, beta, m, v, momentum, epsilon, training):
    """You do the same whether `training` is true or not: evaluation normalises by the batch and
    moves the statistics, so that test data leak into the model. Only training does that."""
    return batch_norm_forward(x, gamma, beta, m, v, momentum, epsilon, True)


def moved_in_evaluation(x, gamma, beta, m, v, momentum, epsilon, training):
    """Your output is right, but evaluation moves the moving statistics. Asking a model must not
    change it: return them as they came."""
    y = batch_norm_forward(x, gamma, beta, m, v, momentum, epsilon, training)[0]
    return y, *batch_norm_forward(x, gamma, beta, m, v, momentum, epsilon, True)[1:]


def moving_statistics_in_training(x, gamma, beta, m, v, momentum, epsilon, training):
    """In training you normalise with the moving statistics after moving them. The batch's own
    belong there: the gradient is to know that they depend on x."""
    _, m, v = batch_norm_forward(x, gamma, beta, m, v, momentum, epsilon, training)
    return _normalised(x, gamma, beta, m, v, epsilon), m, v


def never_moved(x, gamma, beta, m, v, momentum, epsilon, training):
    """You return the moving statistics as they came, in training as well. Evaluation would
    normalise with their start values for ever."""
    return batch_norm_forward(x, gamma, beta, m, v, momentum, epsilon, training)[0], m, v


def last_batch_kept(x, gamma, beta, m, v, momentum, epsilon, training):
    """You return the statistics of this batch. The moving ones are an average over many batches:
    mix the old and the new by momentum."""
    y = batch_norm_forward(x, gamma, beta, m, v, momentum, epsilon, training)[0]
    return y, *(_moments(x) if training else (m, v))


def momentum_for_the_new(x, gamma, beta, m, v, momentum, epsilon, training):
    """You weight the batch with momentum and the old value with the rest: that is PyTorch's
    convention. Here, as in Keras, momentum says how much of the old value is kept; 0.99 is
    usual."""
    return batch_norm_forward(x, gamma, beta, m, v, 1 - momentum, epsilon, training)


def deviation_averaged(x, gamma, beta, m, v, momentum, epsilon, training):
    """You mix the batch's standard deviation into the moving *variance*. Average variances; the
    root is taken where one divides."""
    y, mean, _ = batch_norm_forward(x, gamma, beta, m, v, momentum, epsilon, training)
    return y, mean, _kept(v, np.sqrt(_moments(x)[1]), momentum) if training else v


def one_less_in_the_moving_variance(x, gamma, beta, m, v, momentum, epsilon, training):
    """Your moving variance takes the batch's squares over their number minus one, while the output
    does not. PyTorch does that; here, as in Keras, one variance serves for both. With a single row
    yours is 0 / 0."""
    y, mean, _ = batch_norm_forward(x, gamma, beta, m, v, momentum, epsilon, training)
    return y, mean, _kept(v, _moments(x, ddof=1)[1], momentum) if training else v


def one_less_everywhere(x, gamma, beta, m, v, momentum, epsilon, training):
    """You divide the squared distances by their number minus one. Nothing is estimated here: the
    batch itself is to have the variance 1. And a single row gives 0 / 0."""
    if not training:
        return batch_norm_forward(x, gamma, beta, m, v, momentum, epsilon, training)
    mean, variance = _moments(x, ddof=1)
    y = _normalised(x, gamma, beta, mean, variance, epsilon)
    return y, _kept(m, mean, momentum), _kept(v, variance, momentum)


def epsilon_added_to_the_deviation(x, gamma, beta, m, v, momentum, epsilon, training):
    """Your epsilon stands outside the root. Add it to the variance first, and take the root of the
    sum."""
    mean, variance = _moments(x) if training else (m, v)
    y = gamma * (x - mean) / (np.sqrt(variance) + epsilon) + beta
    return y, *batch_norm_forward(x, gamma, beta, m, v, momentum, epsilon, training)[1:]


def epsilon_forgotten(x, gamma, beta, m, v, momentum, epsilon, training):
    """You forget epsilon. In a batch of one row the variance is 0, and you compute 0 / 0; with
    epsilon the output there is beta."""
    y = _normalised(x, gamma, beta, *(_moments(x) if training else (m, v)), 0.0)
    return y, *batch_norm_forward(x, gamma, beta, m, v, momentum, epsilon, training)[1:]


def moving_variance_holds_epsilon(x, gamma, beta, m, v, momentum, epsilon, training):
    """You mix variance + epsilon into the moving variance, and evaluation adds epsilon again.
    Average the variance as it is."""
    y, mean, _ = batch_norm_forward(x, gamma, beta, m, v, momentum, epsilon, training)
    return y, mean, _kept(v, _moments(x)[1] + epsilon, momentum) if training else v


def each_row_by_itself(x, gamma, beta, m, v, momentum, epsilon, training):
    """You normalise along the features, each row or pixel by itself: that is layer normalisation.
    Each feature has statistics of its own, taken across the batch."""
    mean, variance = (m, v) if not training else (x.mean(-1), x.var(-1))
    if training:
        y = _normalised(x, gamma, beta, mean[..., None], variance[..., None], epsilon)
    else:
        y = _normalised(x, gamma, beta, mean, variance, epsilon)
    return y, *batch_norm_forward(x, gamma, beta, m, v, momentum, epsilon, training)[1:]


def each_pixel_by_itself(x, gamma, beta, m, v, momentum, epsilon, training):
    """Of images you take the statistics over axis 0 alone, another mean for every place. A
    convolution does the same everywhere, and so does its normalisation: average over height and
    width too."""
    if not training:
        return batch_norm_forward(x, gamma, beta, m, v, momentum, epsilon, training)
    mean, variance = x.mean(axis=0), x.var(axis=0)
    y = _normalised(x, gamma, beta, mean, variance, epsilon)
    return y, _kept(m, mean, momentum), _kept(v, variance, momentum)


def all_features_together(x, gamma, beta, m, v, momentum, epsilon, training):
    """You take one mean and one variance of the whole array. A feature measured in grams must not
    drown one in tons: keep the last axis."""
    if not training:
        return batch_norm_forward(x, gamma, beta, m, v, momentum, epsilon, training)
    y = _normalised(x, gamma, beta, x.mean(), x.var(), epsilon)
    return y, _kept(m, x.mean(), momentum), _kept(v, x.var(), momentum)


def gamma_and_beta_left_out(x, gamma, beta, m, v, momentum, epsilon, training):
    """Your output has mean 0 and variance 1, whatever gamma and beta are. They are what the layer
    learns: multiply, then add."""
    return batch_norm_forward(x, 1.0, 0.0, m, v, momentum, epsilon, training)


def single_row_not_normalised(x, gamma, beta, m, v, momentum, epsilon, training):
    """You treat a batch of one row apart, and take the moving statistics for it. The formula holds
    for it too: the row is its own mean, its variance is 0, and y is beta."""
    training = training and x.size > x.shape[-1]
    return batch_norm_forward(x, gamma, beta, m, v, momentum, epsilon, training)


def cases(rng):
    one = np.ones(1)
    x = np.array([[1.0], [5.0]])
    first = (x, 3 * one, one, 0 * one, one, 0.75, 5.0)
    yield Case("two rows of one feature, training", (*first, True))
    yield Case("two rows of one feature, evaluation", (*first, False))
    yield Case("one row of two features, training", (*_random(rng, (1, 2)), 0.9, 0.5, True))
    yield Case("one row of two features, evaluation", (*_random(rng, (1, 2)), 0.9, 0.5, False))
    same = (np.full((3, 2), 0.7), *_random(rng, (3, 2))[1:], 0.99, 1e-3)
    yield Case("three equal rows", (*same, True))
    pixel = _random(rng, (1, 1, 3, 2))
    yield Case("one image of three pixels", (*pixel, 0.8, 0.1, True))
    for shape, momentum, epsilon in [((7, 3), 0.6, 0.2), ((3, 2, 5, 4), 0.9, 1e-3)]:
        args = (*_random(rng, shape), momentum, epsilon)
        for training in (True, False):
            when = "training" if training else "evaluation"
            yield Case(f"random numbers of shape {shape}, {when}", (*args, training))
    yield Case("as many rows as features", (*_random(rng, (4, 4)), 0.3, 0.01, True))


def _random(rng, shape):
    """x, gamma, beta, the moving mean and the moving variance."""
    features = shape[-1]
    x = rng.normal(size=shape) * rng.uniform(0.5, 3, features) + rng.normal(size=features)
    gamma, beta, moving_mean = rng.normal(size=(3, features))
    return x, gamma, beta, moving_mean, rng.uniform(0.5, 2, features)


DRILL = Drill(
    reference=batch_norm_forward,
    cases=cases,
    alternatives=(one_scale_and_one_shift, feature_by_feature),
    mistakes=(
        batch_statistics_in_evaluation,
        training_flag_ignored,
        moved_in_evaluation,
        moving_statistics_in_training,
        never_moved,
        last_batch_kept,
        momentum_for_the_new,
        deviation_averaged,
        one_less_in_the_moving_variance,
        one_less_everywhere,
        epsilon_added_to_the_deviation,
        epsilon_forgotten,
        moving_variance_holds_epsilon,
        each_row_by_itself,
        each_pixel_by_itself,
        all_features_together,
        gamma_and_beta_left_out,
        single_row_not_normalised,
    ),
    hints=(
        "`training` decides two things: which mean and variance are used, and whether the moving "
        "ones change. The last line of the formula is the same in both.",
        "One mean for each feature: average over all axes but the last. For images these are three "
        "axes, and `axis=` takes a tuple.",
        "axes = tuple(range(x.ndim − 1)); x.mean(axis=axes) and x.var(axis=axes). Each moving "
        "statistic is momentum · old + (1 − momentum) · new, in a new array.",
    ),
    explanation=(
        "Batch normalisation (Ioffe and Szegedy, 2015) gives each layer inputs of a steady size, "
        "whatever the layers before it do. In evaluation there may be no batch, and an answer "
        "should not depend on its neighbours, so averages from training stand in; a model left in "
        "the wrong mode is its commonest bug. Keras keeps 0.99 of the old value and has "
        "epsilon = 0.001; PyTorch's momentum of 0.1 is what Keras calls 0.9. Asked next: what goes "
        "wrong with small batches? The statistics are noise, and with one row of features the "
        "output is beta, whatever the row says: layer or group normalisation does not use the "
        "batch. And why does a frozen layer need its own care? In Keras `trainable = False` also "
        "puts it into evaluation."
    ),
    difficulty=2,
    taught_in="04_generative_adversarial_networks, section 5",
)
