"""Code of somebody else, as a type checker sees it (`make types`): each name of the face has the type that is meant. It
is never run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, assert_never, assert_type

import rpd


def hear(event: rpd.Event) -> None:
    assert_type(event.run_id, str)
    assert_type(event.text, str)
    match event:
        case rpd.Recorded():
            assert_type(event.seq, int)
            assert_type(event.at, float | None)
            assert_type(event.name, str)
            assert_type(event.state, str | None)
            assert_type(event.cost_usd, float | None)
            assert_type(event.data, dict[str, Any])
        case rpd.Waiting():
            assert_type(event.until, float | None)
        case rpd.Said():
            pass
        case _:
            assert_never(event)


def use(file: Path) -> None:
    assert_type(rpd.__version__, str)
    for problem in rpd.validate(file, variables={"a": "b"}, online=True, scan=True, sandbox=True):
        assert_type(problem, rpd.Problem)
        assert_type(problem.level, Literal["error", "warning", "note"])
        assert_type(problem.line, int | None)
    job = rpd.load("job.yaml", variables={"a": "b"})
    assert_type(job, rpd.Job)
    assert_type(job.path, Path)
    assert_type(job.max_usd, float)
    assert_type(job.config, dict[str, Any])
    ending = rpd.start(job, sandbox=True, detach=True, new=True, fresh=True, wait_for_stock_seconds=60.0, listener=hear)
    assert_type(ending, rpd.Ending)
    assert_type(ending.exit_code, int)
    assert_type(ending.said, tuple[str, ...])
    assert_type(ending.listener_error, BaseException | None)
    assert_type(rpd.resume(ending.run, listener=print, signals=True), rpd.Ending)
    assert_type(rpd.cancel("job", delete=True, yes=True), rpd.Ending)
    assert_type(rpd.runs("artifacts"), Iterator[rpd.Run])
    run = rpd.Run(file)
    assert_type(run.outcome, str | None)
    assert_type(run.cost_usd, float | None)
    assert_type(run.is_released, bool | None)
    assert_type(run.folder, Path | None)
    assert_type(run.debts, tuple[rpd.Debt, ...])
    assert_type(run.artifacts, tuple[rpd.Artifact, ...])
    assert_type(run.events(), Iterator[rpd.Recorded])
    assert_type(run.row(), dict[str, Any])
    try:
        pass
    except rpd.SpecError as wrong:
        assert_type(wrong.exit_code, int)
    except rpd.JournalLocked as locked:
        assert_type(locked.hint, str)
    print(rpd.nonsense)  # type: ignore[attr-defined]
    rpd.start(job, sandboxed=True)  # type: ignore[call-arg]
    rpd.Run(1)  # type: ignore[arg-type]
