"""The functions that notebook 08 defines: what is tested is what the reader sees."""

import asyncio
import json
import unicodedata
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from notebook_functions import notebook_names

from helpers.drills.serving.distillation_loss import distillation_loss
from helpers.drills.serving.quantise import quantise
from helpers.pretraining import load_classifier
from helpers.text import tokenize
from helpers.transformer import Encoder, classifier

CONSTANTS = (
    "LETTER WAYS TEMPERATURE PEAK ASSUMED llama h100 "
    "API PEAK_OVER_MEAN LOAD_AT_PEAK PEOPLE OWN HOURS needed"
)


@pytest.fixture(scope="module")
def notebook() -> SimpleNamespace:
    return notebook_names("08_serving_and_costs", set(CONSTANTS.split()))


@pytest.fixture(scope="module")
def shipped():
    return load_classifier()


def small_classifier(tokenizer, layers: int = 1) -> keras.Model:
    keras.utils.set_random_seed(0)
    return classifier(Encoder(tokenizer.vocabulary_size(), layers, 12, 3, 24, 128))


def inputs_of(notebook, tokenizer, texts: list[str], **steps) -> dict:
    """As the exported graph computes them."""
    return tf.function(lambda t: notebook.to_inputs(t, tokenizer, **steps))(tf.constant(texts))


NASTY = [
    "很好",
    "ＡＢＣ１，ｏｋ！　两个　空格\t\n换行",
    "好" * 29, "好" * 30, "好" * 31, "好" * 300,
    "a1_" * 50,
    "".join(chr(0x4E00 + 7 * n) for n in range(200)),
    "好👍🏽" * 40,
    "é" * 40 + unicodedata.normalize("NFD", "é" * 40),
    "ひらがなカタカナ" * 10,
    "。。。！！！" * 30,
    "\u3000", "㈱①ﬁ" * 20,
]  # fmt: skip


def test_the_graph_tokenizes_as_python_does(notebook, shipped):
    _, tokenizer = shipped
    inputs, expected = inputs_of(notebook, tokenizer, NASTY), tokenize(NASTY, tokenizer).to_tensor()
    np.testing.assert_array_equal(inputs["token_ids"], expected)
    np.testing.assert_array_equal(inputs["padding_mask"], expected != 0)
    assert not np.any(inputs["segment_ids"])


def test_a_forgotten_cut_turns_a_long_run_into_one_unknown_token(notebook, shipped):
    _, tokenizer = shipped
    run = ["好" * 100]
    whole = inputs_of(notebook, tokenizer, run, cut=False)["token_ids"].numpy()[0].tolist()
    assert whole == [tokenizer.cls_token_id, tokenizer.token_to_id("[UNK]"), tokenizer.sep_token_id]
    assert len(inputs_of(notebook, tokenizer, run)["token_ids"][0]) > 20
    assert inputs_of(notebook, tokenizer, run, longest=8)["token_ids"].shape == (1, 8)


def test_an_exported_model_takes_raw_texts(notebook, shipped, tmp_path):
    _, tokenizer = shipped
    model = small_classifier(tokenizer)
    notebook.export(model, tokenizer, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    logits = model(inputs_of(notebook, tokenizer, NASTY)).numpy()
    expected = tf.nn.softmax(logits)[:, 1].numpy()
    np.testing.assert_allclose(loaded.serve(tf.constant(NASTY)), expected, atol=1e-6)
    alone = [float(loaded.serve(tf.constant([text]))[0]) for text in NASTY]
    np.testing.assert_allclose(alone, expected, atol=1e-6)  # padding changes nothing


def test_the_shipped_classifier_is_as_good_as_its_card_says(notebook, shipped):
    from helpers.reviews import split_reviews

    model, tokenizer = shipped
    test = split_reviews()[2][:400]
    logits = notebook.logits_of(model, tokenize(test.text, tokenizer))
    assert (logits.argmax(axis=1) == test.label).mean() > 0.8
    few = notebook.logits_of(model, tokenize(test.text[:3], tokenizer))
    np.testing.assert_allclose(few, logits[:3], atol=1e-4)  # in the texts' order


def converse(handler, conversation):
    """Run `conversation(url)` beside a server that `handler(number of the request)` delays."""

    async def session():
        count = 0

        async def serve(reader, writer):
            nonlocal count
            while head := await reader.read(4_096):
                number, count = count, count + 1
                status, delay = handler(number)
                await asyncio.sleep(delay)
                text = json.loads(head.partition(b"\r\n\r\n")[2])["text"]
                body = json.dumps({"batch": 3, "text": text}).encode()
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode())
                writer.write(body)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            return await conversation(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    return asyncio.run(session())


def test_an_open_loop_sends_every_request_and_counts_from_when_it_was_due(notebook):
    def first_is_slow(number):
        return (200, 0.5) if number == 0 else (503, 0.0)

    load = converse(first_is_slow, lambda url: notebook.open_loop(url, 1_000, 50, ["好", "坏"]))
    assert len(load) == 50 and load.due.is_monotonic_increasing
    assert load.status.tolist() == [200] + [503] * 49 and (load.batch == 3).all()
    assert load.latency[0] >= 0.5
    # The slow answer held nobody back: the last was sent when it was due.
    assert (load.due + load.latency)[1:].max() < load.latency[0] + load.due[0]
    again = converse(first_is_slow, lambda url: notebook.open_loop(url, 1_000, 50, ["好"]))
    assert again.due.tolist() == load.due.tolist()  # the same seed


def test_a_closed_loop_waits_for_each_answer(notebook):
    load = converse(lambda n: (200, 0.05), lambda url: notebook.closed_loop(url, 2, 0.5, ["好"]))
    assert 2 <= len(load) <= 2 * 11  # two users, at most ten answers in half a second, one begun
    assert load.latency.min() >= 0.05 and load.due.max() < 0.5


def test_int8_by_hand_is_that_of_the_drill(notebook):
    kernel = np.random.default_rng(0).normal(size=(20, 7))
    q, scales = notebook.quantise_columns(kernel)
    expected = quantise(kernel)
    np.testing.assert_array_equal(q, expected[0])
    np.testing.assert_allclose(scales, expected[1])
    assert q.dtype == np.int8 and np.abs(q * scales - kernel).max() <= scales.max() / 2 + 1e-12


def test_int8_by_library_keeps_the_decisions(notebook, shipped):
    _, tokenizer = shipped
    model = small_classifier(tokenizer)
    small = notebook.as_int8(model)
    assert notebook.weight_bytes(small) < 0.45 * notebook.weight_bytes(model)
    inputs = inputs_of(notebook, tokenizer, NASTY)
    np.testing.assert_allclose(small(inputs), model(inputs), atol=0.02)


def test_a_student_starts_from_its_teachers_parts(notebook, shipped):
    teacher, _ = shipped
    student = notebook.new_student(teacher)
    inner = [notebook.inner(teacher), notebook.inner(student)]
    assert len(inner[1].blocks) == 1
    for part in ("embeddings", "blocks"):
        old, new = (getattr(encoder, part) for encoder in inner)
        old, new = (old[0], new[0]) if part == "blocks" else (old, new)
        for a, b in zip(old.get_weights(), new.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_loss_of_a_student_is_that_of_the_drill(notebook):
    rng = np.random.default_rng(0)
    teacher, student = rng.normal(0, 3, (2, 9, 2)).astype("float32")
    labels, chosen = rng.integers(0, 2, 9), np.array([4, 0, 8, 4])
    loss = notebook.student_loss
    loss.__globals__.update(
        lessons=pd.DataFrame({"label": labels}), lesson_logits=teacher, TEMPERATURE=2.0
    )
    for way, alpha in (("teacher", 0.9), ("labels alone", 0.0)):
        found = loss(way)(tf.constant(chosen), tf.constant(student[: len(chosen)]))
        expected = distillation_loss(
            student[: len(chosen)], teacher[chosen], labels[chosen], 2.0, alpha
        )
        assert found.shape == (4,) and float(np.mean(found)) == pytest.approx(expected, rel=1e-4)


def test_quality_by_hand(notebook):
    logits = np.log(np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]))
    teacher = np.array([[1.0, 0.0], [1.0, 0.0], [2.0, 1.0]])
    found = notebook.quality(logits, np.array([0, 1, 1]), teacher)
    assert found["accuracy"] == pytest.approx(2 / 3) == found["agreement"]
    assert found["loss"] == pytest.approx(-np.log([0.9, 0.8, 0.4]).mean())


def test_pruning_takes_the_smallest_of_each_kernel(notebook, shipped):
    model, _ = shipped
    thin = notebook.pruned(model, 0.5)
    inner = [notebook.inner(model), notebook.inner(thin)]
    weights = [encoder.blocks[1].trainable_variables for encoder in inner]
    for before, after in zip(*weights, strict=True):
        before, after = before.numpy(), after.numpy()
        if before.ndim == 2:
            assert (after == 0).mean() == pytest.approx(0.5, abs=0.01)
            assert np.abs(before[after == 0]).max() <= np.abs(after[after != 0]).min()
            np.testing.assert_array_equal(before[after != 0], after[after != 0])
        else:
            np.testing.assert_array_equal(before, after)


def test_found_counts_the_halves_among_the_nearest(notebook):
    same = notebook.unit(np.random.default_rng(0).normal(size=(50, 9)))
    assert notebook.found(same, same, among=1) == 1
    assert notebook.found(same, np.roll(same, 1, axis=0), among=1) == 0
    assert notebook.found(same, -same, among=50) == 1
    np.testing.assert_allclose(np.linalg.norm(same, axis=1), 1)


def test_prices_follow_their_assumptions(notebook):
    base = notebook.price()
    assert notebook.price(**{"euros an hour": 5.0}) == pytest.approx(2 * base)
    assert notebook.price(**{"share of time busy": 0.6}) == pytest.approx(base / 2)
    assert notebook.price(**{"tokens out": 600}) > base > notebook.price(**{"tokens in": 150})


def test_bills_are_linear_for_an_api_and_come_in_steps_for_cards(notebook):
    one, ten = notebook.monthly(10_000), notebook.monthly(100_000)
    assert ten["API"] == pytest.approx(10 * one["API"])
    card = notebook.ASSUMED["euros an hour"] * notebook.HOURS
    for day in (1, 10_000, 3_000_000):
        cards = (notebook.monthly(day)["rent"] - notebook.PEOPLE) / card
        assert cards == pytest.approx(round(cards)) and round(cards) >= 1
    # A card does no more than a day of work in a day, at the peak.
    cards = (notebook.monthly(3e6)["rent"] - notebook.PEOPLE) / card
    assert cards * 24 * notebook.LOAD_AT_PEAK >= 3e6 * notebook.PEAK_OVER_MEAN * notebook.needed
