"""Where compiled kernels are kept: in files beside the sources, as long as those are the same.

Numba itself compiles a function anew only when its own file has changed, but kernels call functions
of other files: the text of every file below ``kernels/`` is part of the cache's key.

Numba also takes for granted that its files can be written, and are whole. Here a folder that cannot
be written to, a full disk or a damaged file costs the time of compiling, and a line on stderr.
"""

import contextlib
import hashlib
import logging
import os
import pickle
from pathlib import Path

from numba.core.caching import CompileResultCacheImpl, FunctionCache, NullCache
from numba.core.serialize import dumps

logger = logging.getLogger(__name__)

_FOLDER = Path(__file__).parents[1]  # kernels/
_SITE_PACKAGES = _FOLDER.parents[1]
_sources = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(_FOLDER.rglob("*.py")))
).hexdigest()
# It decides how products of bfloat16 are compiled (`bfloat16.py`).
_emulates = os.environ.get("MINIGRAD_BF16_EMULATE")


def kernel_cache(function, parallel):
    """The cache of a function; one that keeps nothing where there is no folder for it.

    Args:
        parallel: whether its loops are divided among threads: each form is kept by itself.
    """
    try:
        return KernelCache(function, parallel)
    except RuntimeError:  # "no locator available"
        _warn_once(
            _NOT_KEPT,
            "neither the folder of the sources nor the user's cache folder can be written to",
        )
        return NullCache()


_NOT_KEPT = (
    "compiled kernels are not kept, so that each process compiles them anew: %s; "
    "set NUMBA_CACHE_DIR to a folder with free space that can be written to"
)
_DAMAGED = "compiled kernels in %s are damaged and are compiled anew (%r)"
_warned = set()


def _warn_once(message, *details) -> None:
    if message not in _warned:
        _warned.add(message)
        logger.warning(message, *details)


class _CheckedCode(CompileResultCacheImpl):
    """Keeps compiled code with its checksum: damaged code would be run like any other."""

    def reduce(self, compiled):
        code = dumps(super().reduce(compiled))
        return hashlib.sha256(code).digest(), code

    def rebuild(self, target_context, payload):
        checksum, code = payload
        if hashlib.sha256(code).digest() != checksum:
            raise ValueError("the checksum is another one")
        return super().rebuild(target_context, pickle.loads(code))


class KernelCache(FunctionCache):
    """Finds what was compiled from these sources only, and is as it was written."""

    _impl_class = _CheckedCode

    def __init__(self, function, parallel):
        super().__init__(function)
        self._parallel = parallel

    def _index_key(self, sig, codegen):
        return (*super()._index_key(sig, codegen), self._parallel, _sources, _emulates)

    def load_overload(self, sig, target_context):
        try:
            compiled = super().load_overload(sig, target_context)
        except Exception as error:  # damaged bytes can raise nearly anything
            _warn_once(_DAMAGED, self.cache_path, error)
            self._remove_all()
            return None
        # Two processes that compile for two types at once may both take the same file name.
        arguments = tuple(getattr(sig, "args", sig))  # a C callback is asked for by its signature
        return compiled if compiled and compiled.signature.args == arguments else None

    def _remove_all(self) -> None:
        """Forget what is kept of this function; where that is impossible, the cache itself."""
        try:
            self.flush()
        except OSError:
            self.disable()

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _warn_once(_NOT_KEPT, f"{self.cache_path}: {error.strerror}")
            self.disable()
            return
        record_files(Path(self.cache_path).glob(f"{self._impl.filename_base}.*"))


def record_files(paths) -> None:
    """Add files to the list of what is installed, so that pip removes them with the package.

    The list is the RECORD of the wheel this folder comes from; in a clone there is none. A line
    without hash and size is one for a file that may change (Python Packaging User Guide,
    "Recording installed projects"). Files elsewhere are not listed: where the folder is read-only,
    Numba keeps its own in the user's cache folder.
    """
    for record in _SITE_PACKAGES.glob("minigrad_alexnet-*.dist-info/RECORD"):
        # Where it cannot be written to, the kernels are good all the same.
        with contextlib.suppress(OSError), open(record, "a+", encoding="utf-8") as file:
            file.seek(0)
            text = file.read()
            for path in paths:
                if not path.is_relative_to(_SITE_PACKAGES):
                    continue
                line = f"{path.relative_to(_SITE_PACKAGES).as_posix()},,\n"
                if line not in text:
                    file.write(line)
