"""Change a thing in a picture of the user's own, and leave the rest as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import Refused, about, got, option
from ..options.declared import declare, option_class, takes, unsaid
from ..options.kinds import Choice, Prompt, Text, Thing
from ..options.number_kinds import Flag, Real
from ..options.pictures import CELLS, MASK_CELLS, ImageOptions
from ..options.prompt_grammar import plain
from ..options.shared import PLAIN_SAMPLERS
from ..progress import with_bar
from .images import Run
from .made import Made, Pictures

if TYPE_CHECKING:
    from torch import Tensor

    from ..backbones.base import Backbone, Predictor, WordAttention
    from ..samplers import Sampler
    from ..schedule import Span
    from .paste import Paste

OUTSIDES = {
    "original": "your picture to the bit, in its own size",
    "model": "all as the model paints it, as in the paper",
}
MASK_SCALES = {
    "stretched": "the least attention in the picture is 0, the most 1",
    "raw": "attention as it is, as the authors' code has it",
}
FINDERS = {
    "auto": "attention where the model has any at its latents' full size, else difference",
    "attention": "where the model attends to the word, as in the paper",
    "difference": "where the two prompts make a difference",
}
GUIDANCE = 5.0  # the paper's for editing
PIXEL_BYTES = 60  # peak memory of laying an edit into a photograph, per pixel, as seen at 24 megapixels
PICTURE_BYTES = 16  # of each edit that is kept


@option_class
class EditOptions(ImageOptions):
    """A change to a picture of the user's own.

    image: a file, PIL image or array.  source: what it shows.  target: what it shall show.  word: of the source, what
    changes.  mask: a picture of one's own, white where the change goes.  mask_threshold: in (0, 1), what is above it is
    foreground.  faithful: the background follows the picture itself; off: the model's reconstruction of it.
    """

    image: Any = declare("The picture to change.", Thing(), kw_only=False, argument=True, file=True)
    source: str = declare("What the picture shows now, in words; needed.", Text(), "main", kw_only=False)
    target: str = declare("What it shall show.", Prompt(), kw_only=False, argument=True)
    word: str | None = declare(
        "What changes, of the source.", Text(), "main", default=unsaid("the words that TARGET lacks")
    )
    mask: Any = declare(
        "A picture, white where the change goes.",
        Thing(),
        "main",
        default=unsaid("found by the model"),
        file=True,
    )
    find: str = declare(
        "Without a mask, the change goes where the model attends to the word, or where it makes a difference.",
        Choice(FINDERS, "way to find the change"),
        "main",
        default="auto",
    )
    mask_threshold: float = declare(
        "What of that counts, on a scale from 0 to 1.", Real(0.01, 0.99), "main", default=0.3
    )
    faithful: bool = declare(
        "Keep the background of the model's reconstruction, as the paper's code does.",
        Flag(),
        "main",
        default=True,
        flag="resampled",
        paper=False,
    )
    outside: str = declare(
        "Outside of the change your picture to the bit, in its own size; or all as the model paints it.",
        Choice(OUTSIDES),
        "main",
        default="original",
        paper="model",
    )
    mask_cells: str = declare(CELLS, Choice(MASK_CELLS), default="mean", paper="nearest")
    mask_scale: str = declare(
        "Attention stretched to 0..1 over the picture first, or as it is.",
        Choice(MASK_SCALES),
        default="stretched",
        paper="raw",
    )

    def check(self) -> None:
        """There is a source, and something of it changes."""
        super().check()
        if not self.source:
            example = option("source", "a photo of a white cat")
            raise Refused.prompt_empty(
                f"no {about('source')} prompt", f"say what the picture shows, e.g. {example}"
            )
        Prompt()("prompt", self.source)
        if self.sampler not in (None, *PLAIN_SAMPLERS):
            raise Refused.option_choice(
                f"an edit follows its steps back, which {option('sampler', str(self.sampler))} does not allow",
                f"use one of {', '.join(PLAIN_SAMPLERS)}",
                thing="sampler",
                value=self.sampler,
            )
        if self.mask is None and not self.changing:
            raise Refused.edit_nothing(
                f"every word of the source {self.source!r} is in the {about('target')} {got(self.target)!r}",
                f"say with {option('word')} which one changes, or give a {option('mask')}",
            )

    @property
    def changing(self) -> str:
        """The words of the source prompt that change, as they stand there."""
        if self.word is not None:
            return self.word
        source, target = plain(self.source), plain(self.target)  # weights and brackets are no words
        kept = {word.lower() for word in re.findall(r"[\w'-]+", target)}
        gone = [word for word in re.finditer(r"[\w'-]+", source) if word.group().lower() not in kept]
        return source[gone[0].start() : gone[-1].end()] if gone else ""

    @property
    def begins_somewhere(self) -> bool:
        return True

    @property
    def words(self) -> str:
        return self.target


@takes(EditOptions)
@with_bar
def edit_image(asked: EditOptions) -> Pictures:
    """Change the picture IMAGE so that it shows TARGET; the rest stays as it is.

    The pictures are the edit and the mask, in the original's size, and the reconstruction, in the model's; see
    `EditOptions.outside`.  Clear parts stay as clear as they are.
    Raises InputError on anything that the caller can put right, such as a word that the source prompt does not have.
    Source: SyncSDE (CVPR 2025), Eq. 12 and 24-25; its inversion is mended, see `backbones.inversion`.
    """
    from ..views.masks import masks
    from .mask import name_of
    from .paste import Paste, outlined
    from .reading import check_shape, fitted, read_mask, read_picture, to_tensor

    run = Edit("edit", asked, guidance=GUIDANCE)
    with run.stage("picture"):
        original = read_picture(asked.image, backdrop=None)
        own = None if asked.mask is None else read_mask(asked.mask)
        check_memory(original.width * original.height, asked)
        if own is not None:
            check_shape(own, *original.size, name_of(asked.mask))
    backbone = run.backbone()
    run.seen = fitted(read_picture(original), run.view_size(backbone), backbone.multiple)
    picture = to_tensor(run.seen)[None]
    finder = Finder(run, backbone, asked, own, tuple(side // backbone.scale for side in picture.shape[-2:]))
    spans = run.sampler(backbone).spans(backbone.schedule, run.steps(backbone))
    inverted, resampled = both_paths(run, backbone, finder, spans, backbone.encode(picture))
    foreground = finder.foreground(spans[len(spans) // 2], inverted[-1])
    views = masks(foreground[None])
    known = inverted if asked.faithful else resampled
    hints = run.control(backbone, run.seen.size, lambda followed: followed.expand(2, -1, -1, -1))
    predict = edit_predictor(run, backbone, asked, spans, known, hints)

    def start(seed: int) -> Tensor:
        """The source's noise, fresh noise for the new thing alone, and the source's again for the edit."""
        import torch

        fresh = run.noise(views, backbone.latent_channels, seed)[:1].to(backbone.home)
        return torch.cat([known[0], fresh, known[0]])

    # the background is known to the end, so the pull towards it holds; the paper's lets go and the edit drifts
    couplings = run.couplings(backbone, views, fade="level" if asked.integrator == "paper" else "none")
    finals = run.denoise_all(backbone, predict, views, couplings, start)
    with run.stage("decode", asked.count):
        again = backbone.decode(resampled[-1])[0].cpu()
        if asked.outside == "original":
            inside = outlined(foreground.numpy(), original.size, own)
            paste = Paste.of(original, inside, backbone.scale * original.width / picture.shape[-1])
        else:
            paste = None
        made = [
            shown(seed, backbone.decode(x).cpu(), again, foreground, backbone.scale, paste)
            for seed, x in zip(asked.seeds, finals, strict=True)
        ]
    return run.result(backbone, made, ["source", asked.target, "edit"], word=finder.word, **finder.report())


class Edit(Run):
    """A run whose steps are also followed back, so that they have to be plain ones."""

    def sampler(self, backbone: Backbone) -> Sampler:
        """The one asked for, else the model's where its steps are plain, else DDIM."""
        from ..samplers import SAMPLERS

        chosen = super().sampler(backbone)
        return chosen if chosen.plain else SAMPLERS["ddim"]


def check_memory(pixels: int, options: EditOptions) -> None:
    """Raises InputError for a photograph that edits cannot be laid into here."""
    import torch

    from ..backbones.memory import require

    if options.outside == "original":
        need = pixels * (PIXEL_BYTES + PICTURE_BYTES * options.count)
        what = f"{options.count} edit{'s' * (options.count > 1)} of {pixels / 1e6:.0f} megapixels"
        require(need, torch.device("cpu"), what, f"shrink the picture, or use {option('outside', 'model')}")


def both_paths(
    run: Run, backbone: Backbone, finder: Finder, spans: Sequence[Span], latents: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """From the picture to its noise, noisiest first, and from that noise to a picture again; the finder records."""
    from ..backbones.inversion import REFINEMENTS, invert, path
    from ..errors import check_finite
    from ..loop import OVERFLOW

    told = run.predictor(backbone, [finder.options.source], [""], guidance=1.0)
    total = len(spans) * (1 + REFINEMENTS)
    with run.stage("invert", total):
        inverted = invert(run.counted("invert", total, told), spans, latents.to(backbone.home))
        check_finite(inverted[0], "following the picture back to its noise", OVERFLOW)
    once = run.counted("attend", len(spans), told)
    with run.stage("attend", len(spans)), finder.recording(once) as heard:
        resampled = path(heard, spans, inverted[0])
    return inverted, resampled


def edit_predictor(
    run: Run,
    backbone: Backbone,
    options: EditOptions,
    spans: Sequence[Span],
    known: Sequence[Tensor],
    hints: Sequence[Tensor] | None,
) -> Predictor:
    """The source picture follows its path; the new thing and the edit hear the target, the edit against the source."""
    from ..backbones.inversion import Replay

    prompts, negatives = [options.target] * 2, [run.negative(backbone), options.source]
    return Replay(run.predictor(backbone, prompts, negatives, hints), spans, known)


class Finder:
    """Where the change goes: the user's own mask, or where the model finds it.

    own: the user's mask (H, W) or None.  latent: (h, w) of the picture.  What is wrong with a mask or a word is found
    when this is made, before the model runs.
    """

    def __init__(self, run: Run, backbone: Backbone, options: EditOptions, own: Any, latent: tuple[int, ...]):
        from .mask import name_of
        from .reading import mask_cells

        self.run, self.backbone, self.options = run, backbone, options
        self.how = "mask" if own is not None else options.find
        if self.how == "auto":
            self.how = "attention" if backbone.attention == "fine" else "difference"
        self.word = options.changing if own is None else None
        if self.word is not None:
            backbone.check_words(options.source, self.word)
        self.cells = (
            None
            if own is None
            else mask_cells(own, latent[0], latent[1], name_of(options.mask), pick=options.mask_cells)
        )
        self.word_attention: WordAttention | None = None
        if self.how == "attention" and self.word is not None:
            self.word_attention = backbone.word_attention(options.source, self.word, (latent[0], latent[1]))

    def report(self) -> dict[str, str]:
        """How the place of the change was found, and as an option, to find it so again."""
        return {"found_by": self.how} | ({} if self.how == "mask" else {"find": self.how})

    @contextmanager
    def recording(self, predict: Predictor) -> Iterator[Predictor]:
        """A predictor that runs the source's path once; attention is heard meanwhile if it is needed."""
        if self.word_attention is None:
            yield predict
            return
        with self.word_attention.recording():
            yield self.word_attention.through(predict)

    def foreground(self, span: Span, latent: Tensor) -> Tensor:
        """1 where the change goes, else 0, (h, w); raises InputError if that is nowhere or everywhere."""
        import torch

        from .paste import without_specks

        if self.cells is not None:
            return torch.as_tensor(self.cells)
        heat = self.heat(span, latent)
        found = torch.as_tensor(without_specks((heat > self.options.mask_threshold).numpy())).double()
        if found.min() == found.max():
            raise Refused.edit_nothing(
                f"nothing in the picture stands out as the {about('word')} {got(self.word)!r}",
                f"name another {option('word')}, describe the picture better, or give a {option('mask')}",
            )
        return found

    def heat(self, span: Span, latent: Tensor) -> Tensor:
        """How much the change goes where, (h, w) from 0 to 1."""
        from ..backbones.difference import DRAWS, disagreement, rescaled

        if self.word_attention is not None:
            heat = self.word_attention.foreground()
            return rescaled(heat) if self.options.mask_scale == "stretched" else heat
        options = self.options
        prompts = [options.source] * DRAWS + [options.target] * DRAWS
        predict = self.run.predictor(self.backbone, prompts, [""] * len(prompts), guidance=1.0)
        return disagreement(predict, span, latent, options.seed)


def shown(
    seed: int, views: Tensor, again: Tensor, foreground: Tensor, scale: int, paste: Paste | None
) -> Made:
    """The pictures of one seed: the edit, laid into the original unless `paste` is None, reconstruction and mask."""
    from .reading import colour_profile

    if paste is None:
        mask = foreground.float().repeat_interleave(scale, 0).repeat_interleave(scale, 1).expand(3, -1, -1)
        return Made(seed, {"edit": views[-1], "reconstruction": again, "mask": mask}, views)
    images = {"edit": paste(views[-1]), "reconstruction": again, "mask": paste.mask()}
    return Made(seed, images, views, colour_profile(paste.photograph))
