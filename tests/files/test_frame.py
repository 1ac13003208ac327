"""Where a mesh stands in the render frame, and where its surface looks."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from texsync.files.axes import axes, rotation
from texsync.files.formats import formats
from texsync.files.load import load
from texsync.surface import faces as of_faces


@pytest.mark.parametrize(("up", "front"), [(u, f) for u in "xyz" for f in "xyz" if u != f])
@pytest.mark.parametrize("signs", [("", ""), ("-", ""), ("", "-")])
def test_axes_turn_without_mirroring(up, front, signs):
    turn = rotation(signs[0] + up, signs[1] + front)
    assert np.allclose(turn @ turn.T, np.eye(3)) and np.linalg.det(turn) == pytest.approx(1)
    sign = [-1 if s else 1 for s in signs]
    assert np.allclose(turn @ (sign[0] * np.eye(3)["xyz".index(up)]), [0, 1, 0])
    assert np.allclose(turn @ (sign[1] * np.eye(3)["xyz".index(front)]), [0, 0, 1])


def test_axes_are_guessed_from_the_format():
    of = {ending: format.axes for ending, format in formats().items()}
    assert axes("auto", "auto", of["glb"]) == ("y", "z") == axes("auto", "auto", of["obj"])
    assert axes("auto", "auto", of["stl"]) == ("z", "-y") == axes("auto", "auto", of["ply"])
    assert axes("z", "auto", of["glb"]) == ("z", "-y")
    assert axes("auto", "y", of["glb"])[0] == "z"
    assert axes("auto", "-z", of["stl"])[0] == "y"


def test_blenders_front_ends_in_front(tmp_path):
    cone = trimesh.creation.box((1, 1, 1))
    cone.vertices[:, 2] += 5 * (cone.vertices[:, 1] < 0) * (cone.vertices[:, 2] > 0)  # tall at -y
    cone.export(tmp_path / "part.stl")
    loaded = load(tmp_path / "part.stl")
    tallest = loaded.vertices[loaded.vertices[:, 1].argmax()]
    assert tallest[2] > 0


@pytest.mark.parametrize("scale", [1e-20, 1e-3, 1.0, 1e6, 1e20])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_scale_and_place_do_not_matter(scale, offset):
    ball = trimesh.creation.icosphere(subdivisions=3)
    plain = load(ball)
    moved = trimesh.Trimesh((ball.vertices + offset) * scale, ball.faces, process=False)
    loaded = load(moved)
    assert np.abs(loaded.vertices - plain.vertices).max() < 1e-9
    assert np.abs(loaded.normals - plain.normals).max() < 1e-7
    back = loaded.vertices @ loaded.to_world[:3, :3].T + loaded.to_world[:3, 3]
    assert np.allclose(back, moved.vertices, rtol=1e-12, atol=1e-12 * scale)


def test_the_bounding_box_not_the_vertices_finds_the_centre():
    ball = trimesh.creation.icosphere(subdivisions=3)
    stray = trimesh.Trimesh(np.concatenate([ball.vertices, [[50, 0, 0]]]), ball.faces, process=False)
    loaded = load(stray)  # an unused vertex moves nothing
    assert len(loaded.vertices) == len(ball.vertices) + 1
    assert np.linalg.norm(loaded.vertices[:-1], axis=1).max() == pytest.approx(1)
    assert np.allclose(loaded.vertices[:-1].max(axis=0), -loaded.vertices[:-1].min(axis=0))


def ball_normals_are_right(loaded) -> bool:
    return bool(((loaded.normals * loaded.vertices).sum(axis=1) > 0.99).all())


@pytest.mark.parametrize("wrong", [0.0, 0.3, 1.0])
def test_normals_look_outward_whatever_the_winding(wrong):
    ball = trimesh.creation.icosphere(subdivisions=3)
    faces = ball.faces.copy()
    flip = np.random.default_rng(0).random(len(faces)) < wrong
    faces[flip] = faces[flip, ::-1]
    loaded = load(trimesh.Trimesh(ball.vertices, faces, process=False))
    assert ball_normals_are_right(loaded)
    assert np.array_equal(loaded.faces, faces)  # the file's own winding stays


def test_normals_are_smooth_over_seams_that_split_vertices():
    ball = trimesh.creation.icosphere(subdivisions=3)
    soup = trimesh.Trimesh(
        ball.vertices[ball.faces].reshape(-1, 3), np.arange(ball.faces.size).reshape(-1, 3), process=False
    )
    assert ball_normals_are_right(load(soup))


def test_parts_that_touch_do_not_round_each_others_edges():
    left, right = trimesh.creation.box(), trimesh.creation.box()
    right.apply_translation([1, 0, 0])
    loaded = load(trimesh.Scene([left, right]))
    alone = load(left).normals
    assert np.allclose(loaded.normals[:8], alone) and np.allclose(loaded.normals[8:], alone)


def test_a_flat_mesh_looks_where_its_winding_says():
    square = trimesh.Trimesh(
        [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]], process=False
    )
    assert np.allclose(load(square).normals, [0, 0, 1])
    square.faces = square.faces[:, ::-1]
    assert np.allclose(load(square).normals, [0, 0, -1])


def test_sheets_of_two_sides_and_fins_have_normals():
    corners = [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    double = trimesh.Trimesh(corners, [[0, 1, 2], [2, 1, 0]], process=False)
    assert np.allclose(np.abs(load(double).normals), [0, 0, 1])
    fins = trimesh.Trimesh(
        [*corners, [0, 0, 1], [0, -1, 0]], [[0, 1, 2], [0, 1, 3], [0, 1, 4]], process=False
    )
    assert np.allclose(np.linalg.norm(load(fins).normals, axis=1), 1)


def test_a_moebius_strip_is_left_as_it_is():
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ray = np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)
    tilt = np.cos(turn / 2)[:, None] * ray + np.sin(turn / 2)[:, None] * [0, 0, 1]
    vertices = np.concatenate([ray - 0.2 * tilt, ray + 0.2 * tilt])
    a, b = np.arange(23), np.arange(1, 24)
    faces = np.concatenate(
        [np.stack([a, b, a + 24], 1), np.stack([b, b + 24, a + 24], 1), [[23, 24, 47], [24, 0, 47]]]
    )
    faces[::3] = faces[::3, ::-1]  # would be turned back on anything that has two sides
    loaded = load(trimesh.Trimesh(vertices, faces, process=False))
    assert np.allclose(np.linalg.norm(loaded.normals, axis=1), 1)
    assert (
        of_faces.winding(faces, of_faces.face_normals(vertices, faces), vertices[faces].mean(axis=1)) == 1
    ).all()


def test_instances_are_seen_each_on_their_own():
    scene = trimesh.Scene()
    box = trimesh.creation.box()
    scene.add_geometry(box, node_name="one", geom_name="box")
    away = trimesh.transformations.translation_matrix([5, 0, 0])
    scene.graph.update(frame_to="two", frame_from="world", matrix=away, geometry="box")
    loaded = load(scene)
    assert sorted(part.node for part in loaded.parts) == ["one", "two"] and len(loaded.shapes) == 1
    assert len(loaded.faces) == 24 and np.bincount(loaded.part).tolist() == [12, 12]
    assert np.ptp(loaded.vertices[:, 0]) > 1.8


def test_transforms_of_a_hierarchy_place_the_parts():
    scene = trimesh.Scene()
    half = trimesh.transformations.scale_matrix(0.5)
    scene.graph.update(
        frame_to="arm", frame_from="world", matrix=trimesh.transformations.translation_matrix([0, 3, 0])
    )
    scene.add_geometry(trimesh.creation.box(), node_name="base", geom_name="base")
    scene.add_geometry(
        trimesh.creation.box(), node_name="hand", geom_name="hand", parent_node_name="arm", transform=half
    )
    loaded = load(scene)
    world = loaded.vertices @ loaded.to_world[:3, :3].T + loaded.to_world[:3, 3]
    hand = world[next(part.vertices for part in loaded.parts if part.node == "hand")]
    assert np.allclose(hand.mean(axis=0), [0, 3, 0]) and np.allclose(np.ptp(hand, axis=0), 0.5)
