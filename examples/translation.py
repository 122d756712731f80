"""Translation from English into German by a Transformer that reads one sentence and writes another, piece by piece.

The encoder lets the words of the English sentence look at each other; the decoder writes the German one, and at each
piece looks, by attention, at what it has written and at the English words that matter now. It learns by teacher
forcing: given the true translation so far, what is next? To translate, beam search keeps the four most likely
beginnings. Words are cut into 4,000 pieces, learnt from both languages, so that any word can be written. The sentences
are captions of photographs: Multi30k has 29,000 pairs to learn from, 1,014 to watch the learning by, and 1,000
(test_2016_flickr) to judge it by; seed 0.

    python examples/translation.py --precision bfloat16    about 6 minutes on two cores; 10 in float32
    python examples/translation.py --quick                 2,000 pairs: half a minute, to see it run

It needs the libraries tokenizers and sacrebleu: pip install 'pellucid[text,plot]'. Sources: Vaswani et al., "Attention
is all you need", 2017; Elliott et al., "Multi30K", 2016.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

import pellucid
from pellucid import Input, Model, layers, plot
from pellucid.layers import BytePairTokenizer, Dense, LayerNormalization
from pellucid.models import EncoderDecoder

PIECES, WIDTH, HIDDEN, LAYERS, HEADS, DROPOUT = 4000, 256, 512, 3, 4, 0.1
START, END, LONGEST = 1, 2, 40  # tokens, and the most of them in a sentence: one in 170 is longer and cut
BUCKETS, BATCH, RATE, BEAMS = [12, 16, 20, 26], 64, 1e-3, 4


def translator(tokenizer: BytePairTokenizer) -> EncoderDecoder:
    pieces = tokenizer.vocabulary_size()
    embedding = {"vocabulary_size": pieces, "sequence_length": LONGEST, "embedding_dim": WIDTH, "mask_zero": True}
    block = {"intermediate_dim": HIDDEN, "num_heads": HEADS, "dropout": DROPOUT, "normalize_first": True}
    english = Input((None,), dtype="int32", name="english")
    x = layers.Dropout(DROPOUT)(layers.TokenAndPositionEmbedding(**embedding)(english))
    for _ in range(LAYERS):
        x = layers.TransformerEncoder(**block)(x)
    encoder = Model(english, LayerNormalization()(x), seed=0)

    german, memory = Input((None,), dtype="int32", name="german"), Input((None, WIDTH), name="memory")
    y = layers.Dropout(DROPOUT)(layers.TokenAndPositionEmbedding(**embedding)(german))
    for i in range(LAYERS):
        y = layers.TransformerDecoder(**block, name=f"block_{i}")(y, memory)
    decoder = Model([german, memory], Dense(pieces)(LayerNormalization()(y)), seed=1)
    return EncoderDecoder(encoder, decoder, START, END, vocabulary=tokenizer, source_vocabulary=tokenizer, seed=0)


def batches(
    tokenizer: BytePairTokenizer, english: list[str], german: list[str], shuffle: bool = False
) -> Iterable[Any]:
    """English and German so far → the German that follows; in batches of about one length, to save padding."""
    pairs = (tokenizer(english), tokenizer([f"[START]{text}[END]" for text in german]))
    bucketed = pellucid.utils.bucket_by_sequence_length(pairs, BUCKETS, BATCH, shuffle=shuffle, seed=0)
    return bucketed.map(lambda source, target: ((source, target[:, :-1]), target[:, 1:]))


def main(quick: bool = False, precision: str = "float32") -> dict[str, float]:
    pairs, epochs, judged = (2_000, 2, 50) if quick else (29_000, 6, 1_000)
    train, validation, (unseen, truths) = pellucid.datasets.multi30k()
    english, german = (texts[:pairs] for texts in train)
    unseen, truths = unseen[:judged], truths[:judged]
    tokenizer = BytePairTokenizer(PIECES, LONGEST, special_tokens=["[START]", "[END]"])
    tokenizer.adapt(english + german)
    training = batches(tokenizer, english, german, shuffle=True)

    model = translator(tokenizer)
    steps = epochs * len(training)
    rate = pellucid.optimizers.schedules.CosineDecay(
        0.0, decay_steps=steps * 9 // 10, warmup_target=RATE, warmup_steps=steps // 10
    )
    loss = pellucid.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(pellucid.optimizers.Adam(rate, beta_2=0.98), loss, precision=precision)
    model.fit(training, epochs=epochs, validation_data=batches(tokenizer, *validation), verbose=2)

    began = time.perf_counter()
    translations = model.write(unseen, max_length=LONGEST, num_beams=BEAMS)
    score = pellucid.metrics.bleu(truths, translations)
    print(f"{judged:,} sentences translated in {time.perf_counter() - began:.0f} s")
    print(
        f"sacreBLEU {score:.1f} on {judged:,} unseen sentences; a small Transformer had 41.0 on words in small "
        "letters, cut before (Wu, Kong et al. 2021)"
    )
    for one in zip(unseen[:5], translations, truths, strict=False):
        print("\n    English  {}\n    written  {}\n    true     {}".format(*one))
    model.save("translation.safetensors")
    draw(model, tokenizer, unseen, translations)
    print("\nsaved as translation.safetensors; translation.png shows where it looked at each piece")
    return {"bleu": score}


def draw(model: EncoderDecoder, tokenizer: BytePairTokenizer, sentences: list[str], written: list[str]) -> None:
    """Which English pieces the decoder looked at when it wrote each German one, in a sentence of middle length."""
    chosen = min(range(len(sentences)), key=lambda i: abs(len(sentences[i].split()) - 12))
    source, target = (row[row > 0] for row in (tokenizer(sentences[chosen]), tokenizer(written[chosen])))
    trace = model.trace((source[None], np.array([[START, *target[:-1]]])))
    looks = [trace[f"decoder/block_{i}/cross_attention"].parts["scores"][0] for i in range(LAYERS)]
    english, german = ([tokenizer.decode([piece]).strip() for piece in row] for row in (source, target))
    (ax,) = plot.attention(np.mean(looks, axis=(0, 1)), queries=german, keys=english)
    ax.set(title="", xlabel="English, as it is read", ylabel="German, as it is written")
    ax.figure.savefig("translation.png", dpi=150, bbox_inches="tight")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2,000 pairs, twice: half a minute, to see it run")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    main(**vars(parser.parse_args()))
