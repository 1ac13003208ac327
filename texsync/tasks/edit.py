"""Change a thing in a picture of the user's own, and leave the rest as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..image_options import EditOptions
from .images import Made, Pictures, Progress, Run

if TYPE_CHECKING:
    from torch import Tensor

    from ..backbones.base import Predictor
    from ..backbones.diffusion import DiffusionBackbone


def edit_image(
    image: Any, source: str, target: str, *, on_progress: Progress | None = None, **options: Any
) -> Pictures:
    """Change what differs between two descriptions of a picture.

    image: a file, PIL image or array.  source: what it shows.  target: what it shall show.  options: word, mask,
    mask_threshold, faithful, and what every 2D task takes; see `image_options.EditOptions`.
    The pictures are the edit, the reconstruction and the mask.  Raises InputError on anything that the caller can
    put right, such as a word that is not in the source prompt.
    Source: SyncSDE (CVPR 2025), Eq. 12 and 24-25; the inversion is mended at both ends, see `backbones.inversion`.
    """
    from ..backbones.inversion import Replay, path
    from ..views.masks import masks
    from .reading import fitted, read_mask, read_picture, to_tensor

    asked = EditOptions(image, source, target, **options)
    run = Run("edit", asked, on_progress, guidance=GUIDANCE)
    with run.stage("picture"):
        original = read_picture(image)
        own_mask = None if asked.mask is None else read_mask(asked.mask)
    backbone = run.backbone()
    picture = to_tensor(fitted(original, run.view_size(backbone), backbone.multiple))
    place = Place(run, backbone, asked, picture.shape[-2:])
    own_cells = None if own_mask is None else place.cells(own_mask)
    listener = place.listener()
    spans = backbone.schedule.spans(run.steps(backbone))
    told = run.predictor(backbone, [source], [""], guidance=1.0)
    states = inverted(run, told, spans, backbone.encode(picture[None]).to(backbone.device))
    with run.stage("attend", len(spans)), listener.listening():
        resampled = path(run.counted("attend", len(spans), listener.through(told)), spans, states[0])
    foreground = place.attended(listener.foreground()) if own_cells is None else own_cells
    views = masks(foreground[None])
    known = states if asked.faithful else resampled
    free = run.predictor(backbone, [target, target], [run.negative(backbone), source])
    predict = Replay(free, spans, known)

    def start(seed: int) -> Tensor:
        """The source's noise, fresh noise for the thing alone, and the source's again for the edit."""
        import torch

        fresh = run.noise(views, backbone.latent_channels, seed)[1:2].to(backbone.device)
        return torch.cat([known[0], fresh, known[0]])

    finals = run.denoise_all(backbone, predict, views, run.coupling(views), start)
    return developed(run, backbone, finals, resampled[-1], foreground)
