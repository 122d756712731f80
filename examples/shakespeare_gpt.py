"""A small language model that learns to write like Shakespeare, one character after another.

The model reads 64 characters and says, at every place, how likely each of 65 characters is to come next. Causal
attention lets each place look back at those before it, and never ahead. The sizes are those of nanoGPT's recipe for a
processor: 4 layers, 4 heads, width 128, batches of 12, 2,000 steps. Validation uses the last tenth of the plays, which
training never sees; 4.17 nats would be guessing, and a letter's mere frequency gets to 3.3.

    python examples/shakespeare_gpt.py                     2,000 steps; about half a minute on two cores
    python examples/shakespeare_gpt.py --quick             60 steps, to see it run

Source of the recipe: A. Karpathy, nanoGPT, 2022.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import pellucid
from pellucid.layers import Dense, Input, LayerNormalization, TokenAndPositionEmbedding, TransformerDecoder

LENGTH, LAYERS, HEADS, WIDTH, BATCH = 64, 4, 4, 128, 12


def language_model(vocabulary: int) -> pellucid.Model:
    ids = Input((LENGTH,), dtype="int32")
    x = TokenAndPositionEmbedding(vocabulary, LENGTH, WIDTH)(ids)
    for _ in range(LAYERS):
        x = TransformerDecoder(4 * WIDTH, HEADS, activation="gelu", normalize_first=True)(x)
    return pellucid.Model(ids, Dense(vocabulary)(LayerNormalization(epsilon=1e-5)(x)), seed=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--characters", type=int, default=400, help="how many to write at the end")
    parser.add_argument("--quick", action="store_true", help="60 steps")
    options = parser.parse_args()
    steps = 60 if options.quick else options.steps

    text = pellucid.datasets.tiny_shakespeare()
    characters = sorted(set(text))
    number = {character: i for i, character in enumerate(characters)}
    ids = np.array([number[character] for character in text], np.int32)
    border = len(ids) * 9 // 10
    windows = pellucid.utils.next_token_dataset_from_array
    training = windows(ids[:border], LENGTH, sequence_stride=1, batch_size=BATCH, shuffle=True, seed=0)
    validation = windows(ids[border:], LENGTH)

    model = language_model(len(characters))
    rate = pellucid.optimizers.schedules.CosineDecay(
        0.0, decay_steps=steps, alpha=0.1, warmup_target=1e-3, warmup_steps=steps // 20
    )
    loss = pellucid.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(pellucid.optimizers.AdamW(rate, weight_decay=0.1, beta_2=0.99), loss, precision=options.precision)
    began = time.perf_counter()
    model.fit(training, epochs=4, steps_per_epoch=steps // 4, validation_data=validation, verbose=2)
    seconds = time.perf_counter() - began
    held_out = model.evaluate(validation)
    print(f"validation loss {held_out:.3f} nats per character after {steps} steps, trained in {seconds:.1f} s")
    model.save("shakespeare_gpt.safetensors")
    print("saved as shakespeare_gpt.safetensors; it writes:\n")
    print(write(model, number, characters, options.characters))


def write(model: pellucid.Model, number: dict[str, int], characters: list[str], count: int) -> str:
    """`count` characters, each drawn by the probabilities that the model gives after those before it.

    A stepper remembers the characters it was given, so that the next one costs one step. When it has seen as many as
    the model can look back on, it starts again from the last half of them.
    """
    random, stepper = np.random.default_rng(0), model.stepper()
    written = unread = [number["\n"]]
    for _ in range(count):
        if stepper.position + len(unread) > LENGTH:
            stepper.reset()
            unread = written[-LENGTH // 2 :]
        for character in unread:
            logits = stepper.step([character])[0]
        chances = np.exp((logits - logits.max()).astype(np.float64) / 0.8)
        unread = [int(random.choice(len(characters), p=chances / chances.sum()))]
        written = written + unread
    return "".join(characters[i] for i in written[1:])


if __name__ == "__main__":
    main()
