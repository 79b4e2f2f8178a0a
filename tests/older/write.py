"""Writes pytorch_model.bin, adapter_model.bin and views.bin beside this script, without PyTorch.

None of them was written by torch.save: they were made to be what it writes. Pickles are made by
Python's own pickler, as torch.save makes them (protocol 2, storages as persistent ids, calls of
torch._utils._rebuild_tensor_v2), from classes here that only bear the names of PyTorch's. The
archive is laid out as PyTorch's: nothing is compressed, data begins at multiples of 64 bytes,
sizes follow the data and a zip64 record ends the file.

    python3 tests/older/write.py

pytorch_model.bin holds the tensors of tests/families/gpt2/model.safetensors and what old
checkpoints of GPT-2 hold besides: masks in two types that are no floats, and the tied head.
adapter_model.bin holds factors of rank 2 for the first queries of tests/families/llama.
views.bin holds small tensors, one for each way of storing them.
"""

import json
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

HERE = Path(__file__).parent

torch = types.ModuleType("torch")
utils = types.ModuleType("torch._utils")
sys.modules.update({"torch": torch, "torch._utils": utils})


def named(module, name, thing):
    """The pickler finds `thing` under its name, and writes no more of it."""
    thing.__module__, thing.__qualname__, thing.__name__ = module.__name__, name, name
    setattr(module, name, thing)
    return thing


FORMATS = {"Float": "f", "Half": "e", "BFloat16": "H", "Double": "d", "Byte": "B", "Bool": "?"}
CLASSES = {name: named(torch, f"{name}Storage", type(name, (), {})) for name in FORMATS}
REBUILD = named(utils, "_rebuild_tensor_v2", lambda *args: None)
PARAMETER = named(utils, "_rebuild_parameter", lambda *args: None)


class Storage:
    def __init__(self, kind, data):
        self.kind, self.data = kind, data
        self.size = len(data) // struct.calcsize(FORMATS[kind])

    @classmethod
    def of(cls, kind, values):
        return cls(kind, struct.pack(f"<{len(values)}{FORMATS[kind]}", *values))


class Tensor:
    def __init__(self, storage, shape, strides=None, offset=0):
        self.args = (storage, offset, shape, strides or row_major(shape), False, OrderedDict())

    def __reduce_ex__(self, protocol):
        return REBUILD, self.args


class Parameter:
    def __init__(self, tensor):
        self.tensor = tensor

    def __reduce_ex__(self, protocol):
        return PARAMETER, (self.tensor, True, OrderedDict())


def row_major(shape):
    strides, step = [], 1
    for size in reversed(shape):
        strides.insert(0, step)
        step *= size
    return tuple(strides)


class Pickler(pickle.Pickler):
    def __init__(self, file):
        super().__init__(file, protocol=2)
        self.keys = {}

    def persistent_id(self, thing):
        if not isinstance(thing, Storage):
            return None
        key = self.keys.setdefault(thing, str(len(self.keys)))
        return "storage", CLASSES[thing.kind], key, "cpu", thing.size


class Stream:
    """A file that cannot go back, so that sizes follow the data."""

    def __init__(self, path):
        self.file, self.at = open(path, "wb"), 0

    def write(self, data):
        self.at += len(data)
        return self.file.write(data)

    def flush(self):
        self.file.flush()


def add(archive, stream, name, data):
    info = zipfile.ZipInfo(f"archive/{name}")
    start = stream.at + 30 + len(info.filename) + 4
    info.extra = b"FB" + struct.pack("<H", -start % 64) + b"Z" * (-start % 64)
    with archive.open(info, "w") as entry:
        entry.write(data)


def save(state, path):
    class Bytes(bytearray):
        write = bytearray.extend

    text = Bytes()
    pickler = Pickler(text)
    pickler.dump(state)
    stream = Stream(path)
    limit = zipfile.ZIP_FILECOUNT_LIMIT
    with zipfile.ZipFile(stream, "w") as archive:
        add(archive, stream, "data.pkl", bytes(text))
        add(archive, stream, "byteorder", b"little")
        for storage, key in pickler.keys.items():
            add(archive, stream, f"data/{key}", storage.data)
        add(archive, stream, "version", b"3\n")
        zipfile.ZIP_FILECOUNT_LIMIT = 0  # a zip64 record, as if there were too many files
    zipfile.ZIP_FILECOUNT_LIMIT = limit
    stream.file.close()


def gpt2():
    data = (HERE / "../families/gpt2/model.safetensors").read_bytes()
    (n,) = struct.unpack("<Q", data[:8])
    state = OrderedDict()
    for name, info in json.loads(data[8 : 8 + n]).items():
        if name != "__metadata__":
            start, end = (8 + n + at for at in info["data_offsets"])
            state[name] = Tensor(Storage("Float", data[start:end]), tuple(info["shape"]))
    (wte, *_), shape = state["transformer.wte.weight"].args, (320, 32)
    state["lm_head.weight"] = Tensor(wte, shape)
    mask = [i >= j for i in range(8) for j in range(8)]
    for layer, kind in enumerate(["Byte", "Bool"]):
        state[f"transformer.h.{layer}.attn.bias"] = Tensor(Storage.of(kind, mask), (1, 1, 8, 8))
    # What state_dict() notes of its modules.
    state._metadata = OrderedDict({"": {"version": 1}, "transformer": {"version": 1}})
    return state


def adapter():
    """As PEFT saved them until the end of 2023."""
    root = "base_model.model.model.layers.0.self_attn.q_proj"
    values = [(i * 7 % 33 - 16) / 256 for i in range(64)]
    return OrderedDict(
        {
            f"{root}.lora_A.weight": Tensor(Storage.of("Float", values), (2, 32)),
            f"{root}.lora_B.weight": Tensor(Storage.of("Half", values), (32, 2)),
        }
    )


def views():
    six = [1, 2, 3, 4, 5, 6]
    float_ = Storage.of("Float", six)
    return OrderedDict(
        float=Tensor(float_, (2, 3)),
        half=Tensor(Storage.of("Half", six), (2, 3)),
        bfloat=Tensor(Storage.of("BFloat16", [0x3F80 + 0x80 * i for i in range(3)]), (3,)),
        double=Tensor(Storage.of("Double", six), (2, 3)),
        parameter=Parameter(Tensor(float_, (6,))),
        begin=Tensor(float_, (2,)),
        turned=Tensor(float_, (3, 2), (1, 3)),
        one_row=Tensor(float_, (1, 6), (99, 1)),
        slice=Tensor(float_, (2,), offset=2),
        gaps=Tensor(float_, (3,), (2,)),
        repeated=Tensor(float_, (3, 2), (0, 1)),
        permuted=Tensor(float_, (1, 2, 3), (1, 1, 2)),
        short=Tensor(float_, (7,)),
        mask=Tensor(Storage.of("Bool", [True]), (1,)),
        nan=Tensor(Storage.of("Float", [float("nan")]), (1,)),
        step=7,
    )


save(gpt2(), HERE / "pytorch_model.bin")
save(adapter(), HERE / "adapter_model.bin")
save(views(), HERE / "views.bin")
