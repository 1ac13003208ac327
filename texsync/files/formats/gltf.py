"""glTF 2.0, as .glb, as .gltf, and as .vrm, which is a GLB with an extension for figures."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import TexsyncWarning
from ...surface.types import Surface
from ..gltf_document import read_gltf
from ..gltf_patch import patched
from ..gltf_scene import GltfPlaces, gltf_scene
from ..loaded import Loaded, Part
from ..source import UNNAMED, TrimeshSource
from . import Format


@dataclass(frozen=True)
class GltfSource(TrimeshSource):
    """places: where the shapes are in the file."""

    places: GltfPlaces

    def keys(self, part: Part, by_object: bool) -> list[tuple[Hashable, str]]:
        """The file's node, or its material, by their numbers."""
        tree, node = self.places.document.tree, self.places.nodes[part.node]
        if by_object:
            return [(node, tree["nodes"][node].get("name") or f"node_{node}")]
        mesh, piece = self.places.primitives[part.shape]
        number = tree["meshes"][mesh]["primitives"][piece].get("material")
        if number is None:
            return [(None, UNNAMED)]
        return [(number, tree["materials"][number].get("name") or f"material_{number}")]

    def painted(self, loaded: Loaded, surface: Surface, pngs: Sequence[bytes]) -> bytes:
        """The file itself with the pictures in it; all else in it stays."""
        document = self.places.document
        for image, said in enumerate(document.tree.get("images", [])):
            if document.picture(image) is None:
                message = f"{loaded.stem} loses its picture {said.get('uri', image)}, which is not there"
                warnings.warn(message, TexsyncWarning, stacklevel=3)
        return patched(loaded, self.places, surface, pngs)


def read(path: Path) -> GltfSource:
    """The default scene of a file."""
    return GltfSource(*gltf_scene(read_gltf(path)))


FORMAT = Format(("glb", "gltf", "vrm"), read)
