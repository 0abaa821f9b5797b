"""A compiled training loop to read in five minutes: begin with `Trainer.train_step`.

Clipping follows "On the difficulty of training recurrent neural networks" (Pascanu et al., 2013),
loss scaling "Mixed precision training" (Micikevicius et al., 2018).
"""

import os
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from helpers.checkpoints import CheckpointFolder, assign
from helpers.progress import History, Progress


class Trainer:
    """Trains a Keras model by gradient descent, one compiled step at a time.

    Args:
        model: a built model: one with a `keras.Input`, or one that was called once.
        optimizer: a Keras optimizer; a schedule is given as its learning rate.
        loss: a Keras loss or a function of (labels, outputs in float32). It gives a value per
            example (batch,) or token (batch, tokens), and the Trainer takes their mean, weighted
            if the batches have weights. Keras's own reduction and masks play no part.
        metrics: Keras metrics for `evaluate`.
        accumulate: micro-batches in an update, which is that of one batch of all their examples.
        clip_norm: the largest norm that all gradients together may have; None for no limit.
        checkpoints: the folder for them; None for none. Several machines share it.
        jit_compile: compile the training step with XLA; on one replica only.
        strategy: over which devices to train; model and optimizer were made in its scope. Each
            batch is shared out among the replicas, and the update is that of the whole batch.

    A resumed run equals the uninterrupted one bit for bit if random numbers come from Keras layers
    or seed generators, not from `tf.random`, and a GPU was told to be deterministic.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.Optimizer,
        loss: Callable,
        *,
        metrics: Sequence[keras.Metric] = (),
        accumulate: int = 1,
        clip_norm: float | None = None,
        checkpoints: str | os.PathLike | None = None,
        jit_compile: bool = False,
        strategy: tf.distribute.Strategy | None = None,
    ):
        if not callable(loss):
            raise TypeError(f"loss must be a Keras loss or a function, not {loss!r}")
        if clip_norm is not None and not clip_norm > 0:
            raise ValueError(f"clip_norm must be above 0 or None, not {clip_norm!r}")
        if not model.trainable_variables:
            raise ValueError("model has nothing to train: give it a keras.Input, or call it once")
        _check_counts(accumulate=accumulate)
        self.model, self.optimizer, self.weights = model, optimizer, model.trainable_variables
        self.strategy = strategy or tf.distribute.get_strategy()  # by default, of one replica
        self.replicas = self.strategy.num_replicas_in_sync
        made_in_scope = self.strategy.extended.variable_created_in_scope(self.weights[0].value)
        if not made_in_scope or optimizer._distribution_strategy is not self.strategy:
            raise ValueError("model and optimizer must be made within strategy.scope()")
        # float16 overflows above 65,504 and loses what is below 6e-8: there the loss is scaled.
        self.scaling = "float16" in {layer.compute_dtype for layer in (model, *model.layers)}
        if self.replicas > 1 and (self.scaling or jit_compile):
            what = "mixed_float16: use mixed_bfloat16" if self.scaling else "jit_compile"
            raise ValueError(f"a strategy of {self.replicas} replicas does not go with {what}")
        with self.strategy.scope():
            optimizer.build(self.weights)
        self.metrics = [keras.metrics.Mean("loss"), *metrics]
        self.loss = loss.call if isinstance(loss, keras.Loss) else loss
        self.accumulate, self.clip_norm, self.xla = accumulate, clip_norm, jit_compile
        self.checkpoints = None if checkpoints is None else CheckpointFolder(checkpoints)
        self.step = self.epoch = self.batch = 0  # updates made; the position in the data
        self.history, self.best_weights = History(), None
        self.loss_scale = tf.Variable(2.0**15 if self.scaling else 1.0, trainable=False)
        self.good_steps = tf.Variable(0, trainable=False)  # since the scale was last changed
        # Sums over micro-batches: of the weights, of weight times loss, of weight times gradient.
        # Each replica has its own.
        shapes = [(), (), *(w.shape for w in self.weights)] if accumulate > 1 else []
        kind = {
            "synchronization": tf.VariableSynchronization.ON_READ,
            "aggregation": tf.VariableAggregation.SUM,
        }
        with self.strategy.scope():
            self.sums = [tf.Variable(tf.zeros(s), trainable=False, **kind) for s in shapes]
        self._compile = tf.function(self._step_on_next).get_concrete_function
        self._evaluate_step = tf.function(self.evaluate_step)

    def train_step(self, batch: tuple, update: bool = True) -> tf.Tensor:
        """Forward, backward and, unless more micro-batches follow, update. Gives the mean loss."""
        with tf.GradientTape() as tape:
            loss, weight, _ = self.forward(batch, training=True)
            scaled_loss = loss * self.loss_scale
        gradients = tape.gradient(scaled_loss, self.weights)
        unreached = [w.path for w, g in zip(self.weights, gradients, strict=True) if g is None]
        if unreached:
            raise ValueError(f"no gradient reaches {unreached}: freeze their layers, or use them")
        # An embedding's gradient may list a row twice; its norm needs the two summed.
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        if self.accumulate > 1 or self.replicas > 1:
            sums = [weight * value for value in (1.0, loss, *gradients)]
            if self.accumulate > 1:
                sums = [total.assign_add(s) for total, s in zip(self.sums, sums, strict=True)]
                if not update:
                    return loss
            context = tf.distribute.get_replica_context()
            sums = context.all_reduce(tf.distribute.ReduceOp.SUM, sums)  # over all replicas
            loss, *gradients = [tf.math.divide_no_nan(s, sums[0]) for s in sums[1:]]
            for total in self.sums:
                total.assign(tf.zeros_like(total))
        if self.scaling:
            gradients = [gradient / self.loss_scale for gradient in gradients]
        norm = tf.linalg.global_norm(gradients)
        if self.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self.clip_norm, use_norm=norm)
        # Keras will add up what the replicas give, and they give the same.
        gradients = [gradient / self.replicas for gradient in gradients]
        finite = not self.scaling or tf.math.is_finite(norm)
        if finite:
            self.optimizer.apply(gradients, self.weights)
        if self.scaling:  # halve the scale after an overflow, double it after 2,000 good steps
            self.good_steps.assign(tf.where(finite, (self.good_steps + 1) % 2000, 0))
            scale = tf.where(self.good_steps == 0, self.loss_scale * 2.0, self.loss_scale)
            self.loss_scale.assign(tf.where(finite, scale, tf.maximum(self.loss_scale / 2.0, 1.0)))
        return loss

    def forward(self, batch: tuple, training: bool) -> tuple[tf.Tensor, tf.Tensor, object]:
        """The mean loss with what regularisers add, the sum of weights, the outputs in float32."""
        if not isinstance(batch, tuple) or len(batch) not in (2, 3):
            raise ValueError(f"a batch must be (inputs, labels) or (..., weights), not {batch}")
        outputs = self.model(batch[0], training=training)
        outputs = keras.tree.map_structure(lambda x: tf.cast(x, tf.float32), outputs)
        values = self.loss(batch[1], outputs)  # (batch,) or (batch, tokens)
        weights = tf.cast(batch[2], tf.float32) if len(batch) == 3 else tf.ones_like(values)
        if values.shape.rank == 0 or not values.shape.is_compatible_with(weights.shape):
            shapes = f"the loss has {values.shape}, the weights have {weights.shape}"
            raise ValueError(f"loss must give a value per example or token, and weights: {shapes}")
        total = tf.reduce_sum(weights)
        loss = tf.math.divide_no_nan(tf.reduce_sum(weights * values), total)
        return loss + sum(tf.cast(x, tf.float32) for x in self.model.losses), total, outputs

    def evaluate_step(self, batch: tuple) -> None:
        """Add one batch to the mean loss and to the metrics."""
        loss, weight, outputs = self.forward(batch, training=False)
        self.metrics[0].update_state(loss, weight)
        for metric in self.metrics[1:]:
            metric.update_state(batch[1], outputs, *batch[2:])

    def evaluate(self, dataset: tf.data.Dataset) -> dict[str, float]:
        """The mean loss over `dataset`, named "loss", and each metric under its own name."""
        for metric in self.metrics:
            metric.reset_state()
        self._evaluate_step.get_concrete_function(dataset.element_spec)
        for batch in dataset:
            self._evaluate_step(batch)
        if not self.metrics[0].count > 0:
            raise ValueError("dataset must hold an example with a weight above 0; it holds none")
        return {metric.name: float(metric.result()) for metric in self.metrics}

    def fit(
        self,
        batches: Callable[[int], tf.data.Dataset],
        steps: int,
        *,
        validation: tf.data.Dataset | None = None,
        evaluate_every: int = 200,
        checkpoint_every: int = 200,
        stop_after: int | None = None,
        log_dir: str | os.PathLike | None = None,
        title: str = "Training",
        show: bool = True,
    ) -> History:
        """Train until `steps` updates are made in all; go on from a checkpoint if there is one.

        Args:
            batches: gives epoch 0, 1, ..., each always the same: (inputs, labels[, weights]).
            steps: updates in all, those of earlier calls and of the checkpoint included.
            validation: evaluated every `evaluate_every` updates and after the last.
            checkpoint_every: updates between checkpoints; the last is written at the end.
            stop_after: evaluations without a lower validation loss after which to stop. At the
                end, stopped or not, the model gets its best weights.
            log_dir: a folder for TensorBoard.
            title, show: of the live curve; outside a notebook it is a line per evaluation.

        Raises:
            TypeError, ValueError: arguments or batches of another form; another model's checkpoint.
            FloatingPointError: a loss or a weight is infinite or not a number.
            OSError: a checkpoint cannot be written, or there are some and none can be read.
        """
        _check_counts(steps=steps, evaluate_every=evaluate_every, checkpoint_every=checkpoint_every)
        _check_counts(stop_after=1 if stop_after is None else stop_after)
        if stop_after and validation is None:
            raise ValueError("stop_after needs validation, which is None")
        if not callable(batches):
            raise TypeError(f"batches must be a function of the epoch, not a {type(batches)}")
        if self.checkpoints and self.step == 0:
            self.restore()
        for total in self.sums:  # an interrupted call may have left something in them
            total.assign(tf.zeros_like(total))
        self._open_epoch(batches)
        with Progress(self.history, steps, title, show, log_dir) as progress:
            while self.step < steps and not (stop_after and self.history.since_best >= stop_after):
                for number in range(1, self.accumulate + 1):
                    loss = self._next_loss(batches, update=number == self.accumulate)
                self.step += 1
                progress.add(loss)
                if self.step % evaluate_every == 0 or self.step == steps:
                    progress.evaluated({} if validation is None else self.evaluate(validation))
                    if stop_after and self.history.best_step == self.step:
                        self.best_weights = self.model.get_weights()
                if self.checkpoints and self.step % checkpoint_every == 0:
                    progress.fetch()  # raises if a loss is not finite
                    self.save()
            if self.checkpoints:
                self.save()
        if stop_after and self.best_weights:
            self.model.set_weights(self.best_weights)
        return self.history

    def save(self) -> None:
        """Write a checkpoint: all that the next update depends on, and the history.

        Of several machines only the first writes it.
        """
        if not self.strategy.extended.should_checkpoint:
            return
        arrays = self._state() + [("best", weights) for weights in self.best_weights or []]
        facts = {"step": self.step, "epoch": self.epoch, "batch": self.batch}
        self.checkpoints.save(self.step, facts | {"history": vars(self.history)}, arrays)

    def restore(self) -> None:
        """Take up the newest checkpoint, if there is one."""
        if loaded := self.checkpoints.load():
            facts, arrays = loaded
            assign(self._state(), [pair for pair in arrays if pair[0] != "best"])
            self.best_weights = [value for name, value in arrays if name == "best"] or None
            self.step, self.epoch, self.batch = facts["step"], facts["epoch"], facts["batch"]
            self.history = History(**facts["history"])

    def _state(self) -> list[tuple[str, tf.Variable]]:
        """What the next update depends on: also running statistics and the seeds of dropout."""
        state = [(v.path, v) for v in (*self.model.variables, *self.optimizer.variables)]
        return [*state, ("loss scale", self.loss_scale), ("good steps", self.good_steps)]

    def _next_loss(self, batches: Callable[[int], tf.data.Dataset], update: bool) -> tf.Tensor:
        """The step on the next batch, of the next epoch if this one has no more."""
        try:
            loss = self._compiled[update](self._data, update)
        except tf.errors.OutOfRangeError:
            if self.batch == 0:
                raise ValueError(f"batches({self.epoch}) must hold data; it is empty") from None
            self.epoch, self.batch = self.epoch + 1, 0
            self._open_epoch(batches)
            return self._next_loss(batches, update)
        self.batch += 1
        return loss

    def _open_epoch(self, batches: Callable[[int], tf.data.Dataset]) -> None:
        def shares(context: tf.distribute.InputContext) -> tf.data.Dataset:
            """Of each batch the shares of this machine's replicas, one after the other."""
            data, n = batches(self.epoch).skip(self.batch), self.replicas
            if n == 1:
                return data
            here = n // context.num_input_pipelines
            first = here * context.input_pipeline_id

            def share_out(*batch):
                replicas = tf.data.Dataset.range(first, first + here)
                return replicas.map(lambda r: tf.nest.map_structure(lambda x: x[r::n], batch))

            return data.flat_map(share_out)

        self._data = iter(self.strategy.distribute_datasets_from_function(shares))
        # Compiled at most once, and looked up here: in each step that costs a tenth of a small one.
        self._compiled = {u: self._compile(self._data, u) for u in (True, self.accumulate == 1)}

    def _step_on_next(self, data: tf.data.Iterator, update: bool) -> tf.Tensor:
        # Compiled code that fetches its own batch is faster than Python that hands it over. But
        # where the data ends nothing else may happen, so all else is made to wait for the batch.
        batch = next(data)
        step = tf.function(self.train_step, jit_compile=True) if self.xla else self.train_step

        def on_replica(batch):
            with tf.control_dependencies(tf.nest.flatten(batch)):
                return step(batch, update)

        losses = self.strategy.run(on_replica, args=(batch,))
        return self.strategy.experimental_local_results(losses)[0]


def _check_counts(**counts: int) -> None:
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name} must be a whole number from 1 up, not {value!r}")
