"""A closed picture of all that is around a place, 360 x 180 degrees: views from the middle of a sphere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import Refused, about, option
from ..options.control_kinds import check_known, check_rendered, with_kind
from ..options.declared import declare, option_class, takes, unsaid
from ..options.geometry import control_kind_option
from ..options.kinds import Prompt, Thing
from ..options.number_kinds import Whole
from ..options.pictures import ImageOptions
from ..progress import with_bar
from . import parts
from .images import Run
from .made import Made, Pictures

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from ..backbones.base import Backbone
    from ..views import Views

TEXELS = 8  # of the canvas, per latent pixel of a view's side
HIGH_VIEWS = (
    2  # a panorama's height in views: as many pixels a degree as in the middle of a view of 90 degrees
)
PHOTO_SPHERE = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\
<rdf:Description rdf:about="" xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" \
GPano:ProjectionType="equirectangular" GPano:UsePanoramaViewer="True" GPano:CroppedAreaLeftPixels="0" \
GPano:CroppedAreaTopPixels="0" GPano:CroppedAreaImageWidthPixels="{wide}" GPano:CroppedAreaImageHeightPixels="{high}" \
GPano:FullPanoWidthPixels="{wide}" GPano:FullPanoHeightPixels="{high}"/></rdf:RDF></x:xmpmeta>"""


@option_class
class PanoramaOptions(ImageOptions):
    """A picture of 360 x 180 degrees; sizes in pixels."""

    prompt: str = declare("What is around.", Prompt(), kw_only=False, argument=True)
    height: int | None = declare(
        "Pixels; the picture is twice as wide.", Whole(32, 8192), "main", default=unsaid("two views")
    )
    around: Any = declare(
        "A scene, a mesh file, whose depth is followed as it is seen from its middle.",
        Thing(),
        "main",
        default=None,
        file=True,
        metavar="MESH",
        sweep=False,
    )
    control_kind: str | None = control_kind_option()

    def check(self) -> None:
        """What is followed is a scene or a picture's layout, not both."""
        if self.control is not None or self.control_image is not None:
            raise Refused.options_together(
                f"a panorama follows no {option('control_image')}", f"use {option('around')} with a scene"
            )
        for name in ("controlnet", "control_kind"):
            if self.around is None and getattr(self, name) is not None:
                raise Refused.options_together(
                    f"{option(name)} without {option('around')}",
                    f"say which scene it follows with {option('around')}",
                )
        super(ImageOptions, self).check()

    @property
    def words(self) -> str:
        return self.prompt


@takes(PanoramaOptions)
@with_bar
def panorama_image(asked: PanoramaOptions) -> Pictures:
    """Paint all that is around a place as PROMPT says: a closed picture of 360 x 180 degrees.

    Twelve views of 90 degrees from the middle of a sphere, each drawn towards those before it; the sphere's map is the
    picture (equirectangular).  Raises InputError on anything that the caller can put right.
    Source: SyncSDE (CVPR 2025), section 3.3.4, on a sphere; depth as in SyncTweedies (arXiv:2403.14370), section 5.3.
    """
    from ..surface.pixels import look
    from ..surface.sphere import outward, panorama, sphere
    from ..views import surface_views

    run = Surroundings("panorama", asked)
    scene = run.scene()
    backbone = run.backbone()
    size, cameras = run.view_size(backbone), outward()
    _, cells, _ = backbone.latent_shape(size)
    with run.stage("geometry"):
        canvas = sphere()
        views = surface_views(look(canvas, cameras, cells), look(canvas, cameras, size), cells * TEXELS)
        hints = None if scene is None else run.hints(scene, backbone)
    predict = run.predictor(backbone, [asked.prompt] * len(cameras), control=hints)
    finals = run.denoise_all(backbone, predict, views, run.couplings(backbone, views))
    high, made = asked.height or HIGH_VIEWS * size, []
    with run.stage("decode", asked.count):
        for seed, x in zip(asked.seeds, finals, strict=True):
            seen = backbone.decode(x).float().cpu()
            told = PHOTO_SPHERE.format(wide=2 * high, high=high)
            made.append(Made(seed, {"panorama": panorama(seen, cameras, high)}, seen, xmp=told))
    return run.result(backbone, made, [str(camera.name) for camera in cameras], height=high)


class Surroundings(Run):
    """One run."""

    options: PanoramaOptions

    @property
    def controlnet(self) -> Any:
        options = self.options
        return "none" if options.around is None else with_kind(options.controlnet, options.control_kind)

    def follows(self, backbone: Backbone) -> bool:
        return self.options.around is not None

    def shared_noise(self, views: Views, channels: int, draw: Generator) -> Tensor:
        """As a mesh's: views meet in few texels."""
        from ..views import shared_noise

        return shared_noise(views, channels, draw)

    def scene(self) -> Any:
        """What is followed, as a Surface without a map; raises InputError for one that is not seen from its middle."""
        import numpy as np

        from ..files.load import load
        from ..surface.pixels import look
        from ..surface.sphere import outward
        from ..surface.types import Surface

        if self.options.around is None:
            return None
        remedy = f"name one that follows shape, e.g. {option('controlnet', 'depth=FOLDER')}"
        with self.stage("mesh"):
            check_known(parts.check_model(self.options, self.controlnet, rendered=True), remedy)
            mesh = load(self.options.around)
            flat = np.zeros((1, 2)), np.zeros_like(mesh.faces)
            surface = Surface(mesh.vertices, mesh.faces, mesh.normals, *flat, mesh.part)
            if not look(surface, outward(), 64).mask.any():
                raise Refused.camera_blind(
                    f"nothing of {about(mesh.stem)} is seen from its middle",
                    "give a scene that is around one",
                )
        return surface

    def hints(self, scene: Any, backbone: Backbone) -> list[Tensor]:
        """What each ControlNet follows, (N, 3, S, S); raises InputError for a model that follows nothing."""
        from ..surface.control_pictures import rendered
        from ..surface.pixels import look
        from ..surface.sphere import outward

        if not backbone.reads_control:
            raise Refused.model_lacks(
                f"the {about('model')} has no ControlNet",
                f"give one with {option('controlnet')}, or leave out {option('around')}",
            )
        pixels = look(scene, outward(), self.view_size(backbone))
        style = backbone.advice.depth_style or "official"
        kinds = [check_rendered("", kind) for kind in backbone.control_kinds or ("depth",)]
        return [rendered(pixels, kind, style).to(backbone.home) for kind in kinds]
