"""Only what lacks UVs gets new ones, beside the others."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from jobs import TEXTURE, lines, written
from refusals import refused

from texsync.errors import TexsyncWarning
from texsync.files.gltf_document import read_gltf
from texsync.files.load import load
from texsync.files.save import save_model
from texsync.surface.beside import free_place
from texsync.surface.texels import covered_share, uv_texels
from texsync.surface.uv import prepare

SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)


def scene(uv: np.ndarray, others: int = 1, size: float = 1.0) -> trimesh.Scene:
    """A unit square with UVs, and boxes without."""
    made = trimesh.Scene()
    visual = trimesh.visual.TextureVisuals(uv=uv)
    square = trimesh.Trimesh(
        np.column_stack([SQUARE, 0 * SQUARE[:, 0]]), [[0, 1, 2], [0, 2, 3]], visual=visual, process=False
    )
    made.add_geometry(square, node_name="Car", geom_name="Car")
    for k in range(others):
        box = trimesh.creation.box([size] * 3).apply_translation([2 + 2 * k, 0, 0])
        made.add_geometry(box, node_name=f"Bolt{k}", geom_name=f"Bolt{k}")
    return made


def density(loaded, surface, chosen) -> float:
    """Lengths on the map over lengths on the mesh."""
    uv, space = surface.uv[surface.uv_faces[chosen]], loaded.vertices[loaded.faces[chosen]]
    (a, b), (c, d) = ((x[:, 1] - x[:, 0], x[:, 2] - x[:, 0]) for x in (uv, space))
    return float(
        np.sqrt(
            np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / np.linalg.norm(np.cross(c, d), axis=1).sum()
        )
    )


@pytest.mark.parametrize(
    ("uv", "others", "size", "kept", "said"),
    [
        (SQUARE * 0.5, 1, 0.3, True, "Bolt0 has no UVs; new ones are beside the others"),
        (SQUARE * [1, 0.5], 2, 0.3, True, "Bolt0, Bolt1 have no UVs"),
        (SQUARE * 0.5 + 0.25, 1, 0.15, True, "beside the others"),
        (SQUARE * 0.5 + [3, 1], 1, 0.2, True, "beside the others"),
        (SQUARE, 1, 0.3, False, "% as large to make room"),
        (SQUARE * 0.9 + 0.05, 7, 1, False, "Bolt3, Bolt4 and 2 more have no UVs; new ones"),
    ],
)
def test_new_charts_go_beside_the_users(uv, others, size, kept, said):
    loaded = load(scene(uv, others, size))
    with pytest.warns(TexsyncWarning, match=said) as caught:
        surface = prepare(loaded, texture_size=512)
    assert len(caught) == 1
    own = loaded.part == 0
    assert surface.uv.min() >= -1e-9 and surface.uv.max() <= 1 + 1e-9
    now, old = surface.uv[surface.uv_faces[own]], uv[loaded.uv_faces[own]]
    scale = np.ptp(now[..., 0]) / np.ptp(old[..., 0])
    assert np.allclose(now - now[0, 0], scale * (old - old[0, 0])) and (scale == 1) == kept
    if kept:
        assert np.array_equal(now, old - np.floor(old.min(axis=(0, 1))))
    # nothing on top of another, room for padding between, about as many texels for a length
    face, _ = uv_texels(surface.uv, surface.uv_faces, 512)
    mine, other = np.isin(face, np.flatnonzero(own)), np.isin(face, np.flatnonzero(~own))
    apart = sum(covered_share(surface.uv, surface.uv_faces[x]) for x in (own, ~own))
    assert apart == pytest.approx(covered_share(surface.uv, surface.uv_faces), abs=1e-5)
    for shift in range(1, 4):
        assert not (mine[:, shift:] & other[:, :-shift]).any() and not (mine[shift:] & other[:-shift]).any()
    assert 0.3 < density(loaded, surface, ~own) / density(loaded, surface, own) < 1.05


def test_keep_makes_nothing_smaller():
    with pytest.warns(TexsyncWarning, match="beside the others"):
        loaded = load(scene(SQUARE * 0.5, size=0.3))
        assert np.array_equal(prepare(loaded, "keep").uv[:4], loaded.uv)
    with refused("uvs-unusable", thing="mesh"):
        prepare(load(scene(SQUARE)), "keep")


MIXED = """v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 2 0 0
v 2 1 0
v 0.5 0.5 1
vt 0 0
vt 0.4 0
vt 0.4 0.4
vt 0 0.4
f 1/1 2/2 3/3 4/4
f 2 5 6 3
f 3/3 7 4/4
"""


def test_faces_of_one_mesh_come_back_with_their_own_and_new_uvs(tmp_path):
    (tmp_path / "in.obj").write_text(MIXED)
    loaded = load(tmp_path / "in.obj")
    with pytest.warns(TexsyncWarning, match="3 of 5 faces of in have no UVs"):
        surface = prepare(loaded, texture_size=256)
    _, _, obj = written(tmp_path, loaded, surface)
    assert lines(obj, "vt")[:4] == [[0, 0], [0.4, 0], [0.4, 0.4], [0, 0.4]]
    faces = [line for line in obj.read_text().splitlines() if line.startswith("f ")]
    assert faces[0] == "f 1/1 2/2 3/3 4/4" and [len(face.split()) - 1 for face in faces] == [4, 4, 3]


def test_a_part_that_keeps_its_uvs_stays_as_it_is_in_the_file(tmp_path):
    made = scene(SQUARE * 0.5, size=0.3)
    made.export(tmp_path / "in.glb")
    loaded = load(tmp_path / "in.glb")
    with pytest.warns(TexsyncWarning, match="Bolt0 has no UVs"):
        surface = prepare(loaded, texture_size=256)
    glb, *_ = save_model(loaded, surface, TEXTURE, tmp_path, "out")
    before, after = read_gltf(tmp_path / "in.glb"), read_gltf(glb)
    pieces = [{m["name"]: m["primitives"][0] for m in x.tree["meshes"]} for x in (before, after)]
    uvs = [
        x.numbers(p["Car"]["attributes"]["TEXCOORD_0"]) for x, p in zip((before, after), pieces, strict=True)
    ]
    assert np.array_equal(*uvs) and "TEXCOORD_0" in pieces[1]["Bolt0"]["attributes"]
    assert np.allclose(load(glb).uv[load(glb).uv_faces], surface.uv[surface.uv_faces], atol=1e-6)


def test_free_rectangles_are_found_where_they_are():
    taken = np.ones((64, 64), bool)
    assert free_place(taken, np.array([0.1, 0.1])) is None
    taken[8:24, 32:60] = False  # rows from the top
    u, v = free_place(taken, np.array([0.35, 0.2]))
    assert 0.5 <= u <= 0.6 and v >= 1 - 24 / 64 and u + 0.35 <= 60 / 64 and v + 0.2 <= 1 - 8 / 64
    assert free_place(taken, np.array([0.2, 0.35])) is None
