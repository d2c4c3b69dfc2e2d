#!/usr/bin/env python3
"""Writes test/goldens/tokenizers: tiny tokenizers of every kind, with what the reference libraries
make of hard texts; and the seeds of the tokenizer fuzzer.

Needs tokenizers, transformers (4.52), sentencepiece, protobuf and gguf from PyPI. Run it from anywhere:

    python3 scripts/goldens/tokenizer_goldens.py

texts.json holds the texts. Each folder holds a tokenizer's files and expected.json:
  ids       for each text its ids, nothing added (null: versions of the reference library differ)
  frame     what the tokenizer adds before and behind a text, where asked to
  decoded   what a text's ids decode to, without special tokens, where that is not the text; by its index (null:
            the reference has no answer)
  tokens    what each id of the vocabulary decodes to by itself, special tokens written
A .gguf file beside them holds the same vocabulary, and gives the same ids.
"""

import io
import json
import pathlib
import shutil
import tempfile

import gguf
import sentencepiece
import transformers
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        processors, trainers)

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "test" / "goldens" / "tokenizers"
SEEDS = FOLDER.parents[1] / "fuzz" / "tokenizer" / "corpus"

PROSE = """The compiler reads a checkpoint and writes an artifact; the runtime reads the artifact and writes text.
It's what we've wanted: they're fast, I'm told, and you'll see that he'd agree. DON'T SHOUT, WE'RE HERE!
In 1984, 12345 readers paid 3.14 or 2,718 dollars (about 50% of 100 000) for 7 books.
def forward(self, x):\n    for i in range(10):\n        y = self.norm(x[i]) + 0x1F\n\treturn y
Die Größe der Matrix überschreitet die Fähigkeiten. El niño comió piñas en el café. Ça va être déjà vu.
Съешь же ещё этих мягких французских булок, да выпей чаю. Η γρήγορη καφέ αλεπού πηδάει.
我想在苹果公司工作。日本語のテキストを分割する。한국어 문장을 나눕니다. កាន់តែពិសេសអាចខលចេញ
مرحبا بالعالم، كيف حالك؟ שלום עולם हिन्दी में एक वाक्य ไทยไม่มีช่องว่าง
The quick brown fox jumps over the lazy dog; the five boxing wizards jump quickly.
Each kernel has a load, a compute and a store role, and each weight is a recipe. """

TEXTS = [
    "", " ", "  ", "   ", "\t", "\n", "\n\n", "\n\n\n", "\t\n", " \n ", "\r\n", "\r\n\r\n  x",
    "Hello world", " Hello world", "Hello  world", "Hello world ", "   Hello\n   world\t\t!",
    "It's they're I'm we've you'll he'd DON'T WE'RE 'tis 'Re 'LL", "don't can't won't y'all'd've",
    "3", "33", "333", "3333", "1234567890", "3.14159, 2,718 and 1e-5", "½ ² ³ ¹ ¼ Ⅷ ৪২ ४२ ١٢٣",
    "!!!!!!", "a.b.c", "...---...", "$100 + 50% = <x>^2 ~ `code` | a\\b", "(a)[b]{c}\"d\"'e'", "¿Qué? «oui» „nein“",
    "foo_bar fooBar FooBAR foo-bar foo/bar", "def f(x):\n    return x ** 2\n\n\nprint(f(3))",
    "Führer café naïve Ærøskøbing", "cafe\u0301 e\u0301\u0323 A\u030a Å \u212b ﬁ ﬀ Ǆ ½ ｆｕｌｌ　ｗｉｄｔｈ",
    "Cửa Việt", "Cư\u0309a Viê\u0323t", "нещо на Български", "Ελληνικά ΣΑΣ", "İstanbul ıI ẞß", "ſ's 'ſ K",
    "កាន់តែពិសេសអាចខលចេញ", "हिन्दी में", "ไทยไม่มี", "مرحبا بالعالم، ١٢٣", "שלום עולם",
    "我想在apple工作1314151天～", "日本語テキスト。カタカナ、ひらがな", "한국어 문장을", "中文，标点！？",
    "🚀 (normal) 😶‍🌫️ (multiple emojis concatenated) ✅", "🦙.cpp 👩‍👩‍👧‍👦🏳️‍🌈🇩🇪", "😁😁😁",
    "\u0000", "a\u0000b\u0001\u001f\u007f\u0080\u009f", "\ufeffBOM \u200b zero\u200dwidth \u00a0nbsp \u3000 ideographic",
    "\u180e mongolian \u2028 line \u2029 paragraph \u0085 next", "\ufffd \ufffe \U0010ffff \ue000",
    "▁under▁score ▁", "Ġbyte Ċ level", "##cont </w>", "<0x0A> <0xE2>",
    "<s>", "</s>", "<s>Hello</s>", "Hello <s>.", "a</s> b", "<unk> here", "<|endoftext|>", "Hi<|endoftext|>there",
    "<|begin_of_text|>x<|eot_id|>\n\ny", "  <left>  x", "x  <right>  y", "a<word>b <word> c<word>", "<norm> É <NORM> x<norm>y",
    "<<s>>", "<|endoftext", "<|end<|endoftext|>oftext|>", "<extra> <extra><extra>", "<mask>  word  <mask>",
    "supercalifragilisticexpialidocious", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "thethethethe the the  the", "x" + " " * 30 + "y" + " " * 17, "\n" * 20 + "z", "\t \t \t", "a\u00a0\u00a0b\u2003\u2003c",
    PROSE.strip(),
]

GPT2 = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
LLAMA3 = (r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"""
          r"""|\s*[\r\n]+|\s+(?!\S)|\s+""")
QWEN2 = LLAMA3.replace("{1,3}", "")
GPT4O = (r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"""
         r"""|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"""
         r"""|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+""")
BLOOM = r""" ?[^(\s|[.,!?…。，、।۔،])]+"""
CORPUS = [PROSE] * 4 + TEXTS


def byte_level(name, pre_tokenizer, *, normalizer=None, special=("<|endoftext|>",), added=(), vocabulary=420,
               ignore_merges=False, template=None, config=None, gguf_pre=None):
    """A byte-level BPE; `pre_tokenizer` maps to GPT-2's characters itself."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=list(special), show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    tokenizer.add_tokens(list(added))
    if template:
        tokenizer.post_processor = template(tokenizer)
    save(name, tokenizer, config)
    if gguf_pre:
        write_byte_level_gguf(name, tokenizer, gguf_pre)


def split(*patterns, byte=True):
    steps = [pre_tokenizers.Split(Regex(p), "isolated") for p in patterns]
    return pre_tokenizers.Sequence(steps + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)] * byte)


def save(name, tokenizer, config=None):
    folder = FOLDER / name
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False))
    if config is None:
        oracle = tokenizer
    else:
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
        oracle = transformers.AutoTokenizer.from_pretrained(folder).backend_tokenizer
    write_expected(name,
                   lambda text, add: oracle.encode(text, add_special_tokens=add).ids,
                   lambda ids, skip: oracle.decode(ids, skip_special_tokens=skip),
                   oracle.get_vocab_size())


def write_expected(name, encode, decode, size):
    ids = [encode(text, False) for text in TEXTS]
    answered = [i for i, line in enumerate(ids) if line is not None]
    framed = encode("Hello", True)
    at = next(i for i in range(len(framed)) if framed[i:i + len(encode("Hello", False))] == encode("Hello", False))
    frame = [framed[:at], framed[at + len(encode("Hello", False)):]]
    assert all(encode(TEXTS[i], True) == frame[0] + ids[i] + frame[1] for i in answered)
    decoded = {i: decode(ids[i], True) for i in answered}
    decoded = {i: text for i, text in decoded.items() if text != TEXTS[i]}
    expected = {"ids": ids, "frame": frame, "decoded": decoded, "tokens": [decode([i], False) for i in range(size)]}
    lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}"
             for key, value in expected.items()]
    (FOLDER / name / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def gguf_writer(name, model, pre):
    writer = gguf.GGUFWriter(FOLDER / name / "vocabulary.gguf", "llama")
    writer.add_tokenizer_model(model)
    writer.add_tokenizer_pre(pre)
    return writer


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def write_byte_level_gguf(name, tokenizer, pre):
    writer = gguf_writer(name, "gpt2", pre)
    added = tokenizer.get_added_tokens_decoder()
    model = json.loads(tokenizer.to_str())["model"]
    texts = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    writer.add_token_list(texts)
    writer.add_token_types([(3 if added[i].special else 4) if i in added else 1 for i in range(len(texts))])
    writer.add_token_merges([" ".join(merge) for merge in model["merges"]])
    finish(writer)


def scored(name, model, *, normalizer=None, pre_tokenizer=None, decoder=None, trainer=None, added=(), config=None,
           template=None):
    """Any other tokenizer.json."""
    tokenizer = Tokenizer(model)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    if decoder is not None:
        tokenizer.decoder = decoder
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_tokens(list(added))
    if template:
        tokenizer.post_processor = template(tokenizer)
    save(name, tokenizer, config)


BYTES = [f"<0x{i:02X}>" for i in range(256)]


def llama_json(name, *, metaspace):
    """Llama's tokenizer.json: BPE over characters with byte fallback."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=256 + 3 + 420, special_tokens=["<unk>", "<s>", "</s>"] + BYTES, show_progress=False,
        limit_alphabet=90))
    text = json.loads(tokenizer.to_str())
    text["added_tokens"] = text["added_tokens"][:3]
    text["model"].update(byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    tokenizer = Tokenizer.from_str(json.dumps(text))
    start = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(start + [decoders.Strip(" ", 1, 0)])
    if metaspace:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        tokenizer.pre_tokenizer = None
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    save(name, tokenizer)


def sentence_piece(name, config=None, gguf_model=False, undecided=(), **options):
    folder = FOLDER / name
    folder.mkdir(parents=True)
    model = io.BytesIO()
    # A line of the corpus is a sentence.
    sentences = [line for text in CORPUS for line in text.split("\n") if line.strip("\0") and "\0" not in line]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=model, hard_vocab_limit=False, minloglevel=2,
        num_threads=1, **options)
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    library = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    if config is None:
        # The library writes nothing for a control piece, even alone.
        write_expected(name,
                       lambda text, add: None if text in undecided else
                       [library.bos_id()] * add + library.encode(text),
                       lambda ids, skip: library.id_to_piece(ids[0]) if not skip and library.is_control(ids[0])
                       else library.decode(ids),
                       library.get_piece_size())
    else:
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
        oracle = transformers.LlamaTokenizer.from_pretrained(folder)
        write_expected(name,
                       lambda text, add: oracle.encode(text, add_special_tokens=add),
                       # The library's own: LlamaTokenizer puts blanks around tokens and drops leading ones.
                       lambda ids, skip: library.decode(ids) if max(ids, default=3) < library.get_piece_size()
                       and min(ids, default=3) >= 3 else None,
                       len(oracle))
    if gguf_model:
        write_scored_gguf(name, library)


def write_scored_gguf(name, library):
    writer = gguf_writer(name, "llama", "default")
    ids = range(library.get_piece_size())
    writer.add_token_list([library.id_to_piece(i) for i in ids])
    writer.add_token_scores([library.get_score(i) for i in ids])
    writer.add_token_types([2 if library.is_unknown(i) else 3 if library.is_control(i) else
                            6 if library.is_byte(i) else 5 if library.is_unused(i) else 1 for i in ids])
    writer.add_bos_token_id(library.bos_id())
    writer.add_eos_token_id(library.eos_id())
    writer.add_unk_token_id(library.unk_id())
    finish(writer)


def fuzz_seeds():
    """Small files of each kind for the fuzzer to begin with."""
    shutil.rmtree(SEEDS, ignore_errors=True)
    SEEDS.mkdir(parents=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = split(QWEN2)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(["hello low lower"], trainers.BpeTrainer(
        vocab_size=20, special_tokens=["<s>"], show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    (SEEDS / "byte-level.json").write_text(tokenizer.to_str())
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True, end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip(),
        normalizers.Replace(Regex(r"\s+"), " "), normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.Digits(True),
        pre_tokenizers.Whitespace(), pre_tokenizers.Split("-", "merged_with_next")])
    tokenizer.train_from_iterator(["hello low lower"], trainers.BpeTrainer(
        vocab_size=20, special_tokens=["<unk>", "<0x41>"], show_progress=False, end_of_word_suffix="</w>"))
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.add_tokens([AddedToken("<m>", lstrip=True, rstrip=True, single_word=True)])
    (SEEDS / "everything.json").write_text(tokenizer.to_str())
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("▁", -1.0), ("▁he", -2.0), ("llo", -2.5), ("l", -3.0)], 0, False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    (SEEDS / "unigram.json").write_text(tokenizer.to_str())
    for model, texts, merges in [("gpt2", ["h", "e", "l", "o", "Ġ", "he", "ll", "Ġhe", "<s>"], ["h e", "l l", "Ġ he"]),
                                 ("llama", ["<unk>", "<s>", "▁", "h", "e", "▁h", "▁he", "<0x41>", "l"], None)]:
        writer = gguf.GGUFWriter(SEEDS / f"{model}.gguf", "x")
        writer.add_tokenizer_model(model)
        writer.add_tokenizer_pre("llama-bpe")
        writer.add_token_list(texts)
        writer.add_token_types([3 if t == "<s>" else 2 if t == "<unk>" else 6 if t == "<0x41>" else 1 for t in texts])
        if merges:
            writer.add_token_merges(merges)
        else:
            writer.add_token_scores([-float(i) for i in range(len(texts))])
        writer.add_bos_token_id(1)
        writer.add_add_bos_token(True)
        finish(writer)
    for kind in ["bpe", "unigram"]:
        model = io.BytesIO()
        with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
            rules.write("FF46\t66\nBD\t31 2F 32\n")
            rules.flush()
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(["hello low lower wow"] * 9), model_writer=model, hard_vocab_limit=False,
                vocab_size=20, model_type=kind, minloglevel=2, num_threads=1, user_defined_symbols=["<m>"],
                normalization_rule_tsv=rules.name)
        (SEEDS / f"{kind}.model").write_bytes(model.getvalue())


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    (FOLDER / "texts.json").write_text(json.dumps(TEXTS, ensure_ascii=False, indent=0) + "\n")

    bos = lambda token: lambda tokenizer: processors.TemplateProcessing(
        single=f"{token} $A", special_tokens=[(token, tokenizer.token_to_id(token))])
    fuzz_seeds()
    byte_level("gpt2", pre_tokenizers.ByteLevel(add_prefix_space=False), gguf_pre="gpt-2")
    byte_level("llama3", split(LLAMA3), special=["<|begin_of_text|>", "<|eot_id|>"], ignore_merges=True,
               template=bos("<|begin_of_text|>"), gguf_pre="llama-bpe",
               config={"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>",
                       "eos_token": "<|eot_id|>"})
    byte_level("qwen2", split(QWEN2), normalizer=normalizers.NFC(), gguf_pre=None,
               added=[AddedToken("<left>", lstrip=True), AddedToken("<right>", rstrip=True, normalized=False),
                      AddedToken("<word>", single_word=True), AddedToken("<mask>", lstrip=True, rstrip=True, special=True),
                      "<extra>"],
               config={"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>",
                       "added_tokens_decoder": {}})
    byte_level("gpt4o", split(GPT4O), gguf_pre="gpt-4o")
    byte_level("bloom", split(BLOOM), gguf_pre="bloom")
    byte_level("deepseek-coder", pre_tokenizers.Sequence([
        split(r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", byte=False),
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]), gguf_pre="deepseek-coder")
    byte_level("falcon", pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False),
        pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated")]))
    byte_level("starcoder", pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]),
        gguf_pre="starcoder")
    byte_level("prefix-space", pre_tokenizers.ByteLevel(add_prefix_space=True),
               template=lambda t: processors.RobertaProcessing(("</s>", 1), ("<s>", 0)), special=["<s>", "</s>"])

    llama_json("llama", metaspace=False)
    llama_json("llama-metaspace", metaspace=True)
    scored("unigram", models.Unigram(), pre_tokenizer=pre_tokenizers.Metaspace(), decoder=decoders.Metaspace(),
           trainer=trainers.UnigramTrainer(vocab_size=420, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>",
                                           show_progress=False),
           template=lambda t: processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)]))
    scored("normalizers", models.BPE(unk_token="<unk>"),
           normalizer=normalizers.Sequence([
               normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip(),
               normalizers.Replace(Regex(r"\s+"), " "), normalizers.Replace("``", '"'), normalizers.NFKC()]),
           pre_tokenizer=pre_tokenizers.Sequence([
               pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("merged_with_previous"),
               pre_tokenizers.Digits(individual_digits=True),
               pre_tokenizers.Split("-", "merged_with_next")]),
           trainer=trainers.BpeTrainer(vocab_size=420, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False,
                                       continuing_subword_prefix="##", limit_alphabet=70),
           added=[AddedToken("<norm>", normalized=True), AddedToken("<word>", single_word=True, normalized=True)])
    scored("words", models.BPE(unk_token="<unk>", fuse_unk=True, end_of_word_suffix="</w>"),
           normalizer=normalizers.NFD(),
           pre_tokenizer=pre_tokenizers.Whitespace(),
           trainer=trainers.BpeTrainer(vocab_size=420, special_tokens=["<unk>"], show_progress=False,
                                       end_of_word_suffix="</w>", limit_alphabet=70))

    identity = dict(normalization_rule_name="identity", remove_extra_whitespaces=False, byte_fallback=True)
    config = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
              "add_bos_token": True, "add_eos_token": False}
    sentence_piece("spm-bpe", model_type="bpe", vocab_size=600, character_coverage=0.98, gguf_model=True, **identity)
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:  # the built-in ones take 240 KB
        for source, target in [("ｆ", "f"), ("ｕ", "u"), ("ﬁ", "fi"), ("½", " 1/2 "), ("e\u0301", "é"), ("　", " "),
                               ("\u0001", ""), ("\t", " "), ("\n", " ")]:
            rules.write(" ".join(f"{ord(c):X}" for c in source) + "\t" + " ".join(f"{ord(c):X}" for c in target) + "\n")
        rules.flush()
        sentence_piece("spm-unigram", model_type="unigram", vocab_size=420, character_coverage=0.98,
                       user_defined_symbols=["<extra>", "<word>"], undecided=["!!!!!!"],  # !!!!! + ! or ! + !!!!!
                       normalization_rule_tsv=rules.name)
    sentence_piece("spm-legacy", model_type="bpe", vocab_size=500, character_coverage=0.98,
                   config=config | {"legacy": True, "added_tokens_decoder": {
                       "0": {"content": "<unk>", "special": True, "normalized": False},
                       "1": {"content": "<s>", "special": True, "normalized": False},
                       "2": {"content": "</s>", "special": True, "normalized": False},
                       "500": {"content": "<extra>", "special": False, "normalized": False},
                       "501": {"content": "<mask>", "special": True, "normalized": False,
                               "lstrip": True, "rstrip": True}}}, **identity)
    sentence_piece("spm-not-legacy", model_type="bpe", vocab_size=500, character_coverage=0.98,
                   config=config | {"legacy": False, "add_eos_token": True}, **identity)


if __name__ == "__main__":
    main()
