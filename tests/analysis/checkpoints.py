"""Real checkpoints, very small: every architecture of the registry with random weights and a vocabulary of its own.

They are laid out as a hub download is kept, so that a test loads them by the code that loads a hub id.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from crypto_dt_source.analysis.catalog import SPECS, ModelSpec
from crypto_dt_source.analysis.registry import Models

HEADLINES = (
    "Bitcoin ETF inflows hit a record as price breaks out",
    "Exchange hacked, withdrawals halted and funds lost",
    "Ethereum developers set a date for the next upgrade",
    "Solana rallies to a new high",
    "Regulator sues a lender; token plunges",
    "Miners publish their monthly report",
    "Stablecoin supply is unchanged this week",
    "Whales buy the dip",
)
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
BART = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
}


def word_pieces(folder: Path, *, fast: bool = True) -> int:
    """A BERT vocabulary; without `fast` only vocab.txt. Gives its size."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(
        HEADLINES, trainers.WordPieceTrainer(vocab_size=220, special_tokens=special, show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    if fast:
        tokenizer.save(str(folder / "tokenizer.json"))
    else:
        words = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
        (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(
            '{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}'
        )
    return tokenizer.get_vocab_size()


def byte_pairs(folder: Path, *, single: str, pair: str | None = None) -> int:
    """A byte-level BPE vocabulary with RoBERTa's special tokens. Gives its size."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(HEADLINES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, pair=pair or f"{single} $B", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer.get_vocab_size()


def labelled(labels: Mapping[int, str]) -> dict[str, Any]:
    """The part of a config that names outputs."""
    return {"id2label": dict(labels), "label2id": {word: index for index, word in labels.items()}}


def _wide(model: Any) -> Any:
    """Weights spread so far that texts differ in what the model makes of them."""
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.dim() > 1:
                weights.copy_(
                    torch.randn(weights.shape, generator=generator) * (0.5 if "embed" in name else 0.4)
                )
    return model.eval()


def bert(folder: Path, labels: Mapping[int, str], *, fast: bool = True, **own: Any) -> Path:
    """FinBERT's architecture, and the embedded model's."""
    folder.mkdir(parents=True, exist_ok=True)
    size = word_pieces(folder, fast=fast)
    config = transformers.BertConfig(vocab_size=size, max_position_embeddings=64, **SMALL, **labelled(labels))
    _wide(transformers.BertForSequenceClassification(config)).save_pretrained(folder)
    if own:
        written = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(written | {"crypto_dt_source": own}))
    return folder


def distilbert(folder: Path, labels: Mapping[int, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    size = word_pieces(folder)
    config = transformers.DistilBertConfig(
        vocab_size=size,
        dim=16,
        n_layers=1,
        n_heads=2,
        hidden_dim=32,
        max_position_embeddings=64,
        **labelled(labels),
    )
    _wide(transformers.DistilBertForSequenceClassification(config)).save_pretrained(folder)
    return folder


def roberta(folder: Path, labels: Mapping[int, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    size = byte_pairs(folder, single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>")
    config = transformers.RobertaConfig(
        vocab_size=size, max_position_embeddings=66, **SMALL, **labelled(labels)
    )
    _wide(transformers.RobertaForSequenceClassification(config)).save_pretrained(folder)
    return folder


def bart(folder: Path, labels: Mapping[int, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    size = byte_pairs(folder, single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>")
    config = transformers.BartConfig(vocab_size=size, max_position_embeddings=96, **BART, **labelled(labels))
    _wide(transformers.BartForSequenceClassification(config)).save_pretrained(folder)
    return folder


def gpt_neo(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    size = byte_pairs(folder, single="$A")
    config = transformers.GPTNeoConfig(
        vocab_size=size,
        hidden_size=16,
        num_layers=2,
        num_heads=2,
        attention_types=[[["global", "local"], 1]],
        window_size=8,
        max_position_embeddings=64,
        bos_token_id=2,
        eos_token_id=2,
    )
    _wide(transformers.GPTNeoForCausalLM(config)).save_pretrained(folder)
    return folder


def opt(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    size = byte_pairs(folder, single="</s> $A")
    config = transformers.OPTConfig(
        vocab_size=size,
        hidden_size=16,
        word_embed_proj_dim=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        ffn_dim=32,
        max_position_embeddings=64,
    )
    _wide(transformers.OPTForCausalLM(config)).save_pretrained(folder)
    return folder


def spec_of(id: str) -> ModelSpec:
    """The registry's own line of a model."""
    return next(spec for spec in SPECS if spec.id == id)


def snapshot(models_folder: Path, id: str) -> Path:
    """Where the hub's client keeps the registry's revision of this model."""
    spec = spec_of(id)
    owner_and_name = (spec.hub_id or "").replace("/", "--")
    return models_folder / "hub" / f"models--{owner_and_name}" / "snapshots" / spec.revision


def hub(models_folder: Path) -> Path:
    """Every model of the registry, as if downloaded, with the label order of the real one."""
    distilbert(snapshot(models_folder, "distilbert-sst-2"), {0: "NEGATIVE", 1: "POSITIVE"})
    roberta(snapshot(models_folder, "twitter-roberta"), {0: "negative", 1: "neutral", 2: "positive"})
    bert(snapshot(models_folder, "finbert"), {0: "positive", 1: "negative", 2: "neutral"}, fast=False)
    bart(snapshot(models_folder, "bart-large-mnli"), {0: "contradiction", 1: "neutral", 2: "entailment"})
    gpt_neo(snapshot(models_folder, "gpt-neo-125m"))
    opt(snapshot(models_folder, "opt-125m"))
    return models_folder


def renamed(source: Path, target: Path, labels: dict[int, str]) -> Path:
    """The same weights whose config names the outputs otherwise."""
    shutil.copytree(source, target)
    config = json.loads((target / "config.json").read_text()) | labelled(labels)
    (target / "config.json").write_text(json.dumps(config))
    return target


async def loaded(models: Models, name: str) -> Models:
    """With the model ready, or failed. Time stands still: a load has all the time it needs."""
    await models.load(name)
    return models
