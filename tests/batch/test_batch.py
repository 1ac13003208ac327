"""A table of jobs: read whole, done side by side, resumed, and told."""

from __future__ import annotations

import base64
import csv
import io
import json
import shutil

import pytest
from PIL import Image
from refusals import refused

from texsync import run_batch
from texsync.batch import report
from texsync.batch.parcel import inputs, packed, unpack_folder, unpacked
from texsync.batch.table import JobLine, read_jobs
from texsync.batch.work import perform
from texsync.signals import TERMINATED, Terminated

pytestmark = pytest.mark.filterwarnings("ignore::texsync.TexsyncWarning")
ROW = "wide,{},64,64,64,1,{}\n"
HEAD = "task,prompt,width,height,view-size,steps,model\n"


@pytest.fixture
def table(tmp_path, tiny_model):
    """Writes jobs.csv of three pictures, of which the second cannot be."""

    def write(*prompts, steps=1):
        rows = [ROW.format(prompt, tiny_model).replace(",1,", f",{steps},", 1) for prompt in prompts]
        (tmp_path / "jobs.csv").write_text(HEAD + "".join(rows))
        return tmp_path / "jobs.csv"

    return write


# ---- reading


def test_a_cell_becomes_what_its_option_takes(tmp_path):
    (tmp_path / "jobs.csv").write_text(
        "\ufeffMesh;prompt;Texture-Size;control_scale;lora;seed;out;formats\n"
        'a/chair.obj;"oak; waxed";512;"0.9 1.1";x.safetensors:0.5 | y.safetensors;;chairs/one;glb,png\n\n'
        ";;;;;7;;\n",
        encoding="utf-8",
    )
    one, other = read_jobs(tmp_path / "jobs.csv")
    assert one.options == {
        "mesh": str(tmp_path / "a" / "chair.obj"),
        "prompt": "oak; waxed",
        "texture_size": 512,
        "control_scale": [0.9, 1.1],
        "lora": ["x.safetensors:0.5", "y.safetensors"],
    }
    assert (one.line, one.task, one.out, one.formats) == (2, "mesh", "chairs/one", "glb,png")
    assert (other.line, other.options, other.out) == (4, {"seed": 7}, "0002_picture")


def test_yaml_has_defaults_and_the_same_types(tmp_path):
    (tmp_path / "jobs.yaml").write_text(
        "defaults: {task: mask, steps: 4}\njobs:\n- {background: sea, foregrounds: [boat], masks: [m.png]}\n"
        "- background: '2024'\n  steps: 5\n  out: b\n"
    )
    one, other = read_jobs(tmp_path / "jobs.yaml")
    assert one.options == {
        "steps": 4,
        "background": "sea",
        "foregrounds": ["boat"],
        "masks": [str(tmp_path / "m.png")],
    }
    assert other.options == {"steps": 5, "background": "2024"} and (one.line, other.line) == (3, 4)


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("jobs.txt", "a", "jobs.txt"),
        ("jobs.csv", None, "jobs.csv"),
        ("jobs.csv", b"\xff\xfe\x00", "jobs.csv"),
        ("jobs.csv", "mesh,prompt\n", "jobs.csv"),
        ("jobs.csv", "mesh,promt\na.obj,x\n", "jobs.csv:2"),
        ("jobs.csv", "mesh,prompt,prompt\na.obj,x,y\n", "jobs.csv:1"),
        ("jobs.csv", "mesh,prompt\na.obj,oak, waxed\n", "jobs.csv:2"),
        ("jobs.csv", "task,prompt\npaint,x\n", "jobs.csv:2"),
        ("jobs.csv", "mesh,prompt,out\na.obj,x,one\nb.obj,x,ONE\n", "jobs.csv:3"),
        ("jobs.csv", "mesh,prompt,out\na.obj,x,one/two\nb.obj,x,one\n", "jobs.csv:2"),
        ("jobs.csv", "mesh,prompt,out\na.obj,x,../one\n", "jobs.csv:2"),
        ("jobs.csv", "mesh,prompt,out\na.obj,x,/tmp/one\n", "jobs.csv:2"),
        ("jobs.csv", "task,prompt,formats\nwide,x,glb\n", "jobs.csv:2"),
        ("jobs.yaml", "- {mesh: a.obj\n- 3", "jobs.yaml:2"),
        ("jobs.yaml", "- {mesh: a.obj}\n- 3", "jobs.yaml:2"),
        ("jobs.yaml", "mesh: a.obj", "jobs.yaml"),
        ("jobs.yaml", "- !!python/object/apply:os.system ['true']", "jobs.yaml:1"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused_before_any_job(name, content, where, tmp_path):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with refused("jobs-file", thing=str(tmp_path / where)):
        run_batch(path, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


# ---- one job


@pytest.mark.parametrize(
    ("task", "options", "code"),
    [
        ("wide", {"prompt": "a", "steps": 0}, "option-range"),
        ("wide", {"prompt": "a", "steps": "few"}, "option-type"),
        ("wide", {}, "arguments"),
        ("mesh", {"mesh": "gone.obj", "prompt": "a"}, "mesh-missing"),
    ],
)
def test_what_is_wrong_with_a_job_costs_its_line(task, options, code, tmp_path):
    outcome = perform(JobLine(3, task, options, "one"), tmp_path)
    assert (outcome.status, outcome.code, outcome.fault, outcome.line) == ("failed", code, "input", 3)
    assert outcome.message and "\n" not in outcome.message and not list(tmp_path.iterdir())


# ---- a batch


def test_a_batch_goes_on_where_it_was_and_fails_by_the_line(table, tmp_path, capsys):
    path = table("a red object", "copper")
    path.write_text(path.read_text() + "mesh,brick,,,,,\n")
    told = []
    made = run_batch(path, out=tmp_path / "out", jobs=1, on_job=lambda *one: told.append(one[:2]))
    assert [one.status for one in made.outcomes] == ["done", "done", "failed"] and told[-1] == (3, 3)
    (wrong,) = csv.DictReader((tmp_path / "out" / "failed.csv").read_text().splitlines())
    assert (wrong["line"], wrong["code"], wrong["fault"]) == ("4", "arguments", "input")
    rows = list(csv.DictReader((tmp_path / "out" / "summary.csv").read_text().splitlines()))
    assert [row["status"] for row in rows] == ["done", "done", "failed"] and rows[0][
        "prompt"
    ] == "a red object"
    page = (tmp_path / "out" / "index.html").read_text()
    assert (
        page.count("data:image/jpeg;base64,") == 2
        and "2 of 3 done, 1 failed" in page
        and 'src="http' not in page
    )
    record = json.loads((tmp_path / "out" / "0001_a_red_object" / "run.json").read_text())
    before = (tmp_path / "out" / "0001_a_red_object" / "run.json").stat().st_mtime_ns
    assert record["job"] == made.outcomes[0].key

    again = run_batch(path, out=tmp_path / "out", jobs=1)  # nothing to do
    assert [one.status for one in again.outcomes] == ["kept", "kept", "failed"]
    assert (tmp_path / "out" / "0001_a_red_object" / "run.json").stat().st_mtime_ns == before
    shutil.rmtree(tmp_path / "out" / "0002_copper")
    path.write_text(path.read_text().replace("mesh,brick,,,,,\n", ""))
    third = run_batch(path, out=tmp_path / "out", jobs=1, retry_failed=True)
    assert [one.status for one in third.outcomes] == ["kept", "done"]
    assert not (tmp_path / "out" / "failed.csv").exists()


def test_a_process_that_dies_costs_no_other_job(table, tmp_path, monkeypatch):
    from texsync.batch import processes

    made, killed = processes._executor, []

    def executor(*counts):
        one = made(*counts)
        if not killed:  # the first one: dead before it has done anything
            one.submit(int).result()
            killed.extend(one._processes.values())
            killed[0].kill()
        return one

    monkeypatch.setattr(processes, "_executor", executor)
    outcomes = run_batch(table("a red object", "copper"), out=tmp_path / "out", jobs=1).outcomes
    assert killed and [one.status for one in outcomes] == ["done", "done"]


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (Terminated, TERMINATED)])
def test_a_batch_that_is_stopped_keeps_what_is_done_and_says_so(
    error, code, table, tmp_path, monkeypatch, capsys
):
    from texsync import cli
    from texsync.batch import run

    def outcomes(asked, todo, home):
        yield perform(todo[0], home)
        raise error

    monkeypatch.setattr(run, "_outcomes", outcomes)
    path = table("a red object", "copper")
    assert cli.main(["batch", str(path), "--out", str(tmp_path / "out")]) == code
    assert "what is done is kept" in capsys.readouterr().err
    assert (tmp_path / "out" / "0001_a_red_object" / "run.json").is_file()
    assert "1 of 2 done, 0 failed, 1 waiting" in (tmp_path / "out" / "index.html").read_text()


def test_two_batches_do_not_work_in_one_folder(table, tmp_path):
    from texsync.batch.run import LOCK

    fcntl = pytest.importorskip("fcntl")
    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / LOCK).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with refused("output-taken"):
            run_batch(table("copper"), out=tmp_path / "out")


def test_a_spreadsheet_runs_no_prompt(tmp_path):
    job = JobLine(2, "wide", {"prompt": "=1+1"}, "a")
    report.write_report(tmp_path, [job], {})
    assert ",'=1+1," in (tmp_path / "summary.csv").read_text()


# ---- files that travel


def test_files_travel_with_what_they_name(tmp_path):
    home = tmp_path / "here"
    (home / "maps").mkdir(parents=True)
    (home / "a.obj").write_text("mtllib a b.mtl\nv 0 0 0\n")
    (home / "a b.mtl").write_text("newmtl x\nmap_Kd -s 1 1 1 maps/wood.png\nbump gone.png\n")
    (home / "maps" / "wood.png").write_bytes(b"png")
    job = JobLine(2, "mesh", {"mesh": str(home / "a.obj"), "prompt": str(home / "a.obj")}, "out")
    files = inputs(job)
    assert {path.removeprefix(f"{home}/") for path in files} == {"a.obj", "a b.mtl", "maps/wood.png"}
    options, before = unpacked(job, files, tmp_path / "there")
    mesh = tmp_path / "there" / "0" / "a.obj"
    assert options == {"mesh": str(mesh), "prompt": job.options["prompt"]}
    assert before[str(mesh)] == str(home / "a.obj")
    assert (mesh.parent / "maps" / "wood.png").read_bytes() == b"png"


def test_a_folder_travels_whole(tmp_path):
    (tmp_path / "a" / "seed_1").mkdir(parents=True)
    (tmp_path / "a" / "seed_1" / "x.png").write_bytes(b"x")
    (tmp_path / "b").mkdir()
    unpack_folder(packed(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "b" / "seed_1" / "x.png").read_bytes() == b"x"


def test_the_page_shows_the_picture_itself_before_what_it_was_made_of(tmp_path):
    for name, colour in (("picture.png", "red"), ("views.png", "blue")):
        Image.new("RGB", (16, 16), colour).save(tmp_path / name)
    data = report._thumbnail(tmp_path).partition("base64,")[2].rstrip('">')
    shown = Image.open(io.BytesIO(base64.b64decode(data))).getpixel((8, 8))
    assert shown[0] > 200 and shown[2] < 50
