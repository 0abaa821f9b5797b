import numpy as np

from helpers.drills.spec import Case, Drill


def momentum_step(
    weight: np.ndarray,
    velocity: np.ndarray,
    gradient: np.ndarray,
    learning_rate: float,
    momentum: float,
) -> tuple:
    """Take one step of gradient descent with momentum, the "heavy ball", as Keras's SGD does it.

    `weight`, `velocity` and `gradient` are float arrays of one shape; momentum is from 0 to 1, 1
    excluded. The new velocity is momentum times the old one, minus learning_rate times the
    gradient. The new weight is the weight plus the *new* velocity. Return (weight, velocity), both
    new, and leave the arguments alone.

    The learning rate stands inside the velocity here. PyTorch's velocity is without it, and of the
    other sign; the two agree as long as the learning rate never changes. It is not Nesterov's
    momentum.
    """
    velocity = momentum * velocity - learning_rate * gradient
    return weight + velocity, velocity


def number_by_number(weight, velocity, gradient, learning_rate, momentum):
    moved, faster = np.empty(weight.shape), np.empty(weight.shape)
    for place in np.ndindex(weight.shape):
        kept = velocity[place] * momentum
        pulled = gradient[place] * learning_rate
        faster[place] = kept - pulled
        moved[place] = weight[place] - pulled + kept
    return moved, faster


def as_a_linear_map(weight, velocity, gradient, learning_rate, momentum):
    # Of (weight, velocity, gradient), for every number by itself.
    step = np.array([[1, momentum, -learning_rate], [0, momentum, -learning_rate]])
    return tuple(np.tensordot(step, np.stack([weight, velocity, gradient]), axes=1))


def velocity_without_the_learning_rate(weight, velocity, gradient, rate, momentum):
    """That is PyTorch's form: the velocity adds up bare gradients, and the learning rate comes in
    when the weight moves. Here the velocity you are given has the learning rate in it already, and
    points downhill."""
    velocity = momentum * velocity + gradient
    return weight - rate * velocity, velocity


def velocity_points_uphill(weight, velocity, gradient, rate, momentum):
    """Your velocity adds the gradient and the weight subtracts the velocity. The velocity that you
    are given points the way the weight goes: subtract in the first line, add in the second."""
    velocity = momentum * velocity + rate * gradient
    return weight - velocity, velocity


def learning_rate_twice(weight, velocity, gradient, rate, momentum):
    """You multiply by the learning rate in the velocity, and again when the weight moves. The
    weight takes the velocity as it is."""
    velocity = momentum * velocity - rate * gradient
    return weight + rate * velocity, velocity


def running_mean_of_gradients(weight, velocity, gradient, rate, momentum):
    """You weigh the gradient with 1 − momentum, as Adam's first moment does. The heavy ball takes
    the whole of it, and in a steady slope goes 1 / (1 − momentum) times as far."""
    velocity = momentum * velocity - (1 - momentum) * rate * gradient
    return weight + velocity, velocity


def moved_by_the_old_velocity(weight, velocity, gradient, rate, momentum):
    """The weight moves by the velocity of the step before: this gradient is felt one step late.
    Update the velocity first."""
    return weight + velocity, momentum * velocity - rate * gradient


def old_velocity_returned(weight, velocity, gradient, rate, momentum):
    """The weight moves rightly, but you hand back the velocity that you were given, so nothing is
    ever remembered. Return the new one."""
    return momentum_step(weight, velocity, gradient, rate, momentum)[0], velocity


def no_momentum(weight, velocity, gradient, rate, momentum):
    """You forget the old velocity: this is plain gradient descent. momentum times the old velocity
    belongs into the new one."""
    return momentum_step(weight, velocity, gradient, rate, 0.0)


def no_friction(weight, velocity, gradient, rate, momentum):
    """You keep the whole of the old velocity, so the ball never slows down. Multiply it by the
    momentum."""
    return momentum_step(weight, velocity, gradient, rate, 1.0)


def gradient_slowed_too(weight, velocity, gradient, rate, momentum):
    """You multiply the sum by the momentum, the new gradient with it. Only the *old* velocity is
    slowed down."""
    velocity = momentum * (velocity - rate * gradient)
    return weight + velocity, velocity


def nesterov(weight, velocity, gradient, rate, momentum):
    """That is Nesterov's momentum: the weight moves by momentum · (new velocity) − learning_rate ·
    gradient, as if it had looked ahead. Asked for is the heavy ball."""
    velocity = momentum * velocity - rate * gradient
    return weight + momentum * velocity - rate * gradient, velocity


def climbing(weight, velocity, gradient, rate, momentum):
    """You add the gradient to the velocity, and the weight climbs. It is subtracted."""
    return momentum_step(weight, velocity, -gradient, rate, momentum)


def weight_minus_velocity(weight, velocity, gradient, rate, momentum):
    """Your velocity is right, and the weight moves against it. The velocity has the minus of the
    gradient in it: add it."""
    velocity = momentum * velocity - rate * gradient
    return weight - velocity, velocity


def rate_and_momentum_exchanged(weight, velocity, gradient, rate, momentum):
    """You multiply the old velocity by the learning rate, and the gradient by the momentum. They
    have changed places."""
    return momentum_step(weight, velocity, gradient, momentum, rate)


def result_in_the_wrong_order(weight, velocity, gradient, rate, momentum):
    """Your two results have changed places: (weight, velocity) is asked for."""
    return momentum_step(weight, velocity, gradient, rate, momentum)[::-1]


def cases(rng):
    weight, velocity, gradient = np.array([[1.0, -2.0], [0.5, -0.2], [2.0, 1.0]])
    yield Case("two weights", (weight, velocity, gradient, 0.1, 0.9))
    yield Case("the first step", (weight, np.zeros(2), gradient, 0.1, 0.9))
    yield Case("no gradient", (weight, velocity, np.zeros(2), 0.1, 0.9))
    yield Case("no momentum", (weight, velocity, gradient, 0.5, 0.0))
    yield Case("a single number", (*(np.array(x) for x in (3.0, -1.0, 2.0)), 0.25, 0.5))
    for shape, rate, momentum in (((3, 2), 0.03, 0.95), ((5,), 1.5, 0.3), ((2, 3, 2), 0.2, 0.7)):
        note = f"random weights of shape {shape}, momentum {momentum:g}"
        yield Case(note, (*rng.normal(size=(3, *shape)), rate, momentum))


DRILL = Drill(
    reference=momentum_step,
    cases=cases,
    alternatives=(number_by_number, as_a_linear_map),
    mistakes=(
        velocity_without_the_learning_rate,
        velocity_points_uphill,
        learning_rate_twice,
        running_mean_of_gradients,
        moved_by_the_old_velocity,
        old_velocity_returned,
        no_momentum,
        no_friction,
        gradient_slowed_too,
        nesterov,
        climbing,
        weight_minus_velocity,
        rate_and_momentum_exchanged,
        result_in_the_wrong_order,
    ),
    hints=(
        "Two lines, in the order of the statement: the velocity, then the weight. Which velocity "
        "does the second line use?",
        "Part of the old velocity stays, and the gradient pulls downhill. Where does the learning "
        "rate come in, and how often?",
        "velocity = momentum · velocity − learning_rate · gradient; weight + velocity.",
    ),
    explanation=(
        "The velocity is a sum of all past gradients, each faded by momentum once a step (Polyak, "
        "1964). Where they agree, it grows to learning_rate / (1 − momentum) times the gradient: "
        "ten times as far at 0.9. Where they change sign from step to step, they cancel, so a "
        "narrow valley is followed rather than crossed. Asked next: what happens when the learning "
        "rate is cut to a tenth? Keras's ball first coasts on with its old speed; PyTorch's, whose "
        "velocity is scaled at each step, slows down at once. And Nesterov? It takes the gradient "
        "where the momentum is about to carry the weight."
    ),
    difficulty=1,
    taught_in="01_training_pipeline, section 5",
)
