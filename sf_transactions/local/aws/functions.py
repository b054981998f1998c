"""Lambda's invocation, for which moto needs Docker: the package that was uploaded runs in a process of its own.

As on Lambda, the process has the function's package and variables, and boto3; it is started at the first call, stays
warm, and is started anew when package or variables change.
"""

import atexit
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.awslambda.responses import LambdaResponse

RUNNER = """
import importlib, json, os, sys
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what the function prints is its log
module, name = os.environ["_HANDLER"].rsplit(".", 1)
handler = getattr(importlib.import_module(module.replace("/", ".")), name)
for line in sys.stdin:
    try:
        answer = {"answer": handler(json.loads(line), None)}
    except Exception as error:
        answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
    print(json.dumps(answer), file=answers, flush=True)
"""


class FunctionError(RuntimeError):
    """The function raised an error, did not answer in time, or is not there."""


class _Worker:
    """A warm process of one version of a function."""

    def __init__(self, function: Any, log: Any) -> None:
        self.version = _version(function)
        self.folder = Path(tempfile.mkdtemp(prefix="function-"))
        zipfile.ZipFile(BytesIO(function.code_bytes)).extractall(self.folder)
        self.seconds = float(function.timeout or 3)
        environment = {name: os.environ[name] for name in _OF_THE_PLACE if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-c", RUNNER],
            cwd=self.folder,
            env={
                **environment,
                **function.environment_vars,
                "_HANDLER": function.handler,
                "PYTHONPATH": str(self.folder),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        self._lock = threading.Lock()

    def call(self, event: dict[str, Any]) -> Any:
        assert self._process.stdin and self._process.stdout
        with self._lock:
            try:
                print(json.dumps(event), file=self._process.stdin, flush=True)
            except OSError:
                raise FunctionError("the function's process has ended") from None
            if not select.select([self._process.stdout], [], [], self.seconds)[0]:
                self.end()
                raise FunctionError(f"Task timed out after {self.seconds} seconds")
            line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"errorType": "Runtime.ExitError", "errorMessage": "it ended"}
        if "answer" not in answer:
            raise FunctionError(f"{answer['errorType']}: {answer['errorMessage']}")
        return answer["answer"]

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


# What Lambda, too, gives every function: where AWS is and who asks.
_OF_THE_PLACE = ("PATH", "HOME", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_workers: dict[str, _Worker] = {}
_lock = threading.Lock()


def _version(function: Any) -> tuple[Any, ...]:
    return function.code_sha_256, tuple(sorted(function.environment_vars.items())), function.handler, function.timeout


def invoke(arn: str, event: dict[str, Any]) -> Any:
    """What the function answers. Raises FunctionError."""
    _, _, _, region, account, _, name = arn.split(":")[:7]
    function = lambda_backends[account][region]._lambdas.get_function_by_name_with_qualifier(name)
    with _lock:
        worker = _workers.get(arn)
        if worker is None or worker.version != _version(function) or worker._process.poll() is not None:
            if worker is not None:
                worker.end()
            worker = _workers[arn] = _Worker(function, sys.stderr if _is_file(sys.stderr) else subprocess.DEVNULL)
    return worker.call(event)


def _is_file(stream: Any) -> bool:
    try:
        return stream.fileno() >= 0
    except (OSError, ValueError, AttributeError):
        return False


@atexit.register
def end() -> None:
    """Ends the processes of all functions."""
    with _lock:
        while _workers:
            _workers.popitem()[1].end()


class Functions(LambdaResponse):
    def invoke(self) -> tuple[int, dict[str, str], str | bytes]:
        name = self.path.rsplit("/", 2)[-2]
        function = self.backend.get_function(name)
        try:
            answer, headers = invoke(function.function_arn, json.loads(self.body or "{}")), {}
        except FunctionError as error:
            answer, headers = {"errorMessage": str(error)}, {"x-amz-function-error": "Unhandled"}
        return 200, {"content-type": "application/json", **headers}, json.dumps(answer)
