"""Embree answers as PyTorch3D does; pixels, projection and visibility agree with closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from painted import MESHES
from pytorch3d.renderer import MeshRasterizer, RasterizationSettings
from pytorch3d.structures import Meshes
from refusals import refused

from texsync.files.load import load
from texsync.surface.cameras import Camera, framed, ring, to_pytorch3d, view_name
from texsync.surface.pixels import depth_condition, look, project, visible
from texsync.surface.raster import NEAREST, rasterize
from texsync.surface.types import Surface
from texsync.surface.uv import prepare


def surface_of(mesh: trimesh.Trimesh) -> Surface:
    """A Surface whose UVs are the mesh's x and y, which is all that these tests need."""
    faces = np.asarray(mesh.faces, np.int64)
    vertices = np.asarray(mesh.vertices, float)
    part = np.zeros(len(faces), np.int64)
    return Surface(vertices, faces, np.array(mesh.vertex_normals), vertices[:, :2] / 2 + 0.5, faces, part)


@pytest.fixture(scope="module")
def lump() -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(subdivisions=2, radius=0.9)
    mesh.vertices *= [1.0, 0.7, 0.5]
    return mesh


CROPPED = [
    Camera(c.azimuth_deg, c.elevation_deg, centre=(0.1 * i - 0.5, 0.2), zoom=1.7)
    for i, c in enumerate(ring())
]


INSIDE = [  # the lump, from in it and beside it: faces reach behind these cameras
    Camera(30, 20, 0.3, target=(0.1, 0.0, 0.05), roll_deg=40),
    Camera(250, -60, 0.5, 90, target=(0.2, 0.1, -0.1)),
    Camera.looking((0.4, 0.5, 0.6), (0.2, 0.1, 0.0), (1, 1, 0), fov_deg=100),
]


@pytest.mark.parametrize("outward", [False, True], ids=["", "outward"])
@pytest.mark.parametrize(
    "device", [torch.device("cuda", i) for i in range(torch.cuda.device_count())], ids=str
)
def test_a_gpu_sees_what_the_cpu_sees(lump, device, outward):
    """Where there is a GPU; its kernel is PyTorch3D's."""
    set_of = [*ring(), *CROPPED]
    normals = lump.face_normals if outward else None
    cpu, gpu = (
        rasterize(lump.vertices, lump.faces, to_pytorch3d(set_of, place), 48, place, normals)
        for place in ("cpu", str(device))
    )
    assert gpu.pix_to_face.device == device
    same = gpu.pix_to_face.cpu() == cpu.pix_to_face
    assert same.float().mean() > 0.999 and torch.allclose(gpu.zbuf.cpu()[same], cpu.zbuf[same], atol=1e-4)


@pytest.mark.parametrize("set_of", [ring(), CROPPED, INSIDE], ids=["whole", "cropped", "inside"])
def test_embree_fragments_are_pytorch3ds(lump, set_of):
    cameras, size = to_pytorch3d(set_of), 48
    ours = rasterize(lump.vertices, lump.faces, cameras, size)
    verts, faces = torch.tensor(lump.vertices, dtype=torch.float32), torch.tensor(lump.faces)
    settings = RasterizationSettings(
        image_size=size, cull_backfaces=False, perspective_correct=True, z_clip_value=NEAREST
    )
    meshes = Meshes([verts], [faces]).extend(len(set_of))
    theirs = MeshRasterizer(cameras=cameras, raster_settings=settings)(meshes)
    packed = torch.arange(len(set_of)).view(-1, 1, 1, 1) * len(faces)
    face = torch.where(theirs.pix_to_face >= 0, theirs.pix_to_face - packed, -1)
    same = face == ours.pix_to_face
    assert same.float().mean() > 0.999  # a centre on an edge may go to either side
    assert (ours.pix_to_face >= 0).float().mean() > 0.1
    assert torch.allclose(ours.zbuf[same], theirs.zbuf[same], atol=1e-4)
    assert torch.allclose(ours.bary_coords[same], theirs.bary_coords[same], atol=1e-3)


@pytest.mark.parametrize("camera", [Camera(0, 20), Camera(0, 20, centre=(0.1, -0.2), zoom=1.5)])
def test_rasterising_is_perspective_correct_and_two_sided(camera):
    # a floor that runs away from the camera: affine interpolation would put its middle elsewhere
    corners = np.array([[-0.5, -0.3, 0.8], [0.5, -0.3, 0.8], [0.5, -0.3, -0.8], [-0.5, -0.3, -0.8]])
    for faces in ([[0, 1, 2], [0, 2, 3]], [[2, 1, 0], [3, 2, 0]]):
        mesh = trimesh.Trimesh(corners, faces, process=False)
        pixels = look(surface_of(mesh), [camera], 64)
        on = pixels.mask[0]
        assert on.sum() > 200
        assert torch.allclose(pixels.position[0][on][:, 1], torch.tensor(-0.3), atol=1e-4)
        back = project([camera], pixels.position[0][on], 64)[0, :, :2]
        centre = torch.nonzero(on).flip(-1) + 0.5
        assert torch.allclose(back, centre.float(), atol=1e-2)
        assert (pixels.facing[0][on] > 0.2).all()


@pytest.mark.parametrize(
    "camera", [*ring(), Camera(33, -50), Camera(33, -50, centre=(0.3, -0.4), zoom=2), *INSIDE]
)
def test_a_cameras_position_is_what_pytorch3d_makes_of_it(camera):
    centre = to_pytorch3d([camera]).get_camera_center()[0].numpy()
    assert np.allclose(centre, camera.position, atol=1e-5)


@pytest.mark.parametrize("camera", [Camera(40, 30, target=(0.3, -0.2, 0.1), roll_deg=35), *INSIDE])
def test_a_camera_sees_its_target_in_the_middle_and_its_up_above(camera):
    target, up, right = (
        torch.tensor(np.array(a), dtype=torch.float32) for a in (camera.target, camera.up, camera.right)
    )
    middle, above, beside = project(
        [camera], torch.stack([target, target + 0.1 * up, target + 0.1 * right]), 100
    )[0]
    assert torch.allclose(middle[:2], torch.tensor(50.0), atol=1e-2) and middle[2] == pytest.approx(
        camera.distance
    )
    assert above[1] < 49 and above[0] == pytest.approx(50, abs=1e-2)
    assert beside[0] > 51 and beside[1] == pytest.approx(50, abs=1e-2)


def test_what_is_behind_a_camera_is_not_seen():
    """From the middle of a box: a view sees what it looks at, and never the wall behind it."""
    box = surface_of(trimesh.creation.box((1, 1, 1)))
    pixels = look(
        box,
        [Camera(a, e, 0.1, 90, target=tuple(-0.1 * Camera(a, e).direction)) for a, e in ((0, 0), (90, 0))],
        64,
    )
    assert pixels.mask.all()
    points = torch.tensor([[0.1, 0.1, -0.5], [0.1, 0.1, 0.5], [-0.5, 0.1, 0.1], [0.5, 0.1, 0.1]])
    seen = visible(pixels, points, torch.nn.functional.normalize(points * (points.abs() > 0.4)))[0]
    assert seen.tolist() == [[True, False, False, False], [False, False, True, False]]


def test_the_front_view_shows_plus_x_on_the_right_and_plus_y_on_top():
    right, top = project([Camera(0)], torch.tensor([[0.5, 0, 0], [0, 0.5, 0]]), 100)[0]
    assert right[0] > 50 and abs(right[1] - 50) < 1e-3
    assert top[1] < 50 and abs(top[0] - 50) < 1e-3


@pytest.mark.parametrize("camera", [Camera(0), Camera(70, 30), Camera(200, -80)])
def test_a_cropped_picture_is_cut_out_of_the_whole(lump, camera):
    """A quarter of the picture at half the size is the same quarter of the finer whole one, pixel by pixel."""
    whole = look(surface_of(lump), [camera], 64)
    corner = look(surface_of(lump), [replace(camera, centre=(0.5, 0.5), zoom=2)], 32)
    assert corner.mask.any()
    assert torch.equal(corner.face, whole.face[:, :32, 32:])
    assert torch.allclose(corner.position, whole.position[:, :32, 32:], atol=1e-5)


@pytest.mark.parametrize("stretch", [(1.0, 0.7, 0.5), (0.1, 1.0, 0.1), (1.0, 0.01, 1.0)])
def test_a_tight_frame_is_filled_from_edge_to_edge_and_crops_nothing(lump, stretch):
    points = np.asarray(lump.vertices) * stretch + [0.05, -0.1, 0]
    for spread in (1.0, 1.3, np.inf):
        cameras = framed(ring(), points, margin=0.05, spread=spread)
        where = project(cameras, torch.tensor(points, dtype=torch.float32), 100)[..., :2]
        low, high = where.amin(1), where.amax(1)
        side = (high - low).amax(1)
        zoom = torch.tensor([camera.zoom for camera in cameras])
        assert torch.allclose((low + high) / 2, torch.tensor(50.0), atol=1e-2)
        assert side.max() == pytest.approx(90, abs=1e-2)
        assert zoom.max() / zoom.min() <= spread + 1e-6  # views that share a surface agree about its scale
        assert ((side > 89.9) | (zoom > zoom.min() * (spread - 1e-4))).all()
        assert all((c.position == before.position).all() for c, before in zip(cameras, ring(), strict=True))
        assert framed(cameras, points, margin=0.05, spread=spread) == cameras


def test_a_rabbit_fills_a_fifth_of_its_views():
    """With the framing that meshes get unless one asks for another."""
    from texsync.tasks.mesh import MeshOptions

    rabbit = prepare(load(MESHES / "rabbit.obj"), policy="auto", texture_size=64)
    views = framed(ring(), rabbit.vertices[np.unique(rabbit.faces)])
    tight, loose = (look(rabbit, cameras, 64).mask.float().mean() for cameras in (views, ring()))
    assert MeshOptions("rabbit.obj", "fur").framing == "tight" and tight > 0.2 > loose


def test_ring_is_the_papers_set_in_both_orders():
    alternate, paper = ring("alternate"), ring("paper")
    assert set(alternate) == set(paper) and len(set(paper)) == 10
    assert alternate[0].azimuth_deg == 0 and paper[0].azimuth_deg == 180
    assert [view_name(c) for c in alternate] == [
        "front",
        *["side"] * 2,
        *["side"] * 2,
        *["back"] * 3,
        "front",
        "back",
    ]
    with refused("option-choice", thing="view order"):
        ring("random")


def test_the_unit_sphere_touches_the_frame_and_is_not_cropped():
    fitting, whole = (
        look(surface_of(trimesh.creation.icosphere(subdivisions=4, radius=r)), ring(), 96).mask
        for r in (0.98, 1)
    )
    assert not fitting[:, [0, -1]].any() and not fitting[:, :, [0, -1]].any()
    assert whole[:, 1].any(-1).all() and whole[:, :, 1].any(-1).all()


def test_depth_condition_has_the_near_side_white_and_keeps_the_silhouette(lump):
    pixels = look(surface_of(lump), ring(), 64)
    picture = depth_condition(pixels)
    assert picture.shape == (10, 3, 64, 64)
    assert torch.equal(picture[:, 0] > 0, pixels.mask)
    for view in range(10):
        nearest = pixels.depth[view].flatten().argmin()
        assert picture[view, 0].flatten()[nearest] == 1
        assert picture[view, 0][pixels.mask[view]].min() == pytest.approx(0.2, abs=1e-5)


def test_depth_condition_of_a_view_of_nothing_is_black():
    plate = trimesh.Trimesh([[-0.9, -0.9, 0], [0.9, -0.9, 0], [0, 0.9, 0]], [[0, 1, 2]], process=False)
    picture = depth_condition(look(surface_of(plate), [Camera(0), Camera(90)], 32))
    assert torch.isfinite(picture).all()
    assert picture[0].max() == 1 and picture[1].max() == 0


@pytest.mark.parametrize("cameras", [ring(), CROPPED], ids=["whole", "cropped"])
def test_visible_says_what_the_pixels_say(lump, cameras):
    pixels = look(surface_of(lump), cameras, 128)
    seen, facing, _ = visible(pixels, pixels.position[2][pixels.mask[2]], pixels.normal[2][pixels.mask[2]])
    assert seen[2].float().mean() > 0.99
    plain = pixels.facing[2][pixels.mask[2]] > 0.1  # nearer the silhouette a smooth normal may turn away
    assert torch.allclose(facing[2][plain], pixels.facing[2][pixels.mask[2]][plain], atol=1e-4)
    opposite = [i for i, c in enumerate(pixels.cameras) if c.azimuth_deg == 135 and c.elevation_deg == 0][0]
    assert seen[opposite].float().mean() < 0.05  # convex: view 315 and view 135 meet at the silhouette only


def test_a_wall_hides_what_stands_behind_it():
    wall = trimesh.creation.box(extents=[1.0, 1.0, 0.1]).apply_translation([0, 0, 0.5])
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.3).apply_translation([0, 0, -0.4])
    pixels = look(surface_of(trimesh.util.concatenate([wall, ball])), ring(), 64)
    points = torch.tensor(ball.vertices, dtype=torch.float32)
    seen, _, _ = visible(pixels, points, torch.tensor(ball.vertex_normals, dtype=torch.float32))
    assert not seen[0].any()
    assert seen[7].float().mean() > 0.3  # from the back it is in the open


def test_the_two_sides_of_a_thin_plate_are_seen_from_their_own_side_only():
    plate = trimesh.creation.box(extents=[1.0, 1.0, 0.002])
    pixels = look(surface_of(plate), [Camera(0), Camera(180)], 64)
    front = torch.tensor([[0.1, 0.2, 0.001]])
    seen, _, _ = visible(pixels, torch.cat([front, -front]), torch.tensor([[0.0, 0, 1], [0, 0, -1]]))
    assert seen.tolist() == [[True, False], [False, True]]


def test_an_open_sheet_is_seen_from_both_sides():
    sheet = trimesh.Trimesh([[-0.9, -0.9, 0], [0.9, -0.9, 0], [0, 0.9, 0]], [[0, 1, 2]], process=False)
    pixels = look(surface_of(sheet), [Camera(0), Camera(180)], 64)
    assert pixels.behind.flatten(1).any(1).tolist() == [False, True]
    seen, _, _ = visible(pixels, torch.zeros(1, 3), torch.tensor([[0.0, 0, 1]]))
    assert seen.all()


def two_layers(kind: str) -> trimesh.Trimesh:
    """A rippled sheet and its copy on the same spot that looks the other way."""
    x, y = (grid.ravel() for grid in np.meshgrid(np.linspace(-0.6, 0.6, 7), np.linspace(-0.6, 0.6, 7)))
    corner = (np.arange(6)[:, None] * 7 + np.arange(6)).ravel()
    quads = np.stack([corner, corner + 1, corner + 8, corner + 7], 1)
    sheet = np.column_stack([x, y, 0.2 * np.sin(4 * x)])
    front = quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
    turned = {
        "copy": front[:, ::-1] + 49,
        "other diagonal": quads[:, [3, 2, 1, 3, 1, 0]].reshape(-1, 3) + 49,
        "one table of vertices": front[:, ::-1],
        "a hair apart": front[:, ::-1] + 49,
    }[kind]
    off = [0, 0, 2e-5 if kind == "a hair apart" else 0]
    points = sheet if kind == "one table of vertices" else np.concatenate([sheet, sheet + off])
    order = [turned, front] if kind == "copy" else [front, turned]
    return trimesh.Trimesh(points, np.concatenate(order), process=False)


@pytest.mark.parametrize("kind", ["copy", "other diagonal", "one table of vertices", "a hair apart"])
def test_of_layers_on_one_spot_a_view_sees_the_one_that_faces_it(kind):
    surface = prepare(load(two_layers(kind)), texture_size=128)
    pixels = look(surface, [Camera(0), Camera(20, 15), Camera(180), Camera(200, -10)], 96)
    assert not pixels.behind.any()
    layers = [set(pixels.face[view][pixels.mask[view]].tolist()) for view in range(4)]
    assert len(layers[0]) > 60 and not (layers[0] | layers[1]) & (layers[2] | layers[3])
