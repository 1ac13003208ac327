"""Polygons become triangles that cover the same ground, whatever their shape."""

from __future__ import annotations

import time

import numpy as np
import pytest
from jobs import TEXTURE, new_uvs, whole_uvs

from texsync.files.load import load
from texsync.files.save import save_model
from texsync.files.triangulate import triangulate
from texsync.surface.uv import prepare

TURN = np.linspace(0, 2 * np.pi, 10_000, endpoint=False)
SQUARE = [[0, 0], [2, 0], [2, 2], [0, 2]]
L = [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]]
HOLE = [[0, 0], [4, 0], [4, 4], [0, 4], [0, 0], [1, 1], [1, 3], [3, 3], [3, 1], [1, 1]]
TWO_HOLES = [
    *[[0, 0], [6, 0], [6, 3], [0, 3], [0, 0], [1, 1], [1, 2], [2, 2], [2, 1]],
    *[[4, 1], [4, 2], [5, 2], [5, 1], [4, 1], [2, 1], [1, 1]],
]
# name: (corners, area)
FLAT = {
    "triangle": (SQUARE[:3], 2),
    "square": (SQUARE, 4),
    "arrow": ([[0, 0], [2, 1], [0, 2], [0.5, 1]], 1.5),
    "L": (L, 3),
    "L from inside": (L[3:] + L[:3], 3),
    "hole on a bridge": (HOLE, 12),
    "two holes on bridges": (TWO_HOLES, 16),
    "corners on one line": ([[0, 0], [0.5, 0], [1, 0], [1.5, 0], *SQUARE[1:]], 4),
    "repeated corners": ([SQUARE[0], *SQUARE, SQUARE[3]], 4),
    "all twice": ([p for p in L for _ in "12"], 3),
    "touches itself": ([[0, 0], [2, 0], [1, 1], [2, 2], [0, 2], [1, 1]], 2),
    "there and back": ([[0, 0], [3, 0], [2, 0], *SQUARE[2:]], 4),
    "comb": ([[0, 0], [40, 0], *[[40 - x / 2, 1 + x % 2] for x in range(81)]], 60),
    "10,000 corners": (np.stack([np.cos(TURN), np.sin(TURN)], 1), np.pi),
    "10,000 teeth": (
        (np.stack([np.cos(TURN), np.sin(TURN)], 1).T * (1 + 0.1 * (np.arange(10_000) % 2))).T,
        None,
    ),
}
POSES = {
    "flat": (np.eye(3), 0),
    "turned over": (np.diag([1.0, -1, -1]), 0),
    "slanted": (np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0], 0),
    "tiny": (1e-9 * np.eye(3), 0),
    "far away": (np.eye(3), 1e6),
}


def crosses(points: np.ndarray, corner: np.ndarray) -> np.ndarray:
    a, b, c = (points[corner[:, k]] for k in range(3))
    return np.cross(b - a, c - a) / 2


def shoelace(points: np.ndarray) -> float:
    x, y = np.transpose(points)
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("name", FLAT)
def test_triangles_cover_the_polygon_once_and_reach_every_corner(name, pose):
    corners, area = FLAT[name]
    matrix, shift = POSES[pose]
    points = np.column_stack([corners, np.zeros(len(corners))]) @ matrix.T + shift
    corner, polygon = triangulate(np.array([len(points)]), points)
    vectors = crosses(points, corner)
    area = (shoelace(corners) if area is None else area) * np.linalg.norm(matrix[0]) ** 2
    # as vectors they add up to the polygon, and no triangle is laid on another
    assert np.allclose(
        vectors.sum(axis=0), area * np.cross(*(matrix.T[:2] / np.linalg.norm(matrix[0]))), rtol=1e-6
    )
    assert np.linalg.norm(vectors, axis=1).sum() == pytest.approx(abs(area), rel=1e-6)
    assert set(corner.ravel()) == set(range(len(points))) and not polygon.any()


NO_SHAPE = {
    "all on one spot": np.zeros((5, 3)),
    "all on one line": np.arange(5)[:, None] * [1.0, 2.0, 3.0],
    "bow tie": np.array([[0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 1, 0]], float),
    "figure of eight": np.array([[0, 0, 0], [2, 2, 0], [4, 0, 0], [4, 2, 0], [2, 0, 0], [0, 2, 0]], float),
    "star of five": np.stack([np.cos(TURN[::2000] * 2), np.sin(TURN[::2000] * 2), 0 * TURN[::2000]], 1),
    "not numbers": np.full((6, 3), np.nan),
    "endless": np.full((6, 3), np.inf) * [[1.0], [-1], [1], [-1], [1], [-1]],
    "huge": np.column_stack([L, np.zeros(6)]) * 1e300,
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NO_SHAPE)
def test_what_has_no_right_triangles_still_gets_some_with_all_corners(name):
    points = NO_SHAPE[name]
    corner, _ = triangulate(np.array([len(points)]), points)
    assert set(corner.ravel()) == set(range(len(points)))


def test_a_bent_polygon_is_cut_as_it_looks():
    """A saddle of an L: seen along its mean normal, nothing is laid on another."""
    points = np.column_stack([L, 0.3 * np.array([0, 1, 0, 1, 0, 1])])
    corner, _ = triangulate(np.array([6]), points)
    assert len(corner) == 4 and (crosses(points, corner)[:, 2] > 0).all()
    assert crosses(points, corner)[:, 2].sum() == pytest.approx(3)


def test_polygons_of_all_sizes_stay_in_order():
    pieces = [
        np.column_stack([FLAT[name][0], np.zeros(len(FLAT[name][0]))])
        for name in ("L", "square", "arrow", "triangle")
    ]
    sizes = np.array([2, *map(len, pieces), 1])
    corner, polygon = triangulate(sizes, np.concatenate([np.zeros((2, 3)), *pieces, np.zeros((1, 3))]))
    assert polygon.tolist() == [1] * 4 + [2] * 2 + [3] * 2 + [4]
    assert np.array_equal(np.repeat(np.arange(6), sizes)[corner], np.repeat(polygon, 3).reshape(-1, 3))
    assert triangulate(np.array([1, 2]), np.zeros((3, 3)))[0].shape == (0, 3)


def test_convex_polygons_are_the_fans_that_they_always_were_and_millions_take_seconds():
    count = 500_000
    points = (
        np.tile(np.column_stack([SQUARE, np.zeros(4)]), (count, 1)) + np.repeat(np.arange(count), 4)[:, None]
    )
    start = time.perf_counter()
    corner, _ = triangulate(np.full(count, 4), points)
    assert time.perf_counter() - start < 5
    fans = 4 * np.arange(count)[:, None] + [[0, 1, 2, 0, 2, 3]]
    assert np.array_equal(corner, fans.reshape(-1, 3))


def obj(corners) -> str:
    rows = [f"v {x} {y} 0\nvt {x / 9} {y / 9}\nvn 0 {k} 1\n" for k, (x, y) in enumerate(corners)]
    return "".join(rows) + "f " + " ".join(f"{k}/{k}/{k}" for k in range(1, len(rows) + 1)) + "\n"


@pytest.mark.parametrize(
    "name", ["L", "hole on a bridge", "two holes on bridges", "touches itself", "repeated corners"]
)
def test_an_obj_gives_its_concave_polygons_back(tmp_path, name):
    text = obj(FLAT[name][0])
    (tmp_path / "in.obj").write_text(text)
    loaded = load(tmp_path / "in.obj")
    glb, out, *_ = save_model(loaded, prepare(loaded, "keep"), TEXTURE, tmp_path, "out")
    assert [x for x in out.read_text().splitlines() if x[0] == "f"] == text.splitlines()[-1:]
    back = load(glb)
    area = (
        np.linalg.norm(crosses(back.vertices, back.faces), axis=1).sum()
        * np.linalg.norm(back.to_world[0, :3]) ** 2
    )
    assert area == pytest.approx(FLAT[name][1], rel=1e-5)
    _, out, *_ = save_model(
        loaded, prepare(loaded, "unwrap", 256), TEXTURE, tmp_path, "new"
    )  # a new map tears none
    assert len([x for x in out.read_text().splitlines() if x[0] == "f"]) == 1


@pytest.mark.parametrize(("uvs", "pieces"), [(whole_uvs, 1), (new_uvs, 4)])
def test_a_torn_concave_polygon_is_taken_apart(tmp_path, uvs, pieces):
    (tmp_path / "in.obj").write_text(obj(L))
    loaded = load(tmp_path / "in.obj")
    _, out, *_ = save_model(loaded, uvs(loaded), TEXTURE, tmp_path, "out")
    assert len([x for x in out.read_text().splitlines() if x[0] == "f"]) == pieces
