"""A stand-in for a training: a loss that depends on the seed and the rate."""

import argparse
import json
import os
import pathlib
import random

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, required=True)
parser.add_argument("--out", type=pathlib.Path, required=True)
options = parser.parse_args()

seed = int(os.environ["SEED"])
random.seed(seed)
loss = 1.0
for epoch in range(5):
    loss *= 1.0 - options.rate * (50 + random.random())
    print(f"epoch {epoch}: loss {loss:.4f}", flush=True)
options.out.mkdir(parents=True, exist_ok=True)
(options.out / "metrics.json").write_text(json.dumps({"seed": seed, "rate": options.rate, "loss": loss}) + "\n")
