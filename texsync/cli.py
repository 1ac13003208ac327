"""The shell door: `texsync MESH "PROMPT"`, `texsync TASK ...`, `texsync doctor`, `texsync worker`.

Exit codes: 0 done, 2 the input is wrong, 1 our fault, 130 interrupted, 143 terminated; errors are one line on stderr.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from . import __version__
from .batch.run import BatchOptions
from .errors import TexsyncError, TexsyncWarning, enough_memory, line_of, out_of_memory, worded
from .flags import flag, parameters, values_of
from .grouped import Grouped, MeshByDefault, help_command
from .options.declared import declare, declared, option_class, unsaid
from .options.kinds import PathName
from .options.output import MARK, PlaceOptions, check_output
from .options.shared import RunOptions, SharedOptions
from .options.swept import swept
from .paper.reproduce import PaperOptions
from .progress import Display
from .signals import TERMINATED, Terminated, ending_on_sigterm
from .tasks import FUNCTIONS, function_of, options_of

LONGEST_LINE = 600  # characters of an error
WIDTH = 100  # columns of --help
PLACE_IS_AT_FAULT = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
NO_MEMORY = "not enough memory; close other programs, or use a smaller mesh or picture"
DEBUG = "TEXSYNC_DEBUG"  # in the environment: show where an error comes from


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    try:
        with ending_on_sigterm():
            code = texsync.main(arguments, prog_name="texsync", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except Terminated:
        return _fail("terminated; nothing was written", TERMINATED)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted; nothing was written", 130)
    except NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _fail(f"{error.format_message()} (see {help_command(error)})", 2)
    except TexsyncError as error:
        return _fail(error.line(flag), error.exit_code)
    except OSError as error:
        if error.errno not in PLACE_IS_AT_FAULT:
            return _internal(error)
        return _fail(
            f"{error.filename or 'the output'}: {error.strerror}; choose another place with --out", 2
        )
    except Exception as error:
        if out_of_memory(error):
            return _fail(NO_MEMORY, 2)
        return _internal(error)


def _internal(error: Exception) -> int:
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return _fail(
        f"internal error: {what}; please report it with the output of {DEBUG}=1 and texsync doctor", 1
    )


def _fail(message: str, code: int) -> int:
    if os.environ.get(DEBUG) == "1":
        traceback.print_exc()
    line = " ".join(message.split())
    if len(line) > LONGEST_LINE:  # click repeats whatever was typed
        line = f"{line[: LONGEST_LINE // 2]} ... {line[-LONGEST_LINE // 2 :]}"
    click.echo(f"texsync: {line}", err=True)
    return code


@click.group(
    cls=MeshByDefault,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH},
)
@click.version_option(__version__, message="texsync %(version)s")
def texsync() -> None:
    """Paint a texture on a mesh: MESH is an OBJ, GLB, glTF, PLY, STL or OFF file, PROMPT says what its
    surface should look like. Writes <mesh>_textured/ with GLB, OBJ, pictures and run.json.
    """


def run_task(task: str, asked: type[RunOptions], **values: Any) -> None:
    """Check what was typed, run the task, and write its folder."""
    function = function_of(task)
    options, place = asked(**values_of(asked, values)), asked.saving(**values_of(asked.saving, values))
    varied = swept(options, place.sweep) if place.sweep else None
    with _written(place, options.folder) as (display, save), enough_memory(asked.SMALLER):
        arguments = {**options.arguments("shell"), "on_progress": display}
        if varied:
            from .tasks.sweep import sweep

            save(sweep(function, *varied, **arguments).save)
        else:
            save(partial(function(**arguments).save, **place.more))


@contextmanager
def _written(place: PlaceOptions, usual: str) -> Iterator[tuple[Display, Callable[[Callable], None]]]:
    """Where to tell progress, and what to hand the result's `save` to; the folder is checked before anything else."""
    folder = check_output(place.out or Path(usual), place.overwrite)

    def save(write: Callable[..., Path]) -> None:
        display("save", 0, 1)
        write(folder, overwrite=place.overwrite)
        display("save", 1, 1)

    with Display(quiet=place.quiet, verbose=place.verbose, naming=flag) as display:
        yield display, save
    if not place.quiet:
        click.echo(f"{folder}: {', '.join(sorted(file.name for file in folder.iterdir()))}")


def _command(task: str) -> click.Command:
    asked = options_of(task)
    help = (function_of(task).__doc__ or "").partition("\n")[0]
    taken = [*parameters(asked), *parameters(asked.saving)]
    return Grouped(task, params=taken, help=help, callback=partial(run_task, task, asked))


@option_class
class RepeatOptions(PlaceOptions):
    """Which run is done again, and where."""

    run: Path = declare("A run.json, or its folder.", PathName(), argument=True, metavar="RUN")
    device: str | None = declare(
        "auto, cpu, cuda, cuda:N or mps.",
        declared(SharedOptions)["device"].kind,
        "main",
        default=unsaid("the run's"),
    )

    @property
    def folder(self) -> str:
        """<folder>_again."""
        home = self.run.parent if self.run.name == MARK else self.run
        return f"{home.absolute().name}_again"


def run_repeat(**values: Any) -> None:
    """Do a run of any task again, from RUN, its run.json or folder."""
    place = RepeatOptions(**values_of(RepeatOptions, values))
    with _written(place, place.folder) as (display, save):
        from .tasks.repeat import repeat

        changes = {} if place.device is None else {"device": place.device}
        save(repeat(place.run, on_progress=display, **changes).save)


def run_jobs(**values: Any) -> int:
    """Do many jobs, from JOBS, a .csv or .yaml table: a job a line, any task, any option a column."""
    from .batch.run import run_batch
    from .batch.told import Counter

    asked = BatchOptions(**values_of(BatchOptions, values))
    try:
        with Counter() as counter:
            made = run_batch(**{**asked.arguments("shell"), "on_job": counter})
    except (KeyboardInterrupt, Terminated) as error:  # unlike one run, it has something to show
        code = TERMINATED if isinstance(error, Terminated) else 130
        return _fail("stopped; what is done is kept, and the same command goes on from there", code)
    click.echo(f"{made.folder}: {len(made.outcomes) - len(made.failed)} done, {len(made.failed)} failed")
    return max((2 if one.fault == "input" else 1 for one in made.failed), default=0)


def run_paper(**values: Any) -> int:
    """Run a table of SyncSDE's or SyncDiffusion's paper again, the paper's numbers beside ours."""
    from .batch.told import Counter
    from .paper.reproduce import paper_table

    asked = PaperOptions(**values_of(PaperOptions, values))
    try:
        with Counter() as counter:
            told = {"on_job": counter, "on_row": lambda row: click.echo(f"measuring {row}", err=True)}
            made = paper_table(**{**asked.arguments("shell"), **told})
    except (KeyboardInterrupt, Terminated) as error:
        code = TERMINATED if isinstance(error, Terminated) else 130
        return _fail("stopped; what is done is kept, and the same command goes on from there", code)
    click.echo((made.report / "table.md").read_text(encoding="utf-8"))
    click.echo(f"{made.report}: {', '.join(sorted(file.name for file in made.report.iterdir()))}")
    return max((2 if job.fault == "input" else 1 for one in made.batches for job in one.failed), default=0)


for task in FUNCTIONS:
    texsync.add_command(_command(task))
texsync.add_command(
    Grouped("batch", params=parameters(BatchOptions), help=run_jobs.__doc__, callback=run_jobs)
)
texsync.add_command(
    Grouped("paper", params=parameters(PaperOptions), help=run_paper.__doc__, callback=run_paper)
)
texsync.add_command(
    Grouped("repeat", params=parameters(RepeatOptions), help=run_repeat.__doc__, callback=run_repeat)
)


@texsync.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.option(
    "--plan", "mesh", metavar="MESH", help="Say what painting this mesh will take of the memory instead."
)
@click.option("--model", default="mini", help="With --plan: the model, there already or a short name.")
@click.option("--controlnet", help="With --plan: its ControlNet.")
@click.option("--vram", type=float, help="With --plan: GB of a GPU, this machine's or another.")
@click.option("--view-size", type=int, help="With --plan: pixels a side of the views.")
@click.option("--dtype", default="auto", help="With --plan: the number format.")
def doctor(as_json: bool, mesh: str | None, **asked: Any) -> int:
    """Check what texsync needs on this machine; exit code 1 if it cannot run."""
    from .doctor import examine, foresee, report

    if mesh is not None:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", TexsyncWarning)
            said = foresee(mesh, **asked)
        for note in (one.message for one in told if isinstance(one.message, TexsyncWarning)):
            click.echo(f"note: {line_of(note, flag)}", err=True)
        click.echo("\n".join(worded(line, flag) for line in said))
        return 0
    checks = examine()
    click.echo(report(checks, as_json=as_json))
    return 0 if all(check.ok for check in checks if check.needed) else 1


@texsync.group(invoke_without_command=True)
@click.pass_context
def models(context: click.Context) -> None:
    """List models by their short names, what is fetched, and what texsync can use; `get` fetches one."""
    if context.invoked_subcommand is None:
        from .backbones.inventory import lines

        click.echo("\n".join(lines()))


@models.command()
@click.argument("name")
@click.option("--controlnet", help="Another ControlNet than the model's usual one, or none.")
@click.option("--fp32", is_flag=True, help="Weights of 32 bits, where there are both: twice the bytes.")
def get(name: str, controlnet: str | None, fp32: bool) -> None:
    """Fetch a model, a ControlNet or an upscaler: a short name, or owner/name of the hub. What is there already is
    kept."""
    from .backbones.by_name import check_model
    from .backbones.download import in_megabytes
    from .backbones.fetch_any import fetch_any

    check_model(name, controlnet or "none")
    with Display(naming=flag) as display:
        taken_by = fetch_any(name, controlnet, fp32=fp32, on_bytes=in_megabytes(display))
    click.echo(f"{name} is there; use it with --{taken_by} {name}")


@texsync.command()
def worker() -> int:
    """Serve another program, such as Blender: JSON lines on stdin and stdout."""
    from .worker.service import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
