"""What a mesh shows already takes part in painting it: a start, a part by many names, and the rest to the last bit."""

from __future__ import annotations

from array import array

import handed
import numpy as np
import pytest
import trimesh
from painted import ball
from PIL import Image
from refusals import refused

from texsync.errors import InputError
from texsync.files.load import load
from texsync.files.own_colour import own_colour
from texsync.options.start import numbers
from texsync.surface.partial import patch
from texsync.surface.texture import texels_of
from texsync.surface.uv import prepare
from texsync.tasks.in_context import in_context
from texsync.tasks.mesh import MeshOptions

pytestmark = [
    pytest.mark.filterwarnings("ignore::texsync.errors.TexsyncWarning"),
]
SIZE = 128
LEFT, RIGHT = (200, 40, 40), (40, 60, 200)


def boards() -> str:
    """Two squares side by side, an object each, one of oak and one of glass; each on a half of the map."""
    lines = ["mtllib boards.mtl"]
    for k, (name, material) in enumerate((("Door", "Oak"), ("Window", "Glass"))):
        lines += [f"o {name}", *(f"v {x + 1.2 * k} {y} 0" for x, y in ((0, 0), (1, 0), (1, 1), (0, 1)))]
        u = 0.5 * k
        lines += [f"vt {u + a} {b}" for a, b in ((0.02, 0.02), (0.48, 0.02), (0.48, 0.98), (0.02, 0.98))]
        lines += [f"usemtl {material}", "f " + " ".join(f"{4 * k + i}/{4 * k + i}" for i in (1, 2, 3, 4))]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the boards, their picture, red left and blue right, and masks."""
    folder = tmp_path_factory.mktemp("boards")
    (folder / "boards.obj").write_text(boards())
    (folder / "boards.mtl").write_text("".join(f"newmtl {m}\nmap_Kd p.png\n" for m in ("Oak", "Glass")))
    (folder / "plain.obj").write_text(boards().replace("boards.mtl", "plain.mtl"))
    (folder / "plain.mtl").write_text("newmtl Oak\nKd 1 0 0\nnewmtl Glass\nKd 0 0 1\n")
    (folder / "bare.obj").write_text(boards().replace("boards.mtl", "bare.mtl"))
    (folder / "bare.mtl").write_text("newmtl Oak\nKd 0.8 0.8 0.8\nnewmtl Glass\nKd 0.8 0.8 0.8\n")
    picture = Image.new("RGB", (SIZE, SIZE), LEFT)
    picture.paste(RIGHT, (SIZE // 2, 0, SIZE, SIZE))
    picture.save(folder / "p.png")
    masks = {"half": (SIZE // 2, 0, SIZE, SIZE), "none": (0, 0, 0, 0), "all": (0, 0, SIZE, SIZE)}
    for name, box in masks.items():
        mask = Image.new("L", (SIZE, SIZE), 0)
        mask.paste(255, box)
        mask.save(folder / f"{name}.png")
    Image.new("L", (SIZE, SIZE // 2), 255).save(folder / "long.png")
    (folder / "faces.txt").write_text("1\n")
    return folder


def asked(place, mesh="boards.obj", unseen=None, **options):
    """What the options make of a mesh, without painting it."""
    said = MeshOptions(str(place / mesh), "x", texture_size=options.pop("texture_size", SIZE), **options)
    loaded = load(said.mesh)
    surface = prepare(loaded, said.uvs, max(said.texture_shape))
    return in_context(said, loaded, surface, lambda size: np.zeros(size, bool) if unseen is None else unseen)


WHERE = ["{}/half.png", "faces:1", "faces:{}/faces.txt", "material:Glass", "object:Window", "holes"]


@pytest.mark.parametrize("where", WHERE)
def test_a_part_goes_by_many_names(place, where):
    """The right half each time: new inside, with a soft edge inside it, and the old texture elsewhere, to the bit."""
    right = np.zeros((SIZE, SIZE), bool)
    right[:, SIZE // 2 :] = True
    found = asked(place, repaint=where.format(place), unseen=right, feather=8)
    new = found.patch.apply(np.full((SIZE, SIZE, 3), 7, np.uint8))
    assert (new[:, : SIZE // 2] == LEFT).all() and (new[8:-8, SIZE // 2 + 12 : -12] == 7).all()
    assert found.level == 1.0 and ((found.patch.share > 0) == right).mean() > 0.99


@pytest.mark.parametrize("where", ["{}/wide.png", "faces:1"])
def test_a_part_of_a_picture_that_is_no_square(place, tmp_path, where):
    """Half as high as wide: the same half, and all else to the bit."""
    for name in ("boards.obj", "boards.mtl"):
        (tmp_path / name).write_text((place / name).read_text())
    Image.open(place / "p.png").resize((SIZE, SIZE // 2), Image.Resampling.NEAREST).save(tmp_path / "p.png")
    Image.open(place / "half.png").resize((SIZE, SIZE // 2)).save(tmp_path / "wide.png")
    said = {"repaint": where.format(tmp_path), "texture_size": (SIZE, SIZE // 2), "feather": 8}
    found = asked(tmp_path, **said)
    new = found.patch.apply(np.full((SIZE // 2, SIZE, 3), 7, np.uint8))
    assert (new[:, : SIZE // 2] == LEFT).all() and (new[12:-12, SIZE // 2 + 12 : -12] == 7).all()
    with pytest.raises(InputError, match="128x64"):
        asked(tmp_path, repaint="faces:1", texture_size=SIZE)


def test_the_edge_is_measured_on_the_surface_and_lies_inside():
    """A ball's cap: its share rises from the border inwards, over the seams of the map; outside it is 0."""
    mesh = load(ball(4))
    surface = prepare(mesh, "unwrap", 256)
    from texsync.surface.partial import spread_mask
    from texsync.surface.texels import uv_texels

    top = surface.vertices[surface.faces].mean(1)[:, 1] > 0.3
    mask = spread_mask(surface.uv, surface.uv_faces[top], None, surface, 256)
    made = patch(np.zeros((256, 256, 3), np.uint8), mask, surface, 16)
    face, bary = uv_texels(surface.uv, surface.uv_faces, 256)
    on = face >= 0
    height = np.einsum("mk,mk->m", bary[on], surface.vertices[surface.faces[face[on]], 1])
    share = made.share[on]
    assert (share[height < 0.2] == 0).all() and (share[height > 0.7] == 1).all()
    rising = [share[(height > low) & (height < low + 0.04)].mean() for low in (0.32, 0.36, 0.40, 0.44)]
    assert rising == sorted(rising) and rising[0] < 0.4


def test_the_own_colours_are_the_file_s_picture_or_what_its_materials_show(place):
    kept = asked(place, start="own")
    assert kept.level == 0.6 and kept.patch is None
    picture = np.asarray(Image.open(place / "p.png"))
    assert (kept.shown[5, [10, 100]] == picture[5, [10, 100]]).all()
    moved = asked(place, start="own", uvs="unwrap", texture_size=64)
    colours = {tuple(c) for c in moved.shown.reshape(-1, 3)}
    assert colours == {LEFT, RIGHT}  # on the new map, up to its padding
    plain, bare = (load(str(place / f"{name}.obj")) for name in ("plain", "bare"))
    found = own_colour(plain, prepare(plain, "auto", 64), 64)
    assert found and {tuple(c) for c in found.pixels.reshape(-1, 3)} == {(255, 0, 0), (0, 0, 255)}
    assert own_colour(bare, prepare(bare, "auto", 64), 64) is None


def painted_by_side(at: np.ndarray) -> np.ndarray:
    """(N, 4) bytes for points (N, 3): red where x > 0, else blue."""
    return np.where(at[:, :1] > 0, [[255, 0, 0, 255]], [[0, 0, 255, 255]]).astype(np.uint8)


@pytest.mark.parametrize("kind", ["vertices.ply", "faces.ply", "vertices.glb", "vertices.obj"])
def test_colours_of_vertices_and_faces_are_what_a_mesh_shows(kind, tmp_path):
    """Also of a part that is mirrored, whose faces are turned round."""
    box = trimesh.creation.box().subdivide().subdivide()
    of_faces = kind.startswith("faces")
    colours = painted_by_side(box.triangles_center if of_faces else box.vertices)
    box.visual = trimesh.visual.ColorVisuals(box, **{f"{'face' if of_faces else 'vertex'}_colors": colours})
    scene = trimesh.Scene()
    scene.add_geometry(box, geom_name="box", node_name="box")
    if kind.endswith("glb"):
        mirrored = np.diag([-1.0, 1.0, 1.0, 1.0])
        mirrored[1, 3] = 3
        scene.add_geometry(box, geom_name="box", node_name="mirrored", transform=mirrored)
        scene.export(tmp_path / kind)
    elif kind.endswith("obj"):
        rows = [*box.vertices, *(box.faces + 1)]
        words = [" ".join(map(str, row)) for row in rows]
        shares = [" ".join(map(str, colour[:3] / 255)) for colour in colours]
        points = [f"v {place} {share}" for place, share in zip(words, shares, strict=False)]
        (tmp_path / kind).write_text("\n".join([*points, *(f"f {row}" for row in words[len(points) :])]))
    else:
        box.export(tmp_path / kind)
    loaded = load(tmp_path / kind)
    surface = prepare(loaded, "auto", SIZE)
    found = own_colour(loaded, surface, SIZE)
    assert found and not found.whole
    texels = texels_of(surface, SIZE)
    world = trimesh.transform_points(texels.point, loaded.to_world)
    side = world[:, 0] * np.where(world[:, 1] > 1.5, -1, 1)
    sure = np.abs(side) > 0.26  # a face wide
    shown = found.pixels.reshape(-1, 3)[texels.texel]
    assert sure.mean() > 0.3 and (shown == painted_by_side(side[:, None])[:, :3])[sure].all()


def test_words_after_a_place_are_no_colours(tmp_path):
    """Nor are colours that some vertices lack."""
    for words in (["# a remark"] * 3, ["1 0 0", "1 0 0", ""], ["nan 0 1 # seen", "1 0 0 x", "1 0 0"]):
        rows = [f"v {place} {word}" for place, word in zip(("0 0 0", "1 0 0", "0 1 0"), words, strict=True)]
        (tmp_path / "a.obj").write_text("\n".join([*rows, "f 1 2 3"]))
        loaded = load(tmp_path / "a.obj")
        assert (loaded.source.tint(loaded.parts[0].shape) is None) == (words[2] != "1 0 0")


def test_factors_tint_a_picture_in_linear_light():
    scene = trimesh.Scene(ball())
    (mesh,) = scene.geometry.values()
    material = trimesh.visual.material.PBRMaterial(
        baseColorTexture=Image.new("RGB", (8, 8), "white"), baseColorFactor=[0.2140, 1.0, 0.0, 1.0]
    )
    mesh.visual = trimesh.visual.TextureVisuals(
        uv=np.random.default_rng(0).random((len(mesh.vertices), 2)), material=material
    )
    loaded = load(scene)
    shown = own_colour(loaded, prepare(loaded, "unwrap", 64), 64).pixels
    assert np.abs(shown.astype(int) - [127, 255, 0]).max() <= 1


@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("start-none", {"mesh": "bare.obj", "repaint": "material:Glass"}),
        ("start-none", {"mesh": "bare.obj", "start": "own"}),
        ("mask-size", {"repaint": "{}/long.png"}),
        ("mask-empty", {"repaint": "{}/none.png"}),
        ("mask-full", {"repaint": "{}/all.png"}),
        ("mask-empty", {"repaint": "holes"}),
        ("picture-missing", {"repaint": "{}/gone.png"}),
        ("option-choice", {"repaint": "material:Gold"}),
        ("option-choice", {"repaint": "object:Roof"}),
        ("option-range", {"repaint": "faces:7"}),
        ("option-text", {"repaint": "faces:3-1"}),
        ("option-path", {"repaint": "faces:gone.txt"}),
        ("repaint-size", {"repaint": "faces:1", "texture_size": 256}),
        ("option-range", {"start": "own", "start_noise": 0.0}),
        ("option-range", {"start": "own", "start_noise": 1.5}),
        ("options-together", {"start_noise": 0.5}),
        ("options-together", {"feather": 3}),
        ("picture-missing", {"start": "{}/gone.png"}),
    ],
)
def test_what_cannot_be_is_told_in_a_line(place, code, options):
    formatted = {k: v.format(place) if isinstance(v, str) else v for k, v in options.items()}
    with refused(code):
        asked(place, **formatted)


def test_a_sender_s_picture_and_weights_take_part(tmp_path):
    """As Blender hands them over: one picture for a start or a patch, and how much of the new each corner shows."""
    uv = handed.grid_uvs()
    chosen = array("f", [n for k in (0, 1, 2, 0, 2, 3) for n in uv[2 * k : 2 * k + 2]])
    pixels = {"width": 64, "height": 64, "pixels": array("f", [0.2, 0.4, 0.6, 1.0] * 64 * 64)}
    half = {"uv": chosen, "weights": array("f", [0.5] * 6)}
    said = {"uvs": "keep", "texture_size": 64}
    for name, options, repaint in (("start", {"start": "own"}, None), ("part", {"feather": 0}, half)):
        path = handed.write(tmp_path / f"{name}.texmesh", handed.cube(uv=uv), picture=pixels, repaint=repaint)
        found = asked(tmp_path, path.name, **said, **options)
        assert (found.shown == [51, 102, 153]).all()
        if repaint:
            share = found.patch.share
            assert share.max() == 0.5 and 0.1 < (share > 0).mean() < 0.2
    bad = {"uv": chosen, "weights": array("f", [2.0] * 6)}
    path = handed.write(tmp_path / "bad.texmesh", handed.cube(uv=uv), picture=pixels, repaint=bad)
    with refused("mesh-damaged"):
        asked(tmp_path, path.name, **said)


def test_names_that_are_not_in_the_file_list_those_that_are(place):
    with pytest.raises(Exception, match="has no material 'Gold'; known: Oak, Glass"):
        asked(place, repaint="material:Gold")
    with pytest.raises(Exception, match="has no object 'Roof'; known: Door, Window"):
        asked(place, repaint="object:Roof")
    assert numbers("0-2, 7\n9") == [0, 1, 2, 7, 9]


def test_the_whole_way(place, paint):
    """Outside the part the file's own texels, to the bit; from all noise it is from scratch, to the bit."""
    mesh = place / "boards.obj"
    picture = np.asarray(Image.open(place / "p.png"))
    made = paint(mesh, repaint="material:Glass", seed=3)
    assert (made.texture[:, : SIZE // 2] == picture[:, : SIZE // 2]).all()
    assert (made.texture[40:-40, 90:110] != picture[40:-40, 90:110]).any()
    assert made.report["options"]["repaint"] == "material:Glass"
    scratch = paint(mesh)
    assert np.array_equal(paint(mesh, start="own", start_noise=1.0).texture, scratch.texture)
    assert not np.array_equal(paint(mesh, start="own", start_noise=0.5).texture, scratch.texture)


def test_details_are_painted_over_the_first_texture(place, paint):
    """Tiles in stages of their own; the same seed, the same texture; what is to stay stays to the bit."""
    from painted import Watch

    watch = Watch()
    plain = paint(place / "boards.obj", extra_views="none")
    fine = paint(place / "boards.obj", extra_views="none", refine=2, refine_noise=0.5, on_progress=watch)
    assert not np.array_equal(plain.texture, fine.texture) and fine.texture.shape == plain.texture.shape
    stages = list(dict.fromkeys(stage for stage, _, _ in watch.calls))
    assert stages[-3:] == ["closer", "refine", "details"]
    assert watch.calls[-1] == ("details", 1, 1) and ("refine", 1, 1) in watch.calls
    part = {"repaint": "material:Glass", "refine": 2, "extra_views": "none"}
    one, two = (paint(place / "boards.obj", **part, chunk=chunk).texture for chunk in (1, 5))
    picture = np.asarray(Image.open(place / "p.png"))
    assert np.abs(one.astype(int) - two).max() <= 1
    assert (one[:, : SIZE // 2] == picture[:, : SIZE // 2]).all() and (one[40:-40, 90:110] != RIGHT).any()
