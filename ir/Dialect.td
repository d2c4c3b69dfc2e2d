//===- Dialect.td - The llm dialect, its types and attributes ---------------------------------===//

#ifndef LLMOPT_IR_DIALECT
#define LLMOPT_IR_DIALECT

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def LLM_Dialect : Dialect {
  let name = "llm";
  let summary = "One inference step of a large language model";
  let description = [{
    A module holds `llm.weight` symbols, whose regions say how each packed tensor is made from a
    checkpoint, and one function

    ```mlir
    func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>,
                    %batch: !llm.batch, %cache: !llm.cache<...>)
        -> (tensor<?xVxf32>, !llm.cache<...>)
    ```

    which takes N tokens of any number of sequences, prefill chunks and decode steps mixed, appends
    their keys and values to the paged cache, and returns the logits of the M wanted rows and the cache.
    Activations are matrices with one row per token, `tensor<?xDxT>`; heads lie side by side in the
    columns. Weights of linears are `[out, in]`.

    The module attribute `llm.phase` names how far it has been lowered: `graph`, `kernels`, `scheduled`
    or `placed`; `llm.config` holds what the runtime has to know (`context_length`, `vocabulary`,
    `stop_tokens`, `model`). Passes leave on the module what became of it as a whole: `llm.precision`, what it
    was lowered to ("bf16-true"), `llm.quantization`, how its weights were quantized
    ("int4;lm_head=int8"), `llm.batch_invariant`, that a row's results do not depend on the rows
    beside it, and `llm.launch`, how its step runs if not kernel by kernel: `"persistent"`, as tiles of one
    kernel.
  }];
  let cppNamespace = "::llmopt";
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let extraClassDeclaration = [{
    static constexpr ::llvm::StringLiteral phaseAttrName = "llm.phase";
    static constexpr ::llvm::StringLiteral configAttrName = "llm.config";
    static constexpr ::llvm::StringLiteral precisionAttrName = "llm.precision";
    static constexpr ::llvm::StringLiteral batchInvariantAttrName = "llm.batch_invariant";
    static constexpr ::llvm::StringLiteral launchAttrName = "llm.launch";
    static constexpr ::llvm::StringLiteral quantizationAttrName = "llm.quantization";
    static constexpr ::llvm::StringLiteral stepFunctionName = "step";

    void registerTypes();
    void registerAttributes();
  }];
}

//===- Types ----------------------------------------------------------------------------------===//

class LLM_Type<string name, string typeMnemonic> : TypeDef<LLM_Dialect, name> {
  let mnemonic = typeMnemonic;
}

def LLM_BatchType : LLM_Type<"Batch", "batch"> {
  let summary = "The ragged batch of a step";
  let description = [{
    Which sequence each of the N rows belongs to, and the page table of each sequence. The tokens of a
    sequence are consecutive rows in rising position.
  }];
}

def LLM_CacheType : LLM_Type<"Cache", "cache"> {
  let summary = "The paged key-value cache";
  let description = [{
    `layers` caches of pages of `page` tokens; a page holds the keys and values of `heads` key-value
    heads of `head_dim` elements of `type`. How a page is laid out inside is the target's affair. A
    cache value is used linearly: `llm.cache_append` consumes one and makes the next, in place.

    Example: `!llm.cache<layers = 22, heads = 4, head_dim = 64, page = 16, type = bf16>`
  }];
  let parameters = (ins "int64_t":$layers, "int64_t":$heads, "int64_t":$headDim, "int64_t":$page,
                        "::mlir::Type":$elementType);
  let assemblyFormat = [{
    `<` `layers` `=` $layers `,` `heads` `=` $heads `,` `head_dim` `=` $headDim `,` `page` `=` $page `,`
        `type` `=` $elementType `>`
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Elements of keys and of values of one token in one layer.
    int64_t getWidth() const { return getHeads() * getHeadDim(); }
  }];
}

def LLM_QuantizedType : LLM_Type<"Quantized", "quantized"> {
  let summary = "A number as a code of few bits, of a group that shares a scale";
  let description = [{
    The element type of a weight `[rows, columns]` whose rows are cut into groups of `group` columns, a
    multiple of 32, or 0 for the whole row. A group has a scale of type `scale` (f32, f16 or bf16) and, of
    the codes `u8` and `u4`, a zero point of as many bits as a code. The value is

    | code | value |
    |---|---|
    | `i8`, `i4` | `scale * (code - 128)`, `scale * (code - 8)` |
    | `u8`, `u4` | `scale * (code - zero)` |
    | `nf4`, `fp4` | `scale * table[code]`, QLoRA's tables |

    Packed (`#llm.packed`), a panel is `[groups]` times its scales `[panel]`, zero points `[panel]` if there
    are any, one byte each, and codes `[group / interleave][panel][interleave]`; the last group is padded to
    a whole one (of `group = 0` to a multiple of 32) with codes of zero.

    Example: `tensor<5632x2048x!llm.quantized<i4, group = 128, scale = f16>>`
  }];
  let parameters = (ins "::llmopt::QuantCode":$code, "int64_t":$group, "::mlir::Type":$scaleType);
  let assemblyFormat = "`<` $code `,` `group` `=` $group `,` `scale` `=` $scaleType `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    ::llmopt::QuantFormat getFormat() const;
  }];
}

//===- Attributes -----------------------------------------------------------------------------===//

def LLM_PackedAttr : AttrDef<LLM_Dialect, "Packed"> {
  let mnemonic = "packed";
  let summary = "The layout of a weight that a kernel reads panel by panel";
  let description = [{
    The encoding of a `[rows, columns]` weight that lies in memory as
    `[ceil(rows / panel)][ceil(columns / interleave)][panel][interleave]`, zeros past the end: a kernel
    reads `panel` rows at once, `interleave` consecutive columns of each. It changes the bytes, not the
    value.

    Example: `tensor<5632x2048xbf16, #llm.packed<panel = 16, interleave = 2>>`
  }];
  let parameters = (ins "int64_t":$panel, "int64_t":$interleave);
  let assemblyFormat = "`<` `panel` `=` $panel `,` `interleave` `=` $interleave `>`";
  let genVerifyDecl = 1;
}

class LLM_Enum<string name, string description, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, description, cases> {
  let genSpecializedAttr = 0;
  let cppNamespace = "::llmopt";
}

/// Prints a blank before its keyword: an op's format puts an empty literal, "``", before it.
class LLM_EnumAttr<EnumAttrInfo info, string attrMnemonic>
    : EnumAttr<LLM_Dialect, info, attrMnemonic> {
  let assemblyFormat = "$value";
}

def LLM_NormKind : LLM_Enum<"NormKind", "kind of normalization", [
  I32EnumAttrCase<"Rms", 0, "rms">, I32EnumAttrCase<"Layer", 1, "layer">]>;
def LLM_NormKindAttr : LLM_EnumAttr<LLM_NormKind, "norm_kind">;

def LLM_ActivationKind : LLM_Enum<"ActivationKind", "activation function", [
  I32EnumAttrCase<"Gelu", 0, "gelu">, I32EnumAttrCase<"GeluTanh", 1, "gelu_tanh">,
  I32EnumAttrCase<"Silu", 2, "silu">, I32EnumAttrCase<"Relu", 3, "relu">]>;
def LLM_ActivationKindAttr : LLM_EnumAttr<LLM_ActivationKind, "activation_kind">;

def LLM_RopeStyle : LLM_Enum<"RopeStyle", "which elements of a head are rotated together", [
  I32EnumAttrCase<"Half", 0, "half">, I32EnumAttrCase<"Interleaved", 1, "interleaved">]>;
def LLM_RopeStyleAttr : LLM_EnumAttr<LLM_RopeStyle, "rope_style">;

#endif // LLMOPT_IR_DIALECT
