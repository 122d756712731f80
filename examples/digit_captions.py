"""Captions for scenes of handwritten digits: "a seven above two threes", written word by word.

A convolutional network looks at the scene and describes each field of an 8 × 8 grid by 128 numbers. A recurrent network
writes: at each word it remembers those before it and looks, by attention, at the fields that matter now. It learns by
being given the true words so far and asked for the next. A scene has one, two or three drawings of a digit, or two such
groups one above the other or side by side, which makes 1,650 captions. It learns from 12,000 scenes composed of the
60,000 training digits of MNIST and is judged by 1,000 scenes of the 10,000 test digits, seeds 0 and 1. A caption counts
as right only if every word is.

    python examples/digit_captions.py            about a minute on two cores
    python examples/digit_captions.py --quick    6,000 scenes, three times; 20 seconds, to see it run

Source of the idea: Vinyals et al., "Show and Tell", 2015; Xu et al., "Show, Attend and Tell", 2015.
"""

from __future__ import annotations

import argparse

import numpy as np

import pellucid
from pellucid import Input, Model, layers, plot
from pellucid.layers import BatchNormalization, Conv2D, Dense, TextVectorization
from pellucid.models import EncoderDecoder

SIDE, FIELDS, UNITS, BATCH, RATE = 64, 64, 128, 64, 3e-3
NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def scenes(images: np.ndarray, labels: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Scenes [count, 64, 64, 1] and what they show, in words."""
    random = np.random.default_rng(seed)
    made, captions = [], []
    for _ in range(count):
        digits = random.choice(10, size=1 if random.random() < 0.25 else 2, replace=False)
        counts, relation = random.integers(1, 4, len(digits)), random.choice(["above", "left of"])
        drawn, centres = [], []
        for group, (digit, copies) in enumerate(zip(digits, counts, strict=True)):
            depth = 32 if len(digits) == 1 else (17, 47)[group]
            for copy in range(copies):
                along = 32 + 21 * (copy - (copies - 1) / 2)
                centres.append((along, depth) if relation == "above" else (depth, along))
                drawn.append(random.choice(np.flatnonzero(labels == digit)))
        places = np.array(centres) + random.uniform(-3, 3, (len(centres), 2))
        sizes = random.uniform(15, 19, len(drawn))
        made.append(pellucid.datasets.compose_scene(images[drawn], places, sizes, (SIDE, SIDE))[0])
        groups = [phrase(digit, copies) for digit, copies in zip(digits, counts, strict=True)]
        captions.append(f" {relation} ".join(groups))
    return np.array(made)[..., None], captions


def phrase(digit: int, copies: int) -> str:
    if copies == 1:
        return f"an {NAMES[digit]}" if NAMES[digit] == "eight" else f"a {NAMES[digit]}"
    return f"{NAMES[copies]} {NAMES[digit]}{'es' if NAMES[digit] == 'six' else 's'}"


def captioner(vocabulary: TextVectorization) -> EncoderDecoder:
    words = vocabulary.get_vocabulary()
    image = Input((SIDE, SIDE, 1))
    x = layers.Rescaling(1 / 255)(image)
    for filters in (16, 32, 64):
        x = layers.MaxPooling2D()(Conv2D(filters, 3, padding="same", activation="relu")(x))
        x = BatchNormalization(momentum=0.9)(x)
    x = layers.Reshape((FIELDS, UNITS))(Conv2D(UNITS, 3, padding="same", activation="relu")(x))
    encoder = Model(image, layers.Add()([x, layers.PositionEmbedding(FIELDS)(x)]), seed=0)

    tokens, fields = Input((None,), dtype="int32"), Input((FIELDS, UNITS))
    embedded = layers.Embedding(len(words), 64, mask_zero=True)(tokens)
    remembered = layers.GRU(UNITS, return_sequences=True)(embedded)
    seen = layers.MultiHeadAttention(num_heads=2, key_dim=64, name="look")(remembered, fields)
    decoder = Model([tokens, fields], Dense(len(words))(layers.Add()([remembered, seen])), seed=1)
    start, end = words.index("[START]"), words.index("[END]")
    return EncoderDecoder(encoder, decoder, start, end, vocabulary=vocabulary, seed=0)


def main(quick: bool = False, precision: str = "float32") -> dict[str, float]:
    count, epochs = (6_000, 3) if quick else (12_000, 6)
    (x, y), (test_x, test_y) = pellucid.datasets.mnist()
    (images, captions), (unseen, truths) = scenes(x, y, count, seed=0), scenes(test_x, test_y, 1_000, seed=1)
    vectorize = TextVectorization(standardize=None)
    vectorize.adapt(f"[START] {caption} [END]" for caption in captions)
    tokens = vectorize([f"[START] {caption} [END]" for caption in captions])

    model = captioner(vectorize)
    rate = pellucid.optimizers.schedules.CosineDecay(RATE, decay_steps=epochs * -(-count // BATCH))
    loss = pellucid.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(pellucid.optimizers.Adam(rate), loss, metrics=["accuracy"], precision=precision)
    model.fit((images, tokens[:, :-1]), tokens[:, 1:], batch_size=BATCH, epochs=epochs, verbose=2)

    written = model.write(unseen, max_length=tokens.shape[1], batch_size=100)
    right = np.array([mine == truth for mine, truth in zip(written, truths, strict=True)])
    print(f"{right.mean():.1%} of {len(right):,} unseen scenes described without a mistake; guessing gets 1 in 1,650")
    for mine, truth in [pair for pair in zip(written, truths, strict=True) if pair[0] != pair[1]][:5]:
        print(f"    wrote {mine!r} where it was {truth!r}")
    model.save("digit_captions.safetensors")
    draw(model, vectorize, unseen, written, truths)
    print("saved as digit_captions.safetensors; digit_captions.png shows scenes, and where it looked at each word")
    return {"exact_match": float(right.mean())}


def draw(
    model: EncoderDecoder, vectorize: TextVectorization, images: np.ndarray, written: list[str], truths: list[str]
) -> None:
    """Ten scenes with their captions; and of one, where the network looked when it wrote each word."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(8, 5.8), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[3.2, 1])
    lines = [mine.replace(" above ", "\nabove ").replace(" left of ", "\nleft of ") for mine in written[:10]]
    titles = [line + " (wrong)" * (mine != truth) for line, mine, truth in zip(lines, written, truths, strict=False)]
    plot.images(images[:10], titles, ax=above.subplots())

    chosen = max(range(10), key=lambda i: len(written[i].split()))
    words = written[chosen].split()
    tokens = vectorize([f"[START] {written[chosen]}"])[:, : len(words)]
    scores = model.trace((images[chosen][None], tokens))["decoder/look"].parts["scores"][0].mean(0)
    for ax, word, score in zip(below.subplots(1, len(words)), words, scores, strict=True):
        light = np.kron(score.reshape(8, 8) / score.max(), np.ones((8, 8)))
        grey = images[chosen, :, :, 0] / 255
        plot.images([np.stack([np.maximum(grey, light), np.maximum(grey, light / 2), grey], axis=-1)], [word], ax=ax)
    figure.savefig("digit_captions.png", dpi=150)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="6,000 scenes, three times: 20 seconds, to see it run")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    main(**vars(parser.parse_args()))
