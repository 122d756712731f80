"""A Transformer reads Shakespeare's plays, and learns to write on: 1.47 nats per character, nanoGPT's task.

The network sees 256 characters and says, at every place, how likely each character is to come next. It has six blocks,
each of two parts. Attention lets a place look back at those before it, never ahead, by six heads that each look for
something else; which place is how far away, they know by turning what they compare (rotary embedding). Then two dense
layers think about each place on its own. What a part finds is added to what went in, after dropout.

To write, one character is drawn by the probabilities at the last place, and read in turn. Keys and values of all
earlier places are kept, so that each character costs one place and not the whole window.

Training sees windows that begin anywhere in the first nine tenths of the plays (seed 0). The loss is that of the last
tenth, all of it, in windows one after another; guessing would have 4.17 nats, a letter's mere frequency 3.3. It was
reached in bfloat16.

    python examples/shakespeare_gpt.py --precision bfloat16    6,000 steps; about 9 minutes on two cores
    python examples/shakespeare_gpt.py --quick                 60 steps, to see it run

Sources: A. Karpathy, nanoGPT, 2022; Radford et al., "Language Models are Unsupervised Multitask Learners", 2019; Su et
al., "RoFormer", 2021.
"""

from __future__ import annotations

import argparse
from typing import Any

import pellucid
from pellucid import plot
from pellucid.layers import (
    Dense,
    Dropout,
    Embedding,
    Input,
    LayerNormalization,
    MultiHeadAttention,
    TextVectorization,
)
from pellucid.models import LanguageModel

LENGTH, LAYERS, HEADS, WIDTH, DROPOUT = 256, 6, 6, 192, 0.15
BATCH, STEPS, RATE, SEED = 8, 6000, 1.5e-3, 0
LINES = 18  # of each text in the picture


def language_model(vocabulary: TextVectorization) -> LanguageModel:
    size = vocabulary.vocabulary_size()
    ids = Input((LENGTH,), dtype="int32")
    x = Dropout(DROPOUT)(Embedding(size, WIDTH)(ids))
    for _ in range(LAYERS):
        y = LayerNormalization()(x)
        y = MultiHeadAttention(HEADS, WIDTH // HEADS, rotary=True)(y, y, use_causal_mask=True)
        x = x + Dropout(DROPOUT)(y)
        y = Dense(4 * WIDTH, activation="gelu")(LayerNormalization()(x))
        x = x + Dropout(DROPOUT)(Dense(WIDTH)(y))
    return LanguageModel(ids, Dense(size)(LayerNormalization()(x)), vocabulary, seed=SEED)


def train(
    model: LanguageModel, windows: Any, steps: int, precision: str, epochs: int = 1, validation: Any = None
) -> None:
    rate = pellucid.optimizers.schedules.CosineDecay(
        0.0, decay_steps=steps * 19 // 20, alpha=0.05, warmup_target=RATE, warmup_steps=steps // 20
    )
    loss = pellucid.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(pellucid.optimizers.AdamW(rate, weight_decay=0.1, beta_2=0.99), loss, precision=precision)
    model.fit(windows, epochs=epochs, steps_per_epoch=steps // epochs, validation_data=validation, verbose=2)


def main(quick: bool = False, precision: str = "float32") -> dict[str, float]:
    steps, epochs = (60, 2) if quick else (STEPS, 10)
    text = pellucid.datasets.tiny_shakespeare()
    border = len(text) * 9 // 10
    vocabulary = TextVectorization(standardize=None, split="character")
    vocabulary.adapt(text[:border])
    windows = pellucid.utils.next_token_dataset_from_array
    training = windows(vocabulary(text[:border]), LENGTH, 1, batch_size=BATCH, shuffle=True, seed=SEED)
    validation = windows(vocabulary(text[border:]), LENGTH, batch_size=64)

    model = language_model(vocabulary)
    train(model, training, steps, precision, epochs, validation)
    held_out = float(model.evaluate(validation))
    print(
        f"{held_out:.3f} nats per character on the last tenth, which it has never seen; "
        "nanoGPT, of four times the size, has 1.47 (A. Karpathy 2022)"
    )
    model.save("shakespeare_gpt.safetensors")
    show(model, text[border:])
    print("saved as shakespeare_gpt.safetensors, with its vocabulary; shakespeare_gpt.png shows what surprises it\n")
    print(model.generate("ROMEO:", length=400, temperature=0.8, top_k=20, seed=SEED))
    return {"loss": held_out}


def show(model: LanguageModel, unseen: str) -> None:
    """Lines of its own and lines it has never seen, each character the darker, the more it surprises the network."""
    import matplotlib.pyplot as plt

    figure, places = plt.subplots(2, figsize=(6.2, 7.8), layout="constrained")
    texts = {
        "its own": model.generate("ROMEO:", length=900, temperature=0.8, seed=SEED),
        "Shakespeare's": unseen[unseen.index("\n\n") + 2 :][:2000],
    }
    for ax, (whose, text) in zip(places, texts.items(), strict=True):
        lines = "\n".join(text.splitlines()[:LINES])
        plot.surprise(lines, model.likelihoods(lines), ax=ax)
        ax.set_ylim(LINES - 0.5, -0.5)
        ax.set_title(f"{whose} lines; {ax.get_title('left')}", loc="left", fontsize=9)
    figure.savefig("shakespeare_gpt.png", dpi=150)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="60 steps: under a minute, to see it run")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    main(**vars(parser.parse_args()))
