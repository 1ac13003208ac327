"""Parts that are found by name: a file each in a folder of texsync's, and entry points of packages installed beside it.

Nothing is imported to know the names, so that `--help` stays instant; and no list is kept, so that a new part is one
new file.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import Refused, about, got

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ROOT = Path(__file__).parent


@dataclass(frozen=True)
class Group:
    """Parts of one kind.

    what: in messages, "coupling".  folder: where texsync has its own, "couplings/methods"; the file half_way.py there
    is the part "half-way".  group: of the entry points by which another package names a part of its own; texsync's
    names go first.
    """

    what: str
    folder: str
    group: str

    def own(self) -> list[str]:
        """Names of texsync's own, in the order of the alphabet."""
        return sorted(path.stem.replace("_", "-") for path in (ROOT / self.folder).glob("[a-z]*.py"))

    def others(self) -> dict[str, EntryPoint]:
        """Those of other packages, by name."""
        from importlib.metadata import entry_points

        own = self.own()
        return {entry.name: entry for entry in entry_points(group=self.group) if entry.name not in own}

    def names(self) -> list[str]:
        """Every name, texsync's own first."""
        return [*self.own(), *sorted(self.others())]

    def known(self, name: str) -> bool:
        """Whether there is such a part; other packages are only looked at for a name that is not texsync's."""
        return name in self.own() or name in self.others()

    def line(self, name: str) -> str:
        """What the file of a part of texsync's says of it first; "" for other packages', which are not opened."""
        if name not in self.own():
            return ""
        path = ROOT / self.folder / f"{name.replace('-', '_')}.py"
        return path.read_text(encoding="utf-8").partition("\n")[0].strip('"')

    def load(self, name: str) -> Any:
        """The module of a part of texsync's, or what another package's entry point names.

        Raises InputError for an unknown name, and for a package that cannot be imported.
        """
        if name in self.own():
            place = f"{self.folder.replace('/', '.')}.{name.replace('-', '_')}"
            return import_module(f".{place}", __package__)
        others = self.others()
        if name not in others:
            raise Refused.option_choice(
                f"unknown {about(self.what)} {got(name):r.60}", f"use one of {', '.join(self.names())}"
            )
        try:
            return others[name].load()
        except Exception as error:  # whatever a package that is not ours raises
            dist = others[name].dist
            package = dist.name if dist else others[name].value
            raise Refused.plugin(
                f"{about(self.what)} {got(name)!r} of {package} cannot be imported ({error})",
                "mend or uninstall that package",
            ) from error


COUPLINGS = Group("coupling", "couplings/methods", "texsync.couplings")
BACKBONES = Group("family of models", "backbones/families", "texsync.backbones")
