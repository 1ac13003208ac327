"""What a person sees and finds in the window, played: F3's search, the panel while it works, in a narrow sidebar, and
the look on the object while it paints.  Parts of window_hands.py's story.
"""

from pathlib import Path

import bpy
import texsync_addon.drawing as drawing
import texsync_addon.panel as panel
import texsync_addon.state as state
from texsync_addon import preferences
from window_tools import FOLDER, area, check, drag_sidebar, event, here, region, shot, wait

LOOK = (0.8, 0.3, 0.5)  # of the texture while it paints


def story():
    yield from story_of_search()
    yield from story_of_the_look_while_it_paints()
    yield from story_of_a_narrow_sidebar()


def started(**values):
    """A job from a script, which ends when `go` is there."""
    (preferences.output_folder() / "go").unlink(missing_ok=True)
    for name, value in {"prompt": "held", "texture_size": 64, "material": "new", **values}.items():
        setattr(bpy.context.scene.texsync, name, value)
    bpy.ops.texsync.generate()


def ended():
    (preferences.output_folder() / "go").write_text("")
    yield from wait(lambda: not state.busy() and not state.outcome.ready, 60, "it ends")


def search(words):
    """F3, the words, Enter."""
    window = region("WINDOW")
    x, y = window.x + window.width / 3, window.y + window.height / 2
    event("MOUSEMOVE", "NOTHING", x, y)
    yield 0.3
    for kind, text in [("F3", ""), *((letter.upper(), letter) for letter in words), ("RET", "")]:
        more = {"unicode": text} if text else {}
        event("SPACE" if text == " " else kind, "PRESS", x, y, **more)
        event("SPACE" if text == " " else kind, "RELEASE", x, y)
        yield 0.5 if not text else 0.02
    yield 0.5


def story_of_search():
    bpy.context.scene.texsync.prompt = "held"
    (preferences.output_folder() / "go").unlink(missing_ok=True)
    yield from search("generate texture")
    yield from wait(lambda: state.session.busy, 20, "F3 finds Generate")
    yield from ended()
    mesh = bpy.context.object.data
    mesh.materials.clear()
    yield from search("apply texsync")
    yield from wait(lambda: len(mesh.materials) == 1, 20, "F3 finds Apply")
    shading = area().spaces.active.shading
    shading.color_type = "MATERIAL"
    yield from search("show texture in")
    yield from wait(lambda: shading.color_type == "TEXTURE", 20, "F3 finds Show")


def story_of_the_look_while_it_paints():
    """Its colour on the object, in the picture of the window; in no file; the panel is drawn, untouched."""
    drawn, usual = [], panel._draw_progress

    def counted(*given):
        drawn.append(state.session.phase)
        usual(*given)

    panel._draw_progress = counted
    bpy.context.object.data.materials.clear()
    area().spaces.active.shading.color_type = "MATERIAL"
    before = middle("plain")
    started(live=True, show=False)
    yield from wait(lambda: state.session.job and state.session.job.live.seen, 60, "the look is there")
    yield 1.0
    check("a script's Generate redraws the panel", drawn, drawn)
    shot("live")
    seen = middle("live_check")
    same = max(abs(a - b) for a, b in zip(seen, LOOK, strict=True))
    check("the object shows it", same < 0.02, (before, seen))
    with here():
        bpy.ops.wm.save_as_mainfile(filepath=str(FOLDER / "meanwhile.blend"), copy=True)
    known = {image.name for image in bpy.data.images if image.users}
    with bpy.data.libraries.load(str(FOLDER / "meanwhile.blend")) as (kept, _):
        check("the file does not hold it", set(kept.images) <= known, kept.images)
    with here():
        bpy.ops.texsync.cancel()
    yield from wait(lambda: not state.session.busy, 20, "cancelled")
    yield 0.6
    after = middle("plain_again")
    check("it is gone", max(abs(a - b) for a, b in zip(before, after, strict=True)) < 0.03, (before, after))
    panel._draw_progress = usual
    bpy.context.scene.texsync.live = False


def middle(name) -> tuple:
    """The colour in the middle of the 3D view, of a picture of the window."""
    bpy.ops.wm.redraw_timer(type="DRAW_WIN_SWAP", iterations=1)
    shot(name)
    image, window = bpy.data.images.load(str(FOLDER / f"{name}.png")), region("WINDOW")
    x, y = window.x + window.width // 2 + 30, window.y + window.height // 2 + 30  # beside its origin's dot
    at = 4 * (image.size[0] * y + x)
    found = tuple(image.pixels[at : at + 3])
    bpy.data.images.remove(image)
    Path(FOLDER / f"{name}.png").unlink() if name != "live" else None
    return found


def story_of_a_narrow_sidebar():
    """Its edge is dragged; no line of text is wider than it is, and no word is lost."""
    started(prompt="fail")
    yield from wait(lambda: state.session.problem, 60, "it fails")
    said, usual = [], drawing.lines

    def kept(text, room, size):
        found = usual(text, room, size)
        said.append(
            (text, found, max((drawing._width(line) for line in found), default=0), region("UI").width)
        )
        return found

    before = region("UI").width
    yield from drag_sidebar(80)
    drawing.lines = kept
    region("UI").tag_redraw()
    yield 0.8
    drawing.lines = usual
    check("the sidebar is narrow", 60 < region("UI").width < 0.8 * before, (before, region("UI").width))
    check("text was drawn", said)
    for text, found, width, room in said:
        check("it fits", width <= room, (text, found, width, room))
        check("no letter is lost", "".join("".join(found).split()) == "".join(text.split()), (text, found))
    shot("narrow")
