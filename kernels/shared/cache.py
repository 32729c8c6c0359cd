"""Where compiled kernels are kept: in files beside the sources, as long as those are the same.

Numba itself compiles a function anew only when its own file has changed, but kernels call functions
of other files: the text of every file below ``kernels/`` is part of the cache's key.
"""

import contextlib
import hashlib
from pathlib import Path

from numba.core.caching import FunctionCache

_FOLDER = Path(__file__).parents[1]  # kernels/
_SITE_PACKAGES = _FOLDER.parents[1]
_sources = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(_FOLDER.rglob("*.py")))
).hexdigest()


class KernelCache(FunctionCache):
    """Finds what was compiled from these sources only."""

    def _index_key(self, sig, codegen):
        return (*super()._index_key(sig, codegen), _sources)

    def save_overload(self, sig, data):
        super().save_overload(sig, data)
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
