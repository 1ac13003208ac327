"""Which UVs are kept, which are replaced, and what a new map promises."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
import trimesh
from refusals import refused
from scipy import sparse

from texsync.errors import InputError, TexsyncWarning
from texsync.files.load import load
from texsync.surface import charts
from texsync.surface.charts import PADDING
from texsync.surface.texels import covered_share, parts_sharing, uv_texels
from texsync.surface.uv import prepare, unwrap

SQUARE = np.array([[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]])


def plate(uv: np.ndarray | None, copies: int = 1) -> trimesh.Scene:
    """Unit squares side by side, all with the same UVs; one mesh each."""
    scene = trimesh.Scene()
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], float)
    for k in range(copies):
        visual = None if uv is None else trimesh.visual.TextureVisuals(uv=uv)
        mesh = trimesh.Trimesh(corners + [3 * k, 0, 0], [[0, 1, 2], [0, 2, 3]], visual=visual, process=False)
        scene.add_geometry(mesh, node_name=f"plate{k}", geom_name=f"plate{k}")
    return scene


def test_usable_uvs_are_kept_to_the_last_bit_and_nothing_is_said():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        surface = prepare(load(plate(SQUARE)))
    assert np.array_equal(surface.uv[surface.uv_faces], SQUARE[[[0, 1, 2], [0, 2, 3]]])


def test_uvs_in_another_tile_are_kept_but_for_the_tile():
    surface = prepare(load(plate(SQUARE + [3, 1])), policy="keep")
    assert np.allclose(surface.uv[surface.uv_faces], SQUARE[[[0, 1, 2], [0, 2, 3]]])


@pytest.mark.parametrize(
    ("uv", "reason"),
    [
        (None, "none"),
        (SQUARE * 5, "tile"),
        (SQUARE * [1, 0], "no room"),
        (np.where(SQUARE == 0.1, np.nan, SQUARE), "none"),
    ],
)
def test_unusable_uvs_are_replaced_or_refused(uv, reason):
    loaded = load(plate(uv))
    with refused("uvs-unusable", thing="mesh") as refusal:
        prepare(loaded, policy="keep")
    assert reason in str(refusal.value)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        surface = prepare(loaded)
    assert np.isfinite(surface.uv).all() and covered_share(surface.uv, surface.uv_faces) > 0.3
    # a mesh without UVs loses nothing, so nothing needs saying
    assert [w.category for w in said if w.category is TexsyncWarning] == (
        [] if reason == "none" else [TexsyncWarning]
    )


def test_mirrored_halves_stay_and_are_named():
    halves = plate(SQUARE).to_geometry()
    mirrored = trimesh.util.concatenate([halves, halves.copy().apply_translation([3, 0, 0])])
    loaded = load(mirrored)
    with pytest.warns(TexsyncWarning, match="50 % .* same texels"):
        surface = prepare(loaded)
    assert np.allclose(surface.uv[surface.uv_faces[:2]], surface.uv[surface.uv_faces[2:]])


def test_parts_with_a_map_each_get_one_map_together():
    loaded = load(plate(SQUARE, copies=2))
    with pytest.warns(TexsyncWarning, match="share 50 %"):
        surface = prepare(loaded)
    first, second = (covered_share(surface.uv, surface.uv_faces[loaded.part == k]) for k in (0, 1))
    assert covered_share(surface.uv, surface.uv_faces) == pytest.approx(first + second, abs=1e-3)
    kept = prepare(loaded, policy="keep")
    assert np.allclose(kept.uv[kept.uv_faces[loaded.part == 0]], kept.uv[kept.uv_faces[loaded.part == 1]])


def test_unwrap_leaves_room_between_islands_and_is_the_same_every_time():
    box = trimesh.creation.box()
    vertices, faces = np.asarray(box.vertices, float), np.asarray(box.faces, np.int64)
    uv, uv_faces = unwrap(vertices, faces, 256)
    again, _ = unwrap(vertices, faces, 256)
    assert np.array_equal(uv, again)
    assert uv.min() >= 0 and uv.max() <= 1
    face, _ = uv_texels(uv, uv_faces, 256)
    island = np.where(face >= 0, islands(uv_faces, len(uv))[face], -1)
    assert island.max() >= 1
    for near, far in ((island[:, :-PADDING], island[:, PADDING:]), (island[:-PADDING], island[PADDING:])):
        assert not ((near >= 0) & (far >= 0) & (near != far)).any()


def islands(uv_faces: np.ndarray, count: int) -> np.ndarray:
    """(F,) which connected piece of the map each face belongs to."""
    rows, columns = uv_faces[:, [0, 1]].ravel(), uv_faces[:, [1, 2]].ravel()
    edges = sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    return sparse.csgraph.connected_components(edges, directed=False)[1][uv_faces[:, 0]]


def test_large_meshes_unwrap_in_pieces_without_overlap():
    ball = trimesh.creation.icosphere(subdivisions=6)
    assert len(ball.faces) > 20_000
    uv, uv_faces = unwrap(np.asarray(ball.vertices, float), np.asarray(ball.faces, np.int64)[:24_000], 1024)
    corners = uv[uv_faces]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    drawn = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2
    assert covered_share(uv, uv_faces, 2048) == pytest.approx(drawn, rel=0.01)


def test_texel_centres_lie_where_gltf_has_them():
    uv = np.array([[0, 0], [1, 0], [0, 1]], float)
    face, bary = uv_texels(uv, np.array([[0, 1, 2]]), 4)
    assert face[3].tolist() == [0, 0, 0, 0] and face[0, 1:].tolist() == [-1] * 3  # row 0 is the top
    assert np.allclose(bary[3, 1] @ uv, [1.5 / 4, 0.5 / 4], atol=1e-6)


def test_an_unknown_policy_lists_the_known():
    with refused("option-choice", thing="uvs"):
        prepare(load(plate(SQUARE)), policy="maybe")


@pytest.mark.parametrize(
    ("program", "error", "message"),
    [
        ("import os; os.abort()", InputError, "cannot unwrap this mesh .SIGABRT.*uvs=.keep"),
        ("raise SystemExit(3)", InputError, "exit status 3"),
        ("raise MemoryError", MemoryError, "no room"),
        ("import nothing_of_the_kind", RuntimeError, "nothing_of_the_kind"),
    ],
)
def test_what_ends_xatlas_does_not_end_texsync(monkeypatch, program, error, message):
    monkeypatch.setattr(charts, "COMMAND", ("-c", program))
    with pytest.raises(error, match=message):
        prepare(load(plate(None)))


def test_the_folder_that_one_stands_in_is_not_searched_for_modules(monkeypatch, tmp_path):
    (tmp_path / "numpy.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    assert len(prepare(load(plate(None))).uv)


@pytest.mark.parametrize(("copies", "kept"), [(2, True), (3, False), (6, False)])
def test_a_map_that_most_places_share_is_replaced_and_twins_are_not(copies, kept):
    one = plate(SQUARE).to_geometry()
    mesh = trimesh.util.concatenate([one.copy().apply_translation([3 * k, 0, 0]) for k in range(copies)])
    loaded = load(mesh)
    said = "same texels" if kept else f"new UV map, because a texel stands for {copies}.0 places"
    with pytest.warns(TexsyncWarning, match=said):
        surface = prepare(loaded)
    alike = np.allclose(surface.uv[surface.uv_faces[:2]], surface.uv[surface.uv_faces[2:4]])
    assert alike == kept
    insisted = prepare(loaded, policy="keep")
    assert np.allclose(insisted.uv[insisted.uv_faces[:2]], insisted.uv[insisted.uv_faces[2:4]])


@pytest.mark.parametrize(
    ("scale", "kept"), [(1.0, True), (0.25, True), (0.16, False), (0.002, False)], ids=lambda x: str(x)
)
def test_a_map_of_a_few_texels_is_replaced_unless_one_insists(scale, kept):
    loaded = load(plate(SQUARE * scale))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        surface = prepare(loaded)
    assert np.array_equal(surface.uv[surface.uv_faces], loaded.uv[loaded.uv_faces]) == kept
    assert ["% of the texture" in str(w.message) for w in said if w.category is TexsyncWarning] == [True] * (
        not kept
    )
    assert np.array_equal(prepare(loaded, policy="keep").uv, loaded.uv)


@pytest.mark.parametrize("count", [2, 60])
@pytest.mark.parametrize(
    ("layout", "sharing"),
    [
        (lambda k, n: (SQUARE + [k, 0]) / [n, 1], 1),
        (lambda k, n: SQUARE, "n"),
        (lambda k, n: SQUARE / [2, 1] + [k % 2 / 2, 0], "n/2"),
        (lambda k, n: SQUARE if k else SQUARE / 2, None),
    ],
    ids=["apart", "all on one", "two places", "one small"],
)
def test_sharing_between_parts_is_counted(layout, sharing, count):
    uv = np.concatenate([layout(k, count) for k in range(count)])
    faces = np.concatenate([np.array([[0, 1, 2], [0, 2, 3]]) + 4 * k for k in range(count)])
    found = parts_sharing(uv, faces, np.repeat(np.arange(count), 2))
    expected = {1: 1, "n": count, "n/2": count / 2, None: (0.64 * (count - 1) + 0.16) / 0.6775}[sharing]
    assert found == pytest.approx(expected, rel=0.04)


def test_fifteen_hundred_parts_are_judged_in_seconds():
    count, side = 1500, 39
    start = time.perf_counter()
    for size in (1, side):  # all on one place; each in its own
        place = np.stack([np.arange(count) % side, np.arange(count) // side], axis=1) * (size > 1)
        uv = ((SQUARE[None] + place[:, None]) / size).reshape(-1, 2)
        faces = (np.array([[0, 1, 2], [0, 2, 3]]) + 4 * np.arange(count)[:, None, None]).reshape(-1, 3)
        assert parts_sharing(uv, faces, np.repeat(np.arange(count), 2)) == pytest.approx(
            1 if size > 1 else count
        )
    assert time.perf_counter() - start < 20  # one raster for each part took minutes
