#!/usr/bin/env python3
"""Makes phone menus that nobody has looked at: descriptions and recordings.

    python3 bench/crawl/generate [--seed N] [--count N] DIRECTORY

The menus of DIRECTORY are of the same kind as `sample_audio/`. The same seed gives the same menus,
and with the same versions of the programs the same recordings. Menu I of a seed is the same
whatever the count. Needs Python 3.11 and the programs flite, espeak-ng and sox.
"""

import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import business  # noqa: E402
import sound  # noqa: E402

# The numbers +1 202 555 0120 to 0189: nobody's, and none of sample_audio's.
MOST = 70


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--text-only", action="store_true", help="descriptions without recordings")
    parser.add_argument("directory", type=Path)
    args = parser.parse_args()
    if not 1 <= args.count <= MOST:
        parser.error(f"--count is 1 to {MOST}")
    args.directory.mkdir(parents=True, exist_ok=True)
    for old in args.directory.glob("generated_*.toml"):
        old.unlink()
    seconds = 0.0
    for index in range(args.count):
        made = business.generate(args.seed, index)
        name = f"generated_{index:02}"
        if not args.text_only:
            seconds += sound.record_all(args.directory / name, made)
        (args.directory / f"{name}.toml").write_text(business.description(made))
        print(f"{name}: {made['name']}, {len(made['menus'])} prompts, {', '.join(made['shape'])}")
    print(f"{args.count} menus, {seconds:.0f} s of recordings")


if __name__ == "__main__":
    main()
