"""The shell door: `texsync MESH "PROMPT"`, `texsync doctor`, `texsync worker`.

Exit codes: 0 done, 2 the input is wrong, 1 our fault, 130 interrupted, 143 terminated; errors are one line on stderr.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from . import __version__
from .errors import InputError, TexsyncError, flag, out_of_memory
from .grouped import CouplingName, Grouped, MeshByDefault, help_command, typed
from .image_cli import COMMANDS, COUPLING_OPTION
from .image_options import swept
from .options import (
    DTYPES,
    EXTRA_VIEWS,
    FORMATS,
    FRAMINGS,
    INTEGRATORS,
    MARK,
    NOISES,
    PICKS,
    VIEW_ORDERS,
    MeshOptions,
    check_formats,
    check_output,
)
from .progress import Display
from .signals import TERMINATED, Terminated, ending_on_sigterm

DEFAULTS = MeshOptions.defaults()
LONGEST_LINE = 600  # characters of an error
WIDTH = 100  # columns of --help
PLACE_IS_AT_FAULT = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
NO_MEMORY = "not enough memory; lower --texture-size or --view-size, or use a smaller mesh"
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


def _option(name: str, text: str, **details: Any) -> Callable:
    """A flag for a field of MeshOptions, with that field's default."""
    default = DEFAULTS[name]
    flag = "--" + name.replace("_", "-")
    return click.option(flag, name, default=default, show_default=default is not None, help=text, **details)


def _mesh_options(command: Callable) -> Callable:
    for option in reversed(MESH_OPTIONS):
        command = option(command)
    return command


MESH_OPTIONS = (
    click.option("--out", type=click.Path(path_type=Path), help="Output folder.  [default: <mesh>_textured]"),
    click.option("--overwrite", is_flag=True, help="Replace the output folder if it exists."),
    click.option(
        "--sweep", metavar="OPTION=A,B,...", help="One sheet with a picture per value of an option."
    ),
    click.option(
        "--formats",
        metavar="A,B,...",
        help=f"What is written: some of {', '.join(FORMATS)}.  [default: all but viewer]",
    ),
    click.option("--preview", is_flag=True, help="Also write a viewer that opens in a browser."),
    _option("seed", "Same seed, same texture.", type=int),
    _option("steps", "Denoising steps.  [default: the model's, 30 for most]", type=int),
    _option(
        "strength",
        "How hard later views are drawn to earlier ones.  [default: the model's, else 5]",
        type=float,
    ),
    _option("coupling", "How views listen to each other.", type=CouplingName()),
    COUPLING_OPTION,
    _option(
        "integrator",
        "SyncSDE's update; the paper's overshoots with fewer than 30 steps.  [default: exact]",
        type=click.Choice(INTEGRATORS),
    ),
    _option(
        "pick",
        "Where several earlier views show a point: the one that faces it best, or their mean.  [default: best]",
        type=click.Choice(PICKS),
    ),
    _option("model", "mini, the path of a diffusers folder, or a hub id.", metavar="NAME|PATH|HUB_ID"),
    _option("controlnet", "Depth ControlNet.  [default: the model's own]", metavar="PATH|HUB_ID"),
    _option("negative", "What the surface should not look like.  [default: the model's]"),
    _option("guidance", "How closely the prompt is followed, 1 = off.  [default: the model's]", type=float),
    _option(
        "control_scale",
        "How firmly depth is followed at the noisiest level and at the cleanest.  [default: the model's]",
        type=float,
        nargs=2,
        metavar="START END",
    ),
    _option("texture_size", "Texels along a side.", type=int),
    _option("view_size", "Pixels along a side of each view.  [default: the model's]", type=int),
    click.option("--keep-uvs", is_flag=True, help="Use the mesh's own UVs, whatever they are like."),
    click.option("--unwrap", is_flag=True, help="Make new UVs.  [default: only if there are no usable ones]"),
    _option(
        "view_order", "Which view leads: front first, or the reference's.", type=click.Choice(VIEW_ORDERS)
    ),
    _option(
        "framing", "Views that the mesh fills, or its bounding sphere does.", type=click.Choice(FRAMINGS)
    ),
    _option(
        "extra_views",
        "Top and bottom views where the ten around the mesh see too little, or none.",
        type=click.Choice(EXTRA_VIEWS),
    ),
    _option("up", "Up axis of the file: x, y, z, -x, -y, -z; auto goes by format."),
    _option("front", "Axis that the front looks along, likewise."),
    _option("noise", "Views start from noise on the surface, or each its own.", type=click.Choice(NOISES)),
    click.option(
        "--like-paper",
        is_flag=True,
        help="Whatever is not said otherwise as in SyncSDE's paper: 30 steps, its update, views and noise.",
    ),
    _option("device", "auto, cpu, cuda, cuda:N or mps."),
    _option("dtype", "Number format; auto is fp32 on a CPU, fp16 on a GPU.", type=click.Choice(DTYPES)),
    _option("chunk", "Views per model call; changes memory, not the result.  [default: what fits]", type=int),
    click.option("--quiet", is_flag=True, help="Print errors only."),
    click.option("--verbose", is_flag=True, help="Print times and other libraries' warnings."),
)


@texsync.command(cls=Grouped)
@click.argument("mesh", type=click.Path(path_type=Path))
@click.argument("prompt")
@_mesh_options
def mesh(
    mesh: Path,
    prompt: str,
    out: Path | None,
    overwrite: bool,
    preview: bool,
    formats: str | None,
    sweep: str | None,
    keep_uvs: bool,
    unwrap: bool,
    quiet: bool,
    verbose: bool,
    **values: Any,
) -> None:
    """Paint a texture on MESH that fits PROMPT; the word mesh may be left out."""
    if keep_uvs and unwrap:
        raise InputError("--keep-uvs and --unwrap exclude each other", "give one of them, or neither")
    uvs = "keep" if keep_uvs else "unwrap" if unwrap else DEFAULTS["uvs"]
    options = MeshOptions(prompt, uvs=uvs, **typed(values))
    varied = swept(options, sweep) if sweep else None
    wanted = check_formats(formats)
    folder = check_output(out or Path(f"{mesh.stem}_textured"), overwrite)
    with Display(quiet=quiet, verbose=verbose) as display:
        from .tasks.mesh import texture_mesh

        if varied:
            from .tasks.sweep import sweep as run

            made = run(partial(texture_mesh, mesh), *varied, on_progress=display, **options.arguments())
            save = made.save
        else:
            result = texture_mesh(mesh, on_progress=display, **options.arguments())
            save = partial(result.save, preview=preview, formats=wanted)
        display("save", 0, 1)
        written = save(folder, overwrite=overwrite)
        display("save", 1, 1)
    if not quiet:
        click.echo(f"{written}: {', '.join(sorted(file.name for file in written.iterdir()))}")


for command in COMMANDS:
    texsync.add_command(command)


@texsync.command(cls=Grouped)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Output folder.  [default: <folder>_again]")
@click.option("--overwrite", is_flag=True, help="Replace the output folder if it exists.")
@click.option("--device", help="auto, cpu, cuda, cuda:N or mps.  [default: the run's]")
@click.option("--quiet", is_flag=True, help="Print errors only.")
@click.option("--verbose", is_flag=True, help="Print times and other libraries' warnings.")
def repeat(
    run: Path, out: Path | None, overwrite: bool, device: str | None, quiet: bool, verbose: bool
) -> None:
    """Do a run of any task again, from RUN, its run.json or folder."""
    home = (run.parent if run.name == MARK else run).absolute()
    folder = check_output(out or Path(f"{home.name}_again"), overwrite)
    with Display(quiet=quiet, verbose=verbose) as display:
        from .tasks.repeat import repeat as again

        result = again(run, on_progress=display, **({} if device is None else {"device": device}))
        display("save", 0, 1)
        written = result.save(folder, overwrite=overwrite)
        display("save", 1, 1)
    if not quiet:
        click.echo(f"{written}: {', '.join(sorted(file.name for file in written.iterdir()))}")


@texsync.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def doctor(as_json: bool) -> int:
    """Check what texsync needs on this machine; exit code 1 if it cannot run."""
    from .doctor import examine, report

    checks = examine()
    click.echo(report(checks, as_json=as_json))
    return 0 if all(check.ok for check in checks if check.needed) else 1


@texsync.command()
def worker() -> int:
    """Serve another program, such as Blender: JSON lines on stdin and stdout."""
    from .worker.service import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
