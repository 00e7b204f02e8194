"""Reads a safetensors file with numpy alone: prints name, dtype, shape and bytes (hexadecimal) of each array."""

import json
import sys

import numpy

with open(sys.argv[1], "rb") as file:
    header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    data = file.read()
for name, info in header.items():
    if name != "__metadata__":
        begin, end = info["data_offsets"]
        array = numpy.frombuffer(data[begin:end], {"F32": "<f4", "F64": "<f8"}[info["dtype"]]).reshape(info["shape"])
        print(name, array.dtype, *array.shape, array.tobytes().hex())
