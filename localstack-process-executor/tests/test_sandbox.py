"""An execution environment on its own, without LocalStack around it."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localstack_process_executor import bootstrap
from localstack_process_executor.events import Invocation
from localstack_process_executor.launcher import install
from localstack_process_executor.sandbox import Outcome, Sandbox, SandboxSettings

MakeSandbox = Callable[..., Sandbox]


@pytest.fixture(scope="session")
def python(root: Path) -> Path:
    return install(root).function_pythons["python3.13"]


@pytest.fixture
def make_sandbox(python: Path, tmp_path: Path) -> Iterator[MakeSandbox]:
    """Makes environments of a function whose code is given."""
    made = []

    def make(code: str, *, timeout_s: float = 10, init_timeout_s: float = 10) -> Sandbox:
        folder = tmp_path / "code"
        folder.mkdir(exist_ok=True)
        (folder / "module.py").write_text(code, encoding="utf-8")
        env = {
            "PYTHONPATH": str(folder),
            "_HANDLER": "module.handle",
            "TMPDIR": str(tmp_path / "run" / "tmp"),
        }
        sandbox = Sandbox(
            SandboxSettings(
                command=[str(python), str(Path(bootstrap.__file__)), "module.handle"],
                env=env,
                code=folder,
                directory=tmp_path / "run",
                version="$LATEST",
                runtime="python3.13",
                memory_mb=256,
                timeout_s=timeout_s,
                init_timeout_s=init_timeout_s,
                max_response_bytes=1000,
            )
        )
        made.append(sandbox)
        return sandbox

    yield make
    for sandbox in made:
        sandbox.close(at_once=True)


def invoke(sandbox: Sandbox, payload: object = None) -> Outcome:
    return sandbox.invoke(Invocation("id", "arn", json.dumps(payload).encode(), "Root=1-0-0"))


def test_what_loads_too_slowly_is_loaded_again_in_the_first_invocations_time(
    make_sandbox: MakeSandbox,
) -> None:
    sandbox = make_sandbox("import time\ntime.sleep(1)\ndef handle(e, c): return 'slow'\n", init_timeout_s=0.3)
    assert sandbox.initialise() is not None
    outcome = invoke(sandbox)
    assert (outcome.is_error, json.loads(outcome.payload)) == (False, "slow")
    lines = outcome.logs.splitlines()
    assert lines[1].startswith("INIT_REPORT Init Duration: 3")
    assert lines[1].endswith("Phase: init\tStatus: timeout")
    assert "\tInit Duration" not in lines[-1], "it is part of the duration then"


def test_the_end_of_the_output_is_kept_and_the_file_does_not_grow_without_end(
    make_sandbox: MakeSandbox,
) -> None:
    sandbox = make_sandbox("def handle(e, c):\n for i in range(e): print('x' * 1023)\n print('last')\n")
    assert sandbox.initialise() is None
    outcome = invoke(sandbox, 20 * 1024)
    assert len(outcome.logs) < 2 << 20
    assert outcome.logs.splitlines()[-3] == "last"
    assert len(sandbox.logs()) == 0
    assert invoke(sandbox, 1).logs.splitlines()[1] == "x" * 1023


def test_closing_waits_for_the_invocation_under_way(make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    sandbox = make_sandbox("import time\ndef handle(e, c):\n time.sleep(1)\n return 'done'\n")
    sandbox.initialise()
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(invoke(sandbox)))
    thread.start()
    time.sleep(0.3)
    sandbox.close()
    assert (tmp_path / "run").exists()
    thread.join(10)
    assert json.loads(outcomes[0].payload) == "done"
    assert not (tmp_path / "run").exists()


def test_closing_at_once_does_not(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox("import time\ndef handle(e, c): time.sleep(60)\n", timeout_s=100)
    sandbox.initialise()
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(invoke(sandbox)))
    thread.start()
    time.sleep(0.3)
    sandbox.close(at_once=True)
    thread.join(5)
    assert outcomes[0].is_error


def test_a_process_that_dies_between_two_calls_is_replaced(make_sandbox: MakeSandbox) -> None:
    code = """
    import os, threading
    def handle(event, context):
        if event:
            threading.Timer(0.2, os._exit, [1]).start()
        return os.getpid()
    """
    sandbox = make_sandbox("\n".join(line[4:] for line in code.splitlines()))
    sandbox.initialise()
    first = json.loads(invoke(sandbox, payload=True).payload)
    time.sleep(0.6)
    outcome = invoke(sandbox)
    assert not outcome.is_error
    assert json.loads(outcome.payload) != first


def test_what_a_handler_started_ends_with_it(make_sandbox: MakeSandbox) -> None:
    code = "import os, subprocess\ndef handle(e, c): return subprocess.Popen(['sleep', '600']).pid\n"
    sandbox = make_sandbox(code)
    sandbox.initialise()
    pid = json.loads(invoke(sandbox).payload)
    os.kill(pid, 0)
    sandbox.close()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and Path(f"/proc/{pid}").exists():
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
