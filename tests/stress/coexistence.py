"""``python -m tests.stress.coexistence``: installations beside Hugging Face's package `kernels`.

For a wheel and for an editable installation, with the other package installed before and after
ours, in environments of their own: do both work in the clone, elsewhere, and beside a folder of the
user's own called kernels? Does uninstalling leave anything behind, compiled kernels included?

The packages that both depend on are those of the running environment; `kernels` itself is
downloaded (0.17 was tried). About three minutes.
"""

import itertools
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILT_FROM = ("alexnet", "minigrad", "LICENSE", "README.md", "pyproject.toml")
OURS = """
import numpy as np, minigrad as mg
from minigrad.kernels import cpu
x = mg.Tensor(np.array([-1.0, 2.0], np.float32), requires_grad=True)
mg.functional.relu(x).sum().backward()
assert x.grad.numpy().tolist() == [0, 1]
import alexnet.train
"""
THEIRS = "from kernels import get_kernel"
USERS = "import kernels; assert kernels.OF_THE_USER"


class Environment:
    """A virtual environment that sees the packages of the running one, but not the project."""

    def __init__(self, folder: Path):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        self.python = folder / "bin" / "python"
        self.packages = next((folder / "lib").glob("python*")) / "site-packages"
        # A path in a .pth file: the .pth files there, editable installations, are not read.
        (self.packages / "packages_of_the_tests.pth").write_text(sysconfig.get_path("purelib"))

    def pip(self, *arguments: str | Path) -> None:
        command = [self.python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
        subprocess.run(command, check=True)

    def runs(self, code: str, folder: Path) -> bool:
        done = subprocess.run([self.python, "-c", code], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            print(done.stderr, file=sys.stderr)
        return done.returncode == 0

    def files(self) -> set[str]:
        return {str(path.relative_to(self.packages)) for path in self.packages.rglob("*")}


def install(environment: Environment, what: str, wheel: Path) -> None:
    """`what`: "theirs", or the form of ours, "wheel" or "editable"."""
    if what == "theirs":
        environment.pip("install", "kernels>=0.17")
    elif what == "wheel":
        environment.pip("install", "--no-deps", wheel)
    else:
        environment.pip("install", "--no-deps", "--editable", ROOT)


def check(environment: Environment, folder: Path) -> dict[str, bool]:
    """Which imports work where."""
    users = folder / "project"
    (users / "kernels").mkdir(parents=True)
    (users / "kernels" / "__init__.py").write_text("OF_THE_USER = True\n")
    return {
        "ours, clone": environment.runs(OURS, ROOT),
        "ours, elsewhere": environment.runs(OURS, folder),
        "ours, own kernels/": environment.runs(OURS, users),
        "theirs, clone": environment.runs(THEIRS, ROOT),
        "theirs, elsewhere": environment.runs(THEIRS, folder),
        "own kernels/": environment.runs(USERS, users),
    }


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder, source = Path(name), Path(name) / "source"
        # Of a copy: pip leaves a folder build/ where it builds, whose files end up in later wheels.
        source.mkdir()
        for path in BUILT_FROM:
            copy = shutil.copytree if (ROOT / path).is_dir() else shutil.copy2
            copy(ROOT / path, source / path)
        subprocess.run(
            [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, source],
            check=True,
        )
        (wheel,) = folder.glob("*.whl")
        failed = 0
        for number, (form, first) in enumerate(
            itertools.product(("wheel", "editable"), ("ours", "theirs"))
        ):
            here = folder / str(number)
            environment = Environment(here / "venv")
            before = environment.files()
            order = (form, "theirs") if first == "ours" else ("theirs", form)
            for what in order:
                install(environment, what, wheel)
            works = check(environment, here)
            environment.pip("uninstall", "--yes", "minigrad-alexnet")
            left = sorted(
                file
                for file in environment.files() - before
                if file.partition("/")[0].startswith(("minigrad", "alexnet", "benchmarks"))
            )
            works["theirs, ours uninstalled"] = environment.runs(THEIRS, here)
            works["nothing left behind"] = not left
            for file in left:
                print(f"left behind: {file}", file=sys.stderr)
            for what, good in works.items():
                failed += not good
                print(f"{form:<9} {first} first  {what:<25} {'yes' if good else 'NO'}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
