//===- GgufPreTokenizers.cpp
//----------------------------------------------------------------------===//
//
// A byte-level GGUF vocabulary has no pre-tokenizer of its own, only the name of one. The table
// below gives for each name the expressions that the model's own tokenizer.json splits by; each
// cuts what the one before left, matches and the text between alike.
//
//===---------------------------------------------------------------------------------------------===//

#include "runtime/tokenizer/GgufPreTokenizers.h"

#include <algorithm>

namespace llmopt {

static constexpr const char *digit = R"(\p{N})";

// Llama 3: words with one character before them, numbers of up to three digits, newlines with
// symbols.
static constexpr const char *llama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

// The same with every digit by itself.
static constexpr const char *qwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

// And with marks as parts of words.
static constexpr const char *qwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N})"
    R"(| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

static constexpr const char *seedCoder =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

static constexpr const char *bailing =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n])"
    R"(|\s+(?!\S)|\s+)";

// Words begin anew where lower case turns to upper case.
static constexpr const char *tekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

static constexpr const char *gpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

static constexpr const char *bloom = R"( ?[^(\s|.,!?…。，、।۔،)]+)";

// The Latin, Greek, Cyrillic, Armenian, Georgian and Cherokee letters that DeepSeek LLM lists,
// instead of \p{L}, which would take CJK too.
static constexpr const char *deepseekLetters =
    R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕ)"
    R"(Ἐ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\x{2126}ℨ\x{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎ)"
    R"(ↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)";
static constexpr const char *deepseekSymbols = R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)";
static constexpr const char *deepseekCjk = R"([一-龥ࠀ-一가-퟿]+)";
// White space at the end; the lookbehind saves trying every blank of a run that does not end there.
static constexpr const char *finalBlanks = R"((?<!\s)\s++$)";
static constexpr const char *deepseek3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)"
    R"(| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

namespace {
struct Entry {
  std::vector<const char *> names;
  std::vector<const char *> expressions;
  bool ignoreMerges = false;
  bool addBos = false;
};
} // namespace

static const std::vector<Entry> &table() {
  static const std::vector<Entry> entries = {
      {{"default"}, {R"([\p{P}\$\+<=>\^~\|]+)", gpt2Pattern, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
      {{"gpt-2", "gpt2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "gigachat",
        "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "jina-v1-en", "jina-v2-code",
        "roberta-bpe", "a.x-4.0", "mellum", "exaone4"},
       {gpt2Pattern}},
      {{"falcon"}, {R"([\p{P}\$\+<=>\^~\|`]+)", gpt2Pattern, "[0-9][0-9][0-9]"}},
      {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b"},
       {digit, gpt2Pattern}},
      {{"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"},
       {llama3},
       /*ignoreMerges=*/true,
       /*addBos=*/true},
      {{"dbrx", "smaug-bpe", "glm4", "chatglm-bpe"}, {llama3}},
      {{"qwen2", "stablelm2", "deepseek-r1-qwen", "kormo", "megrez", "hunyuan", "solar-open",
        "grok-2"},
       {qwen2}},
      {{"qwen35"}, {qwen35}},
      {{"seed-coder"}, {seedCoder}},
      {{"bailingmoe", "bailingmoe2", "llada-moe"}, {bailing}},
      {{"tekken"}, {tekken}, /*ignoreMerges=*/true, /*addBos=*/true},
      {{"gpt-4o", "llama4", "minimax-m2"}, {gpt4o}},
      {{"bloom", "poro-chat", "gpt3-finnish"}, {bloom}},
      {{"viking"}, {bloom, digit}},
      {{"deepseek-llm"},
       {R"([\r\n])", deepseekLetters, deepseekSymbols, finalBlanks, deepseekCjk, R"(\p{N}+)"}},
      {{"deepseek-coder"}, {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", deepseekCjk, digit}},
      {{"deepseek-v3", "hunyuan-dense"},
       {R"(\p{N}{1,3})", R"([一-龥぀-ゟ゠-ヿ]+)", deepseek3}},
      {{"chameleon"},
       {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", R"(([\t\n]|    |  ))", digit,
        R"([\p{P}!-/:-@\[-`{-~])", gpt2Pattern},
       /*ignoreMerges=*/false,
       /*addBos=*/true},
      // Numbers are cut into threes from their end.
      {{"superbpe"}, {R"(\p{N}+)", R"((?=(\d{3})+(?!\d)))"}},
  };
  return entries;
}

Result<GgufPreTokenizer> ggufPreTokenizer(const std::string &name) {
  for (const Entry &entry : table()) {
    if (std::find(entry.names.begin(), entry.names.end(), name) == entry.names.end())
      continue;
    std::vector<PreTokenizer::Step> steps;
    for (const char *expression : entry.expressions) {
      LLMOPT_ASSIGN(Regex regex, Regex::compile(expression));
      steps.push_back(splitStep(std::move(regex), SplitBehavior::Isolated, /*invert=*/false));
    }
    steps.push_back(byteLevelStep());
    return GgufPreTokenizer{PreTokenizer(std::move(steps)), entry.ignoreMerges, entry.addBos};
  }
  return makeError("pre-tokenizer \"{}\" is not supported", name);
}

} // namespace llmopt
