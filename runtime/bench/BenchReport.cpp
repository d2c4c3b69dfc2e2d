// How a BenchResult is told: JSON and a table.

#include "runtime/bench/Bench.h"

namespace llmopt {

OrderedJson BenchResult::toJson() const {
  OrderedJson json;
  json["model"] = model;
  json["precision"] = precision;
  json["arch"] = arch;
  json["threads"] = options.device.threads;
  json["batch"] = options.batch;
  json["prompt_length"] = options.promptLength;
  json["new_tokens"] = options.newTokens;
  json["repeats"] = options.repeats;
  json["prefill_tokens_per_second"] = prefill.median();
  json["decode_tokens_per_second"] = decode.median();
  json["read_bandwidth_bytes_per_second"] = readBandwidth.median();
  json["read_bandwidth_share"] = bandwidthShare.median();
  json["arithmetic_peak_flops"] = arithmeticPeak.median();
  json["arithmetic_share"] = arithmeticShare.median();
  json["arithmetic_instruction"] = instruction;
  json["decode_weight_bytes"] = weightBytes;
  json["decode_cache_bytes"] = cacheBytes;
  json["prefill_operations"] = prefillOperations;
  json["peak_memory_bytes"] = peakMemory;
  auto samples = [&](const char *name, const Samples &of) { json["samples"][name] = of.values; };
  samples("prefill_tokens_per_second", prefill);
  samples("decode_tokens_per_second", decode);
  samples("read_bandwidth_bytes_per_second", readBandwidth);
  samples("read_bandwidth_share", bandwidthShare);
  samples("arithmetic_peak_flops", arithmeticPeak);
  samples("arithmetic_share", arithmeticShare);
  return json;
}

static std::string row(const char *name, const Samples &samples, double unit, const char *unitName,
                       const std::string &share) {
  return fmt::format("{:<16}{:>10.2f} {:<9}{:>9.2f} to {:<9.2f}  {}\n", name,
                     samples.median() / unit, unitName, samples.least() / unit,
                     samples.most() / unit, share);
}

std::string BenchResult::toText() const {
  std::string text = fmt::format("{}, {}, compiled for {}\n", model, precision, arch);
  text += fmt::format("{} threads, batch {}, prompts of {} tokens, {} new tokens, {} repeats\n\n",
                      options.device.threads, options.batch, options.promptLength,
                      options.newTokens, options.repeats);
  text += fmt::format("{:<16}{:>10} {:<9}{:>9}    {:<9}  {}\n", "", "median", "", "least", "most",
                      "share of the limit");
  text += row("prefill", prefill, 1, "tok/s",
              fmt::format("{:.1f} % of the arithmetic peak", 100 * arithmeticShare.median()));
  text += row("decode", decode, 1, "tok/s",
              fmt::format("{:.1f} % of the read bandwidth", 100 * bandwidthShare.median()));
  text += row("read bandwidth", readBandwidth, 1e9, "GB/s", "");
  text += row("arithmetic peak", arithmeticPeak, 1e9, "GFLOP/s", "");
  text += fmt::format(
      "\nA decode step reads {:.3f} GB: {:.3f} of weights (of the embedding, rows only) and {:.3f} "
      "of the\nkey-value cache; its share is these bytes per second over the bandwidth of a sum "
      "over "
      "a buffer much\nlarger than the caches. Prefill computes {:.1f} GFLOP (multiplications and "
      "additions of the linears,\nlogits of the last rows only); its share is these per second "
      "over "
      "the peak of {}\non registers. Both limits are measured beside every repeat.\n",
      (weightBytes + cacheBytes) / 1e9, weightBytes / 1e9, cacheBytes / 1e9,
      prefillOperations / 1e9, instruction);
  text += fmt::format("Memory used: {:.2f} GB\n", peakMemory / 1e9);
  return text;
}

} // namespace llmopt
