"""What glTF 2.0 says about every field that is read, moved or renumbered here; all others may be anything.

Source: the specification's schemas (Khronos Group, glTF 2.0, section 5), and those of the extensions named.
"""

from __future__ import annotations

from typing import Any

from .json_table import Fields, Is, Number, OneOf, Ref, Row

NUMBERS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
COLUMNS = {"SCALAR": 1, "VEC2": 1, "VEC3": 1, "VEC4": 1, "MAT2": 2, "MAT3": 3, "MAT4": 4}
ROWS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 2, "MAT3": 3, "MAT4": 4}
DRACO, INSTANCES = "KHR_draco_mesh_compression", "EXT_mesh_gpu_instancing"
VARIANTS, MOVE, VRM = "KHR_materials_variants", "KHR_texture_transform", "VRM"

COUNT = Number(0, 2.0**53, whole=True)
TEXT, FLAG = Is(str), Is(bool)
ACCESSORS = Fields(may={"*": Ref("accessors")})


def numbers(count: int | None = None) -> Row:
    return Row(Number(), count or 0, count)


def thing(
    needed: dict[str, Any] | None = None, extensions: dict[str, Any] | None = None, **may: Any
) -> Fields:
    """An object with a name; each of its extensions is an object."""
    known = Fields(may={"*": Fields(), **(extensions or {})})
    return Fields(needed or {}, {"name": TEXT, "extensions": known, **may})


MOVED = thing(texCoord=COUNT, offset=numbers(2), scale=numbers(2), rotation=Number(-1e6, 1e6))
INFO = thing({"index": Ref("textures")}, {MOVE: MOVED}, texCoord=COUNT)
PICTURES: dict[str, Any] = {"*Texture": INFO}
MATERIAL = thing(
    extensions={"*": Fields(may=PICTURES)},
    pbrMetallicRoughness=thing(
        baseColorFactor=numbers(4), metallicFactor=Number(), roughnessFactor=Number(), **PICTURES
    ),
    emissiveFactor=numbers(3),
    alphaMode=TEXT,
    alphaCutoff=Number(),
    doubleSided=FLAG,
    **PICTURES,
)
PRIMITIVE = thing(
    {"attributes": ACCESSORS},
    {
        DRACO: thing(bufferView=Ref("bufferViews")),
        VARIANTS: thing(mappings=Row(thing({"material": Ref("materials")}))),
    },
    indices=Ref("accessors"),
    material=Ref("materials"),
    mode=Number(0, 6, whole=True),
    targets=Row(ACCESSORS),
)
NODE = thing(
    extensions={INSTANCES: thing(attributes=ACCESSORS)},
    mesh=Ref("meshes"),
    skin=Ref("skins"),
    children=Row(Ref("nodes")),
    matrix=numbers(16),
    translation=numbers(3),
    rotation=numbers(4),
    scale=numbers(3),
)
SPARSE = thing(
    {
        "count": COUNT,
        "indices": thing(
            {"bufferView": Ref("bufferViews"), "componentType": OneOf((5121, 5123, 5125))}, byteOffset=COUNT
        ),
        "values": thing({"bufferView": Ref("bufferViews")}, byteOffset=COUNT),
    }
)
ACCESSOR = thing(
    {"componentType": OneOf(tuple(NUMBERS)), "count": COUNT, "type": OneOf(tuple(COLUMNS))},
    bufferView=Ref("bufferViews"),
    byteOffset=COUNT,
    normalized=FLAG,
    min=numbers(),
    max=numbers(),
    sparse=SPARSE,
)
VIEW = thing(
    {"buffer": Ref("buffers"), "byteLength": COUNT},
    {"*": Fields(may={"buffer": Ref("buffers"), "byteOffset": COUNT, "byteLength": COUNT})},
    byteOffset=COUNT,
    byteStride=Number(1, 2.0**31, whole=True),
)
VRM_0 = Fields(
    may={
        "meta": Fields(may={"texture": Ref("textures", none=-1)}),
        "materialProperties": Row(
            Fields(
                may={
                    "vectorProperties": Fields(),
                    "textureProperties": Fields(may={"*": Ref("textures", none=-1)}),
                }
            )
        ),
    }
)
GLTF = Fields(
    may={
        "asset": Fields(),
        "extensionsUsed": Row(TEXT),
        "extensionsRequired": Row(TEXT),
        "extensions": Fields(
            may={
                VRM: VRM_0,
                "VRMC_vrm": Fields(may={"meta": Fields(may={"thumbnailImage": Ref("images")})}),
                "*": Fields(),
            }
        ),
        "scene": Ref("scenes"),
        "scenes": Row(thing(nodes=Row(Ref("nodes")))),
        "nodes": Row(NODE),
        "meshes": Row(thing({"primitives": Row(PRIMITIVE)})),
        "materials": Row(MATERIAL),
        "textures": Row(
            thing(
                extensions={"*": Fields(may={"source": Ref("images")})},
                source=Ref("images"),
                sampler=Ref("samplers"),
            )
        ),
        "images": Row(thing(uri=TEXT, mimeType=TEXT, bufferView=Ref("bufferViews"))),
        "samplers": Row(thing()),
        "accessors": Row(ACCESSOR),
        "bufferViews": Row(VIEW),
        "buffers": Row(thing({"byteLength": COUNT}, uri=TEXT)),
        "skins": Row(thing({"joints": Row(Ref("nodes"), 1)}, inverseBindMatrices=Ref("accessors"))),
        "animations": Row(
            thing(samplers=Row(thing({"input": Ref("accessors"), "output": Ref("accessors")})))
        ),
        "cameras": Row(Fields()),
    }
)


def element_bytes(accessor: dict[str, Any]) -> int:
    """Bytes of one element; columns of matrices begin at multiples of four."""
    column = ROWS[accessor["type"]] * int(NUMBERS[accessor["componentType"]][2])
    columns = COLUMNS[accessor["type"]]
    return column if columns == 1 else columns * (column + -column % 4)
