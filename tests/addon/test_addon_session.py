"""The add-on's session, which needs no Blender, with a worker that is played."""

from __future__ import annotations

from pathlib import Path

import pytest

from blender_addon import build, session, wording

build.describe()


class Played:
    """A client whose worker says what the test says."""

    command, offline, alive, killed, asked_to_quit = ["texsync"], False, True, False, False

    def __init__(self, *said: dict):
        self.said, self.sent = list(said), []

    def events(self):
        said, self.said = self.said, []
        return said

    def send(self, **message):
        self.sent.append(message)

    def kill(self):
        self.killed = True

    def quit(self):
        self.asked_to_quit = True


HELLO = {"event": "hello", "protocol": session.PROTOCOL, "texsync": "0"}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def play(monkeypatch):
    """(session, played client, job, clock): a job was asked for, and the worker is starting."""
    clock, played = Clock(), Played()
    monkeypatch.setattr(session, "Client", lambda command, log, offline: played)
    one = session.Session(clock)
    ends: list = []
    job = session.Request("7", "mesh", {"mesh": "a"}, ends.append, lambda: ends.append("dropped"))
    job.ends = ends
    one.run(["texsync"], Path("log"), job)
    return one, played, job, clock


def test_a_job_from_start_to_end(play):
    one, played, job, clock = play
    assert one.phase == "starting" and one.status() == "Starting texsync" and played.sent == []
    played.said = [HELLO]
    assert one.tick() and one.phase == "running"
    assert played.sent[0]["command"] == "run" and played.sent[0]["id"] == "7"
    for step in range(5):
        clock.now = 2.0 * step
        played.said = [{"event": "progress", "id": "7", "stage": "denoise", "step": step, "total": 10}]
        one.tick()
    assert one.status() == "Painting 4/10" and one.seconds_left() == pytest.approx(12)
    assert one.fraction() == pytest.approx(0.1 + 0.8 * 0.4)
    played.said = [
        {"event": "preview", "id": "7", "path": "p.png"},
        {"event": "note", "id": "7", "text": ["use ", UNWRAP]},
    ]
    one.tick()
    assert one.preview == "p.png" and one.notes == ["use UVs: New Map"]
    played.said = [{"event": "done", "id": "7", "files": {"texture.png": "t"}}]
    assert one.tick() and not one.busy and job.ends == [{"texture.png": "t"}] and one.problem is None
    assert not one.tick() and not played.killed


def test_time_left_knows_the_stages_of_the_last_run(play):
    one, played, job, clock = play
    one.seconds = {"decode": 3.0, "texture": 1.0, "save": 0.5}
    played.said = [HELLO, {"event": "progress", "id": "7", "stage": "denoise", "step": 0, "total": 4}]
    one.tick()
    assert one.seconds_left() is None
    clock.now = 2.0
    played.said = [{"event": "progress", "id": "7", "stage": "denoise", "step": 1, "total": 4}]
    one.tick()
    assert one.seconds_left() == pytest.approx(2.0 * 3 + 4.5)
    played.said = [{"event": "progress", "id": "7", "stage": "decode", "step": 0, "total": 1}]
    one.tick()
    assert one.seconds_left() == pytest.approx(4.5)


def test_cancel_is_asked_for_and_then_enforced(play):
    one, played, job, clock = play
    played.said = [HELLO]
    one.tick()
    one.cancel()
    assert played.sent[-1] == {"command": "cancel", "id": "7"} and one.status() == "Cancelling"
    clock.now = session.GRACE + 0.1
    assert one.tick() and played.killed and not one.busy and one.problem is None and job.ends == ["dropped"]


def test_a_result_that_comes_after_cancel_is_not_applied(play):
    one, played, job, _ = play
    played.said = [HELLO]
    one.tick()
    one.cancel()
    played.said = [{"event": "done", "id": "7", "files": {}}]
    one.tick()
    assert job.ends == ["dropped"] and not one.busy


def test_what_touches_the_scene_waits_for_the_users_hands_for_ever(play):
    """Until they are off, or the user says so; a result that only lies there then does not wait."""
    one, played, job, clock = play
    job.touches, busy = True, [True]
    one.hold = lambda: busy[0]
    played.said = [HELLO, {"event": "done", "id": "7", "files": {"a": "b"}}]
    one.tick()
    clock.now = 1e6
    one.tick()
    assert one.busy and one.waits and job.ends == [] and one.status() == "Ready to go on"
    one.go_on()
    one.tick()
    assert not one.busy and not one.waits and job.ends == [{"a": "b"}]


def test_what_does_not_touch_the_scene_waits_for_nobody(play):
    one, played, job, _ = play
    one.hold = lambda: True
    played.said = [HELLO, {"event": "done", "id": "7", "files": {"a": "b"}}]
    one.tick()
    assert not one.busy and job.ends == [{"a": "b"}]


@pytest.mark.parametrize(
    "line",
    [
        {"event": "progress", "id": "7", "stage": "denoise", "step": None, "total": None},
        {"event": "progress", "id": "7", "stage": ["x"], "step": "many"},
        {"event": "hello", "protocol": session.PROTOCOL, "id": None, "step": None},
        {"event": None},
        {"event": "done", "id": "7", "files": None},
        {"event": "error", "id": "7", "message": [None, {"option": []}], "remedy": 3},
    ],
)
def test_lines_that_make_no_sense_never_jam_the_panel(play, line):
    one, played, job, _ = play
    job.finish = lambda files: files["texture.png"]
    played.said = [HELLO, line, {"event": "done", "id": "7", "files": {}}]
    one.tick()
    one.tick()
    assert not one.busy and one.problem


def test_a_job_whose_files_are_locked_ends_all_the_same(play):
    one, played, job, _ = play

    def locked():
        raise PermissionError("it is in use")

    job.drop = locked
    played.said = [HELLO, {"event": "error", "id": "7", "message": ["it broke"]}]
    one.tick()
    assert not one.busy and one.problem and one.job is None


def test_another_network_means_another_worker(play):
    one, played, job, _ = play
    played.said = [HELLO, {"event": "done", "id": "7", "files": {}}]
    one.tick()
    one.run(["texsync"], Path("log"), job, offline=False)
    assert not played.killed
    one.run(["texsync"], Path("log"), job, offline=True)
    assert played.killed


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({"ok": True, "texsync": "1.2", "checks": []}, "texsync 1.2 can be used"),
        (
            {"ok": False, "checks": [{"name": "torch", "ok": False, "needed": True}]},
            "texsync cannot be used yet: see torch",
        ),
    ],
)
def test_a_check_comes_to_one_line(report, said):
    assert wording.verdict(report) == said


def test_answers_to_an_older_job_are_not_mixed_up(play):
    one, played, job, _ = play
    played.said = [
        HELLO,
        {"event": "done", "id": "6", "files": {}},
        {"event": "error", "id": "6", "message": "x"},
    ]
    one.tick()
    assert one.phase == "running" and job.ends == [] and one.problem is None


def test_silence_after_the_start_is_told(play):
    one, played, job, clock = play
    clock.now = session.HELLO + 1
    one.tick()
    assert "does not answer" in one.problem.text() and played.killed and job.ends == ["dropped"]


def test_what_finish_raises_is_told(play):
    one, played, job, _ = play
    job.finish = lambda files: (_ for _ in ()).throw(ValueError("The faces changed"))
    played.said = [HELLO, {"event": "done", "id": "7", "files": {}}]
    one.tick()
    assert one.problem.text() == "The faces changed." and not one.busy


def test_a_cold_worker_is_asked_to_leave(play):
    one, played, job, _ = play
    one.keep_warm = False
    played.said = [HELLO, {"event": "done", "id": "7", "files": {}}]
    one.tick()
    assert played.asked_to_quit and one.client is None


UNWRAP = {"option": "uvs", "value": "unwrap"}
SIZE = {"option": "texture_size", "value": None}


@pytest.mark.parametrize(
    ("event", "button", "change"),
    [
        ({"code": "uvs", "remedy": ["use ", UNWRAP, " or mend it"]}, "Use UVs: New Map", ("uvs", "unwrap")),
        ({"code": "memory", "remedy": ["lower ", SIZE]}, "Halve the Texture Size", ("", None)),
        (
            {"code": "repaint-size", "remedy": ["set ", {"option": "texture_size", "value": 512}]},
            "Use Texture Size: 512",
            ("texture_size", 512),
        ),
        ({"code": "repaint-size", "remedy": ["lower ", SIZE]}, "", ("", None)),
        ({"code": "installation", "remedy": ["see there"]}, "Check texsync", ("", None)),
        ({"code": "option-range", "remedy": ["use 1 to 1000"]}, "", ("", None)),
        ({"remedy": ["use ", {"option": "uvs", "value": "nonsense"}]}, "", ("", None)),
        ({"remedy": ["choose another ", {"option": "out", "value": "x"}]}, "", ("", None)),
        ({}, "", ("", None)),
    ],
)
def test_problems_know_the_button_that_mends_them(event, button, change):
    problem = wording.problem_of(event)
    assert (problem.button(), (problem.option, problem.value)) == (button, change)


def test_options_have_the_panels_names():
    said = wording.in_panel_words(
        ["use ", UNWRAP, ", lower ", SIZE, " or ", {"option": "view_size", "value": None}]
    )
    assert said == "use UVs: New Map, lower Texture Size or View Size"
    another = ["choose another ", {"option": "out", "value": None}, " or a ", {"option": "sweep"}]
    assert wording.in_panel_words(another) == "choose another the output folder in the preferences or a sweep"
    assert wording.in_panel_words("plain") == "plain"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "About 1 s left"), (89, "About 89 s left"), (200, "About 3 min left")]
)
def test_time_in_words(seconds, said):
    assert wording.clock_words(seconds) == said
