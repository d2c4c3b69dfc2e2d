//===- Attention.td - Rotary positions, the cache and attention -------------------------------===//

include "ir/OpBase.td"

def LLM_RopeTableOp : LLM_ShapedOp<"rope_table"> {
  let summary = "Cosines and sines of rotary position embeddings";
  let description = [{
    For each row, with the R/2 `frequencies` f in radians per position:
    `result[n] = [cos(p f_0), ..., cos(p f_{R/2-1}), sin(p f_0), ..., sin(p f_{R/2-1})] * factor`, where
    `p = positions[n]`. Scaled variants (linear, llama3, yarn) are other frequencies, and for yarn a
    `factor` other than 1.

    Shapes: positions `[N]`, result `[N, R]`, float32.

    ```mlir
    %t = llm.rope_table %positions {frequencies = array<f32: 1.0, 0.01>, factor = 1.0 : f64}
        : (tensor<?xi32>) -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins LLM_Indices:$positions, DenseF32ArrayAttr:$frequencies,
                       DefaultValuedAttr<F64Attr, "1.0">:$factor);
  let results = (outs LLM_Activation:$result);
  let assemblyFormat = [{
    $positions attr-dict `:` functional-type(operands, results)
  }];
}

def LLM_RopeOp : LLM_ShapedOp<"rope"> {
  let summary = "Rotary position embedding of every head of a row";
  let description = [{
    Rotates the first R elements of each head by the row's table of `llm.rope_table`; the rest of a head
    passes through (partial rotary). Of the pair (a, b) with cosine c and sine s:
    `(a c - b s, b c + a s)`. Style `half` pairs elements i and i + R/2 (Hugging Face's models),
    `interleaved` pairs 2i and 2i + 1 (the original: Su et al., 2021). Computed in float32.

    Shapes: input `[N, H * head_dim]`, table `[N, R]` with R <= head_dim, result like input.

    ```mlir
    %r = llm.rope half %q, %t {head_dim = 64 : i64}
        : (tensor<?x2048xbf16>, tensor<?x64xf32>) -> tensor<?x2048xbf16>
    ```
  }];
  let arguments = (ins LLM_RopeStyleAttr:$style, LLM_Activation:$input, LLM_Activation:$table,
                       I64Attr:$head_dim);
  let results = (outs LLM_Activation:$result);
  let assemblyFormat = [{
    `` $style $input `,` $table attr-dict `:` functional-type(operands, results)
  }];
}

def LLM_CacheAppendOp : LLM_Op<"cache_append", [Pure, AllTypesMatch<["cache", "result"]>]> {
  let summary = "Writes the keys and values of a step into one layer of the cache";
  let description = [{
    For each row n, writes `keys[n]` and `values[n]` at position `positions[n]` of the row's sequence in
    `layer`, rounded to the cache's element type. The input cache must not be used again: it is updated
    in place.

    Shapes: keys and values `[N, heads * head_dim]` of the cache.

    ```mlir
    %c1 = llm.cache_append %c0, %k, %v, %positions, %batch {layer = 0 : i64}
        : (!llm.cache<layers = 2, heads = 4, head_dim = 64, page = 16, type = bf16>,
           tensor<?x256xbf16>, tensor<?x256xbf16>, tensor<?xi32>, !llm.batch)
        -> !llm.cache<layers = 2, heads = 4, head_dim = 64, page = 16, type = bf16>
    ```
  }];
  let arguments = (ins LLM_CacheType:$cache, LLM_Activation:$keys, LLM_Activation:$values,
                       LLM_Indices:$positions, LLM_BatchType:$batch, I64Attr:$layer);
  let results = (outs LLM_CacheType:$result);
  let assemblyFormat = [{
    $cache `,` $keys `,` $values `,` $positions `,` $batch attr-dict `:`
    functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def LLM_AttentionOp : LLM_ShapedOp<"attention"> {
  let summary = "Causal attention of each row over its sequence's cache";
  let description = [{
    For row n at position p of its sequence and query head h, over the cached positions t of that
    sequence with `max(0, p - window + 1) <= t <= p` (no `window`: from 0):

    - `s_t = scale * (q . k_t + alibi_t)`, where without ALiBi `alibi_t = 0` and with it
      `alibi_t = bf16(slopes[h] * bf16(t))`, as Falcon computes it: softmax is the same for t and for
      the distance t - p, and the rounding to bfloat16 is part of the published model;
    - with `softcap` c: `s_t = c * tanh(s_t / c)` (Gemma-2);
    - `result = sum_t softmax(s)_t v_t`.

    Query head h reads key-value head `h / (H / heads of the cache)`: multi-head, grouped-query and
    multi-query attention. Everything is computed in float32, the result rounded once.

    Shapes: query `[N, H * head_dim]`, result like query; `slopes` has H entries.

    ```mlir
    %o = llm.attention %q, %cache, %positions, %batch {layer = 0 : i64, scale = 0.125 : f64}
        : (tensor<?x2048xbf16>, !llm.cache<layers = 2, heads = 4, head_dim = 64, page = 16, type = bf16>,
           tensor<?xi32>, !llm.batch) -> tensor<?x2048xbf16>
    ```
  }];
  let arguments = (ins LLM_Activation:$query, LLM_CacheType:$cache, LLM_Indices:$positions,
                       LLM_BatchType:$batch, I64Attr:$layer, F64Attr:$scale,
                       OptionalAttr<DenseF32ArrayAttr>:$slopes, OptionalAttr<I64Attr>:$window,
                       OptionalAttr<F64Attr>:$softcap);
  let results = (outs LLM_Activation:$result);
  let assemblyFormat = [{
    $query `,` $cache `,` $positions `,` $batch attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    /// Query heads.
    int64_t getHeads() {
      return ::llvm::cast<::mlir::ShapedType>(getQuery().getType()).getDimSize(1) /
             getCache().getType().getHeadDim();
    }
  }];
}
