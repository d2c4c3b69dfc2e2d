//===- TokenizerFuzzer.cpp - Any bytes as a tokenizer -----------------------------------------===//
//
// The bytes are a GGUF file if they begin with its magic, a tokenizer.json if with a brace, and a
// tokenizer.model otherwise. What loads must encode and decode without a fault, and stream to the
// same text.
//
//===------------------------------------------------------------------------------------------===//

#include "runtime/tokenizer/GgufTokenizer.h"
#include "runtime/tokenizer/SentencePiece.h"
#include "runtime/tokenizer/TokenizerJson.h"

#include <cstdlib>

using namespace llmopt;

static Result<std::unique_ptr<Tokenizer>> parse(std::string_view bytes) {
  if (bytes.substr(0, 4) == "GGUF")
    return parseGgufTokenizer(bytes, "fuzz.gguf");
  if (bytes.substr(0, 1) == "{")
    return parseTokenizerJson(bytes, {}, "tokenizer.json");
  return parseSentencePiece(bytes, {}, "tokenizer.model");
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto tokenizer = parse({reinterpret_cast<const char *>(data), size});
  if (!tokenizer)
    return 0;
  for (std::string_view text : {"hello low  lower, \xC3\x89\xC2\xBD 12-3\n <s> <m>a", "",
                                "\xFF\xE2\x96", "\xEF\xBD\x86 e\xCC\x81"}) {
    auto ids = (*tokenizer)->encode(text, /*addSpecial=*/true);
    if (!ids)
      continue;
    auto whole = (*tokenizer)->decode(*ids);
    if (!whole || repairUtf8(*whole) != *whole)
      std::abort();
    StreamDecoder stream(**tokenizer);
    std::string parts;
    for (int32_t id : *ids)
      parts += stream.push(id);
    if (parts + stream.flush() != *whole)
      std::abort();
  }
  return 0;
}
