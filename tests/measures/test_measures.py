"""Each measure against its library or a closed form; what they need and refuse."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import tiny
import torch
import zoo
from refusals import refused
from scipy import linalg
from scipy.stats import norm

from texsync import measures
from texsync.measures.between_sets import subset_size
from texsync.measures.errorbars import unfair
from texsync.surface.cameras import ring
from texsync.surface.pixels import look

DICE = np.random.default_rng(0)


def gaussian(count: int, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Samples whose own mean and covariance are exactly these."""
    raw = np.random.default_rng(count).normal(size=(count, len(mean)))
    raw -= raw.mean(0)
    white = raw @ linalg.inv(linalg.cholesky(np.cov(raw, rowvar=False)))
    return white @ linalg.cholesky(covariance) + mean


# ---- distances between sets


def test_the_frechet_distance_of_two_gaussians_is_the_formula():
    """|gap|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2), whichever of samples and dimensions are more."""
    spreads = [one @ one.T + np.eye(6) for one in np.random.default_rng(1).normal(size=(2, 6, 6))]
    means = np.zeros(6), np.arange(6.0)
    root = linalg.sqrtm(spreads[0])
    between = np.trace(linalg.sqrtm(root @ spreads[1] @ root)).real
    expected = means[1] @ means[1] + np.trace(spreads[0]) + np.trace(spreads[1]) - 2 * between
    a, b = gaussian(40, means[0], spreads[0]), gaussian(70, means[1], spreads[1])
    assert measures.frechet(a, b) == pytest.approx(expected, rel=1e-9)
    wide = [np.pad(one, ((0, 0), (0, 94))) for one in (a, b)]  # more dimensions than samples
    assert measures.frechet(*wide) == pytest.approx(expected, rel=1e-9)
    assert measures.frechet(a, a) == pytest.approx(0, abs=1e-9)


def test_the_kernel_distance_of_two_gaussians_is_the_formula():
    """(x y + 1)^3 compares the first three moments: 3 m^2 + 3 m^4 + (m^3 + 3 m)^2 for N(0, 1) and N(m, 1)."""
    a = norm.ppf((np.arange(900) + 0.5) / 900)[:, None]  # as even as samples can be
    assert measures.kernel(a, a + 1) == pytest.approx(22, rel=0.03)
    b = np.random.default_rng(2).normal(size=(100, 16))
    assert -0.2 < measures.kernel(b, b) < 0.05  # unbiased: the diagonal is left out
    sizes = [(120, 100, 100), (2000, 120, 120), (2000, 3000, 1000)]
    assert [subset_size(np.zeros((n, 1)), np.zeros((m, 1))) for n, m, _ in sizes] == [s for *_, s in sizes]


def test_distances_are_torch_fidelitys():
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric

    a, b = DICE.normal(size=(60, 12)), DICE.normal(size=(60, 12)) * 1.5 + 0.3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        statistics = [fid_features_to_statistics(torch.from_numpy(one)) for one in (a, b)]
        theirs = fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]
        options = {"kid_subsets": 1, "kid_subset_size": 60, "kid_kernel": "poly", "kid_degree": 3}
        options |= {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1.0}
        found = kid_features_to_metric(
            torch.from_numpy(a), torch.from_numpy(b), verbose=False, rng_seed=0, **options
        )
    assert measures.frechet(a, b) == pytest.approx(theirs, rel=1e-6)
    assert measures.kernel(a, b) == pytest.approx(found["kernel_inception_distance_mean"], rel=1e-6)


def test_giqa_by_hand():
    known = np.array([[0.0, 1.0], [0.0, -2.0], [4.0, 0.0], [9.0, 9.0]])
    assert measures.giqa(np.zeros((1, 2)), known, neighbours=3) == pytest.approx([1 + 1 / 2 + 1 / 4])


# ---- pairs


def test_gram_matrices_by_hand():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]])  # two channels of two places
    assert measures.gram(features).tolist() == [[[5 / 4, 3 / 4], [3 / 4, 9 / 4]]]
    name, style = measures.style_by()
    noise = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert name == "Style-lite0" and style(noise, noise).tolist() == [0, 0]
    assert (style(noise, torch.zeros_like(noise)) > 0).all()


def test_lpips_is_the_librarys(tmp_path):
    """With weights from the file that is named; over a whole mask the mean of the map, over a part that part's."""
    lpips = pytest.importorskip("lpips")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    state = {f"features.{name.partition('.')[2]}": value for name, value in theirs.net.state_dict().items()}
    torch.save(state, tmp_path / "alex.pth")
    ours = measures.alike_by(tmp_path / "alex.pth")
    one, other = torch.rand(2, 3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = theirs(2 * one - 1, 2 * other - 1).flatten()
    assert ours.name == "LPIPS (AlexNet)" and torch.allclose(ours(one, other), expected, rtol=1e-5)
    check_masks(ours, one, other)


def test_the_stand_in_for_lpips_sees_what_differs():
    one, other = torch.rand(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    ours = measures.alike_by()
    assert ours.name == "PS-lite0" and ours(one, one).abs().max() < 1e-9 and (ours(one, other) > 0).all()
    check_masks(ours, one, other)


def check_masks(ours, one: torch.Tensor, other: torch.Tensor) -> None:
    everywhere, left = torch.ones(len(one), 64, 64), torch.zeros(len(one), 64, 64)
    left[..., :32] = 1
    with torch.no_grad():
        maps = ours.maps(one, other)
    assert torch.allclose(ours.within(one, other, everywhere), maps.mean((1, 2)), rtol=1e-4)
    assert torch.allclose(ours.within(one, other, left), maps[..., :32].mean((1, 2)), rtol=1e-4)


# ---- networks from files


def test_inception_is_the_librarys(tmp_path, monkeypatch):
    from torch_fidelity import feature_extractor_inceptionv3 as library

    with monkeypatch.context() as patch:
        patch.setattr(library, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(library.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        patch.setattr(library, "get_kwarg", lambda *_: False)
        theirs = library.FeatureExtractorInceptionV3("inception", ["2048"])
    torch.save(theirs.state_dict(), tmp_path / "inception.pth")
    ours = measures.features_by(tmp_path / "inception.pth")
    pictures = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(3))
    seen = theirs((pictures * 255).round().byte())[0]
    assert ours.names == ("FID", "KID", "GIQA") and np.allclose(ours(pictures), seen.numpy())


def test_clip_s_is_the_cosine(tmp_path):
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    tokenizer = tiny.write_tokenizer(tmp_path / "words")
    text = {"vocab_size": len(tokenizer), "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "max_position_embeddings": 20,
            "eos_token_id": tokenizer.eos_token_id}  # fmt: skip
    vision = {"image_size": 32, "patch_size": 16, "hidden_size": 16, "intermediate_size": 16,
              "num_hidden_layers": 1, "num_attention_heads": 2}  # fmt: skip
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).eval()
    picked = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32)
    CLIPProcessor(picked, tokenizer).save_pretrained(tmp_path / "clip")
    model.save_pretrained(tmp_path / "clip")
    ours = measures.ClipSimilarity(tmp_path / "clip")
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(4))
    words = ["red copper", "a view"]
    found = ours(list(pictures), words)
    for picture, said, cosine in zip(pictures, words, found, strict=True):
        array = (picture * 255).round().byte().permute(1, 2, 0).numpy()
        ids = tokenizer([said], return_tensors="pt")
        with torch.no_grad():
            answer = model(pixel_values=picked([array], return_tensors="pt")["pixel_values"], **ids)
        scale = model.logit_scale.detach().exp()
        assert cosine == pytest.approx(float(answer.logits_per_image / scale), abs=1e-5)


@pytest.mark.parametrize("measure", ["features_by", "alike_by", "style_by", "ClipSimilarity"])
def test_weights_that_are_missing_or_anothers_are_refused(measure, tmp_path):
    make = getattr(measures, measure)
    with refused("measure-weights", thing=str(tmp_path / "gone")):
        make(tmp_path / "gone")
    if measure == "ClipSimilarity":
        (tmp_path / "wrong").mkdir()
        (tmp_path / "wrong" / "config.json").write_text("{}")
    else:
        torch.save({"layer": torch.zeros(1)}, tmp_path / "wrong")
    with refused("measure-weights", thing=str(tmp_path / "wrong")):
        make(tmp_path / "wrong")


class Harmful:
    def __reduce__(self):
        return (pytest.fail, ("a file of weights was run",))


def test_a_file_of_weights_runs_nothing(tmp_path):
    torch.save(Harmful(), tmp_path / "harmful.pth")
    with refused("measure-weights"):
        measures.features_by(tmp_path / "harmful.pth")


@pytest.mark.parametrize(
    "measured",
    [
        lambda: measures.frechet(np.zeros((1, 3)), np.zeros((9, 3))),
        lambda: measures.kernel(np.zeros((9, 3)), np.zeros((1, 3))),
        lambda: measures.giqa(np.zeros((9, 3)), np.zeros((7, 3))),
        lambda: measures.jerk(np.zeros((3, 22, 3))),
        lambda: measures.intra(torch.zeros(3, 8, 15), lambda a, b: a.flatten(1).sum(1)),
        lambda: measures.seam_ratio(torch.zeros(3, 8, 8), 16),
    ],
)
def test_too_few_pictures_are_refused(measured):
    with refused("measure-pictures"):
        measured()


# ---- errors, wide pictures, motion, meshes


def test_the_standard_error_of_a_mean_is_the_formula():
    samples = DICE.normal(size=400)
    found = measures.standard_error(lambda one: float(one.mean()), samples, draws=2000)
    assert found == pytest.approx(samples.std(ddof=1) / 20, rel=0.1)
    assert measures.standard_error(lambda one: float(one.mean()), samples[:3]) is None
    labels = ["a"] * 200 + ["b"] * 200  # the difference of two kinds is not chance
    kinds = samples + 100 * (np.arange(400) < 200)
    found = measures.standard_error(lambda one: float(one.mean()), kinds, strata=[labels])
    assert found == pytest.approx(samples.std(ddof=1) / 20, rel=0.3)
    assert unfair([9, 9]) == "" and "9 to 12" in unfair([9, 12])


def test_a_wide_picture_is_compared_with_itself():
    """Three crops of grey 0, 0 and 1: pairs differ by 0, 1 and 1."""
    wide = torch.cat([torch.zeros(3, 4, 8), torch.ones(3, 4, 5)], dim=2)
    apart = lambda a, b: (a - b).abs().mean((1, 2, 3))  # noqa: E731
    assert len(measures.beside_each_other(wide)) == 3
    assert measures.intra(wide, apart) == pytest.approx(2 / 3)
    assert measures.intra(wide, apart, add=True) == pytest.approx(2)


def test_a_seam_is_a_step_where_windows_meet():
    ramp = torch.arange(32.0).expand(3, 4, 32) / 100
    stepped = ramp + 0.05 * (torch.arange(32) >= 16)
    assert measures.seam_ratio(ramp, 16) == pytest.approx(1, abs=1e-3)
    assert measures.seam_ratio(stepped, 16) == pytest.approx(6, abs=1e-3)


def test_the_jerk_of_a_cubic_is_constant():
    """t^3 along x and 2 t^3 along z: 6 + 12 at every frame; PJ is that, AUJ what it is above the usual, summed."""
    t = np.arange(100.0)
    joints = np.zeros((100, 22, 3))
    joints[:, 5, 0], joints[:, 5, 2] = t**3, 2 * t**3
    assert measures.jerk(joints) == pytest.approx(np.full(97, 18.0))
    assert measures.peak_jerk(joints, 50) == pytest.approx(18)
    assert measures.area_under_jerk(joints, 50, usual=15.0) == pytest.approx(60 * 3)
    assert measures.foot_skate(np.zeros((9, 22, 3))) == 0


def test_views_of_one_colour_agree_and_of_two_do_not():
    pixels = look(zoo.blob(), ring()[:3], 48)
    grey = torch.full((3, 3, 48, 48), 0.5)
    assert measures.disagreement(pixels, grey) == pytest.approx(0, abs=1e-9)
    assert measures.sharpness(pixels, grey) == 0
    grey[1] = 0.7
    assert measures.disagreement(pixels, grey) > 0.01
    assert measures.sharpness(pixels, torch.rand(3, 3, 48, 48)) > 0.05
