// How a BenchResult is told: JSON and a table.

#include "runtime/bench/Bench.h"

#include <filesystem>

namespace llmopt {

OrderedJson BenchResult::toJson() const {
  OrderedJson json;
  json["model"] = model;
  json["precision"] = precision;
  json["arch"] = arch;
  json["batch_invariant"] = batchInvariant;
  json["threads"] = options.device.threads;
  json["batch"] = options.batch;
  json["context"] = options.context;
  json["prompt_length"] = options.promptLength;
  json["new_tokens"] = options.newTokens;
  json["repeats"] = options.repeats;
  json["step_tokens"] = options.stepTokens;
  json["prefill_tokens_per_second"] = prefill.median();
  json["decode_tokens_per_second"] = decode.median();
  json["decode_bytes_per_second"] = decodeBandwidth.median();
  json["prefill_flops"] = prefillArithmetic.median();
  if (hasLimits()) {
    json["read_bandwidth_bytes_per_second"] = readBandwidth.median();
    json["read_bandwidth_share"] = bandwidthShare.median();
    json["arithmetic_peak_flops"] = arithmeticPeak.median();
    json["arithmetic_share"] = arithmeticShare.median();
    json["arithmetic_instruction"] = arithmetic;
  }
  json["decode_weight_bytes"] = weightBytes;
  json["decode_cache_bytes"] = cacheBytes;
  json["prefill_operations"] = prefillOperations;
  if (peakMemory > 0)
    json["peak_memory_bytes"] = peakMemory;
  auto samples = [&](const char *name, const Samples &of) { json["samples"][name] = of.values; };
  samples("prefill_tokens_per_second", prefill);
  samples("decode_tokens_per_second", decode);
  if (!hasLimits())
    return json;
  samples("read_bandwidth_bytes_per_second", readBandwidth);
  samples("read_bandwidth_share", bandwidthShare);
  samples("arithmetic_peak_flops", arithmeticPeak);
  samples("arithmetic_share", arithmeticShare);
  return json;
}

static std::string line(const char *name, const Samples &samples, double unit, const char *unitName,
                        const std::string &share) {
  return fmt::format("{:<16}{:>10.2f} {:<9}{:>9.2f} to {:<9.2f}  {}\n", name,
                     samples.median() / unit, unitName, samples.least() / unit,
                     samples.most() / unit, share);
}

std::string BenchResult::toText() const {
  std::string text = fmt::format("{}, {}, compiled for {}{}\n", model, precision, arch,
                                 batchInvariant ? ", batch-invariant" : "");
  text += fmt::format(
      "{} threads, batch {}, prompts of {} tokens{}, {} new tokens, {} repeats\n\n",
      options.device.threads, options.batch, options.promptLength,
      options.context ? fmt::format(" behind {} that are not computed", options.context) : "",
      options.newTokens, options.repeats);
  text += fmt::format("{:<16}{:>10} {:<9}{:>9}    {:<9}  {}\n", "", "median", "", "least", "most",
                      hasLimits() ? "share of the limit" : "");
  auto shareOf = [&](const Samples &share, const char *limit) {
    return hasLimits() ? fmt::format("{:.1f} % of the {}", 100 * share.median(), limit)
                       : std::string();
  };
  text += line("prefill", prefill, 1, "tok/s", shareOf(arithmeticShare, "arithmetic peak"));
  text += line("decode", decode, 1, "tok/s", shareOf(bandwidthShare, "read bandwidth"));
  text += line("prefill computes", prefillArithmetic, 1e9, "GFLOP/s", "");
  text += line("decode reads", decodeBandwidth, 1e9, "GB/s", "");
  if (hasLimits()) {
    text += line("read bandwidth", readBandwidth, 1e9, "GB/s", "");
    text += line("arithmetic peak", arithmeticPeak, 1e9, "GFLOP/s", "");
  }
  text += fmt::format(
      "\nA decode step reads {:.3f} GB: {:.3f} of weights (of the embedding, rows only) and {:.3f} "
      "of the\nkey-value cache. Prefill computes {:.1f} GFLOP (multiplications and additions of "
      "the linears, logits\nof the last rows only).\n",
      (weightBytes + cacheBytes) / 1e9, weightBytes / 1e9, cacheBytes / 1e9,
      prefillOperations / 1e9);
  if (hasLimits())
    text +=
        fmt::format("The shares are of the bandwidth of a sum over a buffer much larger than the "
                    "caches, and of the\npeak of {}, measured beside every repeat.\n",
                    arithmetic);
  text += fmt::format("Memory used: {:.2f} GB\n", peakMemory / 1e9);
  return text;
}

std::string BenchResult::heading() {
  return fmt::format("{:<28}{:<12}{:>6}{:>8}{:>6}{:>15}{:>10}{:>15}{:>10}{:>8}\n", "artifact",
                     "precision", "batch", "prompt", "new", "prefill tok/s", "TFLOP/s",
                     "decode tok/s", "GB/s", "share");
}

std::string BenchResult::row() const {
  std::string name = std::filesystem::path(options.artifact).stem().string();
  return fmt::format("{:<28}{:<12}{:>6}{:>8}{:>6}{:>15.1f}{:>10.2f}{:>15.1f}{:>10.1f}{:>8}\n", name,
                     precision, options.batch, options.promptLength, options.newTokens,
                     prefill.median(), prefillArithmetic.median() / 1e12, decode.median(),
                     decodeBandwidth.median() / 1e9,
                     hasLimits() ? fmt::format("{:.1f} %", 100 * bandwidthShare.median()) : "");
}

//===- Beside a baseline ----------------------------------------------------------------------===//

static double ratioOf(const Samples &samples, const Samples &baseline) {
  return samples.median() / baseline.median();
}

OrderedJson BenchComparison::toJson() const {
  OrderedJson json = result.toJson();
  if (!baseline)
    return json;
  json["prefill_ratio"] = ratioOf(result.prefill, baseline->prefill);
  json["decode_ratio"] = ratioOf(result.decode, baseline->decode);
  json["baseline"] = baseline->toJson();
  return json;
}

std::string BenchComparison::toText() const {
  std::string text = result.toText();
  if (!baseline)
    return text;
  text += fmt::format("\nBeside {}, measured in turns with it:\n\n", baseline->options.artifact);
  text += toRows();
  return text + fmt::format("\n{:.3f} times its prefill rate, {:.3f} times its decode rate\n",
                            ratioOf(result.prefill, baseline->prefill),
                            ratioOf(result.decode, baseline->decode));
}

std::string BenchComparison::toRows() const {
  return BenchResult::heading() + result.row() + (baseline ? baseline->row() : "");
}

} // namespace llmopt
