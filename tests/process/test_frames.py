"""Frames read from a frozen process: their places, and their variables in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Traced

    Run = Callable[..., list[Traced]]

PLACE = ("function", "file", "line", "end_line", "column", "end_column")


def place(frame: dict[str, Any]) -> list[Any]:
    """Where a frame stands."""
    return [frame[part] for part in PLACE]


def names(frame: dict[str, Any]) -> list[str]:
    """The names of a frame's variables, of the truth's or the snapshot's form."""
    return [v["name"] if isinstance(v, dict) else v[0] for v in frame["locals"]]


class TestFrames:
    def test_places(self, run_target: Run) -> None:
        """Function, file, line, last line and columns are those of the traceback."""
        traced = run_target("frames.py")
        assert len(traced) == 29
        for one in traced:
            (error, *_) = one.snapshot["exception"]["list"]
            assert [place(f) for f in error["frames"]] == [place(f) for f in one.truth]

    def test_names_of_variables(self, run_target: Run) -> None:
        """Every bound variable is there, in the order of the slots, and none else."""
        for one in run_target("frames.py"):
            (error, *_) = one.snapshot["exception"]["list"]
            for frame, truth in zip(error["frames"], one.truth, strict=True):
                assert names(frame) == names(truth), frame["function"]

    def test_free_variables_of_class_bodies(self, run_target: Run) -> None:
        """A class body shows what it takes from around it, which ``locals()`` hides."""
        (body,) = [
            frame
            for one in run_target("frames.py")
            for frame in one.snapshot["exception"]["list"][0]["frames"]
            if frame["function"] == "class_body.<locals>.Body"
        ]
        assert {"name": "outer", "value": "'free'"}.items() <= body["locals"][0].items()

    def test_types_and_values(self, run_target: Run) -> None:
        """Types are named as the process names them; values of builtin types are their repr."""
        compared = 0
        for one in run_target("frames.py"):
            (error, *_) = one.snapshot["exception"]["list"]
            for frame, truth in zip(error["frames"], one.truth, strict=True):
                for variable, (name, kind, value) in zip(
                    frame["locals"], truth["locals"], strict=True
                ):
                    assert variable["type"] == kind, name
                    if value is not None and not variable.get("truncated"):
                        assert variable["value"] == value, name
                        compared += 1
        assert compared > 300, "most variables have to be comparable"

    def test_nothing_is_left_out_or_unreadable(self, run_target: Run) -> None:
        """No fault is noted and no limit is met."""
        for one in run_target("frames.py"):
            assert one.snapshot["notes"] == []
            assert one.snapshot["truncated"] == []

    def test_sources_hold_the_lines(self, run_target: Run) -> None:
        """The line of every frame whose file is there is quoted as it stands in the file."""
        for one in run_target("frames.py"):
            (error, *_) = one.snapshot["exception"]["list"]
            for frame in error["frames"]:
                if frame["file"].startswith("<"):
                    assert frame["file"] not in one.snapshot["sources"]
                    continue
                with open(frame["file"], encoding="utf-8") as file:  # noqa: PTH123 - one line
                    line = file.read().split("\n")[frame["line"] - 1]
                assert one.snapshot["sources"][frame["file"]][str(frame["line"])] == line


class TestRecursion:
    def test_first_and_last_frames_are_kept(self, run_target: Run) -> None:
        """Of 1,001 frames of a traceback the first and last 200 stay, and the gap is counted."""
        traced = run_target("recursion.py")[0]
        (error,) = traced.snapshot["exception"]["list"]
        frames = error["frames"]
        assert traced.truth == 1001
        assert len(frames) == 400
        gaps = [
            (index, f["skipped_before"]) for index, f in enumerate(frames) if "skipped_before" in f
        ]
        assert gaps == [(200, 601)]
        depths = [v["value"] for f in frames for v in f["locals"] if v["name"] == "depth"]
        assert depths == [str(n) for n in [*range(199), *range(800, 1000)]]
        assert any("1,001 frames" in sentence for sentence in traced.snapshot["truncated"])

    def test_a_standing_stack_too(self, run_target: Run) -> None:
        """The stack of a thread is cut in the same way."""
        traced = run_target("recursion.py")[1]
        (thread,) = traced.snapshot["threads"]
        assert len(traced.truth[0]["frames"]) == 902
        assert len(thread["frames"]) == 400
        (gap,) = [f["skipped_before"] for f in thread["frames"] if "skipped_before" in f]
        assert gap == 502
        assert thread["frames"][0]["function"] == "<module>"
        assert names(thread["frames"][-1]) == ["depth", "tracer"]
