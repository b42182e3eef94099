"""load() and save() of uma.core: paths and file objects, by the readers and writers of the C++ library."""

import contextlib
import os
import pathlib
import shutil
import tempfile
import zipfile

import uma.core as mx

_READERS = {"npy", "npz", "safetensors", "gguf"}


def _is_path(file):
    return isinstance(file, (str, pathlib.Path))


@contextlib.contextmanager
def _as_path(file):
    """A path that holds what the file object has left. The file may go once it is mapped."""
    with tempfile.NamedTemporaryFile(suffix=".uma") as copy:
        shutil.copyfileobj(file, copy)
        copy.flush()
        yield copy.name


def _format_of(file, format):
    if format is None:
        name = str(file) if _is_path(file) else getattr(file, "name", None)
        if not isinstance(name, str):
            raise ValueError("[load] a file object without a name needs format=")
        format = os.path.splitext(name)[1][1:]
    if format not in _READERS:
        raise ValueError(f"[load] knows npy, npz, safetensors and gguf files, not '{format}'")
    return format


def _read_npz(path):
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as member, _as_path(member) as copy:
                arrays[name[:-4] if name.endswith(".npy") else name] = mx._io.read_npy(copy)
    return arrays


def _read(path, format, return_metadata):
    if format in ("npy", "npz"):
        if return_metadata:
            raise ValueError(f"[load] {format} files have no metadata")
        try:
            return mx._io.read_npy(path) if format == "npy" else _read_npz(path)
        except (OSError, zipfile.BadZipFile) as e:
            raise RuntimeError(f"[load] {path}: {e}") from None
    metadata = {}
    read = mx._io.read_safetensors if format == "safetensors" else mx._io.read_gguf
    arrays = read(path, metadata)
    return (arrays, metadata) if return_metadata else arrays


def load(file, /, format=None, return_metadata=False, *, stream=None):
    """Arrays of a file. npy gives one array; npz, safetensors and gguf a dict (with return_metadata, and the
    metadata). Arrays are views of the mapped file where its layout allows.

    gguf    a weight of Q4_0, Q4_1 or Q8_0 comes as ``name.weight``, ``.scales`` and ``.biases`` for
            quantized_matmul with group_size 32 and 4 or 8 bits; other quantized tensors come as float16
    """
    if not _is_path(file) and not hasattr(file, "read"):
        raise ValueError("[load] takes a path or a binary file object")
    format = _format_of(file, format)
    if _is_path(file):
        return _read(str(file), format, return_metadata)
    with _as_path(file) as path:
        return _read(path, format, return_metadata)


def _write(file, suffix, write):
    """write(path) for a path, or for a file object by way of a temporary file."""
    if _is_path(file):
        path = str(file)
        return write(path if path.endswith(suffix) else path + suffix)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x" + suffix)
        write(path)
        with open(path, "rb") as copy:
            shutil.copyfileobj(copy, file)


def save(file, arr):
    """One array as .npy."""
    _write(file, ".npy", lambda path: mx._io.write_npy(path, arr))


def _write_npz(path, arrays, compression):
    folder = os.path.dirname(os.path.abspath(path))
    # Written beside its place and renamed, so that it appears whole or not at all.
    handle, temporary = tempfile.mkstemp(suffix=".npz", dir=folder)
    os.close(handle)
    try:
        with zipfile.ZipFile(temporary, "w", compression) as archive, tempfile.TemporaryDirectory() as parts:
            for name, value in arrays.items():
                part = os.path.join(parts, "part.npy")
                mx._io.write_npy(part, value)
                archive.write(part, name + ".npy")
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _savez(file, args, kwargs, compression):
    arrays = {f"arr_{i}": a for i, a in enumerate(args)}
    for name in kwargs:
        if name in arrays:
            raise ValueError(f"[savez] two arrays are named '{name}'")
    arrays.update(kwargs)
    _write(file, ".npz", lambda path: _write_npz(path, arrays, compression))


def savez(file, *args, **kwargs):
    """Several arrays as .npz; positional ones are named arr_0, arr_1, ..."""
    _savez(file, args, kwargs, zipfile.ZIP_STORED)


def savez_compressed(file, *args, **kwargs):
    """The same, compressed."""
    _savez(file, args, kwargs, zipfile.ZIP_DEFLATED)


def save_safetensors(file, arrays, metadata=None):
    """A dict of arrays, and a dict of strings, as .safetensors."""
    if not isinstance(arrays, dict):
        raise ValueError("[save_safetensors] takes a dict of arrays")
    _write(file, ".safetensors", lambda path: mx._io.write_safetensors(path, arrays, metadata or {}))


def save_gguf(file, arrays, metadata=None):
    """A dict of arrays, and metadata, as .gguf.

    arrays    float32, float16, int8, int16 or int32, of 1 to 4 dimensions
    metadata  a str, a list of str, or an array of no or one dimension (bool, float32 or an integer dtype) a key
    errors    RuntimeError for a dtype or number of dimensions that the format has not, ValueError for metadata
              of another kind; the file is then as it was
    """
    if not isinstance(arrays, dict):
        raise TypeError(f"[save_gguf] takes a dict of arrays, not {type(arrays).__name__}")
    _write(file, ".gguf", lambda path: mx._io.write_gguf(path, arrays, metadata or {}))
