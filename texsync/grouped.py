"""How `--help` is laid out: commands with a line each, options under headings, and where an error points."""

from __future__ import annotations

from pathlib import Path

import click

from .flags import HEADINGS

MAY_BE_SPLATS = (".ply", ".spz", ".splat")
LINE = 120  # characters of what a command does, wrapped where it must be


def heading_of(option: click.Option) -> str:
    """The heading that an option stands under."""
    if "--help" in option.opts or "--version" in option.opts:  # click's own
        return HEADINGS["help"]
    return HEADINGS[getattr(option, "section", "main")]


class Grouped(click.Command):
    """A command whose options stand under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_options(options_of(self, ctx), ctx, formatter)


def options_of(command: click.Command, ctx: click.Context) -> list[click.Option]:
    return [p for p in command.get_params(ctx) if isinstance(p, click.Option)]


def write_options(options: list[click.Option], ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Every option once, under its heading, in the order in which the command declares them."""
    records = [(heading_of(option), option.get_help_record(ctx)) for option in options]
    for heading in HEADINGS.values():
        rows = [record for place, record in records if record and place == heading]
        if rows:
            with formatter.section(heading):
                formatter.write_dl(rows)


class MeshByDefault(click.Group):
    """A group whose first argument is a mesh, or splats, unless it is the name of a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h", "--version"):
            args = [task_of(args), *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # as they were declared, not by the alphabet

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage("texsync", 'MESH "PROMPT" [OPTIONS]')
        formatter.write_usage("texsync", "COMMAND [ARGUMENTS] [OPTIONS]", prefix="   or: ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands (texsync COMMAND --help tells more)"):
            formatter.write_dl([(n, c.get_short_help_str(LINE)) for n, c in self.commands.items()])
        mesh = self.commands["mesh"]
        within = click.Context(mesh, ctx)
        mine = [option for option in options_of(mesh, within) if heading_of(option) != "Help"]
        write_options([*mine, *options_of(self, ctx)], within, formatter)


def task_of(args: list[str]) -> str:
    """What is painted where no command says it: splats where a file is of them, else a mesh."""
    named = next((one for one in args if Path(one).suffix.lower() in MAY_BE_SPLATS), None)
    if named is None:
        return "mesh"
    from .splats.splat_files import is_splats

    return "splats" if is_splats(named) else "mesh"


def help_command(error: click.ClickException) -> str:
    """What to type to see the help of the command that an error is about."""
    path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "texsync"
    return f"{path.removesuffix(' mesh')} --help"
