"""What a clip shows, said in one of the many ways in which people say it."""

from __future__ import annotations

import re

from .actions import SIDED, Dice
from .clips import Clip

WHO = (
    "a person", "a person", "a man", "a woman", "someone", "the person", "a figure", "a character", "a human", "he",
    "she", "a boy", "a girl", "a dancer", "an actor", "the man", "the woman", "a guy", "a robot", "a soldier",
)  # fmt: skip

# the verb first; {side} where left and right are told apart
SAY: dict[str, tuple[str, ...]] = {
    "walk": (
        "walk", "walk forward", "walk ahead", "walk straight", "walk in a straight line", "stroll", "go forward",
        "take steps forward", "step forward", "march forward", "wander forward", "move forward", "walk along",
        "walk straight ahead", "stride", "pace forward", "walk forwards", "go for a walk", "march",
    ),
    "run": (
        "run", "run forward", "jog", "jog forward", "sprint", "run ahead", "run straight", "dash forward",
        "rush forward", "go for a run", "race ahead", "sprint ahead", "run away",
        "run in a straight line", "run forwards",
    ),
    "jump": (
        "jump", "jump up", "leap", "leap up", "jump into the air", "jump on the spot", "jump with both feet",
        "jump up and down", "jump high", "jump in place", "leap into the air", "do a jump", "jump forward",
    ),
    "hop": (
        "hop", "hop on one foot", "hop on one leg", "hop on the {side} foot", "hop on the {side} leg",
        "bounce on one leg", "hop around on one foot",
        "jump on one leg", "jump on one foot", "skip on one leg", "jump on the {side} leg",
    ),
    "turn_around": (
        "turn around", "turn", "turn around to the {side}", "turn to the {side}", "turn back", "spin around",
        "rotate", "turn on the spot", "turn about", "look behind", "face the other way", "do a half turn",
        "turn around on the spot", "turn 180 degrees", "pivot to the {side}",
    ),
    "walk_circle": (
        "walk in a circle", "walk in circles", "walk around in a circle", "walk in a circle to the {side}",
        "circle around", "go in a circle", "stroll in a circle", "walk in a loop", "walk around in circles",
        "walk a circle", "walk a full circle", "circle to the {side}", "go around in circles", "walk along a circle",
    ),
    "sidestep": (
        "step sideways", "sidestep", "step to the {side}", "walk sideways", "sidestep to the {side}",
        "walk to the {side}", "move sideways", "step to the side", "shuffle to the {side}", "side step", 
        "move to the {side}",
        "shuffle sideways", "walk sideways to the {side}", "step {side}",
    ),
    "wave": (
        "wave", "wave with the {side} hand", "wave hello", "wave goodbye", "wave a hand", "wave with one hand", "greet",
        "wave the {side} hand", "wave the {side} arm", "say hello", "wave to a friend", "raise a hand and wave",
        "wave to the crowd", "say goodbye", "wave at someone", "wave one arm",
    ),
    "punch": (
        "punch", "box", "throw punches", "punch the air", "fight with fists", "throw a punch", "do boxing",
        "hit with the fists", "shadow box", "strike with the fists", "jab", "punch forward",
    ),
    "kick": (
        "kick", "kick with the {side} leg", "kick with the {side} foot", "kick a ball", "kick forward", "do a kick",
        "kick the air", "do a front kick", "kick up", "kick something with the {side} foot", "kick high",
    ),
    "squat": (
        "squat", "do squats", "squat down", "crouch", "crouch down", "do knee bends", "bend the knees", "do a squat",
        "squat down and stand up", "exercise with squats", "duck down",
    ),
    "sit_down": (
        "sit down", "sit", "sit down on a chair", "take a seat", "sit on a chair", "lower onto a chair",
        "sit on a bench", "sit down on a seat", "have a seat", "sit down on a bench",
    ),
    "stand_up": (
        "stand up", "get up", "rise from a chair", "get up from a chair", "stand up from a chair", "rise",
        "rise from a seat", "stand up from a seat", "get up from the seat", "stand up from a bench",
    ),
    "bow": (
        "bow", "bow down", "bow forward", "take a bow", "bow to the audience", "bend forward", "bow politely",
        "lean forward and bow", "bow deeply", "bend down", "bow to someone",
    ),
    "dance": (
        "dance", "do a dance", "dance to music", "dance on the spot", "perform a dance", "groove", "do dance steps",
        "dance around", "dance from side to side", "disco dance", "dance with raised arms", "boogie",
    ),
}  # fmt: skip
BACKWARDS = ("walk backwards", "walk backward", "step backwards", "go backwards", "move backwards", "walk back",
             "take steps backwards", "back up", "step back")  # fmt: skip
HOW: dict[str, tuple[str, ...]] = {
    "": (),
    "slow": ("slowly", "very slowly", "at a slow pace", "in slow motion", "calmly", "gently", "carefully",
             "leisurely"),
    "fast": ("quickly", "fast", "briskly", "rapidly", "at a fast pace", "very fast", "hastily", "in a hurry",
             "swiftly"),
    "happy": ("happily", "cheerfully", "joyfully", "with joy", "energetically", "with energy", "in a good mood",
              "excitedly", "merrily"),
    "tired": ("tiredly", "wearily", "sadly", "with a bent back", "in a sad mood", "like an old person", "exhausted",
              "weakly", "hunched over", "with a hanging head"),
}  # fmt: skip
ADJECTIVES = {"slow": ("slow", "calm"), "fast": ("fast", "hurried"), "happy": ("happy", "cheerful", "joyful"),
              "tired": ("tired", "sad", "old", "exhausted")}  # fmt: skip
ARMS_SAID = {
    "raised": ("with raised arms", "with arms raised", "with both arms up", "with hands up", "with arms in the air",
               "with arms above the head"),
    "outstretched": ("with outstretched arms", "with arms out", "with arms out to the sides", "like an airplane",
                     "with arms spread", "with arms wide"),
    "hips": ("with hands on the hips", "with hands on hips", "with both hands on the hips"),
    "front": ("with arms in front", "with arms stretched forward", "like a zombie", "with arms forward"),
}  # fmt: skip
TIMES = {1: ("once", "one time", "a single time"), 2: ("twice", "two times"), 3: ("three times", "thrice")}
IRREGULAR = {"do": "does", "go": "goes", "have": "has", "rush": "rushes", "march": "marches", "dash": "dashes",
             "punch": "punches", "box": "boxes", "crouch": "crouches", "shadow": "shadow", "side": "side"}  # fmt: skip
DOUBLED = {"run", "hop", "sit", "spin", "step", "get", "jog", "squat", "skip", "jab"}


def caption(dice: Dice, clip: Clip) -> str:
    """A text such as "a person walks forward slowly" or "happy dancing"."""
    phrases = BACKWARDS if clip.action == "walk" and clip.manner.backwards else SAY[clip.action]
    named = clip.action in SIDED
    side = "left" if clip.manner.side > 0 else "right"
    phrase = str(dice.choice(phrases))
    verb, _, rest = phrase.replace("{side}", side if named else "").partition(" ")
    said = [_form(dice, verb, rest, clip)]
    more = [*_one(dice, HOW[clip.mood], 0.8), *_one(dice, ARMS_SAID.get(clip.arms, ()), 0.95)]
    more += _one(dice, TIMES.get(clip.manner.count, ()), 0.95)
    dice.shuffle(more)
    if more and dice.random() < 0.12:
        return f"{more[0]} {' '.join(said + more[1:])}"
    return " ".join(said + more)


def _one(dice: Dice, choices: tuple[str, ...], often: float) -> list[str]:
    return [str(dice.choice(choices))] if choices and dice.random() < often else []


def _form(dice: Dice, verb: str, rest: str, clip: Clip) -> str:
    """Somebody walks, is walking, walking, or just walk."""
    way = dice.random()
    if way < 0.14:
        return " ".join(filter(None, [verb, rest]))
    if way < 0.3:
        return " ".join(filter(None, [ing(verb), rest]))
    who = str(dice.choice(WHO))
    if " " in who and dice.random() < 0.25:
        adjective = str(dice.choice(ADJECTIVES[clip.mood])) if clip.mood else ""
        article, noun = who.split(" ")
        article = article if article == "the" else "an" if (adjective or noun)[:1] in "aeio" else "a"
        who = " ".join(filter(None, [article, adjective, noun]))
    if way < 0.75:
        return " ".join(filter(None, [who, third(verb), rest]))
    if way < 0.9:
        return " ".join(filter(None, [who, "is", ing(verb), rest]))
    return " ".join(filter(None, [who, verb, rest]))


def third(verb: str) -> str:
    return IRREGULAR.get(verb, verb + "s")


def ing(verb: str) -> str:
    if verb in DOUBLED:
        verb += verb[-1]
    elif verb.endswith("e") and not verb.endswith("ee"):
        verb = verb[:-1]
    return verb + "ing"


def vocabulary() -> list[str]:
    """All words of all captions, each once, sorted."""
    verbs = {phrase.split(" ")[0] for phrases in (*SAY.values(), BACKWARDS) for phrase in phrases}
    texts = [*WHO, "an is left right", *BACKWARDS, *(form(verb) for verb in verbs for form in (third, ing))]
    for table in (SAY, HOW, ADJECTIVES, ARMS_SAID, TIMES):
        texts += [text for choices in table.values() for text in choices]
    return sorted(set(re.findall(r"[a-z0-9]+", " ".join(texts).replace("{side}", "").lower())))
