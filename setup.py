"""minigrad and AlexNet: pip install . (see README.md)."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="minigrad-alexnet",
    version="0.1.0",
    description="A deep-learning engine written from scratch, with AlexNet trained on it",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["minigrad*", "kernels*", "alexnet*", "benchmarks*"]),
    package_data={"kernels": ["*.cuh", "*/*.cu"], "alexnet": ["data/imagenet_words.txt"]},
    install_requires=[
        "numpy>=2.0",
        "numba>=0.61",
        "pillow>=11.0",
        "matplotlib>=3.9",
        "tqdm>=4.66",
        "safetensors>=0.8",
        "threadpoolctl>=3.5",
    ],
    extras_require={
        "cuda12": ["cupy-cuda12x[ctk]>=14.0"],
        "cuda13": ["cupy-cuda13x[ctk]>=14.0"],
        "imagenet": ["scipy>=1.14"],
        "parquet": ["pyarrow>=18.0"],
        "tensorboard": ["tensorboardX>=2.6"],
        "test": [
            "pytest>=8.0",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.6",
            "ruff>=0.11",
            "nvidia-cuda-nvrtc>=13.0; sys_platform != 'darwin'",
            "scipy>=1.14",
            "pyarrow>=18.0",
            "tensorboardX>=2.6",
        ],
        "bench": ["torch>=2.6"],
    },
)
