"""The server of notebook 08: in this process, with models made for the test, and as a process."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from helpers.server import Batcher, Limits, Server, create_app, listen

PREDICT = "/predict"


def lengths(texts: list[str]) -> list[float]:
    """A model that any answer can be checked against: it depends on the text alone."""
    return [float(len(text)) for text in texts]


def slow(texts: list[str]) -> list[float]:
    time.sleep(0.05)
    return lengths(texts)


def talk(predict, conversation, **limits):
    """Run `conversation(client)` with an application in this process."""

    async def session():
        app = create_app(predict, Limits(**limits))
        transport = httpx.ASGITransport(app)
        async with app.router.lifespan_context(app):
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await conversation(client)

    return asyncio.run(session())


def post(content: bytes, **limits) -> httpx.Response:
    return talk(lengths, lambda client: client.post(PREDICT, content=content), **limits)


def post_all(texts: list[str]):
    """A conversation: all texts at once."""
    return lambda client: asyncio.gather(
        *(client.post(PREDICT, json={"text": text}) for text in texts)
    )


@pytest.mark.parametrize(
    "content, status, sentence",
    [
        (b"", 400, "not JSON"),
        (b'{"text": "good', 400, "not JSON"),
        (b'{"text": "\xff"}', 400, "not JSON"),
        (b"[" * 10_000, 400, "not JSON"),
        (b"null", 422, "no text"),
        (b'["good"]', 422, "no text"),
        (b"{}", 422, "no text"),
        (b'{"text": null}', 422, "no text"),
        (b'{"text": 7}', 422, "no text"),
        (b'{"text": ["good"]}', 422, "no text"),
        (b'{"text": ""}', 422, "empty"),
        (b'{"text": " \\n\\u3000"}', 422, "empty"),
        (b'{"text": "\\ud800"}', 422, "surrogate"),
        (json.dumps({"text": "a" * 2_001}).encode(), 422, "2,001 characters"),
        (b" " * 16_385, 413, "16,384 bytes"),
    ],
)
def test_a_bad_request_gets_a_sentence(content, status, sentence):
    response = post(content)
    assert response.status_code == status
    assert sentence in response.json()["error"] and "send" in response.json()["error"]


def test_a_body_without_a_length_is_cut_off():
    async def endless():
        for _ in range(1_000):
            sent.append(1)
            yield b" " * 1_024

    sent = []
    response = talk(lengths, lambda client: client.post(PREDICT, content=endless()))
    assert response.status_code == 413


@pytest.mark.parametrize("text", ["好", "a" * 2_000, "👍🏽 né\u0000\t", "\u202e反", "السلام", "0"])
def test_any_text_within_the_limits_is_answered(text):
    content = json.dumps({"text": text}).encode()
    assert post(content).json() == {"probability": float(len(text)), "batch": 1}
    content = json.dumps({"text": text, "more": 1}, ensure_ascii=False).encode()
    assert post(content).json()["probability"] == float(len(text))


@pytest.mark.parametrize("method, path, status", [("GET", PREDICT, 405), ("POST", "/other", 404)])
def test_other_paths_and_methods(method, path, status):
    response = talk(lengths, lambda client: client.request(method, path))
    assert response.status_code == status and response.json()["error"]


def test_batches_keep_order_and_budget():
    async def batches(texts, budget):
        batcher = Batcher(lengths, Limits(budget=budget))
        asks = [asyncio.create_task(batcher.ask(text)) for text in texts]
        await asyncio.sleep(0)
        found = []
        while batcher.waiting:
            batch = batcher.take()
            found.append([text for text, _ in batch])
        for ask in asks:
            ask.cancel()
        return found

    texts = ["a" * n for n in (8, 8, 18, 3, 500, 500, 1)]  # 10, 10, 20, 5, 128, 128, 3 tokens
    assert asyncio.run(batches(texts, 1)) == [[text] for text in texts]
    assert asyncio.run(batches(texts, 60)) == [
        texts[:3], texts[3:4], texts[4:5], texts[5:6], texts[6:]
    ]  # fmt: skip
    assert asyncio.run(batches(texts, 896)) == [texts]


def test_requests_that_wait_share_a_batch_and_get_their_own_answers():
    texts = ["a" * n for n in range(1, 101)]
    responses = talk(slow, post_all(texts), budget=100_000)
    assert [r.json()["probability"] for r in responses] == list(range(1, 101))
    assert max(r.json()["batch"] for r in responses) >= 99  # all but those of the first batch


def test_a_lone_request_waits_for_company_if_told_to():
    async def one_then_another(client):
        first = asyncio.create_task(client.post(PREDICT, json={"text": "a"}))
        await asyncio.sleep(0.1)
        second = await client.post(PREDICT, json={"text": "b"})
        return [(await first).json()["batch"], second.json()["batch"]]

    assert talk(lengths, one_then_another) == [1, 1]
    assert talk(lengths, one_then_another, wait=1.0) == [2, 2]


def test_overload_is_refused_and_the_rest_is_answered():
    texts = ["a" * n for n in range(1, 61)]
    responses = talk(slow, post_all(texts), budget=1, queue=10)
    for text, response in zip(texts, responses, strict=True):
        assert response.status_code in (200, 503)
        if response.status_code == 200:
            assert response.json()["probability"] == len(text)
        else:
            assert response.headers["Retry-After"] == "1" and "later" in response.json()["error"]
    answered = sum(response.status_code == 200 for response in responses)
    assert 10 <= answered <= 12  # the queue, and what was taken from it meanwhile


def test_who_waits_too_long_is_told_and_not_computed():
    seen = []

    def remember(texts):
        seen.extend(texts)
        return slow(texts)

    texts = ["a" * n for n in range(1, 21)]
    responses = talk(remember, post_all(texts), budget=1, timeout=0.2)
    codes = [response.status_code for response in responses]
    assert set(codes) == {200, 504} and codes == sorted(codes)
    assert len(seen) <= codes.count(200) + 1  # the one that was being computed


def test_a_failing_batch_fails_alone():
    def fragile(texts):
        if "bad" in texts:
            raise ArithmeticError("cannot")
        return lengths(texts)

    async def bad_then_good(client):
        bad = await client.post(PREDICT, json={"text": "bad"})
        return bad, await client.post(PREDICT, json={"text": "good"})

    bad, good = talk(fragile, bad_then_good)
    assert bad.status_code == 500 and "ArithmeticError" in bad.json()["error"]
    assert good.json() == {"probability": 4.0, "batch": 1}
    bad, good = talk(lambda texts: [1.0] * (1 + (texts == ["bad"])), bad_then_good)
    assert (bad.status_code, good.status_code) == (500, 200)  # too many answers


def test_a_limit_that_does_not_exist():
    with pytest.raises(TypeError, match="quue"):
        Server("anywhere", quue=1)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A SavedModel whose answer is a hash of the text, after some 20 ms of work."""
    import tensorflow as tf

    class Hash(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def serve(self, texts):
            work = tf.eye(300)
            for _ in tf.range(20):
                work = work @ work
            return (
                tf.cast(tf.strings.to_hash_bucket_fast(texts, 1_000_003), tf.float32) * work[0, 0]
            )

    model, folder = Hash(), str(tmp_path_factory.mktemp("model"))
    tf.saved_model.save(model, folder)
    return folder, lambda texts: model.serve(tf.constant(texts)).numpy().tolist()


@pytest.fixture(scope="module")
def servers(saved):
    """One to talk to, one to stop, and a process with one of its own; all start at once."""
    code = (
        "import sys, helpers.server as s; server = s.Server(sys.argv[1]);"
        "print(server.url, server.process.pid, flush=True); input()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, saved[0]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent, Server(saved[0]) as shared, Server(saved[0], budget=1) as other:
        yield shared, other, parent
        parent.kill()


def test_200_concurrent_requests_get_the_answers_of_the_model_alone(servers, saved):
    texts = [f"第{n}条评论，不错" for n in range(200)]

    async def all_at_once():
        unlimited = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=servers[0].url, limits=unlimited) as client:
            return await post_all(texts)(client)

    responses = asyncio.run(all_at_once())
    alone = [saved[1]([text])[0] for text in texts]
    assert [response.json().get("probability") for response in responses] == alone
    assert max(response.json()["batch"] for response in responses) > 1


def test_raw_rubbish_on_the_socket_does_not_end_it(servers):
    port = int(servers[0].url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"\x00\xff rubbish\r\n\r\n")
        assert b"400" in connection.recv(1_000)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
    assert httpx.get(servers[0].url + "/health").json()["status"] == "ok"


def test_it_listens_on_this_machine_alone_and_answers_small_pieces_at_once(servers):
    assert servers[0].url.startswith("http://127.0.0.1:")
    with listen() as listener:
        assert listener.proto == socket.IPPROTO_TCP  # or asyncio leaves Nagle's algorithm on
        assert listener.getsockname()[0] == "127.0.0.1"


def test_stopping_finishes_what_was_accepted(servers, saved):
    server, texts = servers[1], [f"text {n}" for n in range(30)]
    with ThreadPoolExecutor(30) as pool:
        waiting = [
            pool.submit(httpx.post, server.url + PREDICT, json={"text": text}, timeout=30)
            for text in texts
        ]
        while httpx.get(server.url + "/health").json()["waiting"] == 0:
            assert not all(w.done() for w in waiting)
        time.sleep(0.2)  # for the last to arrive
        server.stop()
        answers = [w.result() for w in waiting]
    assert [answer.json()["probability"] for answer in answers] == saved[1](texts)
    assert server.process.returncode == 0
    server.stop()  # again: harmless
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url + "/health")


def test_a_killed_parent_leaves_no_server(servers):
    parent = servers[2]
    url, pid = parent.stdout.readline().split()
    try:
        assert httpx.get(url + "/health").status_code == 200
        parent.kill()
        parent.wait()
        for _ in range(100):
            try:
                httpx.get(url + "/health")
            except httpx.TransportError:
                return
            time.sleep(0.1)
        pytest.fail("the server still answers ten seconds after its parent's death")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGTERM)


def test_a_server_that_cannot_start_says_why(tmp_path, saved):
    with pytest.raises(FileNotFoundError, match=r"folder .* no saved_model\.pb"):
        Server(tmp_path)
    with pytest.raises(RuntimeError, match=r"did not start: .*--budget.*'many'"):
        Server(saved[0], budget="many").url  # noqa: B018
