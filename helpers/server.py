"""A text classifier behind HTTP: POST {"text": "…"} to /predict, and get a probability.

`python -m helpers.server FOLDER` loads the SavedModel in FOLDER, prints its port and serves until
its standard input closes. `Server` starts that from a notebook and stops it again: it holds the
other end of the pipe, which the system closes for it if it dies, so no server is left behind. What
was accepted before is still answered.

Requests that wait while the model is busy are computed together (dynamic batching). Sources: the
guides "TensorFlow Serving Batching" and, of NVIDIA Triton, "Batchers"; Dean and Barroso, "The Tail
at Scale", 2013, for limits to waiting.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

LONGEST = 128  # tokens that the model reads of a text; a Chinese character is about one
SECONDS_TO_START, SECONDS_TO_STOP = 120, 20

Predict = Callable[[list[str]], list[float]]  # texts to the probability of each


@dataclass(frozen=True)
class Limits:
    """What the server takes on. Without such limits one client, or one busy minute, stops all."""

    budget: int = 768  # tokens in a batch, padding included; with 1 every request is alone
    wait: float = 0.0  # seconds that a lone request waits for company
    queue: int = 256  # requests that wait; one more is refused
    timeout: float = 5.0  # seconds until a request that waits is given up
    characters: int = 2_000  # in a text
    body: int = 16_384  # bytes of a request's body


class Batcher:
    """Collects requests, computes those that fit into a batch together, hands the answers back.

    Args:
        predict: called in a thread, so that requests can arrive meanwhile; never twice at once.
        limits: of batches and of waiting.
    """

    def __init__(self, predict: Predict, limits: Limits):
        self.predict, self.limits = predict, limits
        self.waiting: deque[tuple[str, asyncio.Future]] = deque()
        self.arrived = asyncio.Event()

    async def ask(self, text: str) -> tuple[float, int]:
        """The probability for `text`, and how many texts were computed with it.

        Raises:
            asyncio.QueueFull: too many wait already.
            TimeoutError: the answer did not come in time.
        """
        if len(self.waiting) >= self.limits.queue:
            raise asyncio.QueueFull
        answer = asyncio.get_running_loop().create_future()
        self.waiting.append((text, answer))
        self.arrived.set()
        async with asyncio.timeout(self.limits.timeout):  # which cancels the answer
            return await answer

    def take(self) -> list[tuple[str, asyncio.Future]]:
        """The next batch, in order of arrival: as many as stay within the budget, or one."""
        batch, longest = [], 0
        while self.waiting:
            text, answer = self.waiting[0]
            if not answer.done():  # else nobody waits for it any more
                longest = max(longest, min(len(text) + 2, LONGEST))
                if batch and (len(batch) + 1) * longest > self.limits.budget:
                    break
                batch.append((text, answer))
            self.waiting.popleft()
        return batch

    async def run(self) -> None:
        """Compute batch after batch until cancelled."""
        while True:
            await self.arrived.wait()
            if len(self.waiting) == 1:
                await asyncio.sleep(self.limits.wait)
            batch = self.take()
            if not self.waiting:
                self.arrived.clear()
            if batch:
                await self.compute(batch)

    async def compute(self, batch: list[tuple[str, asyncio.Future]]) -> None:
        """Give each request of a batch its answer or, where the model fails, the error."""
        texts, answers = zip(*batch, strict=True)
        try:
            results = await asyncio.to_thread(self.predict, list(texts))
            pairs = list(zip(answers, results, strict=True))
        except Exception as error:  # whatever it is, the next batch must not suffer from it
            for answer in answers:
                if not answer.done():
                    answer.set_exception(error)
            return
        for answer, probability in pairs:
            if not answer.done():
                answer.set_result((probability, len(batch)))


async def read_text(request: Request, limits: Limits) -> str:
    """The text of a request.

    Raises:
        HTTPException: 413, 400 or 422, with a sentence that says what to send instead.
    """
    body = b""
    async for part in request.stream():  # a header may lie about the length, or be missing
        body += part
        if len(body) > limits.body:
            raise HTTPException(413, f"the body is too large: send at most {limits.body:,} bytes")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):  # not UTF-8 is a ValueError too
        raise HTTPException(400, 'the body is not JSON: send {"text": "…"}') from None
    if not isinstance(content, dict) or not isinstance(content.get("text"), str):
        raise HTTPException(422, 'the body has no text: send {"text": "…"}, a string')
    text = content["text"]
    if not text.strip():
        raise HTTPException(422, "text is empty: send at least one character")
    if len(text) > limits.characters:
        sizes = f"{len(text):,} characters: send at most {limits.characters:,}"
        raise HTTPException(422, f"text has {sizes}")
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON can write "\ud800"; the model's batch would fail on it
        raise HTTPException(422, "text holds half a surrogate pair: send valid Unicode") from None
    return text


def create_app(predict: Predict, limits: Limits | None = None) -> Starlette:
    """The web application: POST /predict, GET /health.

    Args:
        predict: from texts to probabilities, in the same order.
        limits: `Limits()` by default.
    """
    limits = limits or Limits()
    batcher = Batcher(predict, limits)

    async def answer(request: Request) -> JSONResponse:
        text = await read_text(request, limits)
        try:
            probability, batch = await batcher.ask(text)
        except asyncio.QueueFull:
            later = {"Retry-After": "1"}
            raise HTTPException(503, "too many requests wait: try again later", later) from None
        except TimeoutError:
            sentence = f"no answer within {limits.timeout:g} s: try again later"
            raise HTTPException(504, sentence) from None
        except Exception as error:
            kind = type(error).__name__
            raise HTTPException(500, f"the model failed ({kind}): report the text") from error
        return JSONResponse({"probability": probability, "batch": batch})

    async def health(request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok", "waiting": len(batcher.waiting)})

    async def refuse(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette):
        worker = asyncio.create_task(batcher.run())
        yield
        worker.cancel()

    routes = [Route("/predict", answer, methods=["POST"]), Route("/health", health)]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: refuse})


def load(folder: str) -> Predict:
    """The function of a SavedModel whose endpoint `serve` takes strings (batch,) and gives
    probabilities (batch,)."""
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  registers the operations of the tokenizer

    model = tf.saved_model.load(folder)

    def predict(texts: list[str]) -> list[float]:
        return model.serve(tf.constant(texts)).numpy().tolist()

    for size in (1, 2, 16):  # the first calls are slow: let no client wait for them
        predict(["好"] * size)
    return predict


class Server:
    """A server in a process of its own, listening on this machine alone.

    Args:
        folder: of the SavedModel.
        limits: fields of `Limits`, by name.
    Raises:
        TypeError: a limit that does not exist.
        FileNotFoundError: the folder holds no SavedModel.

    The process starts at once; `url` waits until it is ready. Use it in a `with`, or call `stop`.
    """

    def __init__(self, folder: str | os.PathLike, **limits):
        Limits(**limits)
        if not (Path(folder) / "saved_model.pb").is_file():
            raise FileNotFoundError(
                f"folder must hold a SavedModel; {folder} has no saved_model.pb"
            )
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "helpers.server", os.fspath(folder)]
            + [f"--{name}={value}" for name, value in limits.items()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
            start_new_session=True,  # to interrupt a cell is not to interrupt the server
        )

    @cached_property
    def url(self) -> str:
        """Its address, once it is ready. Raises RuntimeError if it did not start."""
        watchdog = threading.Timer(SECONDS_TO_START, self.process.kill)
        watchdog.start()
        try:
            port = self.process.stdout.readline()  # empty where the process has ended
        finally:
            watchdog.cancel()
        if not port:
            self.stop()
            self.log.seek(0)
            lines = self.log.read().strip().splitlines() or ["it left no message"]
            raise RuntimeError(f"the server did not start: {lines[-1]}")
        return f"http://127.0.0.1:{port.strip()}"

    def stop(self) -> None:
        """Let it answer what it has accepted, and end it; kill it if that takes too long."""
        with contextlib.suppress(OSError):  # the pipe may be broken already
            self.process.stdin.close()
        try:
            self.process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error) -> None:
        self.stop()


def listen() -> socket.socket:
    """A socket that listens on this machine alone, at a port that is free.

    asyncio sends small pieces at once only where a socket says that it speaks TCP. Without that,
    an answer in two pieces waits 40 ms for the client to confirm the first (Nagle's algorithm).
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1_024)
    return listener


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m helpers.server", description=Limits.__doc__)
    parser.add_argument("folder", help="of the SavedModel")
    for field in fields(Limits):
        kind = type(field.default)
        parser.add_argument(f"--{field.name}", type=kind, default=field.default)
    arguments = vars(parser.parse_args())
    predict = load(arguments.pop("folder"))
    config = uvicorn.Config(
        create_app(predict, Limits(**arguments)), log_level="warning", timeout_keep_alive=60
    )
    server = uvicorn.Server(config)

    def stop_with_parent() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=stop_with_parent, daemon=True).start()
    listener = listen()
    print(listener.getsockname()[1], flush=True)
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
