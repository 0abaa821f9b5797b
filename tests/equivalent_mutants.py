"""Mutants that compute the same as the function that they come from: the drill, the mutant as
`mutants.py` describes it, and why no case can tell the two apart."""

# ruff: noqa: E501  (a description is one string, to be copied from a report)

EQUIVALENT: dict[str, dict[str, str]] = {
    "batch_norm_backward": {
        "line_by_line, line 2: `x.reshape(-1, len(gamma))` → `x.reshape(-2, len(gamma))`": "NumPy takes any negative length for the one to be worked out",
        "line_by_line, line 2: `upstream.reshape(-1, len(gamma))` → `upstream.reshape(-2, len(gamma))`": "NumPy takes any negative length for the one to be worked out",
        "by_projections, line 8: `(scale * inside / deviation).reshape(x.shape[:-1])` → `(scale * inside / deviation).reshape(x.shape[:-2])`": "NumPy takes any negative length for the one to be worked out",
        "with_a_complex_step, line 7: `given[0].reshape(-1, len(gamma))` → `given[0].reshape(-2, len(gamma))`": "NumPy takes any negative length for the one to be worked out",
        "batch_norm_backward, line 7: `x.size / x.shape[-1]` → `x.size // x.shape[-1]`": "a whole number either way",
    },
    "batch_norm_forward": {
        "one_scale_and_one_shift, line 4: `x.reshape(-1, x.shape[-1])` → `x.reshape(-2, x.shape[-1])`": "NumPy takes any negative length for the one to be worked out",
        "one_scale_and_one_shift, line 4: `x.reshape(-1, x.shape[-1])` → `x.reshape(-1, x.shape[-2])`": "NumPy takes any negative length for the one to be worked out",
    },
    "bigram_model": {
        "bigram_model, line 7: `smoothed[~smoothed.any(axis=1)] = 1` → `smoothed[~smoothed.any(axis=1)] = 2`": "a row of equal numbers is divided by its sum: uniform",
        "with_bincount, line 9: `weight + (weight.sum(axis=1, keepdims=True) == 0)` → `weight - (weight.sum(axis=1, keepdims=True) == 0)`": "a row of equal numbers is divided by its sum: uniform, whatever their sign",
        "with_bincount, line 9: `weight.sum(axis=1, keepdims=True)` → `weight.mean(axis=1, keepdims=True)`": "no weight is negative: the mean is 0 where the sum is",
        "bigram_model, line 5: `count[previous, token] += 1` → `count[previous, token] -= 1`; then bigram_model, line 6: `smoothed = count + alpha` → `smoothed = count - alpha`": "counts and alpha both change their sign, and so do the sums of the rows",
    },
    "binary_cross_entropy": {
        "as_a_softmax_of_two_classes, line 4: `top = max(x, 0)` → `top = max(x, 1)`": "a shift near the larger logit keeps exp small as well, and cancels",
        "as_a_softmax_of_two_classes, line 4: `top = max(x, 0)` → `top = max(x, -1)`": "a shift near the larger logit keeps exp small as well, and cancels",
    },
    "bpe_merge": {
        "by_position, line 6: `frequency.get(pair, 0)` → `frequency.get(pair, -1)`": "all frequencies are one less, and only their order counts",
        "by_position, line 6: `frequency.get(pair, 0)` → `frequency.get(pair, 1)`": "all frequencies are one more, and only their order counts",
    },
    "clip_by_global_norm": {
        "clip_by_global_norm, line 3: `limit / norm if norm > limit else 1.0` → `limit / norm if norm >= limit else 1.0`": "at norm == limit the quotient is 1",
        "by_one_long_vector, line 4: `if norm <= limit:` → `if norm < limit:`": "at norm == limit the arrays are divided by their norm and multiplied by it",
    },
    "convolution_backward": {
        "by_im2col, line 7: `upstream.reshape(-1, kernel.shape[3])` → `upstream.reshape(-2, kernel.shape[3])`": "NumPy takes any negative length for the one to be worked out",
        "by_im2col, line 7: `windows.reshape(len(upstream.reshape(-1, kernel.shape[3])), -1)` → `windows.reshape(len(upstream.reshape(-1, kernel.shape[3])), -2)`": "NumPy takes any negative length for the one to be worked out",
        "by_im2col, line 9: `upstream.reshape(len(pixels), -1)` → `upstream.reshape(len(pixels), -2)`": "NumPy takes any negative length for the one to be worked out",
        "by_im2col, line 10: `kernel.reshape(-1, given.shape[1])` → `kernel.reshape(-2, given.shape[1])`": "NumPy takes any negative length for the one to be worked out",
    },
    "convolution_im2col": {
        "convolution_im2col, line 8: `patches.reshape(-1, rows * columns * channels)` → `patches.reshape(-2, rows * columns * channels)`": "NumPy takes any negative length for the one to be worked out",
        "convolution_im2col, line 9: `kernel.reshape(-1, filters)` → `kernel.reshape(-2, filters)`": "NumPy takes any negative length for the one to be worked out",
        "pixel_by_pixel, line 11: `np.stack(result, axis=1).reshape(len(images), -1, across, kernel.shape[3])` → `np.stack(result, axis=1).reshape(len(images), -2, across, kernel.shape[3])`": "NumPy takes any negative length for the one to be worked out",
        "by_index_arrays, line 11: `kernel.reshape(-1, channels, filters)` → `kernel.reshape(-2, channels, filters)`": "NumPy takes any negative length for the one to be worked out",
        "by_index_arrays, line 12: `products.reshape(-1, down, across, filters)` → `products.reshape(-2, down, across, filters)`": "NumPy takes any negative length for the one to be worked out",
    },
    "cosine_top_k": {
        "cosine_top_k, line 7: `np.where(length == 0, 1, length)` → `np.where(length == 0, 2, length)`": "a vector of zeros divided by any number stays one",
        "cosine_top_k, line 9: `np.argsort(-similarity, axis=1, kind='stable')` → `np.argsort(-similarity, kind='stable')`": "the last axis is the default",
        "cosine_top_k, line 10: `np.take_along_axis(similarity, indices, axis=1)` → `np.take_along_axis(similarity, indices)`": "the last axis is the default",
    },
    "epoch_metric": {
        "epoch_metric, line 7: `right += hits.sum()` → `right -= hits.sum()`; then epoch_metric, line 8: `examples += len(hits)` → `examples -= len(hits)`": "both counts change their sign, and their quotient does not",
    },
    "evaluate_scores": {
        "with_ranks, line 8: `positives * (positives + 1) / 2` → `positives * (positives + 1) // 2`": "the product of two numbers in a row is even",
    },
    "gaussian_kl": {
        "number_by_number, line 4: `zip(means, logs, strict=True)` → `zip(logs, means, strict=True)`; then number_by_number, line 3: `zip(mean.tolist(), log_variance.tolist(), strict=True)` → `zip(log_variance.tolist(), mean.tolist(), strict=True)`": "exchanged twice",
        "entropy_and_cross_entropy, line 2: `log_variance / 2` → `log_variance / 3`; then entropy_and_cross_entropy, line 3: `mean ** 2 + sigma ** 2` → `mean ** 2 + sigma ** 3`": "the cube of exp(log_variance / 3) is the variance too",
    },
    "gradient_penalty": {
        "gradient_penalty, line 8: `np.where(norm > 0, norm, 1)` → `np.where(norm > 0, norm, 2)`": "where the norm is 0 so is g, and 0 / 2 = 0 / 1",
        "through_the_gram_matrix, line 7: `np.zeros(len(norm))` → `np.ones(len(norm))`": "where the norm is 0, W @ u is 0, and with it all that the share is multiplied by",
    },
    "histogram_percentile": {
        "histogram_percentile, line 2: `if counts[-1] == 0:` → `if False:`": "without requests 0 / 0 is NaN in NumPy, with a warning",
        "histogram_percentile, line 2: `counts[-1] == 0` → `counts[-1] == -1`": "without requests 0 / 0 is NaN in NumPy, with a warning",
    },
    "intersection_over_union": {
        "intersection_over_union, line 10: `np.where(union == 0, 1, union)` → `np.where(union == 0, 2, union)`": "without a union nothing is in common: 0 / 2 = 0 / 1",
    },
    "inverted_dropout": {
        "number_by_number, line 5: `rng.uniform() < rate` → `rng.uniform() <= rate`": "a draw that equals the rate has the probability 2⁻⁵³",
        "inverted_dropout, line 4: `rng.random(x.shape) >= rate` → `rng.random(x.shape) > rate`": "a draw that equals the rate has the probability 2⁻⁵³",
    },
    "k_means": {
        "with_plain_lists, line 5: `math.dist(row, middle)` → `math.dist(middle, row)`": "a distance is the same from both ends",
    },
    "last_state": {
        "last_state, line 3: `np.where(mask, np.arange(time), -1)` → `np.where(mask, np.arange(time), -2)`": "below 0 either way",
        "row_by_row, line 4: `zip(sequence, real, strict=True)` → `zip(real, sequence, strict=True)`; then row_by_row, line 3: `zip(states, mask, strict=True)` → `zip(mask, states, strict=True)`": "exchanged twice",
    },
    "lru_cache": {
        "lru_cache, line 7: `cache[key] = value[0]` → `cache[key] = value[-1]`": "a put has one value",
    },
    "masked_attention_weights": {
        "masked_attention_weights, line 4: `np.where(np.isneginf(top), 0.0, top)` → `np.where(np.isneginf(top), 1.0, top)`": "−inf minus any number is −inf",
        "masked_attention_weights, line 7: `np.where(total == 0, 1.0, total)` → `np.where(total == 0, 2.0, total)`": "the weights are all 0 there: 0 / 2 = 0 / 1",
    },
    "max_pool": {
        "a_race_over_the_window, line 4: `width + 2 * padding` → `width + 3 * padding`": "further columns of −inf win nothing and are cut off",
        "a_race_over_the_window, line 4: `height + 2 * padding` → `height + 3 * padding`": "further rows of −inf win nothing and are cut off",
        "a_race_over_the_window, line 8: `np.zeros(upstream.shape, int)` → `np.ones(upstream.shape, int)`": "the first real pixel of each window beats −inf and sets the number",
    },
    "non_maximum_suppression": {
        "box_by_box, line 4: `max(0, min(a[2], b[2]) - max(a[0], b[0]))` → `max(-1, min(a[2], b[2]) - max(a[0], b[0]))`": "the height is not negative, and a negative area suppresses no more than none",
        "box_by_box, line 5: `max(0, min(a[3], b[3]) - max(a[1], b[1]))` → `max(-1, min(a[3], b[3]) - max(a[1], b[1]))`": "the width is not negative, and a negative area suppresses no more than none",
        "box_by_box, line 11: `iou(boxes[i], boxes[k])` → `iou(boxes[k], boxes[i])`": "the IoU is symmetric",
    },
    "numerical_gradient": {
        "numerical_gradient, line 6: `1e-05 * max(1, abs(here))` → `2e-05 * max(1, abs(here))`": "a step as good as the other",
        "numerical_gradient, line 6: `max(1, abs(here))` → `max(2, abs(here))`": "a step as good as the other",
        "both_sides_prepared, line 3: `np.maximum(np.abs(flat), 1)` → `np.maximum(np.abs(flat), 2)`": "a step as good as the other",
        "four_points, line 4: `0.001 * (1 + abs(x[place]))` → `0.002 * (1 + abs(x[place]))`": "a step as good as the other",
        "four_points, line 4: `1 + abs(x[place])` → `2 + abs(x[place])`": "a step as good as the other",
        "both_sides_prepared, line 8: `max(mine, other) or 1` → `max(mine, other) or 2`": "where both lengths are 0 so is that of the difference: 0 / 2 = 0 / 1",
        "four_points, line 12: `[np.sum(v ** 2) for v in (gradient, claimed, gradient - claimed)]` → `[np.mean(v ** 2) for v in (gradient, claimed, gradient - claimed)]`": "only ratios of these sums are used",
    },
    "padded_perplexity": {
        "padded_perplexity, line 5: `count += mask.sum()` → `count -= mask.sum()`; then padded_perplexity, line 4: `total += loss[mask].sum()` → `total -= loss[mask].sum()`": "the sum and the count both change their sign, and their quotient does not",
    },
    "precision_recall_f1": {
        "by_a_loop, line 7: `zip(y_true, y_pred, strict=True)` → `zip(y_pred, y_true, strict=True)`": "`t == c == p` is symmetric",
        "by_a_loop, line 19: `1 if average == 'macro' else support` → `2 if average == 'macro' else support`": "equal weights cancel",
        "by_a_matrix, line 3: `np.add.at(matrix, (y_true, y_pred), 1)` → `np.add.at(matrix, (y_true, y_pred), 2)`": "every ratio stays the same",
        "by_a_matrix, line 9: `np.where(p + r == 0, 1, p + r)` → `np.where(p + r == 0, 2, p + r)`": "the numerator is 0 there",
        "precision_recall_f1, line 9: `np.maximum(predicted + support, 1)` → `np.maximum(predicted + support, 2)`": "a class with a hit is predicted and occurs: the sum is 2 at least; without a hit, 0 / 1 = 0 / 2",
    },
    "principal_components": {
        "one_after_the_other, line 6: `for _ in range(40):` → `for _ in range(41):`": "the power has converged, to the last digit",
        "one_after_the_other, line 6: `for _ in range(40):` → `for _ in range(39):`": "the power has converged, to the last digit",
    },
    "reservoir_sample": {
        "with_skips, line 6: `math.log(rng.random()) / math.log(1 - largest)` → `math.log(rng.random()) // math.log(1 - largest)`": "rounded down either way",
    },
    "rnn_backward": {
        "with_a_complex_step, line 8: `(given[0], given[1], 0)` → `(given[0], given[1], 1)`": "only the imaginary part of the loss is used",
        "with_a_complex_step, line 8: `(given[0], given[1], 0)` → `(given[0], given[1], -1)`": "only the imaginary part of the loss is used",
    },
    "rnn_forward": {
        "row_by_row, line 5: `zip(sequence, real, strict=True)` → `zip(real, sequence, strict=True)`; then row_by_row, line 3: `zip(x, mask, h0, strict=True)` → `zip(mask, x, h0, strict=True)`": "exchanged twice",
    },
    "rnn_step": {
        "in_loops, line 3: `zip(x_t, h, strict=True)` → `zip(h, x_t, strict=True)`; then in_loops, line 5: `zip(W_x.T, W_h.T, b, strict=True)` → `zip(W_h.T, W_x.T, b, strict=True)`": "input and state are exchanged together with their matrices",
        "in_loops, line 7: `zip(inputs, from_inputs, strict=True)` → `zip(from_inputs, inputs, strict=True)`": "a product is the same in either order",
        "in_loops, line 9: `zip(state, from_state, strict=True)` → `zip(from_state, state, strict=True)`": "a product is the same in either order",
    },
    "roc_auc": {
        "roc_auc, line 10: `positives * (positives + 1) / 2` → `positives * (positives + 1) // 2`": "the product of two numbers in a row is even",
    },
    "sample_precision_recall": {
        "sample_precision_recall, line 4: `np.sum((points[:, None] - others) ** 2, axis=2)` → `np.mean((points[:, None] - others) ** 2, axis=2)`": "all distances shrink by one factor, and only comparisons of distances count",
    },
    "scale_pixels": {
        "scale_pixels, line 2: `images.reshape(len(images), -1)` → `images.reshape(len(images), -2)`": "NumPy takes any negative size for the one to be found",
    },
    "scaled_dot_product_attention": {
        "scaled_dot_product_attention, line 5: `np.where(np.isneginf(top), 0.0, top)` → `np.where(np.isneginf(top), 1.0, top)`": "−inf minus any number is −inf",
        "scaled_dot_product_attention, line 8: `np.where(total == 0, 1.0, total)` → `np.where(total == 0, 2.0, total)`": "the weights are all 0 there: 0 / 2 = 0 / 1",
    },
    "shard_batches": {
        "shard_batches, line 4: `:steps * workers * batch_size` → `:steps * workers * batch_size + 1`; then shard_batches, line 5: `worker::workers` → `worker:-1:workers`": "one row more, and all but the last of them",
    },
    "softmax": {
        "softmax, line 3: `np.where(np.isneginf(top), 0.0, top)` → `np.where(np.isneginf(top), 1.0, top)`": "−inf minus any number is −inf",
        "softmax, line 6: `np.where(total == 0, 1.0, total)` → `np.where(total == 0, 2.0, total)`": "the weights are all 0 there: 0 / 2 = 0 / 1",
    },
    "train_with_validation": {
        "restored_into_the_model, line 2: `lowest, waited, epoch = (None, 0, 0)` → `lowest, waited, epoch = (None, -1, 0)`": "the first epoch is always the best so far, and starts the waiting again",
    },
    "transposed_convolution_size": {
        "from_the_last_copy, line 6: `starts[-1] + needed[padding]` → `starts[-2] + needed[padding]`; then from_the_last_copy, line 2: `np.arange(size)` → `np.arange(size + 1)`": "one start more, and the last but one of them",
    },
    "trie_completions": {
        "in_a_sorted_list, line 4: `used.get(word, 0)` → `used.get(word, -1)`": "all counts are one less, and only their order counts",
        "in_a_sorted_list, line 4: `used.get(word, 0)` → `used.get(word, 1)`": "all counts are one more, and only their order counts",
    },
    "truncated_bptt": {
        "truncated_bptt, line 4: `range(0, x.shape[1], window)` → `range(0, x.shape[1] + 1, window)`": "a window that starts at the end has no steps",
    },
    "warmup_cosine": {
        "warmup_cosine, line 4: `step >= total_steps` → `step > total_steps`": "at the end 1 + cos(π) is exactly 0",
    },
    "wordpiece_tokens": {
        "with_regular_expressions, line 8: `sorted(vocabulary, key=len, reverse=True)` → `sorted(vocabulary, reverse=True)`": "pieces that fit at one place begin each other: in the order of letters the longer one comes later too",
        "by_going_through_the_vocabulary, line 7: `max(fitting, key=len)` → `max(fitting)`": "pieces that fit at one place begin each other: in the order of letters the longer one comes later too",
        "wordpiece_tokens, line 5: `end = len(word)` → `end = len(word) + 1`": "a slice ends with the word: the whole rest is tried twice",
    },
}
