"""Praise or blame? Three kinds of networks read one-sentence film reviews: a convolution, an LSTM and a Transformer.

All three begin and end alike. Each word becomes 64 learned numbers; while training, two words of five are left out at
random, so that no verdict rests on a single one. Then the kinds differ: a convolution sees one, two and three words at
a time, an LSTM reads from both ends and remembers, and attention lets each word look at all others. The average over
the sentence decides. No numbers learned elsewhere come in.

Data: 10,662 sentences (Pang and Lee 2005), half of them praise. Ten-fold: the sentences of each class are dealt out to
ten parts in turn, and each part is judged by networks trained on the other nine, words counted there too. Seeds are 0
to 9, the numbers of the parts. Sizes and epochs were chosen by such figures, which flatters them by some tenths of 1 %.

    python examples/sentiment.py                ten parts, three networks each; about three minutes on two cores
    python examples/sentiment.py --quick        one part, two epochs, to see it run

Source of the task's form and of the reference: Y. Kim, Convolutional Neural Networks for Sentence Classification, 2014.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import pellucid
from pellucid import layers

EPOCHS = {"convolution": 6, "LSTM": 4, "Transformer": 5}
LENGTH, WIDTH, BATCH, RATE, PARTS = 40, 64, 64, 1e-3, 10
KIM = 0.761  # of unseen sentences right: the convolutional network without pretrained words, "CNN-rand"
REVIEW = "too long and at times dull , but a gorgeous , moving film with a wonderful cast"


def network(kind: str, vocabulary: int, seed: int) -> pellucid.Model:
    ids = layers.Input((LENGTH,), dtype="int32")
    if kind == "Transformer":  # attention knows no order: places are learned too
        x = layers.TokenAndPositionEmbedding(vocabulary, LENGTH, WIDTH, mask_zero=True)(ids)
    else:  # a convolution knows no masks: to it, padding is a word like others
        x = layers.Embedding(vocabulary, WIDTH, mask_zero=kind == "LSTM")(ids)
    x = layers.Dropout(0.4, noise_shape=(None, None, 1))(x)  # whole words
    if kind == "convolution":
        x = layers.Concatenate()([layers.Conv1D(100, n, padding="same", activation="relu")(x) for n in (1, 2, 3)])
    elif kind == "LSTM":
        x = layers.Bidirectional(layers.LSTM(32, return_sequences=True))(x)
    else:
        x = layers.TransformerEncoder(2 * WIDTH, num_heads=4, dropout=0.3)(x)
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling1D()(x))
    return pellucid.Model(ids, layers.Dense(1, activation="sigmoid", name="praise")(x), seed=seed)


def main(quick: bool = False, precision: str = "float32") -> dict[str, float]:
    sets = pellucid.datasets.sentence_polarity()
    texts = np.array([text for texts, _ in sets for text in texts], dtype=object)
    labels = np.concatenate([labels for _, labels in sets])
    parts, epochs = (1, dict.fromkeys(EPOCHS, 2)) if quick else (PARTS, EPOCHS)
    part_of = np.empty(len(texts), int)
    for label in (0, 1):
        part_of[labels == label] = np.arange((labels == label).sum()) % PARTS

    right: dict[str, list[float]] = {kind: [] for kind in EPOCHS}
    models = {}
    began = time.perf_counter()
    for part in range(parts):
        unseen = part_of == part
        words = layers.TextVectorization(output_sequence_length=LENGTH, standardize=None)  # they are lower case already
        words.adapt(texts[~unseen])
        x, test = words(texts[~unseen]), words(texts[unseen])
        for kind in EPOCHS:
            model = models[kind] = network(kind, words.vocabulary_size(), seed=part)
            rate = pellucid.optimizers.schedules.CosineDecay(RATE, decay_steps=epochs[kind] * -(-len(x) // BATCH))
            optimizer = pellucid.optimizers.Adam(rate)
            model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"], precision=precision)
            model.fit(x, labels[~unseen], epochs=epochs[kind], batch_size=BATCH, verbose=0)
            right[kind].append(model.evaluate(test, labels[unseen])[1])
        print(f"part {part}: " + ", ".join(f"{kind} {right[kind][-1]:.1%}" for kind in EPOCHS), flush=True)

    accuracy = {kind: float(np.mean(values)) for kind, values in right.items()}
    for kind, value in accuracy.items():
        print(f"{kind}: {value:.1%} of unseen sentences right; Kim's convolution (2014) had {KIM:.1%}")
    print(f"trained {len(EPOCHS) * parts} networks in {time.perf_counter() - began:.0f} s")
    best = max(accuracy, key=accuracy.__getitem__)
    models[best].save("sentiment.safetensors")
    words.save("sentiment_words.json")
    print(f"saved the last {best} as sentiment.safetensors, its words as sentiment_words.json")
    draw(right, models, words)
    return {"accuracy": min(accuracy.values()), **accuracy}  # of the three, the least


def draw(right: dict[str, list[float]], models: dict[str, pellucid.Model], words: layers.TextVectorization) -> None:
    """The three compared, a dot for each part; and what each word of a review contributed to each one's verdict."""
    from matplotlib import pyplot

    figure, (bars, *texts) = pyplot.subplots(4, 1, figsize=(7.4, 5.4), height_ratios=[4, 1, 1, 1], layout="constrained")
    for place, (kind, values) in enumerate(right.items()):
        bars.barh(place, np.mean(values), height=0.6, color=f"C{place}", alpha=0.75)
        bars.plot(values, np.full(len(values), place), "o", color="black", alpha=0.5, markersize=4)
        bars.text(0.502, place, f"{kind}: {np.mean(values):.1%}", va="center", color="white", fontweight="bold")
    bars.axvline(KIM, color="black", linestyle=":", label="Kim 2014")
    bars.set(
        xlim=(0.5, 0.85), yticks=[], xlabel="unseen sentences judged rightly (a dot for each part; 0.5 is guessing)"
    )
    bars.legend(loc="center right")
    bars.invert_yaxis()
    for ax, (kind, model) in zip(texts, models.items(), strict=True):
        why = model.why(words([REVIEW]), vocabulary=words.get_vocabulary())
        pellucid.plot.words(why, ax=ax)
        ax.set_title(f"{kind}: praise with {why.prediction:.0%}", loc="left")
    figure.savefig("sentiment.png", dpi=150)
    print("the three, and what each word of a review contributed: sentiment.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one part, two epochs: under a minute, to see it run")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    main(**vars(parser.parse_args()))
