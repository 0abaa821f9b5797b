"""What a drill measures of an answer beside the value that it returns."""

from collections.abc import Callable

import numpy as np


def slope(function: Callable[[np.ndarray], float], x: np.ndarray) -> np.ndarray:
    """The gradient of a function at ``x`` by central finite differences, in float64.

    The step is the cube root of the rounding unit, 6e-6, times the size of each number: there the
    error of the formula, of the order step², and that of rounding, of the order unit / step, are
    about equal, near 1e-10 for functions of moderate size.
    Source: Press et al., *Numerical Recipes*, "Numerical Derivatives".

    Args:
        function: takes an array of the shape of x, and returns one number.
        x: where, any shape.

    Returns:
        One slope for each number of x, in the shape of x.
    """
    x = np.array(x, float)
    result = np.empty_like(x)
    for place in np.ndindex(x.shape):
        step = np.cbrt(np.finfo(float).eps) * max(1.0, abs(x[place]))
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        result[place] = (function(up) - function(down)) / (up[place] - down[place])
    return result
