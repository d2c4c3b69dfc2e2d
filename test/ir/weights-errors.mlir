// RUN: llmopt-opt %s --split-input-file --verify-diagnostics

// expected-error @+1 {{'llm.weight' op must be a vector or matrix of known size, got 'tensor<?x4xf32>'}}
llm.weight @of_unknown_size : tensor<?x4xf32> {
  %0 = llm.load "w" : tensor<?x4xf32>
  llm.yield %0 : tensor<?x4xf32>
}

// -----

// expected-error @+1 {{attribute 'type' failed to satisfy constraint: type attribute of 1D/2D tensor of 32-bit float or 16-bit float or bfloat16 type or quantized number values}}
llm.weight @cube : tensor<2x2x2xf32> {
  %0 = llm.load "w" : tensor<2x2xf32>
  llm.yield %0 : tensor<2x2xf32>
}

// -----

// expected-error @+1 {{'llm.weight' op packs a matrix only, got 'tensor<8xf32, #llm.packed<panel = 16, interleave = 1>>'}}
llm.weight @packed_vector : tensor<8xf32, #llm.packed<panel = 16, interleave = 1>> {
  %0 = llm.load "w" : tensor<8xf32, #llm.packed<panel = 16, interleave = 1>>
  llm.yield %0 : tensor<8xf32, #llm.packed<panel = 16, interleave = 1>>
}

// -----

// expected-error @+1 {{'llm.weight' op recipe must yield one value of 'tensor<8xf32>'}}
llm.weight @yields_another_type : tensor<8xf32> {
  %0 = llm.load "w" : tensor<8xbf16>
  llm.yield %0 : tensor<8xbf16>
}

// -----

// expected-error @+1 {{'llm.weight' op recipe must yield one value of 'tensor<8xf32>'}}
llm.weight @yields_nothing : tensor<8xf32> {
  llm.yield
}

// -----

func.func @recipe_in_a_function() {
  // expected-error @+1 {{'llm.load' op expects parent op 'llm.weight'}}
  %0 = llm.load "w" : tensor<8xf32>
  return
}

// -----

func.func @no_such_weight() {
  // expected-error @+1 {{'llm.get_weight' op no weight @nowhere}}
  %0 = llm.get_weight @nowhere : tensor<8xf32>
  return
}

// -----

func.func private @a_function()
func.func @not_a_weight() {
  // expected-error @+1 {{'llm.get_weight' op no weight @a_function}}
  %0 = llm.get_weight @a_function : tensor<8xf32>
  return
}

// -----

llm.weight @w : tensor<8xf32> {
  %0 = llm.load "w" : tensor<8xf32>
  llm.yield %0 : tensor<8xf32>
}
func.func @weight_of_another_type() {
  // expected-error @+1 {{'llm.get_weight' op weight @w is 'tensor<8xf32>', not 'tensor<8xbf16>'}}
  %0 = llm.get_weight @w : tensor<8xbf16>
  return
}

// -----

llm.weight @seed_of_more_than_32_bits : tensor<8xf32> {
  // expected-error @+1 {{attribute 'seed' failed to satisfy constraint}}
  %0 = llm.random {seed = -1 : i64, mean = 0.0 : f64, deviation = 1.0 : f64} : tensor<8xf32>
  llm.yield %0 : tensor<8xf32>
}

// -----

llm.weight @seed_of_more_than_32_bits : tensor<8xf32> {
  // expected-error @+1 {{attribute 'seed' failed to satisfy constraint}}
  %0 = llm.random {seed = 4294967296 : i64, mean = 0.0 : f64, deviation = 1.0 : f64} : tensor<8xf32>
  llm.yield %0 : tensor<8xf32>
}

// -----

llm.weight @blocks_that_overlap : tensor<4x4xf32> {
  %0 = llm.load "w" : tensor<12x4xf32>
  // expected-error @+1 {{'llm.rows' op takes positive, separate blocks}}
  %1 = llm.rows %0 [offset = 0, block = 2, stride = 1, count = 2] : (tensor<12x4xf32>) -> tensor<4x4xf32>
  llm.yield %1 : tensor<4x4xf32>
}

// -----

llm.weight @rows_before_the_first : tensor<4x4xf32> {
  %0 = llm.load "w" : tensor<12x4xf32>
  // expected-error @+1 {{'llm.rows' op takes positive, separate blocks}}
  %1 = llm.rows %0 [offset = -1, block = 2, stride = 6, count = 2] : (tensor<12x4xf32>) -> tensor<4x4xf32>
  llm.yield %1 : tensor<4x4xf32>
}

// -----

llm.weight @no_blocks : tensor<4x4xf32> {
  %0 = llm.load "w" : tensor<12x4xf32>
  // expected-error @+1 {{'llm.rows' op takes positive, separate blocks}}
  %1 = llm.rows %0 [offset = 0, block = 4, stride = 4, count = 0] : (tensor<12x4xf32>) -> tensor<4x4xf32>
  llm.yield %1 : tensor<4x4xf32>
}

// -----

llm.weight @rows_past_the_last : tensor<4x4xf32> {
  %0 = llm.load "w" : tensor<12x4xf32>
  // expected-error @+1 {{'llm.rows' op takes rows past the 12 of its input}}
  %1 = llm.rows %0 [offset = 3, block = 2, stride = 8, count = 2] : (tensor<12x4xf32>) -> tensor<4x4xf32>
  llm.yield %1 : tensor<4x4xf32>
}

// -----

llm.weight @rows_of_an_unknown_number : tensor<4x4xf32> {
  %0 = llm.load "w" : tensor<?x4xf32>
  // expected-error @+1 {{'llm.rows' op takes rows past the ? of its input}}
  %1 = llm.rows %0 [offset = 0, block = 4, stride = 4, count = 1] : (tensor<?x4xf32>) -> tensor<4x4xf32>
  llm.yield %1 : tensor<4x4xf32>
}

// -----

llm.weight @offset_past_the_last : tensor<4x4xf32> {
  %0 = llm.load "w" : tensor<12x4xf32>
  // expected-error @+1 {{'llm.rows' op takes rows past the 12 of its input}}
  %1 = llm.rows %0 [offset = 12, block = 4, stride = 4, count = 1] : (tensor<12x4xf32>) -> tensor<4x4xf32>
  llm.yield %1 : tensor<4x4xf32>
}

// -----

llm.weight @blocks_so_far_apart_that_products_overflow : tensor<4294967297x4xf32> {
  %0 = llm.load "w" : tensor<1099511627776x4xf32>
  // expected-error @+1 {{'llm.rows' op takes rows past the 1099511627776 of its input}}
  %1 = llm.rows %0 [offset = 0, block = 1, stride = 4294967296, count = 4294967297] : (tensor<1099511627776x4xf32>) -> tensor<4294967297x4xf32>
  llm.yield %1 : tensor<4294967297x4xf32>
}

// -----

llm.weight @more_rows_than_it_says : tensor<6x4xf32> {
  %0 = llm.load "w" : tensor<12x4xf32>
  // expected-error @+1 {{'llm.rows' op takes 4 rows of 'tensor<12x4xf32>', got 'tensor<6x4xf32>'}}
  %1 = llm.rows %0 [offset = 0, block = 2, stride = 6, count = 2] : (tensor<12x4xf32>) -> tensor<6x4xf32>
  llm.yield %1 : tensor<6x4xf32>
}

// -----

llm.weight @concat_of_nothing : tensor<4x4xf32> {
  // expected-error @+1 {{'llm.concat' op needs an input}}
  %0 = llm.concat : () -> tensor<4x4xf32>
  llm.yield %0 : tensor<4x4xf32>
}

// -----

llm.weight @concat_of_other_widths : tensor<4x4xf32> {
  %0 = llm.load "a" : tensor<4x8xf32>
  // expected-error @+1 {{'llm.concat' op cannot put 'tensor<4x8xf32>' into 'tensor<4x4xf32>'}}
  %1 = llm.concat %0 : (tensor<4x8xf32>) -> tensor<4x4xf32>
  llm.yield %1 : tensor<4x4xf32>
}

// -----

llm.weight @concat_of_other_types : tensor<4x4xf32> {
  %0 = llm.load "a" : tensor<4x4xbf16>
  // expected-error @+1 {{'llm.concat' op cannot put 'tensor<4x4xbf16>' into 'tensor<4x4xf32>'}}
  %1 = llm.concat %0 : (tensor<4x4xbf16>) -> tensor<4x4xf32>
  llm.yield %1 : tensor<4x4xf32>
}

// -----

llm.weight @concat_of_another_number_of_rows : tensor<6x4xf32> {
  %0 = llm.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'llm.concat' op inputs have 8 rows together, the result 6}}
  %1 = llm.concat %0, %0 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<6x4xf32>
  llm.yield %1 : tensor<6x4xf32>
}

// -----

llm.weight @concat_of_unknown_numbers_of_rows : tensor<6x4xf32> {
  %0 = llm.load "a" : tensor<?x4xf32>
  // expected-error @+1 {{'llm.concat' op inputs have ? rows together, the result 6}}
  %1 = llm.concat %0, %0 : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<6x4xf32>
  llm.yield %1 : tensor<6x4xf32>
}

// -----

llm.weight @concat_that_packs : tensor<8x4xf32, #llm.packed<panel = 16, interleave = 1>> {
  %0 = llm.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'llm.concat' op cannot put 'tensor<4x4xf32>' into 'tensor<8x4xf32, #llm.packed<panel = 16, interleave = 1>>'}}
  %1 = llm.concat %0, %0 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32, #llm.packed<panel = 16, interleave = 1>>
  llm.yield %1 : tensor<8x4xf32, #llm.packed<panel = 16, interleave = 1>>
}

// -----

llm.weight @transpose_to_another_shape : tensor<4x8xf32> {
  %0 = llm.load "a" : tensor<4x8xf32>
  // expected-error @+1 {{'llm.transpose' op of 'tensor<4x8xf32>' is not 'tensor<4x8xf32>'}}
  %1 = llm.transpose %0 : (tensor<4x8xf32>) -> tensor<4x8xf32>
  llm.yield %1 : tensor<4x8xf32>
}

// -----

llm.weight @transpose_of_a_vector : tensor<8xf32> {
  %0 = llm.load "a" : tensor<8xf32>
  // expected-error @+1 {{'llm.transpose' op of 'tensor<8xf32>' is not 'tensor<8xf32>'}}
  %1 = llm.transpose %0 : (tensor<8xf32>) -> tensor<8xf32>
  llm.yield %1 : tensor<8xf32>
}

// -----

llm.weight @pack_without_a_layout : tensor<8x4xf32> {
  %0 = llm.load "a" : tensor<8x4xf32>
  // expected-error @+1 {{'llm.pack' op changes only the layout of a matrix, got 'tensor<8x4xf32>' to 'tensor<8x4xf32>'}}
  %1 = llm.pack %0 : (tensor<8x4xf32>) -> tensor<8x4xf32>
  llm.yield %1 : tensor<8x4xf32>
}

// -----

llm.weight @packed_twice : tensor<8x4xf32, #llm.packed<panel = 16, interleave = 1>> {
  %0 = llm.load "a" : tensor<8x4xf32>
  %1 = llm.pack %0 : (tensor<8x4xf32>) -> tensor<8x4xf32, #llm.packed<panel = 16, interleave = 1>>
  // expected-error @+1 {{'llm.pack' op changes only the layout of a matrix}}
  %2 = llm.pack %1 : (tensor<8x4xf32, #llm.packed<panel = 16, interleave = 1>>) -> tensor<8x4xf32, #llm.packed<panel = 16, interleave = 1>>
  llm.yield %2 : tensor<8x4xf32, #llm.packed<panel = 16, interleave = 1>>
}

// -----

llm.weight @pack_to_another_type : tensor<8x4xbf16, #llm.packed<panel = 16, interleave = 1>> {
  %0 = llm.load "a" : tensor<8x4xf32>
  // expected-error @+1 {{'llm.pack' op changes only the layout of a matrix}}
  %1 = llm.pack %0 : (tensor<8x4xf32>) -> tensor<8x4xbf16, #llm.packed<panel = 16, interleave = 1>>
  llm.yield %1 : tensor<8x4xbf16, #llm.packed<panel = 16, interleave = 1>>
}
