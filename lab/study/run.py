"""A request → a study's folder with its measurements and its report, start to end."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from typing import Any

from filelock import FileLock, Timeout

from app.errors import AppError, UsageError
from lab.methods.method import Method
from lab.study import extraction, sets, supervise
from lab.study.folder import Job, StudyFolder
from lab.study.machine import machine
from lab.study.plan import jobs_of, present, versions_of
from lab.study.progress import Progress
from lab.study.registry import chosen, known_methods
from lab.study.request import StudyRequest

_SAME = ("k", "queries", "rows", "seed")  # of a request: what every result of a folder shares


def study(request: StudyRequest, *, home: Path, progress: Progress | None = None) -> StudyFolder:
    """Measure what is not measured yet, and return the folder with all of it.

    Each index is built and searched in a process of its own, one after the other. UsageError where
    the request or the folder cannot be used; what a method does is never an error of the study.
    """
    progress = progress or Progress()
    known = known_methods(request.own)
    methods, missing = present(chosen(request.methods, known))
    for why in missing.values():
        progress.line(why)
    sources = sets.sources_of(request)
    folder = StudyFolder(request.out or home / "studies" / _default_name(request, sources))
    with _alone(folder):
        facts = _prepare(folder, sources, request, home, methods, missing, progress)
        jobs = [Job(**each) for each_set in facts.values() for each in each_set["jobs"]]
        todo = [job for job in jobs if not is_done(folder, job, request)]
        _search(folder, todo, len(jobs), known, request, progress)
        if request.extraction:
            _extract(folder, facts, request, home, progress)
        rmtree(folder.work, ignore_errors=True)
    return folder


def is_done(folder: StudyFolder, job: Job, request: StudyRequest) -> bool:
    """Return whether a job needs no other try: measured, or failed within the same limits."""
    result = folder.read_json(f"{job.stem}.json")
    if result is None or result["status"] == "running":
        return False
    if result["status"] == "failed":
        return not request.retry_failed and result["limits"] == _limits(request)
    return (folder.path / f"{job.stem}.npz").is_file()


@contextmanager
def _alone(folder: StudyFolder) -> Iterator[None]:
    """Hold the folder: two studies at once would disturb each other's times and files."""
    folder.is_there()
    lock = FileLock(folder.lock, timeout=0)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as exc:
        raise UsageError(f"Another study is at work in {folder.path}: wait until it ends.") from exc
    except OSError as exc:
        raise UsageError(f"{folder.path} cannot be used ({exc.strerror}): name another.") from exc
    try:
        yield
    finally:
        lock.release()


def _default_name(request: StudyRequest, names: Mapping[str, object]) -> str:
    return "+".join(names) + (f"-{request.rows}" if request.rows else "")


def _prepare(
    folder: StudyFolder,
    sources: Mapping[str, str | Path],
    request: StudyRequest,
    home: Path,
    methods: Sequence[Method],
    missing: Mapping[str, str],
    progress: Progress,
) -> dict[str, dict[str, Any]]:
    """Write the plan, and the vectors that are still to be searched; return each set's facts."""
    before = folder.description() if folder.is_there() else {}
    if not before:  # stopped while it prepares, the folder is known as a study's
        _describe(folder, {}, {}, request, methods, missing)
    facts: dict[str, dict[str, Any]] = {}
    for name, source in sources.items():
        progress.line(f"{name}: reading …")
        try:
            found = sets.load(name, source, request, home)
        except AppError as exc:
            if len(sources) == 1:
                raise
            progress.line(f"{name} is left out: {exc}")
            facts[name] = {"source": str(source), "left_out": str(exc), "jobs": []}
            continue
        for note in found.notes:
            progress.line(f"{name}: {note}.")
        metrics = request.metrics or (found.metric or "cosine",)
        origin = {"source": str(source), "sha256": sets.identity(found), "metrics": list(metrics)}
        _check_same(folder, before, name, origin["sha256"], request)
        here = {"rows": max(len(found.vectors), request.rows or 0), "dim": found.dim}
        jobs = jobs_of({name: here}, methods, metrics=metrics, builds=request.builds)
        if not _is_prepared(folder, name, jobs, request, sets.question(found, request)):
            sets.prepare(folder, found, name, request, metrics, progress.line)
        del found
        facts[name] = origin | {"jobs": [job.to_json() for job in jobs]}
    if all("left_out" in each for each in facts.values()):
        raise UsageError(" ".join(str(each["left_out"]) for each in facts.values()))
    _describe(folder, before, facts, request, methods, missing)
    return facts


def _is_prepared(
    folder: StudyFolder,
    name: str,
    jobs: Sequence[Job],
    request: StudyRequest,
    question: Mapping[str, Any],
) -> bool:
    facts = folder.read_json(f"{name}/set.json")
    if facts is None or facts.get("of") != question:
        return False
    todo = (job for job in jobs if not is_done(folder, job, request))
    return all(sets.work_file(folder, name, job.metric).is_file() for job in todo)


def _check_same(
    folder: StudyFolder,
    before: Mapping[str, Any],
    name: str,
    sha256: object,
    request: StudyRequest,
) -> None:
    """Raise UsageError where the folder's results are of other vectors or of another question."""
    if not before or not before["sets"]:  # nothing was measured, whatever was asked
        return
    for key in _SAME:
        asked, now = before["request"][key], getattr(request, key)
        if asked != now:
            raise UsageError(
                f"{folder.path} holds a study with {key} = {asked}, not {now}: name another folder "
                "with --out."
            )
    kept = before["sets"].get(name)
    if kept is not None and kept.get("sha256", sha256) != sha256:
        raise UsageError(
            f"{folder.path} holds results of other vectors called {name}, which have changed "
            "since: name another folder with --out, or remove that one."
        )


def _describe(
    folder: StudyFolder,
    before: Mapping[str, Any],
    facts: Mapping[str, Mapping[str, Any]],
    request: StudyRequest,
    methods: Sequence[Method],
    missing: Mapping[str, str],
) -> None:
    """Write study.json; what was planned, typed and missing in earlier runs stays in it."""
    jobs = list(before.get("jobs", []))
    for each_set in facts.values():
        jobs += [job for job in each_set["jobs"] if job not in jobs]
    without_jobs = {
        name: {key: value for key, value in each_set.items() if key != "jobs"}
        for name, each_set in facts.items()
    }
    options = {key: value for key, value in asdict(request).items() if key not in ("own", "out")}
    here = {method.name for method in methods}
    earlier = {name: why for name, why in before.get("missing", {}).items() if name not in here}
    versions: dict[str, str] = dict(before.get("versions", {}))
    for library, number in versions_of(methods).items():
        known = versions.get(library, number)
        versions[library] = known if number in known.split(" and ") else f"{known} and {number}"
    folder.describe(
        {
            "command": request.command,
            "commands": list(dict.fromkeys([*before.get("commands", []), request.command])),
            "began": before.get("began") or f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "request": json.loads(json.dumps(options, default=str)),
            "machines": list(dict.fromkeys([*before.get("machines", []), machine()])),
            "versions": versions,
            "missing": earlier | dict(missing),
            "sets": before.get("sets", {}) | without_jobs,
            "jobs": jobs,
        }
    )


def _search(
    folder: StudyFolder,
    todo: Sequence[Job],
    planned: int,
    known: Mapping[str, Method],
    request: StudyRequest,
    progress: Progress,
) -> None:
    with progress.bar(planned, planned - len(todo)) as bar:
        for job in todo:
            bar.start(job)
            _run(folder, job, known[job.method], request, bar.update)
            bar.finish()


def _run(
    folder: StudyFolder,
    job: Job,
    method: Method,
    request: StudyRequest,
    on_event: supervise.OnEvent,
) -> None:
    """Run one job, and note why it failed, if it did."""
    limits = _limits(request)
    base: dict[str, Any] = job.to_json() | {
        "library": method.library,
        "what": method.what,
        "exact": method.exact,
        "factory": method.factory(job.build),
        "k": request.k,
        "limits": limits,
        "status": "running",
        "words": "",
    }
    (folder.path / f"{job.stem}.json").unlink(missing_ok=True)
    folder.write_json(
        ".work/job.json",
        {"folder": str(folder.path.resolve()), "job": job.to_json(), "own": request.own}
        | {"k": request.k, "result": base},
    )
    others = supervise.OtherWork()
    words = supervise.run_job(
        folder.work / "job.json",
        seconds=request.seconds,
        memory_bytes=request.memory_bytes,
        errors=folder.work / "job.printed",
        on_event=on_event,
    )
    result = folder.read_json(f"{job.stem}.json") or (base | {"efforts": []})
    if words or result["status"] == "running":
        result |= {"status": "failed", "words": words or "it ended before it was done"}
    folder.write_json(f"{job.stem}.json", result | {"others": round(others.share(), 3)})


def _limits(request: StudyRequest) -> dict[str, float | None]:
    return {"seconds": request.seconds, "memory_bytes": request.memory_bytes}


def _extract(
    folder: StudyFolder,
    facts: Mapping[str, Any],
    request: StudyRequest,
    home: Path,
    progress: Progress,
) -> None:
    """Measure how long a picture takes to become a vector, for the galleries that have none yet."""
    for name, each_set in facts.items():
        path = f"{name}/extraction.json"
        kept = folder.read_json(path)
        again = request.retry_failed and kept is not None and kept.get("seconds") is None
        if each_set["source"] != name or "left_out" in each_set or (kept is not None and not again):
            continue
        progress.line(f"{name}: pictures → vectors …")
        folder.write_json(path, extraction.measured(name, home))
