"""One texture per material, object or UDIM tile: each picture shows its own part, in memory, as GLB and as OBJ."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from refusals import refused
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from texsync import TexsyncWarning
from texsync.files.atlas import picture_names, pictures, prepared
from texsync.files.load import load
from texsync.files.save import rehearse, save_model
from texsync.surface.cameras import Camera, ring
from texsync.surface.pixels import look
from texsync.surface.texture import Texture, bake
from texsync.views import surface_views

pytestmark = pytest.mark.filterwarnings("ignore::texsync.TexsyncWarning")

QUADS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
WORDS = ("red", "blue", "green")


def boxes(count: int = 2, shift=lambda k: (0, 0)) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per box its 8 corners, and the 24 UVs of its sides in a grid of 3 x 2: the same for all, moved by `shift`."""
    made = []
    for k in range(count):
        corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) + [1.5 * k, 0, 0]
        square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * [0.28, 0.44]
        uv = np.concatenate([square + [0.02 + i % 3 / 3, 0.03 + i // 3 / 2] for i in range(6)])
        made.append((corners, uv + shift(k)))
    return made


def write_obj(path, parts, *, objects=False, materials=WORDS, map_kd=None):
    """One object with a material for each box, or an object each."""
    lines, mtl = [f"mtllib {path.stem}.mtl"], []
    for k, (corners, uv) in enumerate(parts):
        lines += [f"o Box{k}"] if objects or not k else []
        lines += [f"v {x} {y} {z}" for x, y, z in corners] + [f"vt {u:.6f} {v:.6f}" for u, v in uv]
        lines.append(f"usemtl {materials[k]}")
        for i, quad in enumerate(QUADS):
            lines.append(
                "f " + " ".join(f"{8 * k + q + 1}/{24 * k + 4 * i + c + 1}" for c, q in enumerate(quad))
            )
    for name in dict.fromkeys(materials[: len(parts)]):
        mtl += [f"newmtl {name}", f"map_Kd {map_kd or 'old.png'}", f"norm bump_{name}.png", "Ns 7"]
        Image.new("RGB", (16, 16), (128, 128, 255)).save(path.parent / f"bump_{name}.png")
    path.write_text("\n".join(lines) + "\n")
    path.with_suffix(".mtl").write_text("\n".join(mtl) + "\n")
    return path


def write_glb(path, groups):
    """A mesh for each group of boxes, with a material each; alpha, metal and normal maps as files have them."""
    scene = trimesh.Scene()
    for k, group in enumerate(groups):
        corners, uv = zip(*group, strict=True)
        vertices = np.concatenate([box[list(quad)] for box in corners for quad in QUADS])
        faces = np.concatenate([np.array([[0, 1, 2], [0, 2, 3]]) + 4 * i for i in range(6 * len(group))])
        bump = Image.new("RGB", (16, 16), (128, 128, 200 + k))
        material = PBRMaterial(
            name=WORDS[k], metallicFactor=0.25, normalTexture=bump, baseColorFactor=[9, 9, 9, 255]
        )
        visual = TextureVisuals(uv=np.concatenate(uv), material=material)
        mesh = trimesh.Trimesh(vertices, faces, visual=visual, process=False)
        scene.add_geometry(mesh, node_name=f"Box{k}", geom_name=f"Box{k}")
    path.write_bytes(scene.export(file_type="glb"))
    return path


def write(kind, folder, **more):
    path = folder / f"two.{kind}"
    return (
        write_glb(path, [[box] for box in boxes(**more)]) if kind == "glb" else write_obj(path, boxes(**more))
    )


def places(pixels) -> torch.Tensor:
    """(N, 3, s, s): what each pixel shows, as its place in space."""
    return torch.where(pixels.mask[..., None], pixels.position / 2 + 0.5, 0.5).permute(0, 3, 1, 2)


def places_baked(surface, size=64) -> Texture:
    pixels = look(surface, (*ring(), Camera(0, 90), Camera(0, -90)), 256)
    return bake(surface, pixels, places(pixels), size)


def is_its_own(picture, corners, uv, size=64, loaded=None) -> bool:
    """Whether a picture shows, inside of each side of a box, the places of that side and no others."""
    to_frame = np.linalg.inv(loaded.to_world)
    for i, quad in enumerate(QUADS):
        middle = uv[4 * i : 4 * i + 4].mean(axis=0) % 1
        place = to_frame[:3, :3] @ corners[list(quad)].mean(axis=0) + to_frame[:3, 3]
        shown = picture[int((1 - middle[1]) * size), int(middle[0] * size)] / 255 * 2 - 1
        if np.abs(shown - place).max() > 0.06:
            return False
    return True


@pytest.mark.parametrize("kind", ["obj", "glb"])
@pytest.mark.parametrize("atlas", ["per-material", "per-object"])
def test_parts_that_lie_on_each_other_come_back_each_with_its_own_picture(kind, atlas, tmp_path):
    """Not one of them as a patchwork; UVs to the bit, normal maps and other channels as they were."""
    path = write_obj(tmp_path / "two.obj", boxes(), objects=True) if kind == "obj" else write(kind, tmp_path)
    loaded = load(path)
    surface = prepared(loaded, atlas, "auto", 64)
    assert np.array_equal(surface.uv[surface.uv_faces], loaded.uv[loaded.uv_faces])
    names = {"per-material": ("red", "blue"), "per-object": ("Box0", "Box1")}[atlas]
    assert surface.squares.names == names
    rehearse(loaded, surface)
    baked = places_baked(surface)
    made = pictures(baked.image, surface)
    for picture, (corners, uv) in zip(made, boxes(), strict=True):
        assert picture.shape == (64, 64, 3) and is_its_own(picture, corners, uv, loaded=loaded)
    (tmp_path / "out").mkdir()
    files = save_model(loaded, surface, baked, tmp_path / "out", "two")
    assert picture_names("two", surface) == [f"two_texture_{name}.png" for name in names]
    for file in files[:2]:
        again = load(file)
        assert np.allclose(again.uv[again.uv_faces], loaded.uv[loaded.uv_faces], atol=1e-6)
        shown = shown_pictures(again)
        assert sorted(shown) == ["blue", "red"]
        for name, picture in zip(("red", "blue"), made, strict=True):
            assert np.array_equal(shown[name], picture), (file, name)
    glb = trimesh.load_scene(files[0])
    bumps = [mesh.visual.material.normalTexture for mesh in glb.geometry.values()]
    assert len(bumps) == 2 and all(bump is not None for bump in bumps)
    if kind == "obj":
        assert "norm two_bump_blue.png" in files[2].read_text() and files[2].read_text().count("Ns 7") == 2


def shown_pictures(loaded) -> dict[str, np.ndarray]:
    """By name of the material, the picture that our loader finds in it."""
    found = {}
    for part in loaded.parts:
        for name in loaded.shapes[part.shape].materials[0]:
            if name is None:
                material = loaded.scene.geometry[part.shape].visual.material
                found[material.name] = np.asarray(material.baseColorTexture.convert("RGB"))
            else:
                lines = dict(loaded.source.materials[name].lines)
                data = loaded.source.materials[name].beside.parent / lines["map_Kd"]
                with Image.open(data) as picture:
                    found[name] = np.asarray(picture.convert("RGB"))
    return found


def test_one_object_with_two_materials_is_painted_apart(tmp_path):
    path = write_obj(tmp_path / "two.obj", boxes())
    loaded = load(path)
    assert prepared(loaded, "per-object", "auto", 64).squares is None
    surface = prepared(loaded, "per-material", "auto", 64)
    baked = places_baked(surface)
    files = save_model(loaded, surface, baked, tmp_path, "out")
    scene = trimesh.load_scene(files[0])
    shown = [np.asarray(mesh.visual.material.baseColorTexture) for mesh in scene.geometry.values()]
    assert len(shown) == 2 and np.array_equal(np.concatenate(shown, axis=1), baked.image)


def test_places_in_different_pictures_share_no_cell_of_the_canvas(tmp_path):
    """Their UVs are the same, so with one unit square they would."""
    loaded = load(write("obj", tmp_path))
    surface = prepared(loaded, "per-material", "auto", 64)
    cameras = ring()[:3]
    views = surface_views(look(surface, cameras, 16), look(surface, cameras, 64), 64)
    pixels = look(surface, cameras, 16)
    material = surface.squares.face[pixels.face.clamp(min=0).numpy().ravel()]
    cells = views.look.indices
    on = pixels.mask.numpy().ravel()
    of = {k: set(cells[on & (material == k)]) for k in (0, 1)}
    assert of[0] and of[1] and not of[0] & of[1]


def test_a_group_without_usable_uvs_gets_new_ones_and_the_other_keeps_its_own(tmp_path):
    (first, uv), (second, _) = boxes()
    loaded = load(write_obj(tmp_path / "two.obj", [(first, uv), (second, np.zeros((24, 2)))]))
    surface = prepared(loaded, "per-material", "auto", 64)
    own = loaded.part == 0
    assert np.array_equal(surface.uv[surface.uv_faces[own]], loaded.uv[loaded.uv_faces[own]])
    assert np.ptp(surface.uv[surface.uv_faces[~own]], axis=(0, 1)).min() > 0.3
    files = save_model(loaded, surface, places_baked(surface), tmp_path, "out")
    for file in files[:2]:
        again = load(file)
        assert np.allclose(again.uv[again.uv_faces], surface.uv[surface.uv_faces], atol=1e-6)
    with refused("uvs-unusable"):
        prepared(loaded, "per-material", "keep", 64)


def test_an_instance_with_a_picture_of_its_own_gets_a_mesh_of_its_own(tmp_path):
    """Two nodes show one mesh: one picture per material is shared, one per object is not."""
    write_glb(tmp_path / "one.glb", [boxes(1)])
    scene = trimesh.load_scene(tmp_path / "one.glb")
    (name,) = scene.geometry
    scene.graph.update(
        frame_to="Again", matrix=trimesh.transformations.translation_matrix([3, 0, 0]), geometry=name
    )
    (tmp_path / "two.glb").write_bytes(scene.export(file_type="glb"))
    loaded = load(tmp_path / "two.glb")
    surface = prepared(loaded, "per-object", "auto", 64)
    baked = places_baked(surface)
    glb = trimesh.load_scene(save_model(loaded, surface, baked, tmp_path, "out")[0])
    shown = [np.asarray(mesh.visual.material.baseColorTexture) for mesh in glb.geometry.values()]
    assert len(shown) == 2 and np.array_equal(np.concatenate(shown, axis=1), baked.image)
    names = [mesh.visual.material.name for mesh in glb.geometry.values()]
    assert names[0] == "red" and len(set(names)) == 2


# ---- UDIM -------------------------------------------------------------------------------------------------------


def in_tiles(k: int) -> tuple[int, int]:
    return (0, 0) if k == 0 else (2, 1)


@pytest.mark.parametrize("kind", ["obj", "glb"])
@pytest.mark.parametrize("split", [True, False])
def test_udim_tiles_are_read_and_written(kind, split, tmp_path):
    """Squares 1001 and 1013, as two materials or as one; OBJ keeps <UDIM>, GLB has a primitive for each tile."""
    parts = boxes(shift=in_tiles)
    if kind == "obj":
        words = WORDS if split else ("red", "red")
        path = write_obj(tmp_path / "two.obj", parts, materials=words, map_kd="old.<UDIM>.png")
    else:
        path = write_glb(tmp_path / "two.glb", [[box] for box in parts] if split else [parts])
    loaded = load(path)
    surface = prepared(loaded, "udim", "auto", 64)
    assert surface.squares.names == ("1001", "1013")
    baked = places_baked(surface)
    for picture, (corners, uv) in zip(pictures(baked.image, surface), parts, strict=True):
        assert is_its_own(picture, corners, uv, loaded=loaded)
    glb, obj, mtl, *pngs = save_model(loaded, surface, baked, tmp_path, "out")
    assert [file.name for file in pngs] == ["out_texture.1001.png", "out_texture.1013.png"]
    assert "map_Kd out_texture.<UDIM>.png" in mtl.read_text() and "1001" not in mtl.read_text()
    for file in (glb, obj):
        again = load(file)
        assert sorted(map(tuple, (again.uv[again.uv_faces].reshape(-1, 6).round(5)).tolist())) == sorted(
            map(tuple, loaded.uv[loaded.uv_faces].reshape(-1, 6).round(5).tolist())
        )
        assert prepared(again, "udim", "auto", 64).squares.names == surface.squares.names
    meshes = trimesh.load_scene(glb).geometry.values()
    shown = sorted(
        (float(m.visual.uv[m.faces].min()), np.asarray(m.visual.material.baseColorTexture)) for m in meshes
    )
    assert np.array_equal(np.concatenate([picture for _, picture in shown], axis=1), baked.image)


@pytest.mark.parametrize("shift", [(0.5, 0), (-1, 0), (10, 0), (0, -1)])
def test_what_lies_in_no_tile_is_told(shift, tmp_path):
    loaded = load(write("obj", tmp_path, shift=lambda k: np.multiply(shift, k)))
    with refused("uvs-unusable"):
        prepared(loaded, "udim", "auto", 64)


def test_one_texture_says_how_the_tiles_are_kept(tmp_path):
    loaded = load(write("obj", tmp_path, shift=in_tiles))
    with pytest.warns(TexsyncWarning, match=r'atlas="udim" keeps the UDIM tiles 1001, 1013'):
        assert prepared(loaded, "one", "auto", 64).squares is None
