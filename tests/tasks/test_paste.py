"""Edits laid into photographs: what is kept to the bit, where they fade in, and photographs of every kind."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from texsync import edit_image
from texsync.tasks.paste import Paste, outlined, softened, without_specks

pytestmark = [
    pytest.mark.filterwarnings("ignore:words the model does not know:texsync.errors.TexsyncWarning"),
    pytest.mark.filterwarnings("ignore:the prompt is longer:texsync.errors.TexsyncWarning"),
]


def photograph(width: int = 61, height: int = 43, channels: int = 3) -> np.ndarray:
    """Smooth light and fine grain, so that an autoencoder cannot give it back."""
    draw = np.random.default_rng(1)
    coarse = Image.fromarray(draw.integers(0, 255, (5, 6, channels), np.uint8).squeeze())
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), float)
    return np.clip(smooth + draw.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)


def disc(width: int, height: int, centre=(0.5, 0.5), radius=0.33) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    apart = np.hypot(x - centre[0] * width, y - centre[1] * height)
    return apart < radius * min(width, height)


@pytest.fixture
def change(tiny_model):
    def run(image, **options):
        few = {"model": str(tiny_model), "device": "cpu", "steps": 2}
        return edit_image(image, "a red object", "a copper object", **(few | options))

    return run


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    return encoded(Image.fromarray(photograph()), "JPEG", exif=exif, quality=95)


def encoded(picture: Image.Image, kind: str, **details) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **details)
    return file.getvalue()


def clear() -> Image.Image:
    picture = Image.fromarray(photograph()).convert("RGBA")
    alpha = np.tile(np.linspace(0, 255, picture.width).astype(np.uint8), (picture.height, 1))
    picture.putalpha(Image.fromarray(alpha))
    return picture


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
KINDS = {
    "odd size": lambda: encoded(Image.fromarray(photograph(131, 89)), "PNG"),
    "small": lambda: encoded(Image.fromarray(photograph(31, 17)), "PNG"),
    "grey": lambda: encoded(Image.fromarray(photograph(channels=1)), "PNG"),
    "16 bit": lambda: encoded(Image.fromarray(photograph(channels=1).astype(np.uint16) * 257), "PNG"),
    "palette": lambda: encoded(Image.fromarray(photograph()).quantize(64), "PNG"),
    "alpha": lambda: encoded(clear(), "PNG"),
    "grey and alpha": lambda: encoded(clear().convert("LA"), "PNG"),
    "turned by EXIF": turned,
    "profile": lambda: encoded(Image.fromarray(photograph()), "PNG", icc_profile=PROFILE),
    "CMYK": lambda: encoded(Image.fromarray(photograph()).convert("CMYK"), "JPEG", quality=95),
}


def as_read(file) -> np.ndarray:
    """What a viewer shows of a file, RGB or RGBA, by PIL alone."""
    with Image.open(file) as picture:
        upright = picture.transpose(Image.Transpose.ROTATE_270) if picture.getexif() else picture
        if upright.mode.startswith("I"):
            upright = Image.fromarray((np.asarray(upright) // 257).astype(np.uint8))
        return np.asarray(upright.convert("RGBA" if upright.mode in ("RGBA", "LA") else "RGB"))


@pytest.mark.parametrize("kind", KINDS)
def test_outside_the_mask_a_photograph_of_any_kind_stays_to_the_bit(change, tmp_path, kind):
    file = tmp_path / "photograph.bin"
    file.write_bytes(KINDS[kind]())
    before = as_read(file)
    height, width = before.shape[:2]
    mask = disc(width, height)
    saved = change(file, mask=mask).save(tmp_path / "edit")
    with Image.open(saved / "edit.png") as picture, Image.open(saved / "mask.png") as where:
        after, inside = np.asarray(picture), np.asarray(where)[..., 0] > 0
        assert (picture.info.get("icc_profile") == PROFILE) == (kind == "profile")
    assert after.shape == before.shape
    assert np.array_equal(after[~inside], before[~inside])
    assert not (inside & ~mask).any() and inside.sum() > 0.7 * mask.sum()
    assert np.array_equal(after[..., 3:], before[..., 3:])
    assert np.abs(after[..., :3].astype(int) - before[..., :3])[inside].mean() > 3
    told = json.loads((saved / "run.json").read_text())
    assert told["mask"] == f"<ndarray {height} x {width}>" and told["outside"] == "original"


def test_all_may_be_the_models(change):
    made = change(Image.fromarray(photograph()), mask=disc(61, 43), outside="model").made[0]
    assert torch.equal(made.images["edit"], made.views[-1])
    assert made.images["mask"].shape == made.images["edit"].shape


def test_a_found_mask_is_laid_into_the_photograph_too(change):
    before = photograph(131, 89)
    images = change(Image.fromarray(before), find="difference").made[0].images
    outside = images["mask"][0] == 0
    after = (images["edit"] * 255).round().byte().permute(1, 2, 0)
    assert 0 < outside.float().mean() < 1 and np.array_equal(after[outside], before[outside])


def test_the_border_is_soft_inside_the_outline_and_not_at_the_pictures_edge():
    inside = np.zeros((40, 60), bool)
    inside[10:, 20:] = True
    weight = softened(inside, 8.0)
    assert not weight[~inside].any() and (weight[inside] > 0).all()
    row = weight[30, 20:]
    assert (np.diff(row) >= 0).all() and np.diff(row).max() < 0.25 and (row[8:] == 1).all()
    assert weight[-1, -1] == 1
    assert softened(np.ones((4, 4), bool), 8.0).min() == 1
    thin = np.zeros((9, 30), bool)
    thin[3:6] = True
    assert softened(thin, 8.0)[4].min() > 0.8  # a thin mask's middle still shows the edit


def test_the_interior_is_the_edit_enlarged():
    """As Lanczos enlarges the whole picture, though only the box around the mask is enlarged."""
    edit = torch.rand(3, 16, 24, generator=torch.Generator().manual_seed(0))
    photo = Image.fromarray(photograph(240, 160))
    inside = disc(240, 160, (0.4, 0.5))
    after = (Paste.of(photo, inside, 6.0)(edit) * 255).round().byte().permute(1, 2, 0).numpy()
    small = Image.fromarray((edit * 255).round().byte().permute(1, 2, 0).numpy())
    whole = np.asarray(small.resize((240, 160), Image.Resampling.LANCZOS))
    core = softened(inside, 6.0) == 1
    assert core.sum() > 0.5 * inside.sum()
    assert np.abs(after[core].astype(int) - whole[core]).max() <= 1


def test_what_is_clear_stays_clear_and_gets_no_white_fringe():
    """Red paint on a half clear photograph: the model saw it on white, the result has it without."""
    photo = Image.new("RGBA", (40, 40), (0, 0, 255, 128))
    photo.paste((9, 9, 9, 0), (0, 0, 40, 20))
    seen = torch.ones(3, 40, 40) * (1 - 128 / 255)
    seen[0] = 1.0
    after = Paste.of(photo, np.ones((40, 40), bool), 4.0)(seen).mul(255).round().byte().numpy()
    assert (after[3, 20:] == 128).all() and (after[0, 20:] > 253).all() and (after[1:3, 20:] < 3).all()
    assert (after[:3, :20] == 9).all() and not after[3, :20].any()


def test_a_huge_photograph_costs_what_changes_in_it():
    photo = Image.new("RGB", (6000, 4000), (10, 20, 30))
    cells = np.zeros((26, 40))
    cells[5:8, 10:13] = 1
    paste = Paste.of(photo, outlined(cells, photo.size), 150.0)
    assert paste.weight.size < 0.02 * 6000 * 4000
    after = paste(torch.rand(3, 208, 320))
    assert after.shape == (3, 4000, 6000)
    changed = (after * 255).round() != torch.tensor([10.0, 20.0, 30.0])[:, None, None]
    assert not (changed.any(0) & (paste.mask()[0] == 0)).any() and changed.any(0).float().mean() > 0.004


@pytest.mark.parametrize("size", [(16, 16), (40, 26), (333, 217)])
def test_outlines_follow_cells_or_the_users_own_pixels(size):
    cells = np.zeros((13, 20))
    cells[4:9, 5:12] = 1
    found = outlined(cells, size)
    assert found.shape == size[::-1] and abs(found.mean() - cells.mean()) < 0.04
    own = np.asarray(Image.fromarray(cells.astype(np.uint8)).resize((100, 65), 0)) * disc(100, 65)
    drawn = outlined(cells, size, own)
    assert not (drawn & ~outlined(np.ones_like(cells), size, own)).any()
    assert abs(drawn.mean() - own.mean()) < 0.05
    assert outlined(np.eye(13, 20)[:1] @ np.eye(20) + np.zeros((13, 1)), size).any()


def test_specks_and_pinholes_are_removed_from_what_is_found():
    ball = disc(32, 32, radius=0.3)
    found = ball.copy()
    found[2, 3] = found[28:30, 2] = True
    found[15, 16] = False
    assert np.array_equal(without_specks(found), ball)
    two = ball | disc(32, 32, (0.88, 0.12), 0.11)  # a second thing is no speck
    assert np.array_equal(without_specks(two), two)
    for even in (np.zeros((4, 4), bool), np.ones((4, 4), bool)):
        assert np.array_equal(without_specks(even), even)
