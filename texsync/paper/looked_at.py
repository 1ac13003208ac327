"""What of a result is looked at: the pictures that a paper's measures are about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..measures import beside_each_other
from ..show.png import to_image
from ..tasks.mesh_views import mesh_views
from ..tasks.reading import read_picture, to_tensor
from .planned import Plan
from .specification import Subject, TableRow

BACKDROP = 0.93  # of a mesh's view, both of results and of what they are compared with


@dataclass(frozen=True)
class PromptedPicture:
    """One picture.  picture: (3, H, W) in [0, 1].  prompt: what it should show."""

    picture: Tensor
    prompt: str


@dataclass(frozen=True)
class Result:
    """A finished job of a row; pictures are read when they are asked for."""

    plan: Plan
    row: TableRow
    number: int
    k: int
    subject: Subject

    @property
    def folder(self) -> Path:
        return self.plan.result(self.row, self.k, self.number)

    @property
    def main(self) -> Tensor:
        """The picture that a person would be shown, (3, H, W)."""
        if self.plan.said.task == "mesh":
            return self._painted_view()
        return read(next(p for n in ("edit.png", "picture.png") if (p := self.folder / n).exists()))

    def shown(self) -> list[PromptedPicture]:
        """The pictures that are measured, each with its prompt."""
        prompts = self.subject.known
        if self.plan.said.task == "ambiguous":
            files = [sorted(self.folder.glob(f"view_{i}_*.png"))[0] for i in range(1, len(prompts) + 1)]
            return [PromptedPicture(read(file), said) for file, said in zip(files, prompts, strict=True)]
        return [PromptedPicture(crop, prompts[0]) for crop in self._crops(self.main)]

    def _crops(self, picture: Tensor) -> list[Tensor]:
        size, width = picture.shape[-2], picture.shape[-1]
        if width <= size:
            return [picture]
        if self.plan.extent.crops == "all":
            return list(beside_each_other(picture))
        left = int(np.random.default_rng([self.k, self.number]).integers(width - size + 1))
        return [picture[..., left : left + size]]

    def _painted_view(self) -> Tensor:
        """The mesh as the table's camera sees it, flat, before an even backdrop; kept as a picture."""
        kept = self.plan.home / "seen" / f"{self.folder.parent.name}_{self.folder.name}.png"
        if not kept.exists():
            (file,) = self.folder.glob("*.glb")
            made = mesh_views(file, cameras=self.plan.camera_file, view_size=self.plan.size)
            kept.parent.mkdir(exist_ok=True)
            to_image(before_backdrop(made.picture(next(made.pixels())))).save(kept)
        return read(kept)


def known_pictures(plan: Plan) -> Iterator[PromptedPicture]:
    """What results are compared with, as far as it is there, each once."""
    told = set()
    for k, subject in enumerate(plan.extent.subjects):
        for prompt in subject.known:
            for number in range(plan.extent.references):
                file = plan.known_folder(k, prompt, number) / "picture.png"
                if file not in told and file.exists():
                    told.add(file)
                    yield PromptedPicture(_like_the_views(plan, k, read(file)), prompt)


def _like_the_views(plan: Plan, k: int, picture: Tensor) -> Tensor:
    """A mesh's reference before the backdrop of the results' views, since that is not what is compared."""
    mask = plan.seen(k) / "view_00_mask.png"
    if not mask.exists():
        return picture
    return before_backdrop(torch.cat([picture, read(mask)[:1]]))


def before_backdrop(picture: Tensor) -> Tensor:
    """(4, H, W) with alpha to (3, H, W) on light grey."""
    return picture[:3] * picture[3:] + BACKDROP * (1 - picture[3:])


def read(path: Path) -> Tensor:
    """(3, H, W) in [0, 1]."""
    return to_tensor(read_picture(path))
