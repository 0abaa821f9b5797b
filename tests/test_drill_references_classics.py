"""What the classic drills call right is what scikit-learn, Keras and TensorFlow compute."""

import itertools
import math
import warnings

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers.drills.machine_learning.decision_stump import decision_stump
from helpers.drills.machine_learning.k_means import k_means
from helpers.drills.machine_learning.linear_regression import linear_regression
from helpers.drills.machine_learning.logistic_regression import logistic_regression
from helpers.drills.machine_learning.principal_components import principal_components
from helpers.drills.machine_learning.softmax_regression_gradient import (
    softmax_regression_gradient,
)
from helpers.drills.training.adam_step import adam_step, as_keras_does
from helpers.drills.training.binary_cross_entropy import binary_cross_entropy
from helpers.drills.training.mlp_backward import mlp_backward
from helpers.drills.training.momentum_step import momentum_step

SEEDS = st.integers(0, 2**32 - 1)


def close(got, expected, scale=1.0):
    """Both agree to 1e-11 of the size of what went in: sums may cancel."""
    np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-11 * scale)


def descend(loss, d, learning_rate, steps):
    """Gradient descent on loss(weights, bias) from 0, with TensorFlow's gradients."""
    import tensorflow as tf

    weights, bias = tf.Variable(np.zeros((d, 1))), tf.Variable(np.zeros(()))
    for _ in range(steps):
        with tf.GradientTape() as tape:
            value = loss(weights, bias)
        for variable, gradient in zip(
            (weights, bias), tape.gradient(value, (weights, bias)), strict=True
        ):
            variable.assign_sub(learning_rate * gradient)
    return weights.numpy()[:, 0], bias.numpy()


@settings(max_examples=25)
@given(SEEDS, st.integers(1, 9), st.integers(1, 4), st.integers(0, 6))
def test_linear_regression_descends_as_tensorflows_gradients_say(seed, n, d, steps):
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, d)), rng.normal(3, 2, size=n)

    def loss(weights, bias):
        return tf.reduce_mean((X @ weights + bias - y[:, None]) ** 2)

    for got, expected in zip(
        linear_regression(X, y, 0.05, steps), descend(loss, d, 0.05, steps), strict=True
    ):
        close(got, expected)


@settings(max_examples=20)
@given(SEEDS, st.integers(1, 3))
def test_linear_regression_ends_where_sklearn_is(seed, d):
    from sklearn.linear_model import LinearRegression

    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, d))
    y = X @ rng.normal(size=d) + rng.normal(size=40)
    library = LinearRegression().fit(X, y)
    weights, bias = linear_regression(X, y, 0.1, 2_000)
    np.testing.assert_allclose(weights, library.coef_, atol=1e-9)
    np.testing.assert_allclose(bias, library.intercept_, atol=1e-9)


@settings(max_examples=25)
@given(SEEDS, st.integers(1, 9), st.integers(1, 4), st.floats(0, 1), st.sampled_from([1.0, 300.0]))
def test_logistic_regression_descends_as_tensorflows_gradients_say(seed, n, d, penalty, size):
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    X, y = size * rng.normal(size=(n, d)), rng.integers(0, 2, n)

    def loss(weights, bias):
        losses = tf.nn.sigmoid_cross_entropy_with_logits(
            y[:, None].astype(float), X @ weights + bias
        )
        return tf.reduce_mean(losses) + penalty / 2 * tf.reduce_sum(weights**2)

    steps = 5 if size == 1 else 2  # beyond, rounding grows with the size of the logits
    expected = descend(loss, d, 0.3, steps)
    for one, other in zip(logistic_regression(X, y, 0.3, penalty, steps), expected, strict=True):
        close(one, other, size)


@settings(max_examples=15)
@given(SEEDS, st.floats(0.05, 0.5))
def test_logistic_regression_ends_where_sklearn_is(seed, penalty):
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(30, 2)) + np.array([1.0, 0.0]), np.arange(30) % 3 > 0
    library = LogisticRegression(C=1 / (30 * penalty), tol=1e-12, max_iter=10_000).fit(X, y)
    weights, bias = logistic_regression(X, y, 0.5, penalty, 3_000)
    np.testing.assert_allclose(weights, library.coef_[0], atol=1e-5)
    np.testing.assert_allclose(bias, library.intercept_[0], atol=1e-5)


@given(SEEDS, st.integers(1, 7), st.integers(1, 4), st.integers(2, 5), st.sampled_from([1, 1000]))
def test_softmax_regression_equals_keras(keras, seed, n, d, classes, size):
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    X, labels = rng.normal(size=(n, d)), rng.integers(0, classes, n)
    W, b = tf.Variable(size * rng.normal(size=(d, classes))), tf.Variable(rng.normal(size=classes))
    with tf.GradientTape() as tape:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, X @ W + b)
    got = softmax_regression_gradient(X, labels, W.numpy(), b.numpy())
    for one, other in zip(got, (loss, *tape.gradient(loss, (W, b))), strict=True):
        close(one, other, size)


@settings(max_examples=50)
@given(SEEDS, st.integers(5, 40), st.integers(1, 3), st.integers(1, 5), st.integers(1, 30))
def test_k_means_equals_sklearn(seed, n, d, k, max_steps):
    from sklearn.cluster import KMeans

    points = np.random.default_rng(seed).normal(size=(n, d))
    start = points[:k]
    centres, labels = k_means(points, start, max_steps)
    # scikit-learn moves a centre that has no points.
    for steps in range(max_steps + 1):
        assume(len(set(k_means(points, start, steps)[1].tolist())) == k)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = KMeans(k, init=start, n_init=1, max_iter=max_steps, tol=0).fit(points)
    close(centres, library.cluster_centers_)
    np.testing.assert_array_equal(labels, library.labels_)


@given(SEEDS, st.integers(1, 20), st.integers(1, 6))
def test_k_means_never_raises_the_sum_of_squares_and_ends_at_a_fixed_point(seed, n, k):
    rng = np.random.default_rng(seed)
    points, start = rng.integers(-3, 4, (n, 2)), rng.integers(-4, 5, (k, 2))
    sums = []
    for steps in range(40):
        centres, labels = k_means(points, start, steps)
        sums.append(((points - centres[labels]) ** 2).sum())
    assert np.all(np.diff(sums) <= 1e-9)
    again, same = k_means(points, centres, 1)
    np.testing.assert_array_equal(again, centres)
    np.testing.assert_array_equal(same, labels)


@given(SEEDS, st.integers(3, 30), st.integers(1, 6), st.data())
def test_principal_components_equal_sklearns_up_to_sign(seed, n, d, data):
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(seed)
    turned = np.linalg.qr(rng.normal(size=(d, d)))[0]
    X = rng.normal(size=(n, d)) * 2.0 ** np.arange(d) @ turned + rng.normal(size=d)
    k = data.draw(st.integers(1, min(n - 1, d)))
    library = PCA(k, svd_solver="full").fit(X)
    lengths = np.linalg.svd(X - X.mean(axis=0), compute_uv=False)
    assume(np.all(-np.diff(lengths[: k + 1]) > 1e-2 * lengths[0]))
    directions, ratios = principal_components(X, k)
    signs = np.sign((directions * library.components_).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(signs * directions, library.components_, rtol=0, atol=1e-10)
    close(ratios, library.explained_variance_ratio_)


@st.composite
def weighted_examples(draw):
    n, d = draw(st.integers(2, 12)), draw(st.integers(1, 3))
    X = draw(arrays(float, (n, d), elements=st.integers(0, 5).map(lambda i: i / 2)))
    assume(np.ptp(X, axis=0).any())
    y = draw(arrays(int, n, elements=st.sampled_from([-1, 1])))
    parts = draw(arrays(int, n, elements=st.integers(0, 9)))
    parts[0] += 128 - parts.sum()
    return X, y, parts / 128


@given(weighted_examples())
def test_decision_stump_is_the_first_of_the_best(examples):
    X, y, weights = examples
    stumps = []
    for feature in range(X.shape[1]):
        values = sorted(set(X[:, feature]))
        for low, high in itertools.pairwise(values):
            for polarity in (1, -1):
                predicted = [polarity if x > (low + high) / 2 else -polarity for x in X[:, feature]]
                error = sum(weights[np.array(predicted) != y])
                stumps.append((error, feature, (low + high) / 2, -polarity))
    error, feature, threshold, turned = min(stumps)
    assert decision_stump(X, y, weights) == (feature, threshold, -turned, error)


@given(weighted_examples())
def test_no_stump_of_sklearn_has_a_smaller_error(examples):
    from sklearn.tree import DecisionTreeClassifier

    X, y, weights = examples
    feature, threshold, polarity, error = decision_stump(X, y, weights)
    predicted = np.where(X[:, feature] > threshold, polarity, -polarity)
    assert weights[predicted != y].sum() == error
    tree = DecisionTreeClassifier(max_depth=1, random_state=0).fit(X, y, weights)
    if tree.tree_.node_count == 3:  # it splits; both leaves may still predict the same
        above = np.where(X[:, tree.tree_.feature[0]] > tree.tree_.threshold[0], 1, -1)
        of_tree = weights[above != y].sum()
        assert error <= min(of_tree, 1 - of_tree)


def test_decision_stump_finds_what_adaboost_finds():
    """Where Gini impurity and error choose the same split, as on data of one clear step."""
    from sklearn.ensemble import AdaBoostClassifier
    from sklearn.tree import DecisionTreeClassifier

    rng = np.random.default_rng(0)
    X = rng.normal(size=(64, 3))
    y = np.where(X[:, 1] > 0.3, 1, -1)
    y[:6] *= -1
    library = AdaBoostClassifier(DecisionTreeClassifier(max_depth=1), n_estimators=1).fit(X, y)
    tree = library.estimators_[0].tree_
    feature, threshold, polarity, error = decision_stump(X, y, np.full(64, 1 / 64))
    assert (feature, polarity) == (tree.feature[0], 1)
    np.testing.assert_allclose(threshold, tree.threshold[0], rtol=1e-6)  # its trees read float32
    close(error, library.estimator_errors_[0])


@given(SEEDS, st.integers(1, 6), st.integers(1, 3), st.integers(1, 5), st.integers(2, 4))
def test_mlp_backward_equals_keras(keras, seed, batch, inputs, units, classes):
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    # Whole numbers: some pre-activations are exactly 0.
    X, labels = rng.integers(-2, 3, (batch, inputs)), rng.integers(0, classes, batch)
    shapes = (inputs, units), (units,), (units, classes), (classes,)
    values = [rng.integers(-2, 3, shape).astype(float) for shape in shapes]
    W1, b1, W2, b2 = variables = [tf.Variable(value) for value in values]
    with tf.GradientTape() as tape:
        logits = tf.nn.relu(X.astype(float) @ W1 + b1) @ W2 + b2
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
    got = mlp_backward(X.astype(float), labels, *values)
    for one, other in zip(got, (loss, *tape.gradient(loss, variables)), strict=True):
        close(one, other)


# Keras takes its settings through float32, whatever it computes in: these survive that.
def setting(low, high):
    return st.floats(low, high, width=32)


@settings(max_examples=20)
@given(SEEDS, setting(2**-10, 0.5), setting(2**-4, 0.9375))
def test_momentum_step_equals_keras(keras, seed, learning_rate, momentum):
    rng = np.random.default_rng(seed)
    weight, velocity = rng.normal(size=(2, 3)), np.zeros((2, 3))
    optimizer, variable = keras.optimizers.SGD(learning_rate, momentum), keras.Variable(weight)
    for gradient in rng.normal(size=(5, 2, 3)):
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        weight, velocity = momentum_step(weight, velocity, gradient, learning_rate, momentum)
        close(weight, variable.numpy())


@settings(max_examples=20)
@given(
    SEEDS,
    st.tuples(setting(2**-13, 0.5), setting(0.5, 0.9375), setting(0.75, 0.9990234375)),
    st.floats(1e-8, 0.1),
)
def test_adam_step_equals_keras(keras, seed, rates, epsilon):
    """In Keras's convention as it is; in the paper's once epsilon is brought out of the correction:
    m̂ / (√v̂ + ε) = m̂ · √(1 − beta_2^t) / (√v + ε · √(1 − beta_2^t))."""
    rng = np.random.default_rng(seed)
    shapes = (3, 2), (2,), ()
    start = [np.array(rng.normal(size=shape)) for shape in shapes]
    steps = [
        [np.array(rng.normal(size=shape) * rng.integers(0, 2, shape)) for shape in shapes]
        for _ in range(5)
    ]
    for answer in (as_keras_does, adam_step):
        optimizer = keras.optimizers.Adam(*rates, epsilon=epsilon)
        variables = [keras.Variable(weight) for weight in start]
        for t, step in enumerate(steps, start=1):
            if answer is adam_step:
                optimizer.epsilon = epsilon * math.sqrt(1 - rates[2] ** t)
            optimizer.apply([keras.ops.convert_to_tensor(g) for g in step], variables)
        for one, other in zip(answer(start, steps, *rates, epsilon), variables, strict=True):
            close(one, other.numpy(), 10)


@given(SEEDS, st.integers(1, 8), st.sampled_from([2, 1000]))
def test_binary_cross_entropy_equals_keras(keras, seed, n, size):
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    logits, labels = tf.Variable(rng.normal(0, size, (n, 1))), rng.integers(0, 5, n) / 4
    with tf.GradientTape() as tape:
        loss = keras.losses.BinaryCrossentropy(from_logits=True)(labels[:, None], logits)
    got = binary_cross_entropy(logits.numpy(), labels)
    close(got[0], loss, size)
    close(got[1], tape.gradient(loss, logits))
