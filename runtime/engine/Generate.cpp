#include "runtime/engine/Generate.h"

#include "runtime/engine/StopText.h"
#include "support/Safetensors.h"

#include <algorithm>
#include <chrono>

namespace llmopt {

using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

namespace {
/// The text of the tokens as far as it is certain.
class TextStream {
public:
  TextStream(const Tokenizer *tokenizer, const std::vector<std::string> &stops) : stopText(stops) {
    if (tokenizer)
      decoder.emplace(*tokenizer);
  }

  /// A continuation's text depends on what it continues (blanks, unfinished characters).
  void skipPrompt(const std::vector<int32_t> &prompt) {
    for (int32_t token : prompt)
      if (decoder)
        decoder->push(token);
  }
  std::string push(int32_t token) {
    return decoder ? stopText.push(decoder->push(token)) : fmt::format("{} ", token);
  }
  std::string flush() {
    std::string text = decoder ? stopText.push(decoder->flush()) : std::string();
    return stopText.stopped() ? text : text + stopText.flush();
  }
  bool stopped() const { return stopText.stopped(); }

private:
  std::optional<StreamDecoder> decoder;
  StopText stopText;
};
} // namespace

static Result<std::vector<int32_t>> promptIds(const Model &model, const GenerateOptions &options) {
  if (!options.prompt)
    return options.promptTokens;
  if (!model.tokenizer)
    return makeError("{} holds no tokenizer; give the prompt as token ids", model.artifact->path);
  LLMOPT_ASSIGN(std::vector<int32_t> ids, model.tokenizer->encode(*options.prompt, true));
  if (ids.empty())
    return makeError(
        "the prompt has no tokens, and this model's tokenizer puts none before a text");
  return ids;
}

static bool isStopToken(const std::vector<int32_t> &stops, int32_t token) {
  return std::find(stops.begin(), stops.end(), token) != stops.end();
}

Result<GenerateResult> generate(Model model, const GenerateOptions &options,
                                const std::function<void(std::string_view)> &show) {
  const Manifest &manifest = model.artifact->manifest;
  if (!model.tokenizer && !options.stopTexts.empty())
    return makeError("{} holds no tokenizer, and a stop text needs one", model.artifact->path);
  LLMOPT_ASSIGN(std::vector<int32_t> prompt, promptIds(model, options));
  GenerateResult result;
  result.promptTokens = static_cast<int64_t>(prompt.size());
  int64_t newTokens = Engine::newTokens(manifest, result.promptTokens, options.maxNewTokens);
  result.contextReached = newTokens < options.maxNewTokens;

  FloatTensor logits;
  Request request;
  request.prompt = prompt;
  request.maxNewTokens = options.maxNewTokens;
  request.sampling = options.sampling;
  request.beams = options.beams;
  request.stopTokens = model.stopTokens();
  if (!options.dumpLogits.empty()) {
    logits.shape = {result.promptTokens, manifest.vocabularySize};
    request.onPromptLogits = [&](int64_t, int64_t rows, const float *values) {
      logits.values.insert(logits.values.end(), values, values + rows * manifest.vocabularySize);
    };
  }
  EngineOptions engineOptions;
  engineOptions.cachePages = std::max<int64_t>(
      1, Engine::pagesFor(model.artifact->plan, result.promptTokens + newTokens, options.beams));
  LLMOPT_ASSIGN(std::unique_ptr<Engine> engine,
                Engine::create(std::move(model.device), engineOptions));
  LLMOPT_ASSIGN(int64_t id, engine->submit(request));

  TextStream stream(model.tokenizer.get(), options.stopTexts);
  stream.skipPrompt(prompt);
  if (options.prompt)
    show(*options.prompt);
  else if (model.tokenizer) {
    LLMOPT_ASSIGN(std::string text, model.tokenizer->decode(prompt));
    show(text);
  }
  auto add = [&](const std::string &piece) {
    result.text += piece;
    if (!piece.empty())
      show(piece);
  };

  const int64_t chunk = engineOptions.scheduler.chunkTokens;
  const int64_t promptSteps = (result.promptTokens + chunk - 1) / chunk;
  int64_t steps = 0;
  Clock::time_point start = Clock::now();
  while (!engine->idle()) {
    LLMOPT_ASSIGN(std::vector<TokenEvent> events, engine->step());
    if (++steps == promptSteps)
      result.firstTokenSeconds = secondsSince(start);
    for (const TokenEvent &event : events) {
      for (int32_t token : event.tokens) {
        result.tokens.push_back(token);
        if (!isStopToken(request.stopTokens, token))
          add(stream.push(token));
        if (stream.stopped())
          break;
      }
    }
    if (stream.stopped())
      engine->cancel(id);
  }
  result.totalSeconds = secondsSince(start);
  add(stream.flush());

  result.peakMemory = memoryUsed(engine->model());
  result.promptTokensPerSecond = result.promptTokens / result.firstTokenSeconds;
  if (steps > promptSteps)
    result.decodeTokensPerSecond =
        (steps - promptSteps) / (result.totalSeconds - result.firstTokenSeconds);
  if (!options.dumpLogits.empty())
    LLMOPT_TRY(writeFloatTensors(options.dumpLogits, {{"logits", std::move(logits)}}));
  return result;
}

std::string GenerateResult::summary() const {
  return fmt::format("Time for inference: {:.2f} sec total, {:.2f} tokens/sec\n"
                     "Memory used: {:.2f} GB\n",
                     totalSeconds, tokens.size() / totalSeconds, peakMemory / 1e9);
}

OrderedJson GenerateResult::toJson() const {
  OrderedJson json;
  json["text"] = text;
  json["token_ids"] = tokens;
  json["prompt_tokens"] = promptTokens;
  json["prompt_tokens_per_second"] = promptTokensPerSecond;
  json["decode_tokens_per_second"] = decodeTokensPerSecond;
  json["time_to_first_token_seconds"] = firstTokenSeconds;
  json["total_seconds"] = totalSeconds;
  json["peak_memory_bytes"] = peakMemory;
  return json;
}

} // namespace llmopt
