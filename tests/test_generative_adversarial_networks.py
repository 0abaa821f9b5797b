"""The functions of notebook 04: its measure on known Gaussians, its losses, its steps."""

import numpy as np
import pytest
from notebook_functions import notebook_functions

from helpers.drills.judge import find

NAME = "04_generative_adversarial_networks"
IMPORTS = """
from functools import partial
from itertools import pairwise
import keras
import numpy as np
import tensorflow as tf
from scipy.spatial.distance import cdist
layers = keras.layers
LATENT = 16
"""
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def notebook():
    return notebook_functions(NAME, IMPORTS)


def exact(n: int, mean: np.ndarray, root: np.ndarray) -> np.ndarray:
    """n points whose mean and covariance are exactly `mean` and root.T @ root."""
    x = RNG.normal(size=(n, len(mean)))
    x -= x.mean(axis=0)
    x = np.linalg.qr(x)[0] * np.sqrt(n - 1)
    return mean + x @ root


def test_frechet_distance_of_known_gaussians(notebook):
    distance = notebook.frechet_distance
    mean, sigma_1, sigma_2 = np.array([3.0, -4, 0]), np.array([1.0, 2, 3]), np.array([2.0, 2, 0.5])
    a, b = exact(50, np.zeros(3), np.diag(sigma_1)), exact(80, mean, np.diag(sigma_2))
    expected = 25 + np.sum((sigma_1 - sigma_2) ** 2)
    assert distance(a, b) == pytest.approx(expected, rel=1e-12)
    assert distance(b, a) == pytest.approx(expected, rel=1e-12)
    turn = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
    assert distance(a @ turn, b @ turn) == pytest.approx(expected, rel=1e-12)


def test_frechet_distance_is_near_zero_between_real_and_real(notebook):
    x = RNG.normal(size=(4000, 8)) @ RNG.normal(size=(8, 8))
    assert abs(notebook.frechet_distance(x, x)) < 1e-10
    halves = notebook.frechet_distance(x[::2], x[1::2])
    assert 0 < halves < 0.02 * np.trace(np.cov(x.T))


def test_frechet_distance_with_singular_covariances(notebook):
    few = RNG.normal(size=(5, 40))
    assert abs(notebook.frechet_distance(few, few)) < 1e-10
    assert notebook.frechet_distance(few, few + 1) == pytest.approx(40, rel=1e-12)
    # All copies of one point: the covariance is 0, its distance is the other's trace.
    one = np.tile(few[:1], (7, 1))
    expected = np.sum((few.mean(axis=0) - few[0]) ** 2) + np.trace(np.cov(few.T))
    assert notebook.frechet_distance(few, one) == pytest.approx(expected, rel=1e-12)


def test_measures_equal_the_drills(notebook):
    real, fake = RNG.normal(size=(60, 5)), RNG.normal(0.5, 1.2, size=(47, 5))
    assert notebook.frechet_distance(real, fake) == pytest.approx(
        find("frechet_distance").reference(real, fake), rel=1e-12
    )
    expected = find("sample_precision_recall").reference(real, fake, 3)
    assert notebook.precision_and_recall(real, fake, k=3) == pytest.approx(expected, abs=1e-12)


def test_class_coverage(notebook):
    assert notebook.class_coverage(np.arange(50) % 10) == pytest.approx(10)
    assert notebook.class_coverage(np.full(9, 3)) == pytest.approx(1)
    assert notebook.class_coverage(np.array([0, 1, 0, 1])) == pytest.approx(2)


def test_losses_equal_the_drills_at_large_logits_too(notebook):
    import tensorflow as tf

    real, fake = np.array([[2.0], [-1e4], [1e4]]), np.array([[0.5], [1e4], [-1e4], [-3]])
    tensors = [tf.constant(x, tf.float32) for x in (real, fake)]
    d_loss, g_loss = notebook.game_losses("non-saturating", *tensors)
    assert float(d_loss) == pytest.approx(
        find("discriminator_loss").reference(real, fake), rel=1e-6
    )
    assert float(g_loss) == pytest.approx(find("generator_loss").reference(fake)[0], rel=1e-6)
    hinge = notebook.game_losses("hinge", *(x[:3] for x in tensors))
    expected = find("hinge_losses").reference(real, fake[:3])
    assert [float(x) for x in hinge] == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match="no game is called minimax"):
        notebook.game_losses("minimax", *tensors)


def test_vae_and_conditional_parts_equal_the_drills(notebook):
    mean, log_variance = RNG.normal(size=(2, 6, 4)).astype("float32")
    expected = find("gaussian_kl").reference(mean, log_variance)
    np.testing.assert_allclose(notebook.gaussian_kl(mean, log_variance), expected, rtol=1e-5)
    labels = np.array([3, 0, 9])
    expected = find("label_planes").reference(labels, 28, 28, 10)
    np.testing.assert_array_equal(notebook.label_planes(labels, 10), expected)


@pytest.mark.parametrize("every", [(1, 10**9), (10**9, 1)])
def test_a_step_moves_one_network_only(notebook, every):
    """The gradient of one network's loss runs through the other and leaves it alone."""
    import keras

    keras.utils.set_random_seed(0)
    networks = notebook.build_discriminator(), notebook.build_generator()
    before = [[w.numpy() for w in network.trainable_variables] for network in networks]
    step, _ = notebook.gan(networks[1], networks[0], every=every)
    step(RNG.normal(size=(8, 28, 28, 1)).astype("float32"), np.zeros(8, "int32"))
    for network, old, turn in zip(networks, before, every, strict=True):
        weights = network.trainable_variables
        same = [np.array_equal(w, o) for w, o in zip(weights, old, strict=True)]
        assert not any(same) if turn == 1 else all(same)


def test_the_average_follows_slowly(notebook):
    network, average = notebook.build_generator(), notebook.build_generator()
    old = [w.numpy() for w in average.weights]
    notebook.running_average(average, network, decay=0.9)
    for mean, weight, was in zip(average.weights, network.weights, old, strict=True):
        np.testing.assert_allclose(mean, 0.9 * was + 0.1 * weight.numpy(), rtol=1e-5, atol=1e-7)


def test_diffusion_begins_with_the_image_and_ends_in_noise(notebook):
    kept = np.asarray(notebook.share_of_image(np.linspace(0, 1, 50)))
    assert kept[0] > 0.999 and kept[-1] < 1e-3
    assert np.all(np.diff(kept) < 0)
